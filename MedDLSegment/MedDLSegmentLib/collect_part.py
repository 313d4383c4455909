"""The part *Training set* of the page Correct: a corrected case is kept, to train from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import ctk
import qt

from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Channel
from MedDLCore.worker.messages import Collection, Event

from . import collect_state
from .collect_state import CollectState
from .correct_state import CorrectState
from .label import showText
from .parameters import VOLUMES, MedDLSegmentParameterNode
from .path_edit import PathEdit
from .remedies import said
from .segment_session import SegmentSession
from .translation import _
from .worker_process import Request

LAST_SET = "MedDL/LastTrainingSet"
"""The setting with the folder of the set that a case was last added to: the next scan is mostly another scene."""


class CollectPart:
    """Ties folder, button and line to the parameters and to the worker.

    Attributes:
        state: what is shown.
    """

    def __init__(self, ui: Any, session: SegmentSession) -> None:
        """``ui``: the widgets by their names."""
        self._ui, self._session = ui, session
        self._parameters: MedDLSegmentParameterNode | None = None
        self._about: tuple[object, ...] = ()
        self.state = CollectState()
        self._path = PathEdit(ui.trainingSetPath, ctk.ctkPathLineEdit.Dirs, self._pathChanged)
        ui.collectButton.connect("clicked()", self.onCollect)

    def setParameters(self, parameters: MedDLSegmentParameterNode | None) -> None:
        """Shows the choices of this node; None: the scene is closed. Without one, the last set is offered."""
        self._parameters = parameters
        last = str(qt.QSettings().value(LAST_SET, "") or "")
        if parameters is not None and not parameters.correctSet and last and Path(last).is_dir():
            parameters.correctSet = last

    def show(self, correct: CorrectState) -> None:
        """What the page knows has changed."""
        folder = self._parameters.correctSet if self._parameters is not None else ""
        self.state = replace(self.state, correct=correct, folder=folder)
        clicks = self._clicks()
        self.state = replace(self.state, clicks=len(clicks))
        about = folder, clicks, self._nodes()
        if about != self._about:  # what was said is of something else
            self._about = about
            self.state = replace(self.state, said="")
        self._show()

    def onCollect(self) -> None:
        """Adds the case; voxels are handed over now, and copied and compressed by the worker."""
        from MedDLScene.result_nodes import runManifest

        correct, clicks, about = self.state.correct, self._clicks(), self._about
        volumes, segmentation = self._nodes()
        folder = Path(self.state.folder).expanduser().absolute()
        given: list[Path] = []

        def job(private: Path) -> Collection:
            if segmentation.GetScene() is None or any(volume.GetScene() is None for volume in volumes):
                raise MedDLError(Code.CANCELLED, _("The volume or the segmentation was removed."))
            scans, labels = self._session.handOver(volumes, segmentation, private)
            given.append(private / labels["array"])
            model = correct.offered
            inputs = [(its.name, its.modality) for its in model.inputs] if model else [("image", scans[0].modality)]
            channels = tuple(Channel(name, modality) for name, modality in inputs)
            found = (runManifest(segmentation) or {}).get("model", {})
            first = {key: str(found[key]) for key in ("name", "sha256") if key in found}
            made = first or ({"name": model.name} if model else {})
            return Collection(str(folder), scans, channels, labels, collect_state.structures(correct), clicks, made)

        def tell(event: Event) -> None:
            if event.kind not in ("result", "error"):
                return
            for path in given:
                path.unlink(missing_ok=True)  # with a worker that ended, its folder went
            if event.kind == "result":
                qt.QSettings().setValue(LAST_SET, str(folder))
                text = collect_state.saidOf(event.data, len(clicks), collect_state.leftOut(correct))
            else:
                text = _whyNot(event.error)
            self.state = replace(self.state, busy=False, said=text if about == self._about else "")
            self._show()

        self.state = replace(self.state, busy=True, said="")
        self._show()
        self._session.worker.submit(Request("collect", job, tell))

    def _nodes(self) -> tuple[tuple[Any, ...], Any]:
        if self._parameters is None:
            return (), None
        model = self.state.correct.offered
        names = VOLUMES[: len(model.inputs) if model is not None else 1]
        return tuple(getattr(self._parameters, name) for name in names), self._parameters.segmentation

    def _clicks(self) -> tuple[Click, ...]:
        """Those on the segments that go in, whoever made them: this page, or the effect of Segment Editor."""
        from MedDLScene.segment_clicks import clicksOf

        segmentation, out = self._nodes()[1], collect_state.leftOut(self.state.correct)
        if segmentation is None:
            return ()
        return tuple(click for click in clicksOf(segmentation) if click.structure not in out)

    def _pathChanged(self, path: str) -> None:
        if self._parameters is not None:
            self._parameters.correctSet = path

    def _show(self) -> None:
        ui, state = self._ui, self.state
        self._path.show(state.folder)
        collect_state.collectButton(state).show(ui.collectButton)
        showText(ui.collectLabel, collect_state.line(state))


def _whyNot(error: MedDLError) -> str:
    if error.code is Code.CANCELLED:
        return _("{why} The case was not added: add it again.").format(why=error.message)
    return said(error)
