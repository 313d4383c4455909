"""A person trains: real files, a real scene, a real child process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import slicer

Wait = Callable[..., None]

EPOCHS = 3


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four cases, nothing wrong with it."""
    from fixtures.data_sets import clean_set

    return clean_set(tmp_path_factory.mktemp("cases") / "data", 4)


@pytest.fixture
def train(host: Any, scene: Any, models: Path) -> Iterator[Any]:
    """The panel of MedDLTrain with an empty scene. One for all tests, as its child takes seconds to start."""
    import qt

    qt.QSettings().setValue("MedDL/LastTraining", "")
    widget = host.shown("MedDLTrain") or host.widget("MedDLTrain")
    host.select("MedDLTrain")
    yield widget
    if widget.panel.workflow.state.work is not None:
        widget.panel.workflow.cancel()


@pytest.fixture
def chosen(train: Any, cases: Path, tmp_path: Path) -> Any:
    """The folder of cases, and one for the training."""
    train.ui.dataPath.setCurrentPath(str(cases))
    train.ui.trainingPath.setCurrentPath(str(tmp_path / "my training"))
    train.ui.threadsSpinBox.setValue(1)
    return train


def idle(widget: Any) -> bool:
    return widget.panel.workflow.state.work is None


def done(widget: Any, wait: Wait) -> Any:
    """The state, once what goes on has ended well."""
    wait(lambda: idle(widget))
    state = widget.panel.workflow.state
    assert state.problem == ""
    return state


def with_a_small_plan(widget: Any, epochs: int = EPOCHS, **changes: Any) -> None:
    """In place of the plan for the machine, which may take minutes, one that takes seconds."""
    from fixtures.trainings import data_in_memory, tiny_plan
    from MedDLTraining.plan.plan_file import plan_to_plain

    plan = plan_to_plain(tiny_plan(data_in_memory(4), epochs=epochs, **changes))
    planned = {"plan": plan, "memory": 10**9, "training": 2, "validation": 2, "minutes": 1.0, "device": "cpu"}
    widget.panel.workflow._update(plan=planned)


def rows(table: Any) -> list[list[str]]:
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def test_from_a_folder_of_cases_to_a_model_in_meddlsegment(
    host: Any, chosen: Any, scene: Any, wait: Wait, tmp_path: Path
) -> None:
    ui, panel = chosen.ui, chosen.panel
    assert not ui.planButton.enabled and ui.planButton.toolTip == "Check the cases first."
    assert not ui.channelsLineEdit.visible and "CT, as the dataset.json" in ui.namedInputsLabel.text
    ui.checkButton.click()
    assert ui.checkButton.text == "Cancel"
    state = done(chosen, wait)
    assert ui.checkLabel.text.startswith("Cases: 4, labels: 3.")
    assert [row[2] for row in rows(ui.labelTable)] == ["liver", "left kidney", "right kidney"]
    assert ui.caseList.count == 4 and state.isChecked

    assert ui.planButton.enabled, ui.planButton.toolTip
    with_a_small_plan(chosen)
    assert "for 3 epochs of 3 iterations" in ui.planLabel.text
    ui.previewButton.click()
    done(chosen, wait)
    assert ui.previewLabel.visible and not ui.previewLabel.pixmap.isNull()
    assert scene.GetFirstNodeByName("patient_000 varied") and scene.GetFirstNodeByName("patient_000 varied, drawn")

    ui.startButton.click()
    assert ui.startButton.text == "Stop" and "Slicer can be closed" in ui.closingLabel.text
    state = done(chosen, wait)
    assert state.earlier.isDone and state.done.startswith("Trained. Dice"), state
    assert len(panel.workflow.epochs) == EPOCHS
    chart = panel._curves.chart
    names = [chart.GetNthPlotSeriesNode(n).GetName() for n in range(chart.GetNumberOfPlotSeriesNodes())]
    assert names == ["Loss (first epoch = 1)", "Mean Dice", "liver", "left kidney", "right kidney"]
    assert chart.GetNthPlotSeriesNode(0).GetTableNode().GetNumberOfRows() == EPOCHS

    ui.evaluateButton.click()
    done(chosen, wait)
    assert [row[0] for row in rows(ui.reportTable)] == ["liver", "left kidney", "right kidney", "Mean"]
    assert len(rows(ui.judgedTable)) == 2 and Path(state.trainingFolder, "report", "report.html").is_file()
    ui.judgedTable.cellClicked.emit(0, 0)
    done(chosen, wait)
    worst = rows(ui.judgedTable)[0][0]
    assert {node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")} == {
        "patient_000 varied, drawn", f"{worst} drawn", f"{worst} found"
    }  # fmt: skip

    assert ui.publishButton.toolTip == "Say under which licence, e.g. CC-BY-4.0."
    ui.licenceLineEdit.text = "CC-BY-4.0"
    ui.publishButton.click()
    state = done(chosen, wait)
    assert Path(state.published).name == "tiny.zip" and Path(state.published).is_file()
    ui.useButton.click()
    wait(lambda: host.shown("MedDLSegment") and host.shown("MedDLSegment").parent.isEntered)
    segment = host.shown("MedDLSegment")
    wait(lambda: any(model.name == "tiny" for model in segment.panel.state.models or ()))
    assert segment.panel.state.offered.structures == ("liver", "left kidney", "right kidney")


def test_variations_for_a_scene_that_was_closed_are_not_shown(chosen: Any, scene: Any, wait: Wait) -> None:
    chosen.ui.checkButton.click()
    done(chosen, wait)
    with_a_small_plan(chosen)
    chosen.ui.previewButton.click()
    scene.Clear()
    done(chosen, wait)
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert not list(chosen.panel._session.folder.glob("*.npy"))  # not wanted, and gone


def test_a_real_plan_keeps_to_the_time_that_was_given(chosen: Any, wait: Wait) -> None:
    ui = chosen.ui
    ui.minutesSpinBox.setValue(1)
    ui.checkButton.click()
    done(chosen, wait)
    ui.planButton.click()
    assert ui.planButton.text == "Cancel"
    state = done(chosen, wait)
    assert state.plan["plan"]["name"] == "my_training" and "Ends within 60 s" in ui.planLabel.text
    ui.minutesSpinBox.setValue(2)  # another budget needs another plan
    assert chosen.panel.workflow.state.plan is None and not ui.planLabel.visible


def test_a_network_that_was_trained_with_clicks_is_offered_on_the_page_correct(
    host: Any, chosen: Any, scene: Any, wait: Wait
) -> None:
    ui = chosen.ui
    assert ui.interactiveCheckBox.toolTip and not ui.interactiveCheckBox.checked
    ui.interactiveCheckBox.setChecked(True)
    ui.checkButton.click()
    assert not ui.interactiveCheckBox.enabled, "what is worked on stays what was chosen"
    done(chosen, wait)
    assert chosen._parameterNode.interactive
    with_a_small_plan(chosen, 1, name="listens", **listening())
    assert "each click corrects the result" in ui.planLabel.text
    ui.startButton.click()
    assert done(chosen, wait).earlier.isDone
    ui.licenceLineEdit.text = "CC-BY-4.0"
    ui.publishButton.click()
    assert Path(done(chosen, wait).published).name == "listens.zip"
    ui.caseList.setCurrentRow(0)
    ui.openButton.click()
    done(chosen, wait)

    ui.useButton.click()
    wait(lambda: idle(chosen))
    assert chosen.panel.workflow.state.problem == ""
    wait(lambda: host.shown("MedDLSegment") and host.shown("MedDLSegment").parent.isEntered)
    segment = host.shown("MedDLSegment")
    parameters, page = segment._parameterNode, segment.pages.correct
    wait(lambda: any(model.name == "listens" and model.clickable for model in page.state.models or ()))
    segment.pages.show("Correct")
    parameters.inputVolume = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    parameters.segmentation = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    parameters.correctModel = "listens"
    assert page.state.structures == ("liver", "left kidney", "right kidney")
    page._ui.addButton.click()
    bounds = [0.0] * 6
    parameters.inputVolume.GetRASBounds(bounds)
    page._clicked(tuple((low + high) / 2 for low, high in zip(bounds[::2], bounds[1::2], strict=True)), False)
    wait(lambda: not page.state.going.busy)
    assert page.state.going.problem is None and page.state.going.count == 1
    page.close()
    parameters.correctModel = ""
    segment.pages.show("")


def listening() -> dict[str, Any]:
    """What a tiny plan needs, so that its network listens to clicks on its three labels."""
    from fixtures.trainings import staged_unet
    from MedDLTraining.plan import Listening

    return {"listening": Listening(12.0), "network": staged_unet(4, inputs=1 + 3 * 3)}


def test_a_label_that_is_given_twice_merges_and_an_empty_one_leaves_out(chosen: Any, wait: Wait) -> None:
    ui = chosen.ui
    ui.checkButton.click()
    done(chosen, wait)
    ui.labelTable.item(1, 2).setText("kidney")
    assert ui.checkLabel.text == "Something was changed since the check: check again."
    assert not ui.planButton.enabled
    ui.labelTable.item(2, 2).setText("kidney")
    ui.labelTable.item(0, 2).setText("")
    ui.checkButton.click()
    state = done(chosen, wait)
    assert [label["name"] for label in state.check["labels"]] == ["kidney"]
    assert [row[2] for row in rows(ui.labelTable)] == ["", "kidney", "kidney"]


def test_an_error_stops_the_training_until_the_case_is_left_out(
    chosen: Any, scene: Any, wait: Wait, tmp_path: Path
) -> None:
    import qt

    from fixtures.data_sets import clean_set

    ui, folder = chosen.ui, clean_set(tmp_path / "broken", 4)
    (folder / "labelsTr" / "patient_001.nii.gz").unlink()
    ui.dataPath.setCurrentPath(str(folder))
    ui.checkButton.click()
    state = done(chosen, wait)
    assert state.errors == 1 and rows(ui.findingTable)[0][0] == "Error"
    assert ui.planButton.toolTip == "The check found errors: correct them, or leave the cases out."
    ui.findingTable.cellClicked.emit(0, 0)
    assert "What to do: " in ui.findingLabel.text and "untick it" in ui.findingLabel.text
    broken = next(n for n, case in enumerate(state.cases) if case[2])
    ui.caseList.item(broken).setCheckState(qt.Qt.Unchecked)
    ui.checkButton.click()
    state = done(chosen, wait)
    assert state.errors == 0 and len(state.check["cases"]) == 3 and ui.caseList.count == 4
    assert ui.planButton.enabled


def test_a_click_on_a_case_opens_it_once(chosen: Any, scene: Any, wait: Wait) -> None:
    ui = chosen.ui
    assert ui.openButton.toolTip == "Choose a case."
    ui.checkButton.click()
    done(chosen, wait)
    ui.caseList.setCurrentRow(2)
    for _ in range(2):
        ui.openButton.click()
        done(chosen, wait)
    (scan,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    (drawn,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert scan.GetName() == "patient_002" and drawn.GetSegmentation().GetNumberOfSegments() == 3
    assert not list(chosen.panel._session.folder.glob("*.npy"))  # taken, and gone


def begin(widget: Any, wait: Wait, epochs: int) -> None:
    """Starts a training, and waits for its first epoch."""
    widget.ui.checkButton.click()
    done(widget, wait)
    with_a_small_plan(widget, epochs)
    widget.ui.startButton.click()
    wait(lambda: widget.panel.workflow.epochs)


def test_a_training_is_paused_stopped_and_resumed(chosen: Any, wait: Wait) -> None:
    ui, workflow = chosen.ui, chosen.panel.workflow
    begin(chosen, wait, 16)
    ui.pauseButton.click()
    assert ui.pauseButton.text == "Go on" and ui.statusLabel.text.startswith("Paused after epoch")
    ui.pauseButton.click()
    assert ui.pauseButton.text == "Pause"
    ui.startButton.click()
    wait(lambda: idle(chosen))
    assert ui.startButton.text == "Resume" and "was not finished" in ui.statusLabel.text
    ui.startButton.click()
    state = done(chosen, wait)
    assert state.earlier.isDone and [epoch["epoch"] for epoch in workflow.epochs] == list(range(1, 17))


def test_a_training_that_slicers_end_has_stopped_is_found_again(
    host: Any, chosen: Any, scene: Any, wait: Wait, tmp_path: Path
) -> None:
    begin(chosen, wait, 12)
    pid = chosen.panel._session.process.pid
    host.unload("MedDLTrain")  # as when Slicer quits
    wait(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    scene.Clear()
    again = host.widget("MedDLTrain")
    assert again.ui.trainingPath.currentPath == str(tmp_path / "my training")
    assert again.ui.startButton.text == "Resume" and again.ui.startButton.enabled
    assert "was not finished" in again.ui.statusLabel.text
    again.ui.startButton.click()
    assert done(again, wait).earlier.isDone and len(again.panel.workflow.epochs) == 12


def test_a_killed_child_costs_an_epoch_and_not_slicer(chosen: Any, wait: Wait) -> None:
    begin(chosen, wait, 12)
    os.kill(chosen.panel._session.process.pid, 9)
    wait(lambda: idle(chosen))
    assert chosen.panel.workflow.state.problem
    chosen.ui.startButton.click()
    assert done(chosen, wait).earlier.isDone


def test_a_training_goes_on_while_the_scene_is_closed(chosen: Any, scene: Any, wait: Wait, tmp_path: Path) -> None:
    begin(chosen, wait, 8)
    scene.Clear()
    wait(lambda: idle(chosen))
    assert chosen.panel.workflow.state.earlier.isDone
    assert chosen.panel._curves.chart.GetScene() is scene  # drawn anew
    assert chosen.ui.trainingPath.currentPath == str(tmp_path / "my training") and chosen.ui.useButton.enabled


def test_the_choices_come_back_with_a_saved_scene(chosen: Any, scene: Any, wait: Wait, tmp_path: Path) -> None:
    chosen.ui.minutesSpinBox.setValue(77)
    chosen.ui.allFoldsCheckBox.setChecked(True)
    chosen.ui.interactiveCheckBox.setChecked(True)
    chosen._parameterNode.leftOut = ["case_0003"]
    cases = chosen.ui.dataPath.currentPath
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    scene.Clear()
    assert not chosen.ui.interactiveCheckBox.checked
    assert chosen.ui.minutesSpinBox.value == 60 and chosen.ui.dataPath.currentPath == ""
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Import()
    assert chosen.ui.minutesSpinBox.value == 77 and chosen.ui.allFoldsCheckBox.checked
    assert chosen.ui.interactiveCheckBox.checked
    assert chosen.ui.dataPath.currentPath == cases and chosen.panel.workflow.state.leftOut == ("case_0003",)


def test_scans_that_were_segmented_in_the_scene_are_learnt_from(
    train: Any, scene: Any, wait: Wait, tmp_path: Path
) -> None:
    from fixtures.data_sets import NAMES, drawn, labels_of
    from MedDLCore.volume import LabelMap, Volume
    from MedDLScene.case_nodes import caseToScene

    ui = train.ui
    ui.sourceComboBox.setCurrentIndex(1)
    ui.trainingPath.setCurrentPath(str(tmp_path / "of the scene"))
    assert not ui.dataPath.visible
    assert ui.checkButton.toolTip == "The scene has no scan on which something was drawn."
    for n in range(4):
        case = drawn(n)
        truth = LabelMap(case.labels, case.geometry, labels_of(*NAMES))
        caseToScene(f"Smith {n}", [Volume(case.image, case.geometry, "CT")], truth, None, scene)
    train.panel.parametersChanged()
    ui.checkButton.click()
    state = done(train, wait)
    assert [case[1] for case in state.cases] == [f"Smith {n}" for n in range(4)] and state.errors == 0
    written = [path for path in (tmp_path / "of the scene").rglob("*") if path.is_file()]
    assert written and not any("Smith" in str(path) for path in written)
    ui.caseList.setCurrentRow(1)
    ui.openButton.click()
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 4  # it was there
    with_a_small_plan(train)
    ui.startButton.click()
    assert done(train, wait).earlier.isDone


def two_inputs_each(scene: Any, cases: int) -> None:
    """Cases of a T1 with segments and a FLAIR on coarser voxels; the last one's FLAIR has a name of its own."""
    import numpy as np

    from fixtures.data_sets import NAMES, drawn, labels_of
    from MedDLCore.volume import Geometry, LabelMap, Volume
    from MedDLScene.case_nodes import caseToScene

    for n in range(cases):
        case = drawn(n)
        truth = LabelMap(case.labels, case.geometry, labels_of(*NAMES))
        caseToScene(f"Smith {n} T1", [Volume(case.image, case.geometry, "MR")], truth, None, scene)
        shape = tuple(-(-size // 2) for size in case.image.shape)
        coarse = Geometry(shape, case.geometry.ijk_to_ras @ np.diag([2.0, 2.0, 2.0, 1.0]))
        name = f"Smith {n} FLAIR" if n < cases - 1 else "the other one"
        matrix = slicer.util.vtkMatrixFromArray(coarse.ijk_to_ras)
        slicer.util.addVolumeFromArray(200 - case.image[::2, ::2, ::2], ijkToRAS=matrix, name=name)


def test_cases_of_the_scene_have_the_inputs_that_were_chosen(
    train: Any, scene: Any, wait: Wait, tmp_path: Path
) -> None:
    from MedDLTraining.data import open_folder

    ui = train.ui
    ui.sourceComboBox.setCurrentIndex(1)
    ui.trainingPath.setCurrentPath(str(tmp_path / "two inputs"))
    two_inputs_each(scene, 3)
    train.panel.parametersChanged()
    assert ui.checkButton.enabled and not ui.inputTable.visible  # one input each
    ui.channelsLineEdit.text = "T1, FLAIR"
    assert ui.inputTable.visible and rows(ui.inputTable) == [
        ["Smith 0 T1", "T1", "Smith 0 T1"], ["Smith 0 T1", "FLAIR", "Smith 0 FLAIR"],
        ["Smith 1 T1", "T1", "Smith 1 T1"], ["Smith 1 T1", "FLAIR", "Smith 1 FLAIR"],
        ["Smith 2 T1", "T1", "Smith 2 T1"], ["Smith 2 T1", "FLAIR", "none"],
    ]  # fmt: skip
    assert ui.checkButton.toolTip == "Choose the volume for FLAIR of the case Smith 2 T1."
    ui.inputTable.setCurrentCell(5, 0)
    assert ui.inputLabel.text == "FLAIR of Smith 2 T1:"
    texts = [ui.inputComboBox.itemText(n) for n in range(ui.inputComboBox.count)]
    ui.inputComboBox.setCurrentIndex(texts.index("the other one"))
    assert rows(ui.inputTable)[5][2] == "the other one" and ui.inputTable.currentRow() == 5
    assert ui.checkButton.enabled, ui.checkButton.toolTip
    ui.checkButton.click()
    state = done(train, wait)
    assert [case[1] for case in state.cases] == [f"Smith {n} T1" for n in range(3)] and state.isChecked
    data_set = open_folder(tmp_path / "two inputs" / "data")
    assert [channel.name for channel in data_set.channels] == ["T1", "FLAIR"]
    for case in data_set.cases:
        t1, flair = data_set.load(case).volumes
        assert (flair.array[::2, ::2, ::2] == 200 - t1.array[::2, ::2, ::2]).all()
    ui.inputComboBox.setCurrentIndex(0)  # none: what was collected is no more what is chosen
    assert not train.panel.workflow.state.isChecked and not ui.checkButton.enabled


def test_reload_goes_on_with_new_libraries(host: Any, chosen: Any, wait: Wait) -> None:
    before = type(chosen.panel)
    chosen.onReload()
    again = host.shown("MedDLTrain")
    assert type(again.panel) is not before
    again.ui.checkButton.click()
    assert len(done(again, wait).check["cases"]) == 4


def test_what_the_panel_says_can_be_translated(host: Any, chosen: Any) -> None:
    ui = chosen.ui
    host.app.translates = True
    try:
        chosen.panel._show()
        texts = [button.text for button in (ui.checkButton, ui.planButton, ui.startButton, ui.useButton)]
        texts += [button.toolTip for button in (ui.checkButton, ui.planButton, ui.startButton, ui.useButton)]
    finally:
        host.app.translates = False
        chosen.panel._show()
    assert all(text.startswith("[") for text in texts), texts
