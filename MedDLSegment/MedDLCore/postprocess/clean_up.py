"""Clean-up of decided labels: largest component, enclosed holes, specks. Only what the model asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..spec import CleanUp
from ..volume import LabelMap


def clean_up(label_map: LabelMap, steps: CleanUp) -> LabelMap:
    """Returns the label map with the steps applied, label by label, each within its own bounding box.

    Holes are filled only where no other label of the layer lies.
    """
    if steps == CleanUp():
        return label_map
    array = label_map.array.copy()
    result = replace(label_map, array=array)
    for label in label_map.labels:
        layer = result.layer(label.layer)
        box = _box(layer == label.value)
        if box is None:
            continue
        part = layer[box]
        mask = part == label.value
        kept = mask
        if label.value in steps.keep_largest:
            kept = _largest(kept)
        if steps.minimum_volume > 0:
            kept = _without_specks(kept, steps.minimum_volume / label_map.geometry.voxel_volume)
        part[mask & ~kept] = 0
        if label.value in steps.fill_holes:
            filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(kept.astype(np.uint8))))
            part[(filled > 0) & (part == 0)] = label.value
    return result


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    """The mask's bounding box, or None where it is empty."""
    slices = []
    for axis in range(3):
        others = tuple(n for n in range(3) if n != axis)
        used = np.flatnonzero(mask.any(axis=others))
        if used.size == 0:
            return None
        slices.append(slice(int(used[0]), int(used[-1]) + 1))
    return slices[0], slices[1], slices[2]


def _components(mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Connected components (26 neighbours) numbered from 1, the largest first."""
    numbered = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), True)
    components: NDArray[Any] = sitk.GetArrayFromImage(sitk.RelabelComponent(numbered, sortByObjectSize=True))
    return components


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    largest: NDArray[np.bool_] = _components(mask) == 1
    return largest


def _without_specks(mask: NDArray[np.bool_], voxels: float) -> NDArray[np.bool_]:
    components = _components(mask)
    kept: NDArray[np.bool_] = (np.bincount(components.ravel()) >= voxels)[components] & mask
    return kept
