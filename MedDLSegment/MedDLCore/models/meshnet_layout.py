"""The layout of brainchop's MeshNet models: ``model.json``, ``colormap.json`` and a weights file.

``model.json`` lists the layers, ``colormap.json`` names the classes and gives their colours as three lists. The weights
are safetensors whatever the file's suffix says. Neither file says how the scan is prepared: brainchop conforms it as
FreeSurfer does (256^3 voxels of 1 mm, array axes towards left, inferior, anterior), scales it to 0..1, and passes the
whole volume at once (github.com/neuroneural/brainchop, MIT; MeshNet: Fedorov et al. 2017, arXiv:1612.00940).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Code, MedDLError, Notice
from ..spec import Channel, Grid, Inference, ModelSpec, Network, Output, Percentiles, Weights
from ..spec_rules import LONGEST_LABEL, LONGEST_LINE, plain_name
from ..text import one_line, shown
from ..volume import Label
from .catalogue import spec_of_weights
from .description import read_json
from .digests import known_sha256

MODEL_JSON = "model.json"
COLORMAP_JSON = "colormap.json"
WEIGHTS = ("model.safetensors", "model.pth")

CONFORMED = Grid(
    orientation="LIA", spacing=(1.0, 1.0, 1.0), shape=(256, 256, 256), straight=True, interpolation="cubic"
)
"""What the networks were trained on. Axis order found by trial: with the axes reversed the tissues come out worse."""

_SWITCHES = {"elu": "elu", "gelu": "gelu"}
_KNOWN_KEYS = {"header", "layers", "bnorm", "bias", "dropout_p", *_SWITCHES}
_GREY = (128, 174, 128)


def read_meshnet_folder(folder: Path) -> tuple[ModelSpec, tuple[Notice, ...]]:
    """Builds the spec of a MeshNet model.

    Weights that the catalogue knows by their SHA-256 get its names, colours, codes and preparation: the published files
    do not say how a scan is prepared, and one model comes with another's colormap.

    Returns:
        The spec, and MODEL_LABELS where the classes have no names.

    Raises:
        MedDLError: MODEL_INVALID.
    """
    description = read_json(folder / MODEL_JSON)
    network = _network(description)
    file = next((name for name in WEIGHTS if (folder / name).is_file()), None)
    if file is None:
        raise MedDLError(Code.MODEL_INVALID, f"{MODEL_JSON} is there, but none of {', '.join(WEIGHTS)}.")
    digest = known_sha256(folder / file)
    weights = (Weights(file, digest),)
    known = spec_of_weights(digest)
    if known is not None and known.network == network:
        return replace(known, weights=weights), ()
    labels, notices = _labels(folder, network.arguments["layers"][-1]["out_channels"])
    spec = ModelSpec(
        name=plain_name(folder.resolve().name, "meshnet"),
        title=one_line(str(description.get("header", "")), LONGEST_LINE),
        network=network,
        weights=weights,
        labels=labels,
        channels=(Channel("T1", "MR"),),
        grid=CONFORMED,
        intensity=(Percentiles(0.0, 100.0),),
        inference=Inference(patch=None),
        output=Output(),
    )
    return spec, notices


def _network(description: Mapping[str, Any]) -> Network:
    for key in description:
        if key not in _KNOWN_KEYS:
            raise MedDLError(Code.MODEL_INVALID, f"{MODEL_JSON}: {shown(key)} is not a known key.")
    layers = description.get("layers")
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        raise MedDLError(Code.MODEL_INVALID, f"{MODEL_JSON}: 'layers' is not a list of layers.")
    if not isinstance(layers[-1].get("out_channels"), int):
        raise MedDLError(Code.MODEL_INVALID, f"{MODEL_JSON}: the last layer does not say its 'out_channels'.")
    activation = next((name for key, name in _SWITCHES.items() if description.get(key)), "relu")
    return Network(
        "MeshNet",
        {
            "layers": layers,
            "activation": activation,
            "bnorm": description.get("bnorm", False),
            "bias": description.get("bias", True),
            "dropout_p": description.get("dropout_p", 0),
        },
    )


def _labels(folder: Path, classes: int) -> tuple[tuple[Label, ...], tuple[Notice, ...]]:
    """Labels from the colormap where it has one name per class, else numbered ones with a warning."""
    path = folder / COLORMAP_JSON
    if not path.is_file():
        return _numbered(classes, f"There is no {COLORMAP_JSON}")
    colormap = read_json(path)
    names, *channels = (colormap.get(key) for key in ("labels", "R", "G", "B"))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MedDLError(Code.MODEL_INVALID, f"{COLORMAP_JSON}: 'labels' is not a list of names.")
    if len(names) != classes:
        return _numbered(classes, f"{COLORMAP_JSON} names {len(names)} classes; the network has {classes}")
    if not all(isinstance(c, list) and len(c) == classes and all(_is_byte(v) for v in c) for c in channels):
        raise MedDLError(Code.MODEL_INVALID, f"{COLORMAP_JSON}: R, G, B are not lists of {classes} values 0 to 255.")
    red, green, blue = channels
    plain = [one_line(name, LONGEST_LABEL) or f"class {n}" for n, name in enumerate(names)]
    return tuple(Label(n, plain[n], (red[n], green[n], blue[n])) for n in range(1, classes)), ()  # type: ignore[index]


def _numbered(classes: int, reason: str) -> tuple[tuple[Label, ...], tuple[Notice, ...]]:
    labels = tuple(Label(n, f"class {n}", _GREY) for n in range(1, classes))
    return labels, (Notice(Code.MODEL_LABELS, f"{reason}; the segments are numbered."),)


def _is_byte(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255
