"""The result, part by part: each can be decided as soon as the logits that it is made from are there."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from ..cut import Cut
from ..spec import Output
from ..volume import Geometry
from .blocks import decide_blocks
from .rules import Rule, activated, named
from .sweep import FinishedSlab, Piece, slices, sweep
from .turned import turned_blocks
from .way_back import WayBack, way_back

if TYPE_CHECKING:
    from torch import Tensor


class Part(Protocol):
    """Some voxels of the result.

    Attributes:
        scores: what they are made from, ``(channels, d0, d1, d2)``.
        voxels: how many they are.
    """

    scores: Tensor
    voxels: int

    def decide(self, rule: Rule, scores: Tensor, values: Tensor | None = None) -> NDArray[Any]:
        """The labels of the voxels.

        Args:
            rule: what decides.
            scores: ``self.scores``, or some of their channels, on any device.
            values: ``(labels,)``: what to put in the place of each label; None: the label itself.
        """

    def place(self, array: NDArray[Any]) -> NDArray[Any]:
        """The view of an array on the result's grid that these voxels are."""


class NetworkSlices:
    """A part of a result on the network's own grid, without what is cut off it: slices along axis 0."""

    def __init__(self, start: int, scores: Tensor) -> None:
        """Takes the first slice's number, and the slices."""
        self.scores, self.voxels = scores, scores[0].numel()
        self._start = start

    def decide(self, rule: Rule, scores: Tensor, values: Tensor | None = None) -> NDArray[Any]:
        """See ``Part``."""
        found: NDArray[Any] = named(rule.labels(scores), values).cpu().numpy()
        return found

    def place(self, array: NDArray[Any]) -> NDArray[Any]:
        """See ``Part``."""
        return array[self._start : self._start + self.scores.shape[1]]


class Slices:
    """A part of a result whose axes are parallel to the network's: slices along network axis 0."""

    def __init__(self, piece: Piece, way: WayBack) -> None:
        """Takes what they are made from, and how the whole result lies."""
        self.scores = piece.scores
        self.voxels = math.prod((piece.stop - piece.start, *(len(taps.first) for taps in way.taps[1:])))
        self._piece, self._way = piece, way

    def decide(self, rule: Rule, scores: Tensor, values: Tensor | None = None) -> NDArray[Any]:
        """See ``Part``."""
        found: NDArray[Any] = decide_blocks(scores, (self._piece.taps, *self._way.taps[1:]), rule, values).cpu().numpy()
        return found

    def place(self, array: NDArray[Any]) -> NDArray[Any]:
        """See ``Part``."""
        return self._way.along_network(array)[self._piece.start : self._piece.stop]


def parts_of(
    slabs: Iterable[FinishedSlab],
    network: Geometry,
    scan: Geometry,
    output: Output,
    cut: Cut,
    alone: int | None,
    on_step_down: Callable[[str], None] | None,
) -> Iterator[Part]:
    """Gives every part of the result once. Arguments as for ``decide``.

    Where labels are brought back, the result is the labels on the network's grid, without what is cut off it.
    """
    if output.interpolate == "labels":
        for start, scores in slices(slabs):
            yield NetworkSlices(start, scores)
        return
    activation = functools.partial(activated, output=output)
    way = way_back(network, scan, cut, alone)
    if way is None:
        yield from turned_blocks(slabs, network, scan, cut, activation, on_step_down)
    else:
        size = network.shape[0] - sum(cut[0])
        for piece in sweep(slabs, way.taps[0], size, cut, activation, on_step_down):
            yield Slices(piece, way)
