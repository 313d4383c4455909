"""A case in the scene: what was drawn on it, what the trained model finds in it, and how a training varies it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import slicer

from MedDLCore.plain_data import from_plain
from MedDLCore.worker.arrays import take_label_map, take_volume
from MedDLCore.worker.messages import Scan

from .scene_cases import SceneCases
from .train_session import TrainSession
from .workflow import Workflow


class CaseOpening:
    """Opens cases, wherever their files lie: the child process reads them."""

    def __init__(self, scene: Any, session: TrainSession, workflow: Workflow, sceneCases: SceneCases) -> None:
        """``sceneCases``: those are in the scene already."""
        self._scene, self._session, self._workflow, self._sceneCases = scene, session, workflow, sceneCases

    def open(self, case: str, withModel: bool) -> None:
        """Opens a case by its id, and shows it in the slice views. ``withModel``: with what the trained model finds."""
        name = next((each[1] for each in self._workflow.state.cases if each[0] == case), "")
        here = self._scene.GetNodeByID(self._sceneCases.given[name]) if name in self._sceneCases.given else None
        if here is not None and not withModel:
            slicer.util.setSliceViewerLayers(background=here, fit=True)
        else:
            self._workflow.show(case, withModel, lambda told: self._show(name or told["name"], told))

    def preview(self, case: str) -> None:
        """Shows in the slice views how the training will vary a case; empty: the first one."""
        self._workflow.preview(case, self._showVaried)

    def _show(self, name: str, told: Mapping[str, Any]) -> None:
        from MedDLScene.case_nodes import caseToScene

        folder = self._session.folder
        volumes = [take_volume(from_plain(Scan, scan, "scan"), folder) for scan in told["scans"]]
        truth, found = (take_label_map(told[key], folder) if key in told else None for key in ("truth", "found"))
        scan = caseToScene(name, volumes, truth, found, self._scene)
        del volumes, truth, found  # Windows deletes no file that is mapped
        self._drop([*told["scans"], *(told[key] for key in ("truth", "found") if key in told)])
        slicer.util.setSliceViewerLayers(background=scan, fit=True)

    def _showVaried(self, told: Mapping[str, Any]) -> None:
        if self._workflow.state.plan is None:  # the scene was closed meanwhile
            self._drop([told["scan"], told["truth"]])
            return
        from MedDLScene.case_nodes import variationsToScene

        folder = self._session.folder
        names = {case[0]: case[1] for case in self._workflow.state.cases}
        volume = take_volume(from_plain(Scan, told["scan"], "scan"), folder)
        truth = take_label_map(told["truth"], folder)
        scan = variationsToScene(names.get(told["case"], told["name"]), volume, truth, self._scene)
        del volume, truth
        self._drop([told["scan"], told["truth"]])
        slicer.util.setSliceViewerLayers(background=scan, fit=True)

    def _drop(self, given: Sequence[Mapping[str, Any]]) -> None:
        """What the child process gave is in the scene, or not wanted any more."""
        for each in given:
            with suppress(OSError):
                (self._session.folder / each["array"]).unlink()
