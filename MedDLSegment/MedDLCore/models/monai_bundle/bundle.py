"""From a bundle's folder to a ModelSpec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ...errors import Notice
from ...spec import Inference, ModelSpec, Network, Weights
from ..description import read_json
from . import metadata as about
from .arguments import Arguments
from .checkpoint import USUAL, read_checkpoint
from .class_names import FORMS
from .config import Config
from .config_files import read_inference
from .evaluator import Root, check_evaluator, find_root
from .inferer import read_inferer
from .network import NETWORK, channels_in, channels_out, divisor, read_network, spatial_dims
from .preparation import Draft, read_preparation, transforms
from .refusal import OutsideError, Reason, refusal
from .result import read_result

Value = TypeVar("Value")


def read_bundle_folder(folder: Path) -> tuple[ModelSpec, tuple[Notice, ...]]:
    """Reads a MONAI bundle.

    Returns:
        The spec, and what MedDL does differently from the bundle.

    Raises:
        MedDLError: MODEL_UNTRUSTED, listing everything that is reached and lies outside; MODEL_INVALID where the files
            are not those of a bundle.
    """
    spec, notices, outside = _read(folder)
    if outside or spec is None:
        raise refusal(outside)
    return spec, notices


def reasons(folder: Path) -> tuple[Reason, ...]:
    """Everything that a bundle reaches and that lies outside of what is read; empty where MedDL reads it.

    Raises:
        MedDLError: MODEL_INVALID where the files are not those of a bundle.
    """
    return _read(folder)[2]


def loaded_keys(folder: Path) -> tuple[str, ...]:
    """The keys under which a bundle's preprocessing loads files, in their order, as far as they can be read as data.

    Raises:
        MedDLError: MODEL_INVALID where there is no inference configuration that is plain data.
    """
    file, raw = read_inference(folder)
    before = find_root(Config(file, raw, folder), "dataset", "transform", "preprocessing")
    keys: list[str] = []
    with suppress(OutsideError):
        for step in transforms(before.value(), before.place):
            if step.target.rpartition(".")[2] in {f"LoadImage{form}" for form in FORMS}:
                keys += Arguments(step).names()
    return tuple(dict.fromkeys(keys))


def _read(folder: Path) -> tuple[ModelSpec | None, tuple[Notice, ...], tuple[Reason, ...]]:
    metadata = read_json(folder / "configs" / "metadata.json", strict=False)
    file, raw = read_inference(folder)
    config = Config(file, raw, folder)
    outside: list[Reason] = []

    def tried(read: Callable[[], Value], otherwise: Value) -> Value:
        try:
            return read()
        except OutsideError as error:
            outside.append(error.reason)
            return otherwise

    network = tried(lambda: read_network(config), Network("UNet"))
    weights = tried(lambda: read_checkpoint(config, folder), USUAL)
    tried(lambda: check_evaluator(config), None)
    inferer = find_root(config, "evaluator", "inferer", "inferer")
    before = find_root(config, "dataset", "transform", "preprocessing")
    after = find_root(config, "evaluator", "postprocessing", "postprocessing")
    inputs = tried(lambda: channels_in(network, f"{file}: {NETWORK}"), 1)
    outputs = tried(lambda: channels_out(network, f"{file}: {NETWORK}"), 2)
    inference = tried(lambda: read_inferer(inferer.value(), inferer.place, spatial_dims(network)), Inference())
    preparation = tried(before.value, None)
    draft, more = read_preparation(preparation, before.place, inputs)
    outside += more
    result, more = read_result(tried(after.value, None), after.place, preparation, draft.regridded)
    outside += more
    inference = tried(lambda: _padded(inference, draft, network, before), inference)
    if outside:
        return None, (), tuple(outside)
    output = result.output()
    labels, unnamed = about.labels(metadata, outputs, output.activation == "softmax")
    title = about.text(metadata, "name") or about.text(metadata, "task")
    spec = ModelSpec(
        name=about.identifier(title),
        title=title,
        version=about.text(metadata, "version"),
        description=_description(metadata),
        licence=about.licence(metadata, folder),
        citation=about.citation(metadata),
        source=about.text(metadata, "authors"),
        network=network,
        weights=(Weights(weights),),
        labels=labels,
        channels=about.channels(metadata, inputs),
        grid=draft.grid,
        intensity=tuple(draft.steps),
        steps_on_scan=draft.steps_on_scan,
        statistics="scan" if draft.grid.spacing is None else "grid",
        foreground=draft.foreground,
        inference=inference,
        output=output,
        clean_up=result.clean_up(),
        measured=about.figures(metadata),
    )
    return spec, (*result.notices, *unnamed), ()


def _padded(inference: Inference, draft: Draft, network: Network, before: Root) -> Inference:
    """A whole volume is padded as the preprocessing says, or else to what the network can take."""
    if inference.patch is None:
        return replace(inference, divisor=max(draft.divisor, divisor(network)), padding=draft.padding)
    if draft.divisor > 1:
        raise OutsideError(before.place, "DivisiblePad", "with a sliding window is not read")
    return inference


def _description(metadata: Mapping[str, Any]) -> str:
    parts = [about.text(metadata, key) for key in ("description", "intended_use")]
    return " ".join(part if part.endswith(".") else f"{part}." for part in parts if part)
