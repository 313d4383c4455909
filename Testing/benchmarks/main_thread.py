"""What Slicer's main thread is busy with, and for how long at a time: nothing may hold it for more than 100 ms.

    python Testing/benchmarks/main_thread.py SCAN CASES

SCAN is a file that ``meddl`` reads, CASES a folder that ``meddl check`` reads. Both panels are driven in the test host,
with the real child processes: the modules are opened, a model is searched and chosen among many with many structures, a
scan is segmented and shown in 3-D, the scene is closed; CASES are checked, looked at and planned for; a small training
on phantoms is run and reported.

CPU-milliseconds of the main thread, of the longest call of each slot; the modules' files are compiled, as they are from
their first use on, and none of them is imported before its module is opened. What only the host has is not measured:
PySide6 makes its classes of enumerators when they are first used, so a panel's file is read once before. Beside it,
what of that call was one of the three things that may take longer: handing over a volume, making the nodes of a result,
Show 3D. Nothing fails here: read the table.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import in_host
from in_host import is_in_host, new_host, run_in_host

MODELS, STRUCTURES = 30, 118
"""How many models are on the machine, and how many structures each of them finds."""

LIMIT = 100.0
"""Milliseconds."""


@dataclass
class Clock:
    """CPU-time of the main thread, by what was called.

    Attributes:
        longest: name -> milliseconds of the longest call, and of the part of it that may take longer.
    """

    longest: dict[str, tuple[float, float]] = field(default_factory=dict)
    _depth: int = 0
    _allowed: float = 0.0

    def call(self, slot: Callable[..., object], *args: Any) -> object:
        """Calls a slot. What it calls in turn counts as its own."""
        return self.measured(getattr(slot, "__qualname__", repr(slot)), slot, *args)

    def measured(self, name: str, act: Callable[..., Any], *args: Any) -> Any:
        """Calls something under this name."""
        if self._depth:
            return act(*args)
        self._depth, self._allowed, began = 1, 0.0, time.thread_time()
        try:
            return act(*args)
        finally:
            self._depth = 0
            spent = 1000 * (time.thread_time() - began)
            if spent > self.longest.get(name, (0.0, 0.0))[0]:
                self.longest[name] = spent, self._allowed

    def allow(self, owner: Any, name: str) -> None:
        """From now on what this function takes is counted as allowed."""
        act = getattr(owner, name)

        def counted(*args: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return act(*args, **named)
            finally:
                self._allowed += 1000 * (time.thread_time() - began)

        setattr(owner, name, counted)

    def table(self) -> str:
        """The longest calls, the longest first."""
        rows = sorted(self.longest.items(), key=lambda row: -row[1][0])
        lines = [f"{'all':>8} {'allowed':>8} {'rest':>8}  CPU-ms of one call of"]
        for name, (spent, allowed) in rows[:25]:
            mark = "  <-- too long" if spent - allowed > LIMIT else ""
            lines.append(f"{spent:8.1f} {allowed:8.1f} {spent - allowed:8.1f}  {name}{mark}")
        return "\n".join(lines)


def main(scan: Path, cases: Path) -> None:
    """In the host: drives the panels and prints the table."""
    import slicer
    from PySide6 import QtCore

    from gui.host import pythonqt
    from gui.run import MODULES

    clock = Clock()
    pythonqt.enter = clock.call
    host = new_host()
    wait = partial(in_host.wait, host)
    for name in MODULES:
        clock.measured(f"load {name}", host.load, name)
    in_host.show_a_panels_widgets(host)
    from MedDLSegmentLib.surface_steps import SurfaceSteps

    clock.allow(SurfaceSteps, "_step")
    host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "another scan")
    segment = clock.measured("open MedDLSegment", host.widget, "MedDLSegment")

    import MedDLScene.result_nodes
    from fixtures.data_sets import clean_set
    from fixtures.trainings import data_in_memory, tiny_plan
    from MedDLCore.readers import read
    from MedDLScene.result_scene import volumeToNode
    from MedDLSegmentLib.handover import Handover
    from MedDLTraining.plan.plan_file import plan_to_plain

    clock.allow(Handover, "give")
    clock.allow(MedDLScene.result_nodes, "resultToScene")

    volume = volumeToNode(read(scan)[0], host.scene, "scan")
    ui = segment.ui
    wait(lambda: segment.panel.state.models is not None)
    ui.volumeSelector.setCurrentNode(volume)
    for text in ("m", "mo", "many", ""):
        ui.modelSearch.text = text
    names = ui.modelList
    for start in ("Many 7", "Bright"):
        row = next(n for n in range(names.count) if names.item(n).text().startswith(start))
        names.setCurrentRow(row)
        wait(lambda: segment.panel.state.plan is not None or segment.panel.state.planProblem)
    ui.noStructuresButton.click()
    ui.allStructuresButton.click()
    ui.applyButton.click()
    wait(lambda: segment.panel.run is not None and segment.panel.run.progress is None)
    assert segment.panel.run.error is None, segment.panel.run.error
    ui.statisticsButton.click()
    ui.show3DButton.click()
    wait(lambda: ui.show3DButton.text != "Stop")
    for page in range(1, 4):
        segment.pages.widget.setCurrentIndex(page)
        wait(lambda: not segment.pages.installation.state.busy)
    segment.pages.widget.setCurrentIndex(0)

    train = clock.measured("open MedDLTrain", host.widget, "MedDLTrain")
    segmentAgain = clock.measured("enter MedDLSegment", host.select, "MedDLSegment")
    assert segmentAgain is None
    clock.measured("enter MedDLTrain", host.select, "MedDLTrain")
    clock.measured("close the scene", host.scene.Clear)
    ui, state = train.ui, lambda: train.panel.workflow.state

    def click(button: Any) -> None:
        button.click()
        wait(lambda: state().work is None)
        assert not state().problem, state().problem

    with tempfile.TemporaryDirectory() as folder:
        ui.dataPath.setCurrentPath(str(cases))
        ui.trainingPath.setCurrentPath(str(Path(folder) / "planned"))
        click(ui.checkButton)
        ui.caseList.setCurrentRow(1)
        for tick in (QtCore.Qt.CheckState.Unchecked, QtCore.Qt.CheckState.Checked):
            ui.caseList.item(0).setCheckState(tick)
        click(ui.checkButton)
        click(ui.openButton)
        click(ui.planButton)
        ui.dataPath.setCurrentPath(str(clean_set(Path(folder) / "phantoms", 8)))
        ui.trainingPath.setCurrentPath(str(Path(folder) / "trained"))
        click(ui.checkButton)
        plan = plan_to_plain(tiny_plan(data_in_memory(4)))
        planned = {"plan": plan, "memory": 10**9, "training": 4, "validation": 4, "minutes": 1.0, "device": "cpu"}
        train.panel.workflow._update(plan=planned)  # in place of the plan for this machine, one that takes seconds
        click(ui.startButton)
        click(ui.evaluateButton)
    slicer.mrmlScene.Clear()
    for name in MODULES:
        clock.measured(f"unload {name}", host.unload, name)
    print(clock.table())


def _models(store: Path) -> None:
    from fixtures.packages import threshold_package, threshold_spec
    from MedDLCore.volume import Label

    threshold_package(store / "threshold", title="Bright things", labels=threshold_spec().labels)
    labels = tuple(Label(n, f"structure {n}", (n, n, n)) for n in range(1, STRUCTURES + 1))
    for n in range(MODELS):
        threshold_package(store / f"many-{n}", name=f"many-{n}", title=f"Many {n}", labels=labels)


if __name__ == "__main__":
    if is_in_host():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        sys.exit(run_in_host(_models))
