"""What was found, as arrays: label values in one layer, or a mask for each structure where they may overlap."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..resample import resample
from ..spec import ModelSpec
from ..volume import Geometry, LabelMap

Found = NDArray[Any]
"""``(1, k, j, i)`` label values, or ``(N, k, j, i)`` masks of 0 and 1, label n + 1 at n."""


def overlapping(spec: ModelSpec) -> bool:
    """Whether the model's structures may overlap."""
    return spec.output.activation == "sigmoid"


def nothing(spec: ModelSpec, grid: Geometry) -> Found:
    """A grid on which nothing was found."""
    layers, dtype = _kept_as(spec)
    return np.zeros((layers, *grid.shape), dtype)


def found_memory(spec: ModelSpec, grid: Geometry) -> int:
    """Bytes of what was found on a grid."""
    layers, dtype = _kept_as(spec)
    return layers * dtype.itemsize * math.prod(grid.shape)


def found_of(label_map: LabelMap, spec: ModelSpec, grid: Geometry) -> Found:
    """The model's structures, which are known by their names, on a grid."""
    found = nothing(spec, grid)
    known = {label.name.casefold(): label for label in label_map.labels}
    for label in spec.labels:
        if (given := known.get(label.name.casefold())) is None:
            continue
        mask = resample(label_map.mask(given).astype(np.uint8), label_map.geometry, grid, "nearest") > 0
        found[label.value - 1 if overlapping(spec) else 0][mask] = 1 if overlapping(spec) else label.value
    return found


def label_map_of(found: Found, spec: ModelSpec, grid: Geometry) -> LabelMap:
    """The same as a label map; a copy. Structures that may overlap have a layer each."""
    if not overlapping(spec):
        return LabelMap(found[0].copy(), grid, spec.labels)
    layers = np.stack([found[label.value - 1] * label.value for label in spec.labels])
    placed = tuple(replace(label, layer=n) for n, label in enumerate(spec.labels))
    return LabelMap(layers if len(layers) > 1 else layers[0], grid, placed)


def mask_of(found: Found, value: int, spec: ModelSpec) -> NDArray[np.bool_]:
    """``(k, j, i)``: where a label is."""
    mask: NDArray[np.bool_] = found[value - 1] > 0 if overlapping(spec) else found[0] == value
    return mask


def _kept_as(spec: ModelSpec) -> tuple[int, np.dtype[Any]]:
    """How many layers there are, and their type."""
    highest = max(label.value for label in spec.labels)
    if overlapping(spec):
        return highest, np.dtype(np.uint8)
    return 1, np.min_scalar_type(highest)
