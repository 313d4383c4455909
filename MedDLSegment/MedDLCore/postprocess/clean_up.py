"""Clean-up of decided labels: largest component, enclosed holes, specks. Only what the model asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec import CleanUp
from ..volume import LabelMap


def clean_up(label_map: LabelMap, steps: CleanUp) -> LabelMap:
    """Returns the label map with the steps applied, label by label.

    Holes are filled only where no other label of the layer lies.
    """
    if steps == CleanUp():
        return label_map
    result = replace(label_map, array=label_map.array.copy())
    for label in label_map.labels:
        layer = result.layer(label.layer)
        box = _box(layer == label.value)
        if box is None:
            continue
        part = layer[box]
        mask = part == label.value
        cleaned = _cleaned(mask, label.value, steps, label_map.geometry.voxel_volume)
        part[mask & ~cleaned] = 0
        part[cleaned & (part == 0)] = label.value
    return result


def clean_mask(mask: NDArray[np.bool_], value: int, steps: CleanUp, voxel_volume: float) -> NDArray[np.bool_]:
    """Returns one structure with the steps applied.

    Args:
        mask: ``(K, J, I)``; not changed.
        value: the structure's label value.
        steps: of them, those for this value.
        voxel_volume: mm^3.
    """
    box = _box(mask) if steps != CleanUp() else None
    if box is None:
        return mask
    cleaned = np.zeros_like(mask)
    cleaned[box] = _cleaned(mask[box], value, steps, voxel_volume)
    return cleaned


def _cleaned(mask: NDArray[np.bool_], value: int, steps: CleanUp, voxel_volume: float) -> NDArray[np.bool_]:
    """One structure, cut to its bounding box: no step reaches beyond it."""
    if value in steps.keep_largest:
        mask = _largest(mask)
    if steps.minimum_volume > 0:
        mask = _without_specks(mask, steps.minimum_volume / voxel_volume)
    if value in steps.fill_holes:
        mask = _filled(mask)
    return mask


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


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    import SimpleITK as sitk

    filled: NDArray[np.bool_] = (
        sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(mask.astype(np.uint8)))) > 0
    )
    return filled


def components(mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Connected components (26 neighbours) numbered from 1, the largest first."""
    import SimpleITK as sitk

    image = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), True)
    image = sitk.RelabelComponent(image, sortByObjectSize=True)
    components: NDArray[Any] = sitk.GetArrayFromImage(image)
    return components


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    largest: NDArray[np.bool_] = components(mask) == 1
    return largest


def _without_specks(mask: NDArray[np.bool_], voxels: float) -> NDArray[np.bool_]:
    parts = components(mask)
    kept: NDArray[np.bool_] = (np.bincount(parts.ravel()) >= voxels)[parts] & mask
    return kept
