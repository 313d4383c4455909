"""What is known of a trusted bundle before it runs: its files, and what its metadata say, read as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import Code, MedDLError, Notice
from ...spec import ModelSpec, Network, Output, Weights
from ...spec_rules import MOST_WEIGHTS
from ..anatomy import coded
from ..description import read_json
from ..distinct import distinct
from ..package import ModelPackage
from .child import ANSWERS, IMAGE
from .consent import Consents
from .file_set import FileSet, file_set

OWN_CODE = "its own code"
"""Stands for the network of a trusted bundle: what it is, only its code knows."""

MOST_CHANNELS = 65535


def open_trusted(folder: Path, store: Path) -> ModelPackage | None:
    """Opens a bundle that runs its own code, if the person has agreed to its files as they are now.

    Args:
        folder: of the bundle.
        store: the folder of models, where consents are kept.

    Returns:
        The package, identified by all its files; None where there is no consent.

    Raises:
        MedDLError: MODEL_UNTRUSTED where the files have changed since; MODEL_UNSAFE, MODEL_INVALID.
    """
    consents = Consents(store)
    if not consents.is_known(folder):
        return None
    files = file_set(folder)
    since = consents.since(folder, files)
    if since is None:
        raise MedDLError(
            Code.MODEL_UNTRUSTED,
            f"The files of {folder.name} have changed since they were trusted. Nothing of them ran.",
            f"Look at what has changed, then: meddl models trust {folder.name}",
        )
    spec, notices = _spec(folder, files)
    own = Notice(Code.MODEL_TRUSTED, f"{spec.name} runs its own code in a process of its own, trusted since {since}.")
    return ModelPackage(spec, folder, files.sha256, (own, *notices), trusted=True)


def _spec(folder: Path, files: FileSet) -> tuple[ModelSpec, tuple[Notice, ...]]:
    from ..monai_bundle import loaded_keys
    from ..monai_bundle import metadata as about

    metadata = read_json(folder / "configs" / "metadata.json", strict=False)
    outputs = _count(metadata, "outputs", "pred", 2)
    exclusive = outputs == 1 or _begins_with_background(metadata)
    labels, notices = about.labels(metadata, max(outputs, 2) if exclusive else outputs, exclusive)
    labels, renamed = distinct(coded(labels))
    title = about.text(metadata, "name") or about.text(metadata, "task")
    models = [file for file in files.files if file.name.startswith("models/")] or files.files
    weights = tuple(Weights(file.name, file.sha256) for file in models[:MOST_WEIGHTS])  # its code knows which it takes
    keys = [key for key in loaded_keys(folder) if key not in ANSWERS]
    spec = ModelSpec(
        name=about.identifier(title),
        title=title,
        version=about.text(metadata, "version"),
        description=about.text(metadata, "description"),
        licence=about.licence(metadata, folder),
        citation=about.citation(metadata),
        source=about.text(metadata, "authors"),
        network=Network(OWN_CODE),
        weights=weights,
        labels=labels,
        channels=about.channels(metadata, _inputs(metadata), keys),
        output=Output("softmax" if exclusive else "sigmoid"),
        measured=about.figures(metadata),
    )
    return spec, (*notices, *renamed)


def _inputs(metadata: dict[str, Any]) -> int:
    """How many volumes it takes: the channels of ``image``, or those of all inputs where none is called so."""
    from ..monai_bundle.metadata import inputs_named

    names = inputs_named(metadata)
    if IMAGE in names:
        return _count(metadata, "inputs", IMAGE, 1)
    return max(1, sum(_count(metadata, "inputs", name, 1) for name in names))


def _count(metadata: dict[str, Any], kind: str, name: str, otherwise: int) -> int:
    """``num_channels`` of an input or output."""
    value: Any = metadata
    for key in ("network_data_format", kind, name, "num_channels"):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_CHANNELS:
        return value
    return otherwise


def _begins_with_background(metadata: dict[str, Any]) -> bool:
    from ..monai_bundle.metadata import BACKGROUND

    names: Any = metadata
    for key in ("network_data_format", "outputs", "pred", "channel_def", "0"):
        names = names.get(key) if isinstance(names, dict) else None
    return isinstance(names, str) and names.strip().casefold() == BACKGROUND
