"""The part of a scan that is not exactly zero: programs that cut the background away leave zeros there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..resample import resample
from ..spec import Grid
from ..volume import Volume


def cropped(channels: Sequence[Volume], grid: Grid) -> tuple[Volume, ...]:
    """The channels as the model's grid is laid over them.

    Args:
        channels: one ``(K, J, I)`` volume each.
        grid: for the crop ``nonzero``, all are brought onto the grid of the first, and cut to the smallest box that
            holds every voxel that is not 0 in some channel; a case of zeros only stays whole.
    """
    if grid.crop == "none":
        return tuple(channels)
    aligned = on_first_grid(channels)
    start, stop = box(_somewhere_nonzero([channel.array for channel in aligned]))
    part = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    geometry = aligned[0].geometry.cropped(start, stop)
    return tuple(replace(channel, array=channel.array[part], geometry=geometry, acquired=None) for channel in aligned)


def on_first_grid(channels: Sequence[Volume]) -> tuple[Volume, ...]:
    """The channels, ``(K, J, I)`` each, on the grid of the first."""
    first = channels[0].geometry
    moved = (
        resample(channel.array, channel.geometry, first, "linear", fill=float(channel.array.min()))
        for channel in channels[1:]
    )
    others = (
        replace(channel, array=array, geometry=first, acquired=None)
        for channel, array in zip(channels[1:], moved, strict=True)
    )
    return (channels[0], *others)


def body(channels: Sequence[Volume]) -> NDArray[np.bool_]:
    """``(K, J, I)``: where some channel is not 0, and the holes enclosed by that (through faces nothing leaks).

    Args:
        channels: on one grid.
    """
    mask = _somewhere_nonzero([channel.array for channel in channels])
    if mask.all():
        return mask
    import SimpleITK as sitk

    zeros = sitk.GetImageFromArray((~mask).astype(np.uint8))
    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(zeros, False))
    faces = [np.take(parts, end, axis) for axis in range(3) for end in (0, -1)]
    outside = np.zeros(int(parts.max()) + 1, dtype=np.bool_)
    for face in faces:
        outside[np.unique(face)] = True
    outside[0] = False
    inside: NDArray[np.bool_] = ~outside[parts]
    return inside


def _somewhere_nonzero(arrays: Sequence[NDArray[np.generic]]) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = arrays[0] != 0
    for array in arrays[1:]:
        mask |= array != 0
    return mask


def box(mask: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """First and one past the last index of True along each axis; the whole array where nothing is."""
    start, stop = [0, 0, 0], list(mask.shape)
    for axis in range(3):
        used = np.flatnonzero(mask.any(axis=tuple(n for n in range(3) if n != axis)))
        if used.size:
            start[axis], stop[axis] = int(used[0]), int(used[-1]) + 1
    return start, stop
