"""A channel brought onto the network's grid, part by part, with the intensity steps that come before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..alignment import aligned
from ..cut import NOTHING_CUT, Cut, inner
from ..resample import resample, resample_taps
from ..spec import Grid
from ..stretch import lone_axis, stretch_taps
from ..taps import Taps
from ..volume import Geometry, Volume
from .grid import network_axes, network_grid, wanted_spacing
from .intensity import Fitted, apply_intensity, tone
from .region import Region, cut_out
from .route import BATCH, Change, Part
from .separable import changed

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Toned:
    """A channel and the intensity steps that are applied to it on its own grid, when its values are asked for.

    Attributes:
        volume: ``(K, J, I)``, without the steps.
        lines: the steps.
        within: ``(K, J, I)``: where they are applied. None: everywhere.
    """

    volume: Volume
    lines: tuple[Fitted, ...] = ()
    within: NDArray[np.bool_] | None = None

    @property
    def geometry(self) -> Geometry:
        """Its grid."""
        return self.volume.geometry

    def cut(self, region: Region) -> Toned:
        """What of it lies in a region."""
        if self.within is None:
            return replace(self, volume=cut_out((self.volume,), region)[0])
        volume, within = cut_out((self.volume, replace(self.volume, array=self.within)), region)
        return Toned(volume, self.lines, within.array)

    def values(self) -> NDArray[Any]:
        """All values at once: float32, or the volume's own array where there are no steps."""
        return _toned(self.volume.array, self.lines, self.within)

    def ends(self, axis: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The smallest and the largest value of each slice along an axis of the array."""
        slices = np.moveaxis(self.volume.array, axis, 0)
        masks = None if self.within is None else np.moveaxis(self.within, axis, 0)
        rising = masks is None and all(line.rises for line in self.lines)
        ends = np.empty((2, len(slices)))
        for n, values in enumerate(slices):
            if not rising:
                values = _toned(values, self.lines, None if masks is None else masks[n])
            ends[:, n] = values.min(), values.max()
        low, high = _toned(ends, self.lines, None) if rising else ends
        return low, high


def _toned(values: NDArray[Any], lines: tuple[Fitted, ...], within: NDArray[np.bool_] | None) -> NDArray[Any]:
    if not lines:
        return values
    toned = apply_intensity(lines, values)
    if within is not None:
        np.copyto(toned, values, where=~within, casting="same_kind")
    return toned


def moved(
    channel: Toned, first: Geometry, grid: Grid, air: float, device: str = "cpu", cut: Cut = NOTHING_CUT
) -> Iterator[tuple[Part, Tensor]]:
    """Brings a channel onto the network's grid for a scan, or a part of one.

    Args:
        channel: on any grid.
        first: the grid of the scan, or of its part.
        grid: what the model asks for.
        air: the value of what lies outside the channel.
        device: where it is done.
        cut: what of the network's grid is left out.

    Yields:
        Parts of what is left of ``network_grid(first, grid)``, and their values, as ``changed`` does.
    """
    import torch

    if grid.rule == "extent" and not channel.geometry.same_as(first):
        first = network_axes(first, grid)
        array = resample(channel.values(), channel.geometry, first, grid.interpolation, fill=air)
        channel, grid = Toned(Volume(array, first)), replace(grid, orientation=None, transpose=(0, 1, 2))
    change = change_for(channel.geometry, first, grid, air, cut)
    if change is not None:
        if grid.rule == "extent" and grid.interpolation == "cubic":
            change = replace(change, bounds=_bounds(channel, change, lone_axis_of(first, grid)))
        applied = partial(tone, channel.lines) if channel.lines else None
        return changed(channel.volume.array, change, device, applied, channel.within)
    whole, fill = network_grid(first, grid), _fill(channel.geometry, first, grid, air)
    seen = inner(cut, whole.shape)
    onto = whole.cropped([part.start for part in seen], [part.stop for part in seen])
    values = torch.from_numpy(resample(channel.values(), channel.geometry, onto, grid.interpolation, fill))
    return in_parts(values if values.dtype == torch.float64 else values.to(device))


def change_for(source: Geometry, first: Geometry, grid: Grid, air: float, cut: Cut = NOTHING_CUT) -> Change | None:
    """How a channel comes onto the network's grid; None where their axes are not parallel.

    Args:
        source: the channel's grid; with the rule ``extent`` it is ``first``.
        first: as for ``moved``.
        grid: as for ``moved``.
        air: as for ``moved``.
        cut: as for ``moved``.
    """
    target = network_grid(first, grid)
    if grid.rule == "extent":
        found = _stretched(source, network_axes(first, grid), target.shape, grid, lone_axis_of(first, grid))
    else:
        found = resample_taps(source, target, grid.interpolation, _fill(source, first, grid, air))
    if found is None:
        return None
    axes, along = found
    a, b, c = (taps.part(part) for taps, part in zip(along, inner(cut, target.shape), strict=True))
    return Change(axes, (a, b, c), air)


def _stretched(
    source: Geometry, placed: Geometry, shape: Sequence[int], grid: Grid, alone: int | None
) -> tuple[tuple[int, int, int], tuple[Taps, Taps, Taps]] | None:
    """As ``resample_taps``, for what ``stretch`` does with the voxels in the order of the network's axes."""
    axes = aligned(source, placed)
    if axes is None:
        return None
    straight = stretch_taps(placed.shape, shape, grid.interpolation, alone)
    a, b, c = (along if axis.step > 0 else along.flipped(axis.size) for axis, along in zip(axes, straight, strict=True))
    return (axes[0].source, axes[1].source, axes[2].source), (a, b, c)


def _fill(source: Geometry, first: Geometry, grid: Grid, air: float) -> float | None:
    return None if grid.rule == "first_voxel" and source.same_as(first) else air


def lone_axis_of(first: Geometry, grid: Grid) -> int | None:
    """The network's axis that is resampled on its own on the way there."""
    placed = network_axes(first, grid)
    return lone_axis(placed.spacing[::-1].tolist(), wanted_spacing(placed, grid), grid.apart)


def _bounds(channel: Toned, change: Change, alone: int | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The range of the channel's values, or of those of the slice across ``alone`` that a voxel comes from."""
    if alone is None:
        low, high = channel.ends()
        return low.min().reshape(1, 1, 1), high.max().reshape(1, 1, 1)
    across = [-1 if axis == alone else 1 for axis in range(3)]
    from_slice = change.taps[alone].index[:, 0]
    low, high = (end[from_slice].reshape(across) for end in channel.ends(change.source[alone]))
    return low, high


def in_parts(values: Tensor) -> Iterator[tuple[Part, Tensor]]:
    """Parts of a whole, ``(axis 0, axis 1, axis 2)``, that are no copies."""
    step = max(1, BATCH // values[0].numel())
    for start in range(0, len(values), step):
        part = slice(start, min(start + step, len(values)))
        yield (part, slice(None), slice(None)), values[part]
