"""The box of the foreground: what of the grid the network need not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..resample import resample
from ..spec import Foreground
from ..volume import Volume

Cut = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Voxels at the low and the high end of axes 0, 1, 2."""

NOTHING_CUT: Cut = ((0, 0), (0, 0), (0, 0))


def around(inside: NDArray[np.bool_], margin: int) -> Cut:
    """What lies outside the smallest box that holds every voxel inside, with a margin.

    Args:
        inside: ``(axis 0, axis 1, axis 2)``.
        margin: voxels added to the box on each side, as far as the array goes.
    """
    if not inside.any():
        return NOTHING_CUT
    a, b, c = (_ends(inside, axis, margin) for axis in range(3))
    return a, b, c


def cut_to_foreground(channels: Sequence[Volume], foreground: Foreground | None) -> tuple[Volume, ...]:
    """Cuts the scans to a foreground that is theirs; one that is the network's, or none, leaves them whole.

    Args:
        channels: one ``(K, J, I)`` volume each, after the steps that come before the cut. Those on the first one's grid
            are cut with it.
        foreground: as the model says.
    """
    if foreground is None or foreground.grid != "scan":
        return tuple(channels)
    first = channels[0].geometry
    inside = np.zeros(first.shape, dtype=np.bool_)
    for channel in channels if foreground.channel is None else channels[foreground.channel :][:1]:
        air = float(channel.array.min())
        inside |= resample(channel.array, channel.geometry, first, "linear", air) > foreground.above
    cut = around(inside, foreground.margin)
    start, stop = [low for low, _ in cut], [n - high for n, (_, high) in zip(first.shape, cut, strict=True)]
    box = tuple(slice(low, end) for low, end in zip(start, stop, strict=True))
    geometry = first.cropped(start, stop)
    return tuple(
        replace(channel, array=channel.array[box], geometry=geometry, acquired=None)
        if channel.geometry.same_as(first)
        else channel
        for channel in channels
    )


def _ends(inside: NDArray[np.bool_], axis: int, margin: int) -> tuple[int, int]:
    used = np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis})))
    return max(0, int(used[0]) - margin), max(0, inside.shape[axis] - 1 - int(used[-1]) - margin)
