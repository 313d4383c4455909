"""Scores on the network's grid -> labels on a grid with parallel axes, block by block of the result.

A block whose voxels all have one label on the network's grid has it on the scan's too: interpolation stays between the
values that it is made from. In the others, only the channels that the bounds of the scores admit are interpolated. With
real anatomy that is a few percent of channels x voxels, and the result is that of interpolating everything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from .planes import decide_planes
from .rules import Rule, named
from .way_back import LinearTaps, to_device

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SPAN = 4
"""Voxels of the network's grid from one block to the next: larger blocks are rarely of one label."""

AT_A_TIME = 1 << 21
"""Interpolated scores that are held at a time."""

MUCH = 0.5
"""Part of all channels in all blocks from which on it is quicker to interpolate everything, plane by plane."""

BOUNDS: tuple[Literal["amin"], Literal["amax"]] = ("amin", "amax")


class _Axis(NamedTuple):
    """The blocks along one axis: a voxel of the result belongs to the block in which its first tap lies.

    Attributes:
        weights: ``(blocks, voxels, support)``: how much of the voxels of the scores, from ``SPAN`` times the block's
            number on, each voxel of the result takes.
        used: ``(blocks,)``: whether any voxel of the result lies there. Unused rows of the weights are 0.
        places: ``(n,)``: for each voxel of the result, in which row of all the blocks' weights it stands.
    """

    weights: Tensor
    used: Tensor
    places: Tensor

    @property
    def voxels(self) -> int:
        """Of the result, in a block, at most."""
        return int(self.weights.shape[1])

    @property
    def support(self) -> int:
        """Voxels of the scores that a block is made from; the last block may have fewer."""
        return int(self.weights.shape[2])


def decide_blocks(scores: Tensor, taps: Sequence[LinearTaps], rule: Rule, values: Tensor | None = None) -> Tensor:
    """Decides the labels of a box of the result.

    Args:
        scores: ``(channels, d0, d1, d2)`` float32 on the network's grid.
        taps: of the box along axes 0, 1, 2, counted from the first voxel of ``scores``.
        rule: what decides.
        values: ``(labels,)``: what to put in the place of each label; None: the label itself.

    Returns:
        ``(n0, n1, n2)`` uint8 or int32 on the scores' device; outside the network's grid it is 0.
    """
    labels = rule.labels(scores)
    if all(axis.whole for axis in taps):
        for n, axis in enumerate(taps):
            labels = labels.index_select(n, to_device(axis.first, labels))
        result = named(labels, values)
    else:
        result = _in_blocks(scores, labels, taps, rule, values)
    for n, axis in enumerate(taps):
        if not axis.inside.all():
            result.index_fill_(n, to_device(np.flatnonzero(~axis.inside), result), 0)
    return result


def _axis(taps: LinearTaps, scores: Tensor, axis: int) -> _Axis:
    size = scores.shape[axis]
    first = np.minimum(taps.first, max(0, size - 2))  # a tap of the last voxel alone is the second of the last cell
    share = np.where(taps.first > first, 1, taps.share)
    block, blocks = first // SPAN, max(1, -(-(size - 1) // SPAN))
    counts = np.bincount(block, minlength=blocks)
    row = np.arange(len(block)) - (counts.cumsum() - counts)[block]
    weights = np.zeros((blocks, counts.max(), min(SPAN + 1, size)), dtype=np.float32)
    weights[block, row, first - SPAN * block] = 1 - share
    if size > 1:
        weights[block, row, first - SPAN * block + 1] = share
    places = block * weights.shape[1] + row
    return _Axis(to_device(weights, scores), to_device(counts > 0, scores), to_device(places, scores))


def _in_blocks(scores: Tensor, labels: Tensor, taps: Sequence[LinearTaps], rule: Rule, values: Tensor | None) -> Tensor:
    axes = [_axis(axis, scores, n + 1) for n, axis in enumerate(taps)]
    lowest, highest = (_pooled(labels[None], bound)[0] for bound in BOUNDS)
    result = named(lowest, values)
    for n, axis in enumerate(axes):
        result = result.repeat_interleave(axis.voxels, dim=n)
    used = axes[0].used[:, None, None] & axes[1].used[:, None] & axes[2].used
    mixed = ((lowest != highest) & used).nonzero()  # (n, 3): which block along each axis
    if len(mixed):
        a, b, c = mixed.unbind(dim=1)
        supports = _Supports(scores, axes, mixed)
        greatest = _pooled(scores, "amax")[:, a, b, c]
        present = lowest[a, b, c], highest[a, b, c]
        candidates = rule.candidates(greatest, lambda: [supports(label.long()).amin(dim=1) for label in present])
        a_plane = len(scores) * math.prod(len(axis.places) for axis in axes[1:])
        if a_plane <= AT_A_TIME and int(candidates.sum()) > MUCH * len(scores) * int(used.sum()):
            return named(decide_planes(scores, taps, rule, labels.dtype), values)
        decided = named(_competition(supports, candidates, rule, labels.dtype), values)
        sizes = [size for axis in axes for size in (len(axis.used), axis.voxels)]
        result.view(sizes)[a, :, b, :, c, :] = decided.view(-1, *(axis.voxels for axis in axes))
    for n, axis in enumerate(axes):
        if len(axis.places) < result.shape[n]:
            result = result.index_select(n, axis.places)
    return result


def _pooled(scores: Tensor, bound: Literal["amin", "amax"]) -> Tensor:
    """``(channels, blocks, blocks, blocks)``: the least or greatest of the voxels that each block is made from."""
    import torch

    for n in (1, 2, 3):
        whole, rest = divmod(scores.shape[n] - 1, SPAN)
        parts = []
        if whole:
            inner = scores.narrow(n, 0, whole * SPAN)
            inner = getattr(inner.view(*inner.shape[:n], whole, SPAN, *inner.shape[n + 1 :]), bound)(n + 1)
            shared = scores.narrow(n, SPAN, (whole - 1) * SPAN + 1)[(slice(None),) * n + (slice(None, None, SPAN),)]
            parts.append(inner.maximum(shared) if bound == "amax" else inner.minimum(shared))
        if rest or not whole:
            parts.append(getattr(scores.narrow(n, whole * SPAN, rest + 1), bound)(n, keepdim=True))
        scores = parts[0] if len(parts) == 1 else torch.cat(parts, n)
    return scores


class _Supports:
    """The scores that some of the blocks are made from.

    Attributes:
        count: how many blocks.
        voxels: of the result in a block.
    """

    def __init__(self, scores: Tensor, axes: Sequence[_Axis], blocks: Tensor) -> None:
        """Takes the blocks ``(n, 3)`` of ``scores`` ``(channels, d0, d1, d2)``."""
        reach = sum((size - 1) * stride for size, stride in zip(scores.shape, scores.stride(), strict=True))
        self._scores = scores.as_strided((reach + 1,), (1,))  # a part of a slab is not contiguous: no copy of it
        self._axes, self._blocks = axes, blocks
        self._of_channel = scores.stride(0)
        self.count = len(blocks)
        self.voxels = math.prod(axis.voxels for axis in axes)
        self._at = blocks.new_zeros((self.count, 1))
        for n, axis in enumerate(axes):
            along = SPAN * blocks[:, n, None] + blocks.new_ones(axis.support).cumsum(0) - 1
            along = along.clamp(max=scores.shape[n + 1] - 1) * scores.stride(n + 1)
            self._at = (self._at[:, :, None] + along[:, None, :]).flatten(start_dim=1)

    def __call__(self, channels: Tensor, blocks: Tensor | None = None) -> Tensor:
        """``(n,)`` channels, and blocks, each by its number, all of them if None -> ``(n, support)``."""
        at = (self._at if blocks is None else self._at[blocks]) + channels[:, None] * self._of_channel
        return self._scores.index_select(0, at.flatten()).view(at.shape)

    def interpolated(self, channels: Tensor, blocks: Tensor) -> Tensor:
        """The same -> ``(n, voxels)``, axis by axis."""
        w0, w1, w2 = (axis.weights[self._blocks[blocks, n]] for n, axis in enumerate(self._axes))
        s0, s1, s2 = (axis.support for axis in self._axes)
        moved = self(channels, blocks).view(-1, s0 * s1, s2).bmm(w2.mT)
        moved = w1[:, None].matmul(moved.view(-1, s0, s1, w2.shape[1]))
        return w0.bmm(moved.flatten(start_dim=2)).flatten(start_dim=1)


def _competition(supports: _Supports, candidates: Tensor, rule: Rule, dtype: torch.dtype) -> Tensor:
    """``(n, voxels)`` labels: every block's candidates compete in the order of their channels.

    Args:
        supports: of n blocks.
        candidates: ``(channels, n)``.
        rule: what decides.
        dtype: of the labels.
    """
    labels = candidates.new_zeros((supports.count, supports.voxels), dtype=dtype)
    counts = candidates.sum(dim=0)
    order = counts.argsort(descending=True)  # so that those with an n-th candidate come first
    counts = counts[order]
    ends = counts.cumsum(0)
    blocks, channels = candidates[:, order].T.nonzero().unbind(dim=1)  # block by block, channels ascending
    room, start, before = max(1, AT_A_TIME // supports.voxels), 0, 0
    while start < supports.count:
        stop = max(start + 1, int((ends - before <= room).sum()))
        pairs = slice(before, int(ends[stop - 1]))
        scores = supports.interpolated(channels[pairs], order[blocks[pairs]])
        decided = labels.new_zeros((stop - start, supports.voxels))
        best = scores.new_full(decided.shape, -math.inf)
        first = ends[start:stop] - counts[start:stop] - before
        for n in range(int(counts[start])):
            rivals = int((counts[start:stop] > n).sum())
            at = first[:rivals] + n
            rule.compete(decided[:rivals], best[:rivals], scores[at], channels[pairs][at, None])
        labels[order[start:stop]] = decided
        start, before = stop, pairs.stop
    return labels
