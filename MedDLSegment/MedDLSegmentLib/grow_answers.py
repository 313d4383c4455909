"""What grow-cut makes of clicks, for structures that no model knows: in this process, in a box around the clicks."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, Label, LabelMap, Volume

from .click_answers import Answer, OnAnswer, OnProblem, OnStage
from .handover import stateOf
from .translation import _

_GREY = (128, 128, 128)


@dataclass(frozen=True)
class _Made:
    """A click that was answered.

    Attributes:
        click: as it was made.
        index: i, j, k of the volume, which may be moved after it.
        before: tells the segment before it.
        within: the names of the other segments that it lay in, and which it says to be this one.
    """

    click: Click
    index: NDArray[np.float64]
    before: int
    within: frozenset[str]

    def at(self, grid: Geometry) -> Click:
        """The click on the volume where it lies now."""
        r, a, s = grid.index_to_ras(self.index).tolist()
        return replace(self.click, point=(r, a, s))


@dataclass
class _Grown:
    """One structure under correction.

    Attributes:
        drawn: what a person drew of it: seeds, too.
        left: the segment as the last answer left it.
        clicks: so far.
    """

    drawn: NDArray[np.bool_]
    left: NDArray[np.bool_]
    clicks: list[_Made] = field(default_factory=list)

    def follow(self, now: NDArray[np.bool_], kept: Sequence[Click]) -> None:
        """Sees what was done since: steps that were taken back elsewhere, strokes, and strokes that were erased.

        ``kept``: the clicks that the segment has by now.
        """
        if not np.array_equal(now, self.left):
            digest = _digest(now)
            undone = [n for n, made in enumerate(self.clicks) if made.before == digest]
            if undone:  # what came back was not drawn
                del self.clicks[undone[-1] :]
                self.left = now
        self.clicks = [made for made in self.clicks if made.click in kept]
        self.drawn = (self.drawn | (now & ~self.left)) & now


class GrowCutAnswers:
    """Grows segments from clicks and strokes. Other segments are what one is not, but those that it was clicked in."""

    def __init__(self, volumeNode: Any, segmentation: Any) -> None:
        """Grows nothing yet."""
        self._node, self._segmentation = volumeNode, segmentation
        self._grown: dict[str, _Grown] = {}
        self._order: list[str] = []
        self._read: tuple[tuple[object, ...], Volume] | None = None

    def ask(self, click: Click, onAnswer: OnAnswer, onProblem: OnProblem, onStage: OnStage) -> None:
        """Makes a click; one of the first two functions has been called when this returns."""
        from MedDLScene.grow_cut import INSIDE, NOTHING, OUTSIDE, grownAroundClicks
        from MedDLScene.segment_clicks import clicksOf

        onStage("grow")
        began, name = time.monotonic(), click.structure
        label = Label(1, name, _GREY)
        try:
            volume = self._volume()
            found = self._found()
            now = _maskOf(found, name)
            grown = self._grown.get(name)
            if grown is None or grown.left.shape != now.shape:
                grown = self._grown[name] = _Grown(np.zeros_like(now), np.zeros_like(now))
            grown.follow(now, clicksOf(self._segmentation))
            made = self._made(click, volume.geometry, found)
            clicks = [each.at(volume.geometry) for each in (*grown.clicks, made)]
            given = frozenset().union(*(each.within for each in (*grown.clicks, made)))
            others = _maskOf(found, *(each.name for each in found.labels if each.name.casefold() not in given))
            seeds = np.where(grown.drawn, INSIDE, np.where(others & ~now, OUTSIDE, NOTHING)).astype(np.uint8)
            try:
                wanted, place = grownAroundClicks(volume, clicks, seeds, now=now)
            except MedDLError as error:
                if error.code is not Code.CLICKS_MISMATCH:
                    raise
                answer = Answer(label, None, None, hint=_("It is kept. Now click the structure."))
            else:
                answer = Answer(label, wanted, place, {"grow": time.monotonic() - began})
        except MedDLError as error:
            onProblem(error)
            return
        grown.clicks.append(made)
        self._order.append(name)
        onAnswer(answer)

    def cancel(self) -> None:
        """Nothing is ever under way."""

    def settle(self) -> None:
        """What the scene shows now comes from here."""
        if self._order and self._order[-1] in self._grown:
            self._grown[self._order[-1]].left = _maskOf(self._found(), self._order[-1])

    def takeBack(self) -> None:
        """The last click was taken back in the scene."""
        if not self._order:
            return
        name = self._order.pop()
        grown = self._grown[name]
        if grown.clicks:
            grown.clicks.pop()
        grown.left = _maskOf(self._found(), name)

    def close(self) -> None:
        """Gives the memory back."""
        self._grown, self._order, self._read = {}, [], None

    def _volume(self) -> Volume:
        """Read once, and again when it has changed."""
        from MedDLScene.volume_node import volumeFromNode

        state = stateOf(self._node)
        if self._read is None or self._read[0] != state:
            self._read = state, volumeFromNode(self._node)
        return self._read[1]

    def _found(self) -> LabelMap:
        """All segments on the volume's grid."""
        from MedDLScene.segmentation_node import labelMapFromSegmentationNode

        return labelMapFromSegmentationNode(self._segmentation, self._node)

    def _made(self, click: Click, grid: Geometry, found: LabelMap) -> _Made:
        """A click on what is there now."""
        from MedDLScene.segment_edit import isLocked
        from MedDLScene.segmentation_node import segmentNamed

        index, name = grid.ras_to_index(click.point), click.structure.casefold()
        i, j, k = np.clip(np.nan_to_num(np.round(index)), 0, np.array(grid.shape[::-1]) - 1).astype(int)
        there = {each.name.casefold() for each in found.labels if found.layer(each.layer)[k, j, i] == each.value}
        segmentation, within = self._segmentation.GetSegmentation(), set[str]()
        for other in there - {name} if click.positive else ():
            if not isLocked(segmentation.GetSegment(segmentNamed(self._segmentation, other))):
                within.add(other)
        return _Made(click, index, _digest(_maskOf(found, name)), frozenset(within))


def _maskOf(found: LabelMap, *names: str) -> NDArray[np.bool_]:
    """Where segments of these names are, in any case."""
    mask, wanted = np.zeros(found.geometry.shape, bool), {name.casefold() for name in names}
    for label in found.labels:
        if label.name.casefold() in wanted:
            mask |= found.mask(label)
    return mask


def _digest(mask: NDArray[np.bool_]) -> int:
    return zlib.crc32(np.packbits(mask))
