"""Correcting one segmentation by clicks: one click is answered after the other, and each is one step of undo."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError

from .click_answers import Answer, OnAnswer, OnProblem, OnStage
from .correct_state import Going, Last
from .translation import _

if TYPE_CHECKING:
    from MedDLScene.segment_edit import Edited


class Answers(Protocol):
    """A model, or grow-cut: what makes a segment of clicks."""

    def ask(self, click: Click, onAnswer: OnAnswer, onProblem: OnProblem, onStage: OnStage) -> None:
        """Makes a click."""

    def cancel(self) -> None:
        """The click that is being answered is not wanted."""

    def settle(self) -> None:
        """What the scene shows now comes from here."""

    def takeBack(self) -> None:
        """The last click was taken back in the scene."""

    def close(self) -> None:
        """Nothing is asked any more."""


class ClickSession:
    """The clicks of a person on one segmentation, from the first one until something else is chosen.

    Attributes:
        going: what a page shows of it.
        count: clicks that were answered and not taken back here. The segments know theirs: see ``segment_clicks``.
    """

    def __init__(
        self, editor: Any, answers: Answers, volumes: tuple[Any, ...], onChange: Callable[[Any], None] = lambda _: None
    ) -> None:
        """``editor``: see ``segment_edit.Editor``; ``volumes``: nodes without which nothing can go on."""
        self._editor, self._answers, self._onChange = editor, answers, onChange
        self._needed = (editor.node.GetSegmentationNode(), *volumes)
        self._scene = editor.node.GetScene()
        self._steps: list[bool] = []  # of the last clicks: whether the scene's undo has a step for it
        self._left: object = None  # the segments after the last of them
        self._waiting: list[Click] = []
        self._asked: Click | None = None
        self._since = 0.0
        self._closed = False
        self.count = 0
        self.going = Going()
        self._tag = self._scene.AddObserver(self._scene.NodeRemovedEvent, self._nodeRemoved)

    @property
    def isClosed(self) -> bool:
        """Nothing goes on any more."""
        return self._closed

    def click(self, click: Click) -> None:
        """Makes a click, when those before it are answered."""
        if self._closed:
            return
        self._waiting.append(click)
        self._show(problem=None)
        self._next()

    def undo(self) -> None:
        """Takes back the last click that a person made: one that waits, or is being answered, or was answered."""
        if self._waiting:
            self._waiting.pop()
        elif self._asked is not None:
            self._show(cancelling=True)
            self._answers.cancel()
        elif self._steps and self._forgetOldSteps():
            if self._steps.pop():
                self._editor.undo()
            self._answers.takeBack()
            self._left = self._segments()
            self.count -= 1
            self._show(last=None, problem=None)
        self._show()

    def close(self) -> None:
        """Nothing goes on after this; what was corrected stays."""
        if self._closed:
            return
        self._closed = True
        self._waiting = []
        self._scene.RemoveObserver(self._tag)
        self._answers.close()
        self._asked = None
        self._editor.close()
        self._show()

    def _next(self) -> None:
        if self._asked is not None or not self._waiting or self._closed:
            return
        self._forgetOldSteps()
        self._asked, self._since = self._waiting.pop(0), time.monotonic()
        self._show(stage="start", cancelling=False)
        self._answers.ask(self._asked, self._answered, self._refused, lambda stage: self._show(stage=stage))

    def _answered(self, answer: Answer) -> None:
        click, self._asked = self._asked, None
        if self._closed or click is None:
            return
        if self.going.cancelling:  # it was done before it could be cancelled
            self._answers.takeBack()
            self._refused(MedDLError(Code.CANCELLED, "Cancelled."))
            return
        try:
            edited, hasStep = self._write(answer, click)
        except MedDLError as error:
            self._answers.takeBack()
            self._refused(error)
            return
        self._answers.settle()
        self._keepStep(hasStep)
        self.count += 1
        spent = time.monotonic() - self._since
        last = Last(answer.label.name, click.positive, edited, spent, dict(answer.seconds), answer.notices, answer.hint)
        self._show(last=last)
        self._next()

    def _write(self, answer: Answer, click: Click) -> tuple[Edited, bool]:
        """Puts an answer into the scene, and the click to its segment: one step of undo, also where nothing changes."""
        from MedDLScene.segment_clicks import keepClick
        from MedDLScene.segment_edit import Edited, editSegment
        from MedDLScene.segmentation_node import addEmptySegment, segmentNamed

        node, edited = self._needed[0], Edited(0, 0)
        segmentID = segmentNamed(node, answer.label.name)
        if answer.wanted is not None and answer.place is not None:
            self._editor.takeRules()
            if not segmentID and self._editor.addsSegments:
                segmentID = addEmptySegment(node, answer.label)
            within = click.point if click.positive else None
            edited = editSegment(self._editor, segmentID, answer.wanted, answer.place, within)
        if not segmentID:  # there is no such segment, and nothing of it was found
            return edited, False
        if not edited.hasStep:
            self._editor.saveState()
        keepClick(node, segmentID, click)
        return edited, True

    def _refused(self, error: MedDLError) -> None:
        """The click counts for nothing; those that wait are answered all the same, unless the worker is gone."""
        self._asked = None
        if self._closed:
            return
        if error.code is Code.REGION_OUTSIDE:
            error = MedDLError(error.code, _("The click does not lie in the scan."), _("Click in it."))
        if error.code in (Code.WORKER_LOST, Code.WORKER_STALLED):
            self._waiting = []
        self._show(problem=None if self.going.cancelling else error, last=None, cancelling=False)
        self._next()

    def _keepStep(self, hasStep: bool) -> None:
        """One more; those that the editor no longer has are forgotten."""
        from MedDLScene.segment_editor import UNDO_STEPS

        self._steps = [*self._steps, hasStep][-UNDO_STEPS:]
        self._left = self._segments()

    def _forgetOldSteps(self) -> bool:
        """Whether steps can be taken back: not those from before somebody else changed the segments."""
        if self._steps and self._left != self._segments():
            self._steps = []
        return bool(self._steps)

    def _segments(self) -> object:
        """Changes with them, wherever they lie."""
        from MedDLScene.segment_edit import stateOfSegments

        return stateOfSegments(self._needed[0])[0]

    def _nodeRemoved(self, *_args: Any) -> None:
        if any(node.GetScene() is None for node in self._needed):
            self.close()
            gone = MedDLError(Code.CANCELLED, _("The volume or the segmentation was removed."))
            self._show(problem=gone)

    def _show(self, **changes: Any) -> None:
        self.going = replace(
            self.going,
            **changes,
            busy=self._asked is not None,
            waiting=len(self._waiting),
            count=self.count,
            canUndo=bool(self._waiting or self._asked or self._steps),
        )
        self._onChange(self)
