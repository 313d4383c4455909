"""What the panel of MedDLTrain decides, without Qt: the state, its words, and the workflow with an oracle's answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.trainings import data_in_memory, tiny_plan
from MedDLCore.errors import Code, MedDLError
from MedDLCore.plain_data import to_plain
from MedDLCore.worker.messages import Event
from MedDLTraining.data import Assignment
from MedDLTraining.plan import Listening, write_plan
from MedDLTraining.plan.plan_file import plan_to_plain
from MedDLTraining.service import Data
from MedDLTraining.service.jobs import MATERIAL, CollectJob, PlanJob, ShowJob, TrainJob
from MedDLTrainLib import label_rows, train_state, wording
from MedDLTrainLib.earlier import Earlier, earlierIn
from MedDLTrainLib.remedies import said
from MedDLTrainLib.train_state import SCENE, TrainState, Work
from MedDLTrainLib.workflow import Workflow

DATA = Data("/cases")
ERROR = {
    "fault": "NO_PAIR", "severity": "error", "cases": ["case_0002"], "message": "It has no label map.",
    "consequence": "It cannot be trained on.", "remedy": "Add it, or leave the case out with --leave-out NAME.",
}  # fmt: skip
CHECK = {
    "cases": [{"id": "case_0001", "name": "one"}, {"id": "case_0003", "name": "three"}],
    "unusable": [{"id": "case_0002", "name": "two", "message": "It has no label map."}],
    "labels": [{"name": "liver", "color": [1, 2, 3]}],
    "rows": [{"case": "*", "segment": name, "code": "", "label": name} for name in ("liver", "Leber", "vessel")],
    "findings": [],
}
PLANNED = {
    "plan": plan_to_plain(tiny_plan(data_in_memory(2))), "memory": 1_200_000_000, "training": 8, "validation": 2,
    "minutes": 90.0, "device": "cpu",
}  # fmt: skip
DONE = Earlier("/t", "tiny", 3, 3, isDone=True, data=DATA, plan=PLANNED["plan"])
HALF = Earlier("/t", "tiny", 1, 3, data=DATA, plan=PLANNED["plan"])


def ready(**changes: Any) -> TrainState:
    """A state in which a training can be started, with what is given changed."""
    state = TrainState(hasCases=True, trainingFolder="/t", data=DATA, checkedData=DATA, check=CHECK, plan=PLANNED)
    return state.with_(**changes)


def test_a_training_can_be_started_when_nothing_is_missing() -> None:
    button = train_state.startButton(ready())
    assert (button.text, button.enabled) == ("Start training", True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hasCases": False}, "Choose the folder of the cases."),
        ({"hasCases": False, "source": SCENE}, "The scene has no scan on which something was drawn."),
        ({"trainingFolder": ""}, "Choose the folder in which the training is kept."),
        ({"check": None}, "Check the cases first."),
        ({"checkedData": Data("/others")}, "Check the cases first."),
        ({"check": {**CHECK, "findings": [ERROR]}}, "The check found errors: correct them, or leave the cases out."),
        ({"plan": None}, "Plan the training first."),
        ({"earlier": DONE}, "The folder holds a training: choose another one."),
        ({"work": Work("evaluate")}, "Wait until it is done: the report."),
    ],
)
def test_the_tooltip_says_why_a_training_cannot_be_started(changes: dict[str, Any], reason: str) -> None:
    button = train_state.startButton(ready(**changes))
    assert (button.enabled, button.toolTip) == (False, reason)


def test_the_button_that_began_something_ends_it() -> None:
    kinds = {"check": train_state.checkButton, "plan": train_state.planButton, "evaluate": train_state.evaluateButton}
    for kind, button in kinds.items():
        assert button(ready(work=Work(kind))).text == "Cancel"
        assert not button(ready(work=Work(kind, stopping=True))).enabled
    assert train_state.startButton(ready(work=Work("train"))).text == "Stop"
    assert train_state.pauseButton(ready(work=Work("train", paused=True))).text == "Go on"
    assert not train_state.pauseButton(ready()).enabled


def test_only_a_trained_model_is_judged_published_and_used() -> None:
    for earlier, enabled in ((None, False), (HALF, False), (DONE, True)):
        state = ready(earlier=earlier)
        buttons = (
            train_state.evaluateButton(state), train_state.publishButton(state, "MIT"), train_state.useButton(state)
        )  # fmt: skip
        assert {button.enabled for button in buttons} == {enabled}
    assert not train_state.publishButton(ready(earlier=DONE), "").enabled


def test_only_a_case_that_can_be_read_is_opened() -> None:
    assert train_state.openButton(ready(), "case_0001").enabled
    assert train_state.openButton(ready(), "").toolTip == "Choose a case."
    assert train_state.openButton(ready(), "case_0002").toolTip == "This case is left out, or cannot be read."


def test_a_training_that_was_not_finished_is_offered_to_go_on() -> None:
    state = TrainState(earlier=HALF)
    assert train_state.startButton(state).text == "Resume" and train_state.startButton(state).enabled
    assert wording.statusLine(state) == "The training tiny was not finished: 1 of 3 epochs are done. Resume goes on."


def test_findings_say_what_they_do_and_what_to_do_in_this_window() -> None:
    check = {**CHECK, "findings": [ERROR]}
    assert wording.findingRows(check) == [("Error", "two", "It has no label map.")]
    assert wording.findingDetail(ERROR) == (
        "It cannot be trained on.\nWhat to do: Add it, or untick it in the list of cases."
    )
    assert wording.checkSummary(ready(check=check)) == "Cases: 2, labels: 1. Errors: 1, warnings: 0, notes: 0."


def test_no_remedy_names_an_option_of_the_command_line() -> None:
    from MedDLTraining.check import EFFECTS

    told = [wording.findingDetail({"consequence": "", "remedy": effect.remedy}) for effect in EFFECTS.values()]
    assert [text for text in told if "--" in text] == []


def test_the_plan_is_told_in_words() -> None:
    text = wording.planSummary(PLANNED)
    assert "StagedUNet, patches of 16 x 16 x 16 voxels at 6 x 6 x 6 mm" in text
    assert "Learns from 8 cases and is watched on 2 others, for 3 epochs of 3 iterations." in text
    assert "Ends within 1 h 30 min; takes 1.2 GB of memory." in text


def test_the_plan_says_whether_the_network_listens_to_clicks() -> None:
    said = "each click corrects the result"
    assert said not in wording.planSummary(PLANNED)
    listens = {**PLANNED["plan"], "listening": to_plain(Listening(12.0))}
    assert said in wording.planSummary({**PLANNED, "plan": listens})


def test_progress_is_told_with_the_time_left() -> None:
    assert wording.workLine(Work("train", "train", 0.5, 41.0, 3, 10)) == "Training, epoch 3 of 10, about 40 s left"
    assert wording.workLine(Work("check", "cases", 0.5)) == "Checking ..."
    assert wording.workLine(Work("train", paused=True, epoch=3, epochs=10)) == "Paused after epoch 3 of 10."
    assert "Resume" in wording.closingLine(ready(work=Work("train"))) and wording.closingLine(ready()) == ""


def test_the_report_has_a_row_for_each_structure_and_for_each_case() -> None:
    known, none = {"mean": 0.9123, "low": 0.88, "high": 0.93}, {"mean": None, "low": None, "high": None}
    scores = {"dice": known, "hd95": {**known, "mean": 12.34}, "surface_dice": none}
    report = {
        "structures": [{"name": "liver", "scores": scores}],
        "mean": scores,
        "cases": [{"case": "case_0001", "dice": 0.5, "scores": {"liver": {"dice": None}}}],
    }
    assert wording.reportRows(report)[0] == ("liver", "0.912 [0.880, 0.930]", "12.3 [0.880, 0.930]", "-")
    assert wording.caseRows(report, {"case_0001": "one"}) == [("one", "0.500", "-")]


def test_rows_of_labels_are_kept_as_text() -> None:
    rows = label_rows.rowsOf(CHECK)
    merged = label_rows.changed(rows, 1, " liver ")
    assert merged[1] == Assignment("*", "Leber", "", "liver")
    assert label_rows.fromText(label_rows.toText(merged)) == merged
    for foreign in ("", "{", '[{"colour": 1}]', "3"):
        assert label_rows.fromText(foreign) == ()


def test_what_is_in_the_folder_of_a_training_is_seen(tmp_path: Path) -> None:
    assert earlierIn("") is None and earlierIn(str(tmp_path)) is None
    plan = tiny_plan(data_in_memory(2))
    write_plan(plan, tmp_path / "plan.json")
    by_another = earlierIn(str(tmp_path))
    assert by_another is not None and not by_another.canResume
    (tmp_path / MATERIAL).write_text(json.dumps(to_plain(DATA)))
    (tmp_path / "checkpoints").mkdir()
    for epoch in (1, 2):
        (tmp_path / "checkpoints" / f"epoch_{epoch:06d}.pt").touch()
    found = earlierIn(str(tmp_path))
    assert found is not None and (found.name, found.epoch, found.epochs, found.data) == ("tiny", 2, 3, DATA)
    assert found.canResume
    (tmp_path / "model").mkdir()
    done = earlierIn(str(tmp_path))
    assert done is not None and done.isDone and not done.canResume
    (tmp_path / "plan.json").write_text("{")
    broken = earlierIn(str(tmp_path))
    assert broken is not None and broken.problem and not broken.canResume


def test_folds_of_a_cross_validation_count_together(tmp_path: Path) -> None:
    for fold in range(2):
        (tmp_path / f"fold_{fold}" / "checkpoints").mkdir(parents=True)
        write_plan(tiny_plan(data_in_memory(2), fold=fold), tmp_path / f"fold_{fold}" / "plan.json")
    (tmp_path / "fold_0" / "model").mkdir()
    (tmp_path / "fold_1" / "checkpoints" / "epoch_000002.pt").touch()
    found = earlierIn(str(tmp_path))
    assert found is not None and (found.epoch, found.epochs, found.allFolds) == (5, 6, True)


class Oracle:
    """Answers as a test says."""

    folder = Path("/private")

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, Callable[[Event], None]]] = []
        self.cancelled: list[object] = []

    def ask(self, kind: str, job: Any, onEvent: Callable[[Event], None]) -> object:
        self.asked.append((kind, job, onEvent))
        return len(self.asked)

    def cancel(self, request: object) -> None:
        self.cancelled.append(request)

    def say(self, kind: str, **data: Any) -> None:
        self.asked[-1][2](Event(kind, 1, data))

    @property
    def job(self) -> Any:
        return self.asked[-1][1]


def chosen(folder: Path, **changes: Any) -> Any:
    settings = {
        "source": "folder", "dataFolder": "/cases", "trainingFolder": str(folder), "labelTable": "", "leftOut": [],
        "minutes": 60, "memory": 4, "device": "auto", "threads": 0, "folds": 5, "allFolds": False, "start": "",
        "network": "", "seed": 0, "onlyHeldOut": True, "licence": "", "authors": "", "intendedUse": "", "limits": "",
        "dataSource": "", "replace": False, "planFile": "", "channels": "", "caseInputs": "", "interactive": False,
    }  # fmt: skip
    return SimpleNamespace(**{**settings, **changes})


@pytest.fixture
def begun(tmp_path: Path) -> tuple[Workflow, Oracle, Any]:
    """A workflow whose data were checked."""
    oracle, parameters = Oracle(), chosen(tmp_path)
    workflow = Workflow(oracle, lambda: None)
    workflow.setParameters(parameters)
    workflow.look(0)
    workflow.check()
    oracle.say("result", **CHECK)
    return workflow, oracle, parameters


def test_all_cases_are_listed_with_why_one_cannot_be_used(begun: tuple[Workflow, Oracle, Any]) -> None:
    workflow, _, _ = begun
    assert workflow.state.cases == (
        ("case_0001", "one", ""), ("case_0002", "two", "It has no label map."), ("case_0003", "three", "")
    )  # fmt: skip
    assert workflow.state.isChecked


def test_a_case_that_is_left_out_stays_in_the_list(begun: tuple[Workflow, Oracle, Any]) -> None:
    workflow, oracle, parameters = begun
    parameters.leftOut = ["case_0002"]
    workflow.look(0)
    assert not workflow.state.isChecked
    workflow.check()
    assert oracle.job.data.leave_out == ("case_0002",)
    oracle.say("result", **{**CHECK, "unusable": []})
    assert [case[0] for case in workflow.state.cases] == ["case_0001", "case_0002", "case_0003"]


def test_a_plan_of_ones_own_is_followed_and_promises_no_time(begun: tuple[Workflow, Oracle, Any]) -> None:
    workflow, oracle, parameters = begun
    parameters.planFile = "/plans/mine.json"
    workflow.plan()
    assert oracle.job.file == "/plans/mine.json"
    oracle.say("result", **{**PLANNED, "minutes": None})
    assert "Ends within" not in wording.planSummary(workflow.state.plan)
    parameters.planFile = ""
    workflow.look(0)
    assert workflow.state.plan is None


@pytest.mark.parametrize(("choice", "value"), [("minutes", 30), ("interactive", True)])
def test_a_changed_choice_drops_the_plan(begun: tuple[Workflow, Oracle, Any], choice: str, value: object) -> None:
    workflow, oracle, parameters = begun
    workflow.plan()
    assert isinstance(oracle.job, PlanJob) and oracle.job.memory == 4 * 10**9 and not oracle.job.interactive
    oracle.say("result", **PLANNED)
    workflow.look(0)
    assert workflow.state.plan is not None
    setattr(parameters, choice, value)
    workflow.look(0)
    assert workflow.state.plan is None
    workflow.plan()
    assert getattr(oracle.job, choice) == value


def test_epochs_are_counted_and_stopping_is_no_error(begun: tuple[Workflow, Oracle, Any]) -> None:
    workflow, oracle, _ = begun
    workflow.plan()
    oracle.say("result", **PLANNED)
    workflow.train()
    assert isinstance(oracle.job, TrainJob) and not oracle.job.resume
    for n in (1, 2):
        oracle.say("epoch", epoch=n, loss=1.0, dice={}, mean_dice=None)
    assert len(workflow.epochs) == 2 and workflow.state.work is not None and workflow.state.work.epoch == 3
    workflow.cancel()
    workflow.cancel()
    assert len(oracle.cancelled) == 1
    oracle.say("error", code="CANCELLED", message="Cancelled.", hint="")
    assert workflow.state.work is None and workflow.state.problem == ""


def test_an_error_is_said_with_what_to_do(begun: tuple[Workflow, Oracle, Any]) -> None:
    workflow, oracle, _ = begun
    workflow.check()
    oracle.say("error", code="NO_SPACE", message="The disk is full.", hint="Make room.")
    assert wording.statusLine(workflow.state) == "The disk is full. Make room."


def test_no_error_is_answered_with_an_option_of_the_command_line() -> None:
    for code in Code:
        text = said(MedDLError(code, "It failed.", "Give more with --memory, or run meddl check."))
        assert "--" not in text and "meddl check" not in text, code


def test_scans_of_the_scene_are_collected_and_then_checked_under_their_own_names(tmp_path: Path) -> None:
    oracle = Oracle()
    workflow = Workflow(oracle, lambda: None)
    workflow.setParameters(chosen(tmp_path, source=SCENE))
    workflow.look(2)
    assert train_state.checkButton(workflow.state).enabled
    workflow.handingOver(0, 2)
    workflow.collect(("Smith", "Jones"), (), ())
    assert isinstance(oracle.job, CollectJob) and oracle.job.folder == str(tmp_path / "data")
    oracle.say("result", folder=oracle.job.folder, names={"case_0001": "Jones", "case_0002": "Smith"})
    assert oracle.asked[-1][0] == "check" and oracle.job.data.folder == str(tmp_path / "data")
    pseudonyms = [{"id": f"case_000{n}", "name": f"case_000{n}"} for n in (1, 2)]
    oracle.say("result", **{**CHECK, "cases": pseudonyms, "unusable": []})
    assert [case[1] for case in workflow.state.cases] == ["Jones", "Smith"]


def test_inputs_that_are_changed_are_collected_anew(tmp_path: Path) -> None:
    oracle, parameters = Oracle(), chosen(tmp_path, source=SCENE, channels="T1, FLAIR")
    workflow = Workflow(oracle, lambda: None)
    workflow.setParameters(parameters)
    workflow.look(1, incomplete="Choose the volume for FLAIR of the case Smith.")
    assert train_state.checkButton(workflow.state).toolTip == "Choose the volume for FLAIR of the case Smith."
    workflow.look(1)
    assert train_state.checkButton(workflow.state).enabled
    workflow.collect(("Smith",), (), ())
    assert oracle.job.channels == ("T1", "FLAIR")
    oracle.say("result", folder=oracle.job.folder, names={"case_0001": "Smith"})
    assert oracle.job.data.channels == ()  # the collected set says its own
    oracle.say("result", **{**CHECK, "unusable": []})
    assert workflow.state.isChecked
    parameters.caseInputs = '{"Smith": {"FLAIR": "other"}}'
    workflow.look(1)
    assert not workflow.state.isChecked and workflow.state.cases == ()


def test_the_inputs_of_a_folders_cases_are_asked_for_by_their_names(begun: tuple[Workflow, Oracle, Any]) -> None:
    workflow, oracle, parameters = begun
    parameters.channels = "T1, FLAIR"
    workflow.look(0)
    assert not workflow.state.isChecked and workflow.state.cases == ()
    workflow.check()
    assert oracle.job.data.channels == ("T1", "FLAIR")


def test_a_folder_that_names_the_inputs_of_its_cases_is_not_asked_for_others(tmp_path: Path) -> None:
    workflow, parameters = Workflow(Oracle(), lambda: None), chosen(tmp_path, channels="T1, FLAIR")
    workflow.setParameters(parameters)
    parameters.dataFolder = str(tmp_path)
    workflow.look(0)
    assert wording.inputsLine(workflow.state) == "" and workflow.state.data.channels == ("T1", "FLAIR")
    (tmp_path / "dataset.json").write_text('{"channel_names": {"0": "T1", "1": "T2"}}')
    workflow.look(0)
    assert wording.inputsLine(workflow.state) == "Inputs of a case: T1, T2, as the dataset.json in the folder says."
    assert workflow.state.data == Data(str(tmp_path)), "what was typed says nothing of this folder"
    (tmp_path / "dataset.json").write_text("{")
    workflow.look(0)
    assert wording.inputsLine(workflow.state) == "Inputs of a case: as the dataset.json in the folder says."
    parameters.source = SCENE
    workflow.look(1)
    assert wording.inputsLine(workflow.state) == ""


def test_slicers_database_is_a_source_where_there_is_one(tmp_path: Path) -> None:
    workflow = Workflow(Oracle(), lambda: None)
    workflow.setParameters(chosen(tmp_path, source="database"))
    workflow.look(0)
    assert train_state.checkButton(workflow.state).toolTip == "Slicer has no DICOM database open."
    workflow.look(0, "/database")
    assert workflow.state.data == Data("/database") and train_state.checkButton(workflow.state).enabled


def test_a_report_says_where_it_is_and_what_could_not_be_judged(tmp_path: Path) -> None:
    oracle = Oracle()
    workflow = Workflow(oracle, lambda: None)
    workflow.setParameters(chosen(tmp_path))
    workflow.look(0)
    workflow.evaluate()
    oracle.say(
        "result", report="/t/report/report.html", failed=[{"case": "case_0001"}], structures=[], mean={}, cases=[]
    )
    assert workflow.state.done == "The report: /t/report/report.html\nCases that could not be judged: 1."


def test_handing_over_ends_with_its_scene(tmp_path: Path) -> None:
    workflow = Workflow(Oracle(), lambda: None)
    workflow.handingOver(0, 3)
    workflow.handingOverEnded()
    assert workflow.state.work is None


def test_without_a_scene_nothing_is_begun(tmp_path: Path) -> None:
    workflow = Workflow(Oracle(), lambda: None)
    workflow.look(0)
    for act in (workflow.check, workflow.plan, workflow.train, workflow.evaluate, workflow.publish):
        with pytest.raises(MedDLError) as refused:
            act()
        assert refused.value.code in (Code.FILE_NOT_FOUND, Code.CANCELLED)


def test_a_case_of_the_report_is_shown_with_what_the_model_finds(tmp_path: Path) -> None:
    oracle, told = Oracle(), []
    workflow = Workflow(oracle, lambda: None)
    workflow.setParameters(chosen(tmp_path))
    workflow.look(0)
    workflow.show("case_0001", True, told.append)
    assert isinstance(oracle.job, ShowJob) and oracle.job.model == str(tmp_path / "model")
    oracle.say("result", name="one")
    assert told == [{"name": "one"}]
