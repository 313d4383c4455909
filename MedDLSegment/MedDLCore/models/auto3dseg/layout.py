"""A folder with ``model.pt`` and ``labels.csv``: what MONAIAuto3DSeg for 3D Slicer does with it, as a spec.

The checkpoint holds the configuration of MONAI's Auto3DSeg (algorithm template SegResNet) and the state dict. The facts
were read in github.com/lassoan/SlicerMONAIAuto3DSeg (MIT) and Project-MONAI/research-contributions (Apache-2.0):

- With exclusive classes, each input is normalised on its own grid; then come orientation, the crop to what is positive
  in the first input (in a single one before its normalisation), and the spacing. With regions that overlap (BraTS) the
  normalisation comes last, and any input counts for the crop.
- Spacings within a quarter of the wanted one stay.
- Windows overlap by 0.625 under MONAI's Gaussian; labels are decided on the network's grid, and the nearest are taken.

The box of the crop is found on the axes as they are stored and cuts the turned scan, so that a part of a mirrored scan
can be lost: that is so in that program too, and MedDL warns of it (FOREGROUND_CUT). One thing is left out: that program
goes by the file's name for the post-processing of its ``whole-head`` models (the two largest components of each label),
which a checkpoint does not say.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Code, MedDLError, Notice
from ...spec import (
    Channel,
    FloatTriple,
    Foreground,
    Grid,
    Inference,
    IntensityStep,
    ModelSpec,
    Network,
    Output,
    Triple,
    Weights,
)
from ...spec_rules import LONGEST_LABEL, plain_name
from ...text import one_line, shown
from ..weights import read_checkpoint
from .config import Config
from .labels import read_labels
from .normalisation import steps_of

CHECKPOINT = "model.pt"
LABELS = "labels.csv"

NETWORKS = ("SegResNet", "SegResNetDS")
MODULES = ("", "monai.networks.nets.", "monai.networks.nets.segresnet.", "monai.networks.nets.segresnet_ds.")

MODALITIES = {"ct": "CT", "mri": "MR", "mr": "MR", "pet": "PT"}

OVERLAP = 0.625
MARGIN = 10
SPACING_TOLERANCE = 0.25

BRATS_PAINT = (2, 1, 3)
"""What MONAIAuto3DSeg paints three regions with (whole tumour, tumour core, enhancing tumour), whatever numbers the
training data had."""

MOST_DEPTH = 6
"""How deep lists and mappings may lie within an argument of the network."""


def read_auto3dseg_folder(folder: Path) -> tuple[ModelSpec, tuple[Notice, ...]]:
    """Builds the spec of an Auto3DSeg model. The checkpoint is read as data; nothing in it runs.

    Returns:
        The spec, and MODEL_LABELS where the table of labels is not complete.

    Raises:
        MedDLError: MODEL_INVALID, naming the key; MODEL_UNSAFE, MODEL_CORRUPT.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise MedDLError(Code.MODEL_INVALID, f"{LABELS} is there, but no {CHECKPOINT}.")
    checkpoint = read_checkpoint(path)
    if not isinstance(checkpoint, Mapping) or not {"config", "state_dict"} <= set(checkpoint):
        raise MedDLError(Code.MODEL_INVALID, f"{CHECKPOINT} is no checkpoint of Auto3DSeg: it has no configuration.")
    config = Config(checkpoint["config"], f"{CHECKPOINT}: config")
    network, inputs, outputs = _network(config)
    output, classes = _output(config, outputs)
    labels, notices = read_labels(folder / LABELS, classes)
    prepared = _regions_prepared(config, inputs) if output.activation == "regions" else _prepared(config, inputs)
    spec = ModelSpec(
        name=plain_name(folder.resolve().name, "auto3dseg"),
        network=network,
        weights=(Weights(CHECKPOINT),),
        labels=labels,
        channels=prepared.channels,
        grid=_grid(config),
        intensity=prepared.intensity,
        steps_on_scan=prepared.steps_on_scan,
        statistics="scan" if prepared.steps_on_scan else "grid",
        foreground=prepared.foreground if config.flag("crop_foreground", True) else None,
        inference=Inference(patch=_patch(config), overlap=OVERLAP, windows="stepped", weighting="monai"),
        output=output,
    )
    return spec, notices


def _network(config: Config) -> tuple[Network, int, int]:
    """The network, and the channels that go in and come out."""
    described = config.mapping("network")
    arguments = {}
    for key, value in described.items():
        if key.startswith("_") and key != "_target_":
            raise described.refused(key, "is code for MONAI's configuration")
        _refuse_code(described, key, value)
        arguments[key] = value
    target = str(arguments.pop("_target_", ""))
    name = next((n for n in NETWORKS for module in MODULES if target == module + n), None)
    if name is None:
        raise described.refused("_target_", f"is {shown(target)}; MedDL reads {' and '.join(NETWORKS)}")
    arguments["norm"] = _norm(arguments.get("norm", "batch"))
    counts = [described.value(key) for key in ("in_channels", "out_channels")]
    for key, count in zip(("in_channels", "out_channels"), counts, strict=True):
        if not isinstance(count, int) or isinstance(count, bool) or not 0 < count < 65536:
            raise described.refused(key, f"is {shown(count)}, which is no number of channels")
    return Network(name, arguments), counts[0], counts[1]


def _norm(norm: Any) -> Any:
    """NVFuser's instance norm, for which training machines have a package, computes what the plain one computes."""
    name, *arguments = norm if isinstance(norm, (list, tuple)) and norm else [norm]
    if isinstance(name, str) and name.upper() == "INSTANCE_NVFUSER":
        return ["INSTANCE", *arguments] if arguments else "INSTANCE"
    return norm


def _refuse_code(config: Config, key: str, value: Any, depth: int = 0) -> None:
    """MONAI's configuration runs a string that begins with ``$``, and looks up what follows an ``@``."""
    if isinstance(value, str) and (value.startswith(("$", "%")) or "@" in value):
        raise config.refused(key, f"is {shown(value)}: code or a reference, which are not followed")
    if isinstance(value, Mapping):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        if depth == MOST_DEPTH:
            raise config.refused(key, "is nested too deeply")
        for item in value:
            _refuse_code(config, key, item, depth + 1)


def _output(config: Config, outputs: int) -> tuple[Output, int]:
    """What the channels mean, and the highest label value."""
    if not config.flag("sigmoid", False):
        if outputs < 2:
            raise config.mapping("network").refused("out_channels", "is 1, which leaves nothing beside the background")
        return Output(interpolate="labels"), outputs - 1
    if outputs == 1:
        return Output(activation="sigmoid", interpolate="labels"), 1
    paint = _paint(config, outputs)
    return Output(activation="regions", interpolate="labels", paint=paint), max(paint)


def _paint(config: Config, outputs: int) -> tuple[int, ...]:
    """The label value of each region: that of its part which no later region holds."""
    regions = config.value("class_index")
    if regions is None and outputs == len(BRATS_PAINT):
        return BRATS_PAINT
    if not isinstance(regions, (list, tuple)) or len(regions) != outputs or not all(map(_is_region, regions)):
        raise config.refused("class_index", f"does not list the labels of the {outputs} regions that overlap")
    sets = [set(region) for region in regions]
    rings = [region.difference(*sets[n + 1 :]) for n, region in enumerate(sets)]
    nested = all(outer > inner for outer, inner in itertools.pairwise(sets))
    if not nested or any(len(ring) != 1 for ring in rings):
        raise config.refused("class_index", f"has regions that are not one label larger than the next: {regions}"[:200])
    return BRATS_PAINT if outputs == len(BRATS_PAINT) else tuple(ring.pop() for ring in rings)


def _is_region(region: Any) -> bool:
    return isinstance(region, (list, tuple)) and all(
        isinstance(n, int) and not isinstance(n, bool) and 0 < n < 65536 for n in region
    )


@dataclass(frozen=True)
class _Prepared:
    """What is done to the values of the inputs."""

    channels: tuple[Channel, ...]
    intensity: tuple[IntensityStep, ...]
    steps_on_scan: int
    foreground: Foreground


def _prepared(config: Config, inputs: int) -> _Prepared:
    """Each input has its mode, and is normalised before anything else."""
    mode = config.text("normalize_mode")
    extra = config.mapping("extra_modalities")
    names = [name for name, _ in extra.items()]
    if len(names) != inputs - 1:
        raise config.refused(
            "extra_modalities", f"names {len(names)} inputs beside the first; the network takes {inputs}"
        )
    first = steps_of(config, mode, "normalize_mode")
    others = [steps_of(config, extra.text(name), f"extra_modalities.{name}") for name in names]
    channels = [_channel(config, "image" if names else _modality(config) or "image", None)]
    channels += [
        _channel(config, one_line(name, LONGEST_LABEL) or "image", steps)
        for name, steps in zip(names, others, strict=True)
    ]
    most = max(len(steps) for steps in (first, *others))
    steps = len(first) if names else 0  # the box of a single input is that of its own values
    foreground = Foreground(steps=steps, margin=MARGIN, channel=0, grid="scan", axes="stored")
    return _Prepared(tuple(channels), first, most, foreground)


def _regions_prepared(config: Config, inputs: int) -> _Prepared:
    """All inputs have one mode, and are normalised last."""
    mode = config.text("normalize_mode")
    if mode == "pet" and inputs > 1:
        raise config.refused("normalize_mode", "is 'pet' over several inputs together, which MedDL does not do")
    channels = [_channel(config, f"input {n + 1}", None) for n in range(inputs)]
    foreground = Foreground(margin=MARGIN, grid="scan")
    return _Prepared(tuple(channels), steps_of(config, mode, "normalize_mode"), 0, foreground)


def _channel(config: Config, name: str, steps: Sequence[IntensityStep] | None) -> Channel:
    return Channel(one_line(name, LONGEST_LABEL) or "image", _modality(config), None if steps is None else tuple(steps))


def _modality(config: Config) -> str | None:
    return MODALITIES.get(config.text("modality", "").lower())


def _grid(config: Config) -> Grid:
    turned = config.flag("orientation_ras", False)
    spacing: FloatTriple | None = None
    if config.value("resample_resolution") is not None:
        a, b, c = config.numbers("resample_resolution", 3)
        spacing = (a, b, c)
    return Grid(
        orientation="RAS" if turned else None,
        transpose=(0, 1, 2) if turned else (2, 1, 0),
        spacing=spacing,
        tolerance=SPACING_TOLERANCE,
        rule="first_voxel",
    )


def _patch(config: Config) -> Triple:
    a, b, c = config.numbers("roi_size", 3)
    if any(n != int(n) for n in (a, b, c)):
        raise config.refused("roi_size", "is not made of whole numbers")
    return int(a), int(b), int(c)
