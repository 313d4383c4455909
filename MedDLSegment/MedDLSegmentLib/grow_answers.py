"""What grow-cut makes of clicks, for structures that no model knows: in this process, in a box around the clicks."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Label, Volume

from .click_answers import Answer, OnAnswer, OnProblem, OnStage
from .handover import stateOf
from .translation import _

_GREY = (128, 128, 128)


@dataclass
class _Grown:
    """One structure under correction.

    Attributes:
        clicks: so far, each with what told the segment before it.
        drawn: what a person drew of it: seeds, too.
        left: the segment as the last answer left it.
    """

    drawn: NDArray[np.bool_]
    left: NDArray[np.bool_]
    clicks: list[tuple[Click, int]] = field(default_factory=list)

    def follow(self, now: NDArray[np.bool_], kept: Sequence[Click]) -> None:
        """Sees what was done since: steps that were taken back elsewhere, strokes, and strokes that were erased.

        ``kept``: the clicks that the segment has by now.
        """
        if not np.array_equal(now, self.left):
            digest = _digest(now)
            undone = [n for n, (_click, before) in enumerate(self.clicks) if before == digest]
            if undone:  # what came back was not drawn
                del self.clicks[undone[-1] :]
                self.left = now
        self.clicks = [(click, before) for click, before in self.clicks if click in kept]
        self.drawn = (self.drawn | (now & ~self.left)) & now


class GrowCutAnswers:
    """Grows segments from clicks and from strokes; other segments are what a structure is not."""

    def __init__(self, volumeNode: Any, segmentation: Any) -> None:
        """Grows nothing yet."""
        self._node, self._segmentation = volumeNode, segmentation
        self._grown: dict[str, _Grown] = {}
        self._order: list[str] = []
        self._read: tuple[tuple[object, ...], Volume] | None = None
        self._seen: tuple[object, ...] = ()

    def ask(self, click: Click, onAnswer: OnAnswer, onProblem: OnProblem, onStage: OnStage) -> None:
        """Makes a click; one of the first two functions has been called when this returns."""
        from MedDLScene.grow_cut import grownAroundClicks
        from MedDLScene.segment_clicks import clicksOf

        onStage("grow")
        began, name = time.monotonic(), click.structure
        label = Label(1, name, _GREY)
        try:
            volume = self._volume()
            now, others = self._masks(name)
            grown = self._grown.get(name)
            if grown is None or grown.left.shape != now.shape:
                grown = self._grown[name] = _Grown(np.zeros_like(now), np.zeros_like(now))
            grown.follow(now, clicksOf(self._segmentation))
            clicks = [*(each for each, _before in grown.clicks), click]
            seeds = np.where(grown.drawn, 1, np.where(others, 2, 0)).astype(np.uint8)
            try:
                wanted, place = grownAroundClicks(volume, clicks, seeds)
            except MedDLError as error:
                if error.code is not Code.CLICKS_MISMATCH:
                    raise
                answer = Answer(label, None, None, hint=_("It is kept. Now click the structure."))
            else:
                answer = Answer(label, wanted, place, {"grow": time.monotonic() - began})
        except MedDLError as error:
            onProblem(error)
            return
        grown.clicks.append((click, _digest(now)))
        self._order.append(name)
        onAnswer(answer)

    def cancel(self) -> None:
        """Nothing is ever under way."""

    def settle(self) -> None:
        """What the scene shows now comes from here."""
        self._seen = self._state()
        if self._order and self._order[-1] in self._grown:
            self._grown[self._order[-1]].left = self._masks(self._order[-1])[0]

    @property
    def isSettled(self) -> bool:
        """Nobody else has changed the segmentation or moved anything."""
        return self._seen == self._state()

    def takeBack(self) -> None:
        """The last click was taken back in the scene."""
        if not self._order:
            return
        name = self._order.pop()
        grown = self._grown[name]
        if grown.clicks:
            grown.clicks.pop()
        grown.left = self._masks(name)[0]
        self._seen = self._state()

    def close(self) -> None:
        """Gives the memory back."""
        self._grown, self._order, self._read = {}, [], None

    def _state(self) -> tuple[object, ...]:
        from MedDLScene.segment_edit import stateOfSegments

        return stateOfSegments(self._segmentation), stateOf(self._node)

    def _volume(self) -> Volume:
        """Read once, and again when it has changed."""
        from MedDLScene.volume_node import volumeFromNode

        state = stateOf(self._node)
        if self._read is None or self._read[0] != state:
            self._read = state, volumeFromNode(self._node)
        return self._read[1]

    def _masks(self, name: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Where on the volume's grid the segment is, and where other segments are."""
        from MedDLScene.segmentation_node import labelMapFromSegmentationNode

        found = labelMapFromSegmentationNode(self._segmentation, self._node)
        now, others = np.zeros(found.geometry.shape, bool), np.zeros(found.geometry.shape, bool)
        for label in found.labels:
            mine = label.name.casefold() == name.casefold()
            mask = now if mine else others
            mask |= found.mask(label)
        return now, others & ~now


def _digest(mask: NDArray[np.bool_]) -> int:
    return zlib.crc32(np.packbits(mask))
