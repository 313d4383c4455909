"""The way from the network's grid to a scan's with parallel axes: the voxels that each centre lies between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..alignment import aligned
from ..cut import Cut
from ..resample import reach_beyond
from ..volume import Geometry

if TYPE_CHECKING:
    from torch import Tensor

ZEROS = 1e-6
"""Voxels within which a centre lies at zeros: a score of 0 may well be that of something."""

SAME_FACES_MM = 1e-3
"""Corners of two grids that lie between the same faces are nearer."""

TIE = 1e-6
"""Voxels within which a centre lies in the middle between two, of which it takes the second, as ``stretch`` does."""


@dataclass(frozen=True, eq=False)
class LinearTaps:
    """Centres of the scan along one axis of the network's grid, in ascending order, and the two voxels of each.

    Unlike ``Taps`` of any interpolation, a centre on a voxel takes that one alone: it needs no slice to come after it.

    Attributes:
        first: ``(n,)`` the voxel at or before each centre.
        second: ``(n,)`` the next voxel, or the same one where nothing of the next is taken.
        share: ``(n,)`` float32, how much of the second is taken; the rest is the first's.
        inside: ``(n,)`` whether the centre belongs to the network's grid.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    share: NDArray[np.float32]
    inside: NDArray[np.bool_]

    @property
    def whole(self) -> bool:
        """Nothing is interpolated."""
        return bool((self.first == self.second).all())

    def part(self, start: int, stop: int, origin: int) -> LinearTaps:
        """Those of some centres, with voxels counted from ``origin``."""
        some = slice(start, stop)
        return LinearTaps(self.first[some] - origin, self.second[some] - origin, self.share[some], self.inside[some])


@dataclass(frozen=True, eq=False)
class WayBack:
    """From the network's grid to the scan's, whose axes are parallel to it.

    Attributes:
        taps: for network axes 0, 1, 2. They count from the zeros before the scores where some are cut off there.
        order: the scan's axis that runs along each of them.
        turned: those that run against the network's axis.
    """

    taps: tuple[LinearTaps, LinearTaps, LinearTaps]
    order: tuple[int, int, int]
    turned: tuple[bool, bool, bool]

    def along_network(self, array: NDArray[Any]) -> NDArray[Any]:
        """A view of an array on the scan's grid with its axes along the network's, in the order of the taps."""
        steps = tuple(slice(None, None, -1 if turned else 1) for turned in self.turned)
        view: NDArray[Any] = array.transpose(self.order)[steps]
        return view


def way_back(network: Geometry, scan: Geometry, cut: Cut, alone: int | None = None) -> WayBack | None:
    """How scores come from the network's grid onto the scan's.

    Args:
        network: the whole grid.
        scan: the wanted grid.
        cut: what of the network's grid the scores lack: they are 0 there.
        alone: the network's axis that takes its nearest voxels. The scan fills the network's grid, in its axis order,
            or is a part of one that does.

    Returns:
        The way, or None where the axes are not parallel.
    """
    if alone is not None and np.abs(network.corners() - scan.corners()).max() <= SAME_FACES_MM:
        sizes = list(zip(network.shape, scan.shape, strict=True))
        filled = [_filled(of, n, axis == alone, cut[axis]) for axis, (of, n) in enumerate(sizes)]
        return WayBack((filled[0], filled[1], filled[2]), (0, 1, 2), (False, False, False))
    axes = aligned(network, scan)
    if axes is None:
        return None
    edge = reach(network, scan)
    order = [[axis.source for axis in axes].index(n) for n in range(3)]
    turned = [axes[n].step < 0 for n in order]
    at = [axes[n].at[::-1] if back else axes[n].at for n, back in zip(order, turned, strict=True)]
    if alone is not None:
        at[alone] = np.floor(at[alone] + 0.5 + TIE)
    a, b, c = (
        _linear(*kept_indices(each, of, ends, edge)) for each, of, ends in zip(at, network.shape, cut, strict=True)
    )
    return WayBack((a, b, c), (order[0], order[1], order[2]), (turned[0], turned[1], turned[2]))


def reach(network: Geometry, scan: Geometry) -> float:
    """How far beyond the network's outer centres, in voxels, its edge goes on; what lies further out is background.

    To the outer faces; all the way where the scan reaches no further than by the largest voxel of both grids.
    """
    beyond = reach_beyond(network, scan) * network.spacing[::-1, None]
    return np.inf if beyond.max() <= max(network.spacing.max(), scan.spacing.max()) else 0.5


def _filled(size: int, count: int, nearest: bool, cut: tuple[int, int]) -> LinearTaps:
    """LinearTaps of ``count`` centres between the same outer faces as ``size`` voxels: see ``stretch``."""
    at = np.clip(size / count * (np.arange(count) + 0.5) - 0.5, 0, size - 1)
    if nearest:
        at = np.floor(at + 0.5)
    return _linear(*kept_indices(at, size, cut, np.inf))


def kept_indices(
    at: NDArray[np.float64], size: int, cut: tuple[int, int], edge: float
) -> tuple[NDArray[np.float64], int, NDArray[np.bool_]]:
    """Indices of the network's grid, counted in the scores, with one voxel of zeros where something is cut off.

    Args:
        at: indices along one axis of the network's grid.
        size: voxels of the network's grid along it.
        cut: what the scores lack of it.
        edge: how far beyond the outer centres, in voxels, the network's grid counts as reaching.

    Returns:
        The indices, moved to where the scores or the zeros begin or end if they lie beyond; how many voxels there are,
        zeros included; whether an index belongs to the network's grid and is not among zeros only.
    """
    low, high = (int(n > 0) for n in cut)
    kept = low + size - sum(cut) + high
    moved = np.clip(at, 0, size - 1) - cut[0] + low
    inside = (at >= -edge) & (at <= size - 1 + edge) & (moved > low - 1 + ZEROS) & (moved < kept - high - ZEROS)
    return np.clip(moved, 0, kept - 1), kept, inside


def _linear(at: NDArray[np.float64], size: int, inside: NDArray[np.bool_]) -> LinearTaps:
    """LinearTaps at ascending indices."""
    first = np.minimum(np.floor(at), size - 1).astype(np.int64)
    share = (at - first).astype(np.float32)
    return LinearTaps(first, first + (share > 0), share, inside)


def to_device(array: NDArray[Any], like: Tensor) -> Tensor:
    """An array as a tensor, beside another one."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(array)).to(like.device)
