"""Scores on the network's grid -> labels on a grid that is turned against it, block by block of the result."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..cut import Cut
from ..out_of_memory import on_device
from ..volume import Geometry
from .rules import Rule, named
from .sweep import Activation, FinishedSlab, with_zeros
from .way_back import kept_indices, reach

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 16
"""Voxels of the result along each axis of a block."""

Box = tuple[slice, slice, slice]


class TurnedBlock:
    """A part of the result: see ``Part``."""

    def __init__(self, box: Box, scores: Tensor, at: NDArray[np.float64], inside: NDArray[np.bool_]) -> None:
        """A block of voxels.

        Args:
            box: of the result, K, J, I.
            scores: ``(channels, d0, d1, d2)``: the smallest box of scores that holds all that the voxels lie between.
            at: ``(voxels, 3)``: where they lie, along axes 0, 1, 2, counted from the first voxel of ``scores``.
            inside: ``(voxels,)`` whether they belong to the network's grid.
        """
        self.scores, self.voxels = scores, len(at)
        self._box, self._at, self._inside = box, at, inside

    def decide(self, rule: Rule, scores: Tensor, values: Tensor | None = None) -> NDArray[Any]:
        """See ``Part``, and ``decide_blocks``."""
        import torch

        labels = rule.labels(scores)
        present = torch.unique(labels)
        decided = present.expand(len(self._at)) if len(present) == 1 else self._interpolated(rule, scores, labels)
        found: NDArray[Any] = named(decided, values).cpu().numpy() * self._inside
        return found.reshape([part.stop - part.start for part in self._box])

    def place(self, array: NDArray[Any]) -> NDArray[Any]:
        """See ``Part``."""
        return array[self._box]

    def _interpolated(self, rule: Rule, scores: Tensor, labels: Tensor) -> Tensor:
        import torch

        greatest = scores.flatten(start_dim=1).amax(dim=1, keepdim=True)
        present = torch.unique(labels).tolist()
        candidates = rule.candidates(greatest, lambda: [scores[n].amin()[None] for n in present])
        channels = candidates[:, 0].nonzero()[:, 0]
        # grid_sample wants the axes backwards, and -1..1 from the first centre to the last.
        last = np.maximum(np.array(scores.shape[1:]) - 1, 1)
        grid = torch.from_numpy(np.ascontiguousarray((self._at * 2 / last - 1)[:, ::-1], np.float32)).to(scores.device)
        moved = torch.nn.functional.grid_sample(
            scores[None, channels], grid[None, :, None, None], padding_mode="border", align_corners=True
        )
        decided = labels.new_zeros(len(self._at))
        best = moved.new_full(decided.shape, -np.inf)
        for channel, score in zip(channels, moved[0, :, :, 0, 0], strict=True):
            rule.compete(decided, best, score, channel)
        return decided


def turned_blocks(
    slabs: Iterable[FinishedSlab],
    network: Geometry,
    scan: Geometry,
    cut: Cut,
    activation: Activation,
    on_step_down: Callable[[str], None] | None = None,
) -> Iterator[TurnedBlock]:
    """Gives the blocks of the result, each as early as its slices are there.

    Args:
        slabs: in order, together the network's grid without what is cut.
        network: the whole grid.
        scan: the wanted grid.
        cut: of the network's grid: there the scores are 0.
        activation: what is interpolated.
        on_step_down: as for ``decide``.
    """
    import torch

    size = network.shape[0] - sum(cut[0])
    waiting = sorted(
        (_Waiting.of(box, network, scan, cut) for box in _boxes(scan.shape)), key=lambda block: -block.stop
    )
    held: Tensor | None = None
    known = start = 0  # slices that have come; and the first that is held, counted with the zeros before them
    for slab in slabs:
        stop = slab.start + slab.logits.shape[1]
        zeros = int(known == 0 and cut[0][0] > 0), int(stop == size and cut[0][1] > 0)
        new = with_zeros(slab, known - zeros[0], stop + zeros[1], cut, activation, on_step_down)
        held = new if held is None else on_device(_joined, [held, new], "for what is interpolated", on_step_down)
        known = stop
        while waiting and waiting[-1].stop <= start + held.shape[1]:
            yield waiting.pop().ready(held, start, network, scan, cut)
        if waiting:
            needed = min(block.start for block in waiting)
            first = min(needed, start + held.shape[1])  # what is needed may be yet to come
            held = on_device(torch.clone, [held[:, first - start :]], "for what is interpolated", on_step_down)
            start = first


class _Waiting(NamedTuple):
    """A block whose slices, ``start`` to ``stop`` counted with the zeros before the first, are not all there."""

    box: Box
    start: int
    stop: int

    @classmethod
    def of(cls, box: Box, network: Geometry, scan: Geometry, cut: Cut) -> _Waiting:
        corners = np.array(list(itertools.product(*((part.start, part.stop - 1) for part in box))))
        at = _indices(corners, network, scan)[:, 0]
        moved, _, _ = kept_indices(at, network.shape[0], cut[0], np.inf)
        return cls(box, int(np.floor(moved.min())), int(np.ceil(moved.max())) + 1)

    def ready(self, held: Tensor, start: int, network: Geometry, scan: Geometry, cut: Cut) -> TurnedBlock:
        voxels = np.stack(np.meshgrid(*(np.arange(p.start, p.stop) for p in self.box), indexing="ij"), axis=-1)
        indices = _indices(voxels.reshape(-1, 3), network, scan)
        edge = reach(network, scan)
        along = [kept_indices(indices[:, n], network.shape[n], cut[n], edge) for n in range(3)]
        at = np.stack([moved for moved, _, _ in along], axis=1)
        at[:, 0] = np.maximum(at[:, 0], start)  # no voxel lies before the corners, but for rounding
        first = np.floor(at.min(axis=0)).astype(int)
        last = np.ceil(at.max(axis=0)).astype(int) + 1
        a, b, c = (slice(x - o, y - o) for x, y, o in zip(first, last, (start, 0, 0), strict=True))
        inside = np.logical_and.reduce([within for _, _, within in along])
        return TurnedBlock(self.box, held[:, a, b, c], at - first, inside)


def _indices(voxels: NDArray[np.int64], network: Geometry, scan: Geometry) -> NDArray[np.float64]:
    """``(n, 3)`` indices K, J, I of the scan -> of axes 0, 1, 2 of the network's grid."""
    return network.ras_to_index(scan.index_to_ras(voxels[:, ::-1]))[:, ::-1]


def _boxes(shape: tuple[int, int, int]) -> Iterator[Box]:
    for a, b, c in itertools.product(*(range(0, n, BLOCK) for n in shape)):
        k, j, i = (slice(start, min(start + BLOCK, n)) for start, n in zip((a, b, c), shape, strict=True))
        yield k, j, i


def _joined(held: Tensor, new: Tensor) -> Tensor:
    import torch

    return torch.cat([held, new], dim=1)
