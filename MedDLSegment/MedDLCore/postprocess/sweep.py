"""The slabs of scores, cut into the pieces that slices of the result are made from, as soon as they are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from ..cut import Cut
from ..out_of_memory import on_device
from .way_back import LinearTaps

if TYPE_CHECKING:
    from torch import Tensor

SLICES = 16
"""Slices of the network's grid in a piece, but for more that a single slice of the result needs."""

Activation = Callable[["Tensor"], "Tensor"]
"""Makes of logits ``(channels, ...)`` what is interpolated."""


class FinishedSlab(Protocol):
    """Logits of some slices along network axis 0: ``(channels, n, d1, d2)`` float32, from slice ``start`` on.

    A slab begins with the last slice of the one before it, and need not outlast the next one.
    """

    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def logits(self) -> Tensor: ...  # noqa: D102


class Piece(NamedTuple):
    """What some slices of the result are made from.

    Attributes:
        scores: ``(channels, d0, d1, d2)``, with a voxel of zeros at each side that is cut.
        taps: of these slices along axis 0, counted from the first slice of ``scores``.
        start: the first of these slices.
        stop: one past the last.
    """

    scores: Tensor
    taps: LinearTaps
    start: int
    stop: int


def slices(slabs: Iterable[FinishedSlab]) -> Iterator[tuple[int, Tensor]]:
    """Every slice once, ``SLICES`` at a time: the number of the first one, and ``(channels, n, d1, d2)`` logits."""
    known = 0
    for slab in slabs:
        stop = slab.start + slab.logits.shape[1]
        for start in range(known, stop, SLICES):
            yield start, slab.logits[:, start - slab.start : min(start + SLICES, stop) - slab.start]
        known = stop


def sweep(
    slabs: Iterable[FinishedSlab],
    taps: LinearTaps,
    size: int,
    cut: Cut,
    activation: Activation,
    on_step_down: Callable[[str], None] | None = None,
) -> Iterator[Piece]:
    """Gives the pieces in order, each as early as its slices are there.

    Args:
        slabs: in order, together ``size`` slices.
        taps: of the whole result along axis 0.
        size: slices of the scores.
        cut: of the network's grid.
        activation: what is interpolated.
        on_step_down: as for ``decide``.
    """
    low, high = (int(n > 0) for n in cut[0])
    done = 0
    for slab in slabs:
        there = slab.start + slab.logits.shape[1]
        ready = int(np.searchsorted(taps.second, there + low + high * (there == size)))
        while done < ready:
            start = int(taps.first[done])
            stop = min(ready, max(done + 1, int(np.searchsorted(taps.second, start + SLICES))))
            end = int(taps.second[stop - 1]) + 1
            scores = with_zeros(slab, start - low, end - low, cut, activation, on_step_down)
            yield Piece(scores, taps.part(done, stop, origin=start), done, stop)
            done = stop


def with_zeros(
    slab: FinishedSlab,
    start: int,
    stop: int,
    cut: Cut,
    activation: Activation,
    on_step_down: Callable[[str], None] | None = None,
) -> Tensor:
    """Slices ``start`` to ``stop`` of the scores, with a voxel of zeros at each side of the plane that is cut.

    ``start`` may be -1, and ``stop`` one too large: zeros.
    """
    before, after = max(0, -start), max(0, stop - slab.start - slab.logits.shape[1])
    logits = slab.logits[:, start + before - slab.start : stop - after - slab.start]
    widths = [before, after, *(int(n > 0) for ends in cut[1:] for n in ends)]

    def work(logits: Tensor) -> Tensor:
        scores = activation(logits)
        if not any(widths):
            return scores
        import torch

        return torch.nn.functional.pad(scores, [*widths[4:], *widths[2:4], *widths[:2]])

    return on_device(work, [logits], "for what is interpolated", on_step_down)
