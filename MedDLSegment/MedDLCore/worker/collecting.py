"""A corrected case of the program beside goes into a training set."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..postprocess.decide import only
from ..volume import Label, LabelMap
from ..writers import add_to_training_set
from .arrays import take_label_map, take_volume
from .messages import Collection

_GREY = (128, 128, 128)
"""The colour of a structure that nobody has drawn."""


def collect_case(collection: Collection, folder: Path) -> dict[str, Any]:
    """Adds it. The result: what ``writers.Added`` has, and ``empty``: names of structures without voxels.

    Raises:
        MedDLError: REQUEST_INVALID; as ``add_to_training_set``.
    """
    volumes = [take_volume(scan, folder) for scan in collection.scans]
    label_map = take_label_map(collection.label_map, folder)
    if collection.structures:
        label_map = _with_structures(label_map, collection.structures)
    kept = Path(collection.folder), volumes, label_map, collection.channels, collection.clicks, collection.model
    added = add_to_training_set(*kept)
    return {**asdict(added), "empty": _empty(label_map)}


def _with_structures(label_map: LabelMap, names: tuple[str, ...]) -> LabelMap:
    """Those of these names, in any case, under these names; those that are missing are there without voxels."""
    spelt = {name.casefold(): name for name in names}
    there = [label for label in label_map.labels if label.name.casefold() in spelt]
    found = only(label_map, there)
    free = max((label.value for label in there), default=0) + 1
    missing = [name for key, name in spelt.items() if key not in {label.name.casefold() for label in there}]
    labels = (
        *(replace(label, name=spelt[label.name.casefold()]) for label in there),
        *(Label(value, name, _GREY) for value, name in enumerate(missing, start=free)),
    )
    return replace(found, labels=labels)


def _empty(label_map: LabelMap) -> list[str]:
    present = [set(np.unique(label_map.layer(n)).tolist()) for n in range(label_map.layers)]
    return [label.name for label in label_map.labels if label.value not in present[label.layer]]
