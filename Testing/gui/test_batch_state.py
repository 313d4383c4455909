"""What the page of batches says and does, without Qt and without a child process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from MedDLCore.batch import Rules
from MedDLCore.batch.scan import Scan
from MedDLCore.batch.service import BatchJob
from MedDLCore.models.offered import Input, Offered
from MedDLCore.worker.messages import Event
from MedDLSegmentLib import batch_state
from MedDLSegmentLib.batch_state import SELECTION, BatchState, Case, Work
from MedDLSegmentLib.batch_workflow import BatchWorkflow

MODEL = Offered("organs", "Organs", inputs=(Input("image", "CT"),), structures=("liver",))
READY = BatchState(path="/database", out="/out", model=MODEL)
JOB = BatchJob("/database", "/out", "organs")


class Child:
    """Remembers what it was asked, and tells what a test lets it tell."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.cancelled: list[object] = []
        self._tell: dict[str, Callable[[Event], None]] = {}

    def ask(self, kind: str, job: Any, onEvent: Callable[[Event], None]) -> object:
        self.asked.append((kind, job))
        self._tell[kind] = onEvent
        return kind

    def cancel(self, request: object) -> None:
        self.cancelled.append(request)

    def tells(self, request: str, kind: str, **data: Any) -> None:
        self._tell[request](Event(kind, 1, data))


@pytest.fixture
def child() -> Child:
    return Child()


@pytest.fixture
def stored() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def workflow(child: Child, stored: list[tuple[str, str]]) -> BatchWorkflow:
    made = BatchWorkflow(child, lambda: None, lambda path, instance: stored.append((path, instance)))
    made.choose(path="/database", out="/out", model=MODEL)
    return made


def choice(scan: str, state: str = "runs", code: str = "", reason: str = "") -> dict[str, Any]:
    about = {"modality": "CT", "description": f"Thorax {scan}", "name": "", "slices": 90, "thickness": 1.25}
    return {"scan": scan, "state": state, "code": code, "reason": reason, **about}


def end(scan: str, state: str, code: str = "", message: str = "", hint: str = "", *notices: str) -> dict[str, Any]:
    about = {"message": message, "hint": hint, "notices": [{"code": "GEOM_GAP", "message": text} for text in notices]}
    return {"scan": scan, "state": state, "code": code, "seconds": 2.0, **about}


def test_choices_are_rules_of_a_batch_and_texts_mean_themselves() -> None:
    rules = Rules.parse(batch_state.rules("CT", " 1..3 ", "(lung) #2 1.5+", True))
    assert [condition.field for condition in rules.conditions] == ["modality", "thickness", "description"]
    assert str(rules.keep) == "keep = thinnest per study"
    description = rules.conditions[2]
    assert description.holds(Scan("a", "a", (), description="CT (Lung) #2 1.5+ contrast"))
    assert not description.holds(Scan("a", "a", (), description="CT lung 2 1x5 contrast"))
    assert batch_state.rules("", "", " ", False) == ()


def test_what_is_missing_is_said_on_the_buttons() -> None:
    for state, why in (
        (BatchState(), "Choose a model on the page Segment."),
        (READY.with_(model=Offered("x", problem="no weights")), "cannot be opened: no weights"),
        (READY.with_(model=Offered("x", inputs=(Input("T1"), Input("T2")))), "takes 2 volumes"),
        (READY.with_(model=Offered("x", crops="20 mm")), "around points"),
        (READY.with_(path=""), "no DICOM database open"),
        (READY.with_(path="", source="folder"), "Choose the folder with the scans."),
        (READY.with_(out=""), "Choose the folder for the results."),
    ):
        for button in (batch_state.previewButton(state), batch_state.startButton(state)):
            assert not button.enabled
            assert why in button.toolTip
    assert batch_state.startButton(READY).enabled
    running = READY.with_(work=Work("run"))
    assert (batch_state.startButton(running).text, batch_state.previewButton(running).enabled) == ("Cancel", False)
    assert batch_state.pauseButton(running.with_(work=Work("run", pausing=True))).text == "Go on"
    looking = READY.with_(work=Work("preview"))
    assert (batch_state.previewButton(looking).text, batch_state.startButton(looking).enabled) == ("Cancel", False)


def test_a_batch_is_followed_from_its_choices_to_its_end(
    workflow: BatchWorkflow, child: Child, stored: list[tuple[str, str]]
) -> None:
    workflow.start(JOB)
    assert child.asked == [("run", JOB)]
    child.tells("run", "choice", **choice("1"))
    child.tells("run", "choice", **choice("2"))
    child.tells("run", "choice", **choice("3", "left out", "WRONG_MODALITY", "the model is for CT, this is MR"))
    child.tells("run", "begins", scan="1", place=1, of=2)
    assert [case.state for case in workflow.state.cases] == ["started", "runs", "left out"]
    child.tells("run", "progress", stage="network", fraction=0.3, seconds_left=None)
    assert batch_state.statusLine(workflow.state) == "Scan 1 of 2: Running the network ..."
    child.tells("run", "ended", **end("1", "warned", "", "", "", "A slice is missing.", "A slice is missing."))
    child.tells("run", "stored", scan="1", path="/out/1.dcm", instance="1.2")
    child.tells("run", "begins", scan="2", place=2, of=2)
    child.tells("run", "progress", stage="prepare", fraction=0.6, seconds_left=40.0)
    assert batch_state.statusLine(workflow.state) == "Scan 2 of 2: Preparing the scan, about 40 s left"
    child.tells("run", "ended", **end("2", "refused", "GEOM_GAP", "A slice is missing.", "Use --allow GEOM_GAP."))
    child.tells("run", "result", counts={"warned": 1, "refused": 1}, report="/out/r.html", segments="/out/s.csv")
    assert stored == [("/out/1.dcm", "1.2")]
    first, second, third = workflow.state.cases
    assert batch_state.details(first) == "Done, warnings. A slice is missing."
    assert batch_state.details(second) == (
        "Refused: GEOM_GAP. A slice is missing. Load the series with all of its slices."
    )
    assert batch_state.details(third) == "Left out: WRONG_MODALITY. The model is for CT, this is MR."
    assert batch_state.statusLine(workflow.state) == "Done, with warnings: 1. Refused: 1."
    assert batch_state.reportButton(workflow.state).enabled
    workflow.start(JOB)
    assert not batch_state.reportButton(workflow.state).enabled  # it will be replaced
    child.tells("run", "result", counts={"warned": 1, "refused": 1}, report="/out/r.html", segments="/out/s.csv")
    workflow.choose(rules=("modality = CT",))
    assert not workflow.state.cases
    assert not batch_state.reportButton(workflow.state).enabled


def test_scans_are_ranked_and_the_least_sure_comes_first(workflow: BatchWorkflow, child: Child) -> None:
    workflow.rank(JOB)
    assert (
        batch_state.rankButton(workflow.state).text == "Cancel" and not batch_state.startButton(workflow.state).enabled
    )
    for number, state in (("1", "runs"), ("2", "done"), ("3", "runs"), ("4", "left out")):
        child.tells("rank", "choice", **choice(number, state))
    child.tells("rank", "ranked", scan="2", disagreement=0.004, entropy=0.1, found=1.0, way="ensemble")
    child.tells("rank", "begins", scan="1", place=1, of=2)
    child.tells("rank", "progress", stage="network", fraction=0.3, seconds_left=40.0)
    assert batch_state.statusLine(workflow.state) == "Scan 1 of 2: Running the network, about 40 s left"
    child.tells("rank", "ranked", scan="1", disagreement=0.012, entropy=0.1, found=1.0, way="ensemble")
    child.tells("rank", "ended", **end("1", "done"))
    child.tells("rank", "begins", scan="3", place=2, of=2)
    child.tells("rank", "ended", **end("3", "refused", "FILE_TRUNCATED", "It is cut.", "Copy it again."))
    assert [case.scan for case in workflow.state.cases] == ["1", "2", "3", "4"], "no row moves meanwhile"
    child.tells("rank", "result", counts={"done": 2, "refused": 1})
    assert [case.scan for case in workflow.state.cases] == ["1", "2", "3", "4"]
    assert [batch_state.row(case)[3:] for case in workflow.state.cases] == [
        ("To run", "0.0120"), ("Done", "0.0040"), ("Refused: FILE_TRUNCATED", ""), ("Left out", ""),
    ]  # fmt: skip
    assert workflow.state.done == "Ranked: 2. The first scan is the one that teaches most. Refused: 1."
    first, second, third, _ = workflow.state.cases
    assert "0.0120 nats" in batch_state.details(first) and first.canBeOpened and not first.hasResult
    parts: list[Any] = []
    for case in (third, first, second):
        workflow.click(case.scan, lambda *told: parts.append(told))
        if case.canBeOpened:
            child.tells("show", "result", parts=[], instances=[])
    assert [(job.scan, job.alone) for kind, job in child.asked if kind == "show"] == [("1", True), ("2", False)]
    assert batch_state.ranked((third, second, first)) == (first, second, third)


def test_a_cancelled_ranking_keeps_what_is_measured(workflow: BatchWorkflow, child: Child) -> None:
    workflow.rank(JOB)
    child.tells("rank", "choice", **choice("1"))
    child.tells("rank", "choice", **choice("2"))
    child.tells("rank", "ranked", scan="2", disagreement=0.0, entropy=0.1, found=1.0, way="ensemble")
    workflow.pause()
    workflow.rank(JOB)
    assert [kind for kind, _ in child.asked] == ["rank", "pause"] and child.cancelled == ["rank"]
    child.tells("rank", "error", code="CANCELLED", message="Cancelled.", hint="")
    assert [case.scan for case in workflow.state.cases] == ["2", "1"]
    assert workflow.state.done == "Cancelled. What is measured is kept; Rank goes on."


def test_a_model_with_code_of_its_own_ranks_nothing(workflow: BatchWorkflow, child: Child) -> None:
    assert workflow.state.model is not None
    assert batch_state.rankButton(workflow.state).enabled
    workflow.choose(model=replace(workflow.state.model, origin="trusted"))
    button = batch_state.rankButton(workflow.state)
    assert not button.enabled and "code of its own" in button.toolTip
    workflow.rank(JOB)
    assert child.asked == []
    assert batch_state.rankedLine({}) == "Nothing was to be done."


def test_of_a_selection_nothing_runs_before_something_is_selected(workflow: BatchWorkflow, child: Child) -> None:
    workflow.choose(source=SELECTION)
    workflow.preview(JOB)
    workflow.start(JOB)
    assert batch_state.statusLine(workflow.state).startswith("Nothing is selected")
    workflow.start(replace(JOB, series=("1.2.3",)))
    assert [(kind, job.series) for kind, job in child.asked] == [("run", ("1.2.3",))]


def test_a_pause_and_an_end_are_asked_for_once(workflow: BatchWorkflow, child: Child) -> None:
    workflow.pause()
    workflow.start(JOB)
    child.tells("run", "choice", **choice("1"))
    child.tells("run", "begins", scan="1", place=1, of=1)
    workflow.pause()
    assert "The pause begins after it." in batch_state.statusLine(workflow.state)
    child.tells("run", "progress", stage="paused", fraction=None, seconds_left=None)
    assert batch_state.statusLine(workflow.state) == "Paused."
    workflow.pause()
    workflow.start(JOB)
    workflow.start(JOB)
    assert [kind for kind, _ in child.asked] == ["run", "pause", "go_on"]
    assert child.cancelled == ["run"]
    child.tells("run", "error", code="CANCELLED", message="Cancelled.", hint="")
    assert workflow.state.cases[0].state == "runs"
    assert batch_state.statusLine(workflow.state).endswith("Start goes on.")


def test_a_preview_says_what_it_will_need(workflow: BatchWorkflow, child: Child) -> None:
    workflow.preview(JOB)
    child.tells("preview", "choice", **choice("1", "refused", "FILE_TRUNCATED"))
    needs = {"scans": 2, "unknown": 0, "seconds": 600.0, "memory": 3.1e9, "disk": 4e7, "on_device": False}
    child.tells("preview", "result", to_do=2, needs=needs)
    line = "2 scans to run, about 10 min, 3.1 GB of memory, about 40 MB of results."
    assert batch_state.statusLine(workflow.state) == line
    assert batch_state.needsLine(0, None) == "Nothing is to be done."
    assert batch_state.needsLine(1, {**needs, "unknown": 2}) == "1 scan to run."
    earlier = batch_state.details(workflow.state.cases[0])  # of an earlier run only the code is known
    assert earlier.startswith("Refused: FILE_TRUNCATED. ")
    assert "--" not in earlier


def test_a_scan_for_a_scene_that_was_closed_is_not_shown(workflow: BatchWorkflow, child: Child) -> None:
    workflow.preview(JOB)
    child.tells("preview", "choice", **choice("1", "done"))
    child.tells("preview", "result", to_do=0, needs=None)
    shown: list[Case | None] = []
    workflow.click("1", lambda case, _told: shown.append(case))
    workflow.click("1", lambda case, _told: shown.append(case))  # it is on its way
    assert [kind for kind, _ in child.asked] == ["preview", "show"]
    workflow.sceneClosed()
    child.tells("show", "result", parts=[])
    assert shown == [None]
    workflow.click("1", lambda case, _told: shown.append(case))
    child.tells("show", "result", parts=[])
    assert shown == [None, workflow.state.cases[0]]


def test_a_failure_says_what_to_do(workflow: BatchWorkflow, child: Child) -> None:
    workflow.start(JOB)
    child.tells("run", "error", code="NO_SPACE", message="The disk is full.", hint="Make room.")
    assert batch_state.statusLine(workflow.state) == "The disk is full. Make room."
    assert workflow.state.work is None
