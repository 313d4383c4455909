"""The box of the foreground: what of the grid the network need not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..cut import NOTHING_CUT, Cut
from ..errors import Code, Notice
from ..resample import resample
from ..spec import Grid, ModelSpec
from ..volume import Geometry, Volume
from .grid import network_grid
from .intensity import toned
from .nonzero import box


def around(inside: NDArray[np.bool_], margin: int) -> Cut:
    """What lies outside the smallest box that holds every voxel inside, with a margin.

    Args:
        inside: ``(axis 0, axis 1, axis 2)``.
        margin: voxels added to the box on each side, as far as the array goes.
    """
    if not inside.any():
        return NOTHING_CUT
    a, b, c = (
        (max(0, low - margin), max(0, n - high - margin))
        for low, high, n in zip(*box(inside), inside.shape, strict=True)
    )
    return a, b, c


def foreground_of_scan(channels: Sequence[Volume], spec: ModelSpec) -> tuple[Geometry, tuple[Notice, ...]]:
    """The part of the first scan that the network's grid is laid over: all of it, unless the model cuts the scan.

    Args:
        channels: one ``(K, J, I)`` volume each, as they came.
        spec: of the model.

    Returns:
        The part, and FOREGROUND_CUT where the box of the model's own program leaves some of the foreground out.
    """
    foreground, first = spec.foreground, channels[0].geometry
    if foreground is None or foreground.grid != "scan":
        return first, ()
    inside = np.zeros(first.shape, dtype=np.bool_)
    for n, channel in enumerate(channels):
        if foreground.channel in (None, n):
            values = toned(spec.intensity_of(n)[: foreground.steps], channel.array)
            air = float(values.min())
            inside |= resample(values, channel.geometry, first, "linear", air) > foreground.above
    whole, bounds = first, _bounds(around(inside, foreground.margin), first.shape)
    if foreground.axes == "stored":
        whole, bounds = network_grid(first, Grid(spec.grid.orientation, spec.grid.transpose)), bounds[::-1]
    part = _in_axes_of(first, whole.cropped([start for start, _ in bounds], [stop for _, stop in bounds]))
    present, kept = (int(np.count_nonzero(mask)) for mask in (inside, resample(inside, first, part, "nearest")))
    if kept == present:
        return part, ()
    message = f"{1 - kept / present:.2%} of the scan's foreground lies outside the box that this model cuts out of it."
    return part, (Notice(Code.FOREGROUND_CUT, message),)


def cut_to(channels: Sequence[Volume], part: Geometry) -> tuple[Volume, ...]:
    """Cuts the channels to a part of the first, 0 where it reaches beyond; those on other grids stay whole."""
    first = channels[0].geometry
    return tuple(
        replace(channel, array=resample(channel.array, first, part, "nearest"), geometry=part, acquired=None)
        if channel.geometry.same_as(first) and not part.same_as(first)
        else channel
        for channel in channels
    )


def _in_axes_of(scan: Geometry, box: Geometry) -> Geometry:
    """A box of the scan's voxels, whatever its axes, with the scan's axes."""
    ends = box.index_to_ras(np.array([(0, 0, 0), [n - 1 for n in box.shape[::-1]]]))
    indices = np.round(scan.ras_to_index(ends)).astype(int)[:, ::-1]
    return scan.cropped(indices.min(axis=0).tolist(), (indices.max(axis=0) + 1).tolist())


def _bounds(cut: Cut, shape: Sequence[int]) -> list[tuple[int, int]]:
    """First and one past the last index that a cut leaves."""
    return [(low, n - high) for n, (low, high) in zip(shape, cut, strict=True)]
