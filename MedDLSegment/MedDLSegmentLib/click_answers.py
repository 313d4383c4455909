"""What a model that listens makes of clicks: asked of the warm worker, which keeps what it has prepared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.volume import Geometry, Label
from MedDLCore.worker.messages import Correction, Event, Job

from .handover import Handover, stateOf
from .translation import _
from .worker_process import Request, WorkerProcess


@dataclass(frozen=True, eq=False)
class Answer:
    """What the structure of a click is now, in a box.

    Attributes:
        label: the structure.
        wanted: ``(K, J, I)``: whether a voxel belongs to it; None: nothing has changed.
        place: of the box, in the world.
        seconds: of each stage.
        notices: warnings.
        hint: what to do next, where that is not clear.
    """

    label: Label
    wanted: NDArray[np.bool_] | None
    place: Geometry | None
    seconds: Mapping[str, float] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    hint: str = ""


OnAnswer = Callable[[Answer], None]
OnProblem = Callable[[MedDLError], None]
OnStage = Callable[[str], None]


class ModelAnswers:
    """Corrects a segmentation with a model. What was drawn by hand between two clicks is what it goes on from."""

    def __init__(
        self,
        worker: WorkerProcess,
        handover: Handover,
        model: str,
        volumes: Sequence[Any],
        segmentation: Any,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Asks nothing yet. ``volumes``: nodes, one for each input of the model; the others as for ``Choice``."""
        self._worker, self._handover = worker, handover
        self._model, self._volumes, self._segmentation = model, tuple(volumes), segmentation
        self._device, self._threads = device, threads
        self._clicks: list[Click] = []  # since the start was given
        self._shown: list[Mapping[str, Any] | None] = []  # after each of those that were answered
        self._changed: Geometry | None = None  # where the last answer lies
        self._start: Mapping[str, Any] | None = None
        self._given: tuple[object, ...] = ()
        self._seen: tuple[object, ...] = ()
        self._grid: Geometry | None = None
        self._labels: dict[str, Label] = {}
        self._request: Request | None = None
        self._unwanted = False

    def ask(self, click: Click, onAnswer: OnAnswer, onProblem: OnProblem, onStage: OnStage) -> None:
        """Makes a click. One of the first two functions is called in the end; the click counts if it is the first."""
        self._ask(click, onAnswer, onProblem, onStage, again=False)

    def _ask(self, click: Click, onAnswer: OnAnswer, onProblem: OnProblem, onStage: OnStage, again: bool) -> None:
        notices: list[Notice] = []

        def tell(event: Event) -> None:
            if event.kind == "progress":
                onStage(event.data["stage"])
            elif event.kind == "warning":
                notices.append(event.notice)
            elif event.kind == "error":
                self._request = None
                self._drop(click)
                if event.error.code is Code.CANCELLED and not (self._unwanted or again):
                    self._ask(click, onAnswer, onProblem, onStage, again=True)  # it went down with another request
                else:
                    onProblem(event.error)
            elif event.kind == "result":
                self._request = None
                if not self.isSettled:  # it was moved or drawn on meanwhile
                    self._drop(click)
                    self._discard(event.data)
                    if again:
                        onProblem(_keepsChanging())
                    else:
                        self._ask(click, onAnswer, onProblem, onStage, again=True)
                    return
                try:
                    answer = self._answer(event.data, click, tuple(notices))
                except MedDLError as error:
                    self._seen = ()
                    onProblem(error)
                else:
                    onAnswer(answer)

        self._unwanted = False
        self._request = self._worker.submit(Request("refine", lambda folder: self._correction(click, folder), tell))

    def cancel(self) -> None:
        """The click that is being answered is not wanted."""
        if self._request is not None:
            self._unwanted = True
            self._worker.cancel(self._request)

    def settle(self) -> None:
        """What the scene shows now comes from here.

        It may be less than what was answered: rules and other segments keep voxels, and of the model's structures only
        the clicked one changes. The worker is told with the next click, so that it goes on from what a person sees.
        """
        from MedDLCore.worker.arrays import give_label_map
        from MedDLScene.segmentation_node import labelMapOnGrid

        self._seen = self._now()
        place, self._changed = self._changed, None
        if place is None:
            self._shown.append(None)
            return
        try:
            shown = labelMapOnGrid(self._segmentation, place)
            there = tuple(label for label in shown.labels if shown.mask(label).any())
            self._shown.append(give_label_map(replace(shown, labels=there), self._given[0]))
        except MedDLError:  # the disk is full, or the worker gone: the next click begins with what is there then
            self._seen = ()

    @property
    def isSettled(self) -> bool:
        """Nobody else has changed the segmentation or moved anything."""
        return self._seen == self._now()

    def takeBack(self) -> None:
        """The last click was taken back in the scene."""
        if self._clicks:
            self._clicks.pop()
            self._forgetShown(len(self._clicks))
            self._seen = (*self._now()[:1], *self._seen[1:])  # what was moved since is not seen

    def close(self) -> None:
        """Nothing is asked any more."""
        self.cancel()
        self._forgetStart()

    def _correction(self, click: Click, folder: Path) -> Correction:
        """The request; where the scene is not what it was left as, it begins with what is there now."""
        from MedDLCore.worker.arrays import give_label_map
        from MedDLScene.segmentation_node import labelMapFromSegmentationNode
        from MedDLScene.volume_node import worldGeometry

        given = [self._handover.give(volume, folder) for volume in self._volumes]
        scans = tuple(each.scan for each in given)
        if (folder, scans) != self._given or not self.isSettled:
            self._forgetStart()
            self._grid = worldGeometry(self._volumes[0])
            now = labelMapFromSegmentationNode(self._segmentation, self._volumes[0])
            self._start, self._given, self._clicks = give_label_map(now, folder), (folder, scans), []
            self._seen = self._now()
        self._clicks.append(click)
        job = Job(self._model, scans, device=self._device, threads=self._threads or None)
        return Correction(job, tuple(self._clicks), self._start, tuple(self._shown))

    def _answer(self, data: Mapping[str, Any], click: Click, notices: tuple[Notice, ...]) -> Answer:
        """The worker's answer: a whole label map where it began, or else a box; see ``Corrections.answer``."""
        from MedDLCore.worker.arrays import take_array, take_label_map

        folder, name = self._worker.folder, click.structure.casefold()
        self._changed = None
        if data["box"] is not None:
            low, high = zip(*data["box"], strict=True)
            self._changed = self._grid.cropped(low, high)
        if "label_map" in data:
            found = take_label_map(data["label_map"], folder)
            self._labels = {label.name.casefold(): label for label in found.labels}
            label = self._labels[name]
            wanted, start = found.mask(label), take_label_map(self._start, folder)
            before = next((start.mask(its) for its in start.labels if its.name.casefold() == name), None)
            self._delete(data["label_map"]["array"])
            return _differing(label, wanted, before, found.geometry, data["seconds"], notices)
        label = self._labels[name]
        if self._changed is None:
            return Answer(label, None, None, data["seconds"], notices)
        array = take_array(data["array"], folder)
        wanted = array[0] == label.value if len(array) == 1 else array[label.value - 1] > 0
        self._delete(data["array"])
        return Answer(label, wanted, self._changed, data["seconds"], notices)

    def _now(self) -> tuple[object, ...]:
        """Changes with what the segmentation holds, and with where it and the volumes lie."""
        from MedDLScene.segment_edit import stateOfSegments

        return (*stateOfSegments(self._segmentation), *(stateOf(volume) for volume in self._volumes))

    def _drop(self, click: Click) -> None:
        if self._clicks and self._clicks[-1] is click:
            self._clicks.pop()

    def _forgetStart(self) -> None:
        self._forgetShown(0)
        self._forget(self._start)
        self._start, self._given = None, ()

    def _forgetShown(self, count: int) -> None:
        """All but so many."""
        for shown in self._shown[count:]:
            self._forget(shown)
        del self._shown[count:]

    def _forget(self, given: Mapping[str, Any] | None) -> None:
        """Deletes a label map that the worker was given."""
        if given is not None and self._given:
            with suppress(OSError):  # with the worker, its folder went
                (self._given[0] / given["array"]).unlink()

    def _discard(self, data: Mapping[str, Any]) -> None:
        if name := data["label_map"]["array"] if "label_map" in data else data["array"]:
            self._delete(name)

    def _delete(self, name: str) -> None:
        (self._worker.folder / name).unlink(missing_ok=True)


def _keepsChanging() -> MedDLError:
    message = _("The scan or the segmentation was changed while the click was answered.")
    return MedDLError(Code.CANCELLED, message, _("Click again."))


def _differing(
    label: Label,
    wanted: NDArray[np.bool_],
    before: NDArray[np.bool_] | None,
    place: Geometry,
    seconds: Mapping[str, float],
    notices: tuple[Notice, ...],
) -> Answer:
    """An answer of the box in which something is to change."""
    from MedDLScene.segment_edit import boundsOf

    box = boundsOf(wanted if before is None else wanted != before)
    if box is None:
        return Answer(label, None, None, seconds, notices)
    part = place.cropped([its.start for its in box], [its.stop for its in box])
    return Answer(label, wanted[box], part, seconds, notices)
