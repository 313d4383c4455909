"""A training from a folder of scans to a model that segments, on the command line and with another model's weights."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fixtures.data_sets import clean_set, drawn, name_of, shifted, write_case, write_description
from fixtures.trainings import STILL, data_in_memory, overlapping_in_memory, staged_unet, tiny_plan
from MedDLCore.cli.main import run
from MedDLCore.cli.training_data import DataRequest
from MedDLCore.errors import Code, Exit, MedDLError
from MedDLCore.models import load_networks, open_model, write_package
from MedDLCore.models.weights import read_state_dict
from MedDLCore.preprocess import prepare
from MedDLCore.readers import read
from MedDLCore.spec import Channel, Network, Output, ZScore
from MedDLCore.volume import Geometry
from MedDLTraining.cases import divide, prepare_cases
from MedDLTraining.check import Fault, Finding, check
from MedDLTraining.cross_validation import cross_validate
from MedDLTraining.data import open_folder, read_splits
from MedDLTraining.events import Control, Epoch, Step
from MedDLTraining.loop.checkpoint import read_checkpoint
from MedDLTraining.loop.network import begin_with, head_of, hold_fixed, new_network
from MedDLTraining.loop.preview import contact_sheet
from MedDLTraining.loop.validating import validation_dice
from MedDLTraining.plan import Budget, Optimiser, Plan, Start, plan_from_model, read_plan, write_plan
from MedDLTraining.plan.making import check_order
from MedDLTraining.publish import Statement, publish, source_of
from MedDLTraining.publish.card import card
from MedDLTraining.training import keep_plan, train

QUICK = Optimiser("adamw", 1e-2, weight_decay=1e-2)


def learning(data_set: Any, **changes: Any) -> Plan:
    """Enough to be clearly better than chance."""
    return tiny_plan(data_set, **{"iterations": 75, "epochs": 2, "optimiser": QUICK, "augmentation": STILL, **changes})


def meddl(*arguments: object) -> int:
    return run([str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clean_set(tmp_path_factory.mktemp("set") / "d", 5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that finds liver and kidneys, trained for seconds."""
    torch.set_num_threads(1)
    data_set = data_in_memory()
    out = tmp_path_factory.mktemp("trained")
    package = train(data_set, learning(data_set), out).package
    assert package is not None
    return package.folder


def test_what_was_trained_on_a_folder_segments_a_scan_that_it_never_saw(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    plan = learning(open_folder(folder), name="organs", iterations=100)
    write_plan(plan, tmp_path / "plan.json")
    assert meddl("train", folder, "--out", out, "--plan", tmp_path / "plan.json", "--threads", 1) == Exit.OK
    assert f"meddl segment SCAN --model {out / 'model'}" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["history.json", "model", "plan.json", "split.json"]
    assert read_plan(out / "plan.json") == plan

    unseen = drawn(77)
    for part in ("imagesTr", "labelsTr"):
        (tmp_path / part).mkdir()
    write_case(tmp_path, 77, unseen)
    scan = tmp_path / "imagesTr" / f"{name_of(77)}_0000.nii.gz"
    command = ("segment", scan, "--model", out / "model", "--out", tmp_path / "s", "--format", "nifti", "--no-picture")
    assert meddl(*command) == Exit.OK
    (result,) = (tmp_path / "s").glob("*.nii.gz")
    (found,) = read(result)
    labels = found.array
    for value in (1, 2, 3):
        mask, truth = labels == value, unseen.labels == value
        assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.4  # of chance: below 0.01

    history = json.loads((out / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history] == [1, 2]
    split = json.loads((out / "split.json").read_text())
    assert len(split["training"]) + len(split["validation"]) == 5
    for path in out.rglob("*"):
        assert path.is_dir() or name_of(0).encode() not in path.read_bytes()


def test_the_validation_dice_is_what_the_published_model_reaches(model: Path, tmp_path: Path) -> None:
    data_set = data_in_memory()
    plan = read_plan(model.parent / "plan.json")
    held = json.loads((model.parent / "split.json").read_text())["validation"]
    chosen = [case for case in data_set.cases if case.id in held]
    cases = prepare_cases(data_set, plan.spec, tmp_path / "c", chosen)
    package = open_model(model)
    dice = validation_dice(load_networks(package)[0], cases, plan)
    assert package.spec.measured["validation_dice"] == pytest.approx(dict(dice), abs=1e-4)
    assert dice["liver"] > 0.5


def test_weights_that_have_several_names_are_written_once(model: Path) -> None:
    """The network of nnU-Net names each convolution of its encoder four times."""
    parameters = sum(weight.nbytes for weight in load_networks(open_model(model))[0].parameters())
    assert (model / "models" / "model.safetensors").stat().st_size < 1.1 * parameters + 20_000


def test_a_plan_is_made_within_minutes_and_written_to_be_edited(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("train", folder, "--out", tmp_path / "run", "--minutes", 0.02, "--only-plan", "--seed", 3)
    assert meddl(*command, "--preview", tmp_path / "p.png", "--threads", 1, "--json") == Exit.OK
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["event"] for event in events} == {"progress", "plan", "result"}
    plan = read_plan(tmp_path / "run" / "plan.json")
    assert plan.name == "run" and plan.seed == 3 and plan.grid.spacing == (5, 5, 5)
    assert plan.crops is not None and plan.crops.extent == (120, 120, 120)  # smaller than any whole scan
    assert (plan.inference.windows, plan.inference.weighting) == ("stepped", "monai"), "or MONAI cannot run the model"
    assert [label.name for label in plan.labels] == ["liver", "left kidney", "right kidney"]
    assert Image.open(tmp_path / "p.png").size == (960, 640)


def test_with_an_error_in_the_data_no_training_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, case = clean_set(tmp_path / "d", 4), drawn(2)
    case.label_geometry = shifted(case.geometry, 9, 0, 0)
    write_case(folder, 2, case)
    assert meddl("train", folder, "--out", tmp_path / "run", "--minutes", 1) == Exit.INPUT
    assert "GEOMETRY_MISMATCH" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_the_check_warns_of_is_told_by_a_training_and_a_copy_that_is_learnt_from_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scan that was there twice stood on both sides of the division, and nothing was said."""
    folder = clean_set(tmp_path / "d", 3)
    write_case(folder, 3, drawn(0))
    write_description(folder)
    data_set, out = open_folder(folder), tmp_path / "run"
    apart = next(seed for seed in range(99) if len(set(held_out(data_set, seed)) & {"case_0001", "case_0004"}) == 1)
    write_plan(tiny_plan(data_set, seed=apart, iterations=1, epochs=1), tmp_path / "plan.json")
    assert meddl("train", folder, "-o", out, "--plan", tmp_path / "plan.json", "--threads", 1) == Exit.OK
    told = capsys.readouterr().err
    assert "The check found DUPLICATE" in told and "meddl check FOLDER" in told
    (copy,) = set(held_out(data_set, apart)) & {"case_0001", "case_0004"}
    assert "LEARNT_FROM" in told and f"{copy}. The Dice is too high" in told


def held_out(data_set: Any, seed: int) -> list[str]:
    return [case.id for case in divide(data_set, tiny_plan(data_set).folds, 0, seed).validation]


def test_a_structure_that_stands_on_one_side_of_the_division_alone_is_told_before_its_dice_is_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where only the validation cases had it, the training took its hour and then said 0.000, without a reason."""
    folder = clean_set(tmp_path / "d", 4)
    for n in range(1, 4):
        case = drawn(n)
        case.labels[case.labels == 1] = 0
        write_case(folder, n, case)
    data_set = open_folder(folder)
    there, elsewhere, *_ = sorted(range(4), key=lambda fold: divide(data_set, 4, fold, 0).validation[0].id)
    command = ("train", folder, "-o", tmp_path / "planned", "--minutes", 1, "--folds", 4, "--fold", there)
    assert meddl(*command) == Exit.INPUT
    assert "No case that is learnt from has liver" in capsys.readouterr().err
    for fold, told in ((there, "learnt from has liver: it cannot be found."), (elsewhere, "kept apart has liver.")):
        plan = tiny_plan(data_set, folds=4, fold=fold, iterations=1, epochs=1)
        (notice,) = train(data_set, plan, tmp_path / f"run {fold}").notices
        assert notice.code is Code.DATA_SCARCE and notice.message.endswith(told)
    spec = replace(tiny_plan(data_set).spec, measured={"validation_dice": {"left kidney": 0.5}})
    assert "| liver | no case had it |\n| left kidney | 0.500 |" in card(spec, Statement("MIT"), (), None, "")


def test_a_training_needs_minutes_or_a_plan(folder: Path, tmp_path: Path) -> None:
    assert meddl("train", folder, "--out", tmp_path / "run") == Exit.USAGE
    assert meddl("train", folder, "--out", tmp_path / "run", "--minutes", 1, "--finish") == Exit.USAGE


def test_a_folder_with_a_training_is_not_used_again_but_gone_on_with(tmp_path: Path) -> None:
    data_set, control = data_in_memory(), Control()

    def stop(event: Step | Epoch) -> None:
        if isinstance(event, Epoch):
            control.stop()

    plan = tiny_plan(data_set)
    stopped = train(data_set, plan, tmp_path / "run", on_event=stop, control=control)
    assert stopped.package is None and (tmp_path / "run" / "checkpoints").is_dir()
    with pytest.raises(MedDLError) as refused:
        train(data_set, plan, tmp_path / "run")
    assert refused.value.code is Code.OUTPUT_EXISTS
    done = train(data_set, plan, tmp_path / "run", resume=True)
    assert done.package is not None and not (tmp_path / "run" / "cache").exists()
    again = train(data_set, plan, tmp_path / "run", resume=True)
    assert again.package is not None and again.package.sha256 == done.package.sha256
    whole = train(data_set, plan, tmp_path / "whole")
    assert whole.package is not None and whole.package.spec.weights == done.package.spec.weights


def stopped_after_an_epoch(data_set: Any, plan: Plan, folder: Path) -> None:
    control = Control()
    train(data_set, plan, folder, on_event=lambda event: isinstance(event, Epoch) and control.stop(), control=control)
    assert (folder / "checkpoints").is_dir()


def test_what_a_run_that_was_killed_in_its_last_moment_kept_of_scans_is_removed(tmp_path: Path) -> None:
    """Its model was whole; the prepared cases and the checkpoints beside it stayed for good."""
    data_set = data_in_memory(2)
    plan = tiny_plan(data_set, iterations=1, epochs=1)
    for learn, out in ((train, tmp_path / "one"), (cross_validate, tmp_path / "all")):
        learn(data_set, plan, out)
        made = sorted(out.rglob("*"))
        for name in ("cache", "checkpoints") if learn is train else ("cache",):
            (out / name).mkdir()
            (out / name / "case_0001_image.npy").write_bytes(b"voxels")
        assert learn(data_set, plan, out, resume=True).package is not None and sorted(out.rglob("*")) == made


def test_a_plan_that_was_written_to_be_edited_is_followed_in_its_own_folder(tmp_path: Path) -> None:
    data_set, folder = data_in_memory(), tmp_path / "run"
    plan = tiny_plan(data_set, epochs=1, iterations=1)
    keep_plan(plan, folder)
    with pytest.raises(MedDLError) as refused:
        train(data_set, replace(plan, epochs=2), folder)
    assert refused.value.code is Code.OUTPUT_EXISTS and read_plan(folder / "plan.json").epochs == 1
    assert train(data_set, plan, folder).package is not None


@pytest.mark.parametrize("resume", [False, True])
def test_folders_of_the_persons_own_are_never_taken_for_those_of_a_training_and_cleared(
    resume: bool, tmp_path: Path
) -> None:
    data_set = data_in_memory()
    for name in ("cache", "checkpoints", "model"):
        mine = tmp_path / name / name / "thesis.txt"
        mine.parent.mkdir(parents=True)
        mine.write_text("mine")
        plan = tiny_plan(data_set, epochs=1, iterations=1)
        for begin in (train, cross_validate) if name == "cache" else (train,):
            with pytest.raises(MedDLError, match="something else") as refused:
                begin(data_set, plan, tmp_path / name, resume=resume)
            assert refused.value.code is Code.OUTPUT_EXISTS
        assert [path for path in (tmp_path / name).rglob("*") if path.is_file()] == [mine]


def test_a_plan_for_later_replaces_no_plan_that_is_there(folder: Path, tmp_path: Path) -> None:
    plan, out = tiny_plan(open_folder(folder)), tmp_path / "run"
    keep_plan(plan, out)
    write_plan(replace(plan, epochs=9), tmp_path / "other.json")
    assert meddl("train", folder, "-o", out, "--plan", tmp_path / "other.json", "--only-plan") == Exit.OUTPUT
    assert read_plan(out / "plan.json").epochs == plan.epochs


def test_a_training_is_gone_on_with_by_its_own_plan_and_an_edited_one_is_refused_and_not_ignored(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_set, out = open_folder(folder), tmp_path / "run"
    write_plan(tiny_plan(data_set, epochs=2, iterations=1), tmp_path / "plan.json")
    plan = read_plan(tmp_path / "plan.json")
    stopped_after_an_epoch(data_set, plan, out)
    write_plan(replace(plan, epochs=3), tmp_path / "edited.json")
    assert meddl("train", folder, "-o", out, "--resume", "--plan", tmp_path / "edited.json") == Exit.INPUT
    assert "PLAN_INVALID" in capsys.readouterr().err and read_plan(out / "plan.json").epochs == 2
    assert meddl("train", folder, "-o", out, "--resume") == Exit.OK


def test_a_training_is_not_gone_on_with_where_a_label_map_was_changed_meanwhile(tmp_path: Path) -> None:
    folder, out = clean_set(tmp_path / "d", 4), tmp_path / "run"
    plan = tiny_plan(open_folder(folder), epochs=2, iterations=1)
    stopped_after_an_epoch(open_folder(folder), plan, out)
    corrected = drawn(1)
    corrected.labels[corrected.labels == 1] = 0
    write_case(folder, 1, corrected)
    with pytest.raises(MedDLError, match="have changed") as refused:
        train(open_folder(folder), plan, out, resume=True)
    assert refused.value.code is Code.PLAN_INVALID
    write_case(folder, 1, drawn(1))
    assert train(open_folder(folder), plan, out, resume=True).package is not None


def test_a_training_that_began_before_plans_knew_of_clicks_is_gone_on_with(tmp_path: Path) -> None:
    """Its checkpoint vouches for a plan without that key, and so does its file."""
    data_set, control = data_in_memory(), Control()
    write_plan(tiny_plan(data_set), tmp_path / "plan.json")
    plan, folder = read_plan(tmp_path / "plan.json"), tmp_path / "run"
    train(data_set, plan, folder, on_event=lambda event: isinstance(event, Epoch) and control.stop(), control=control)
    old = {key: value for key, value in json.loads((folder / "plan.json").read_text()).items() if key != "listening"}
    (folder / "plan.json").write_text(json.dumps(old))
    split = json.loads((folder / "split.json").read_text())
    cases = [split["training"], split["validation"]]
    state, _ = read_checkpoint(folder / "checkpoints")
    assert state is not None
    assert state["made_of"] == hashlib.sha256(json.dumps([old, cases], sort_keys=True).encode()).hexdigest()
    assert train(data_set, read_plan(folder / "plan.json"), folder, resume=True).package is not None


@pytest.mark.parametrize(
    "asked", ["--interactive", "--from phantom", "--seed 3", "--fold 2", "--minutes 60", "--crops"]
)
def test_what_a_plan_would_be_followed_in_spite_of_is_refused_before_hours_are_spent(
    asked: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plan(tiny_plan(open_folder(folder)), tmp_path / "plan.json")
    command = ("train", folder, "-o", tmp_path / "run", "--plan", tmp_path / "plan.json", *asked.split())
    assert meddl(*command) == Exit.USAGE
    assert asked.split()[0] in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_the_dice_of_the_only_case_is_not_said_to_be_of_cases_that_were_not_learnt_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = clean_set(tmp_path / "d", 1)
    write_plan(tiny_plan(open_folder(folder), iterations=1, epochs=1), tmp_path / "plan.json")
    assert (
        meddl("train", folder, "--out", tmp_path / "run", "--plan", tmp_path / "plan.json", "--threads", 1) == Exit.OK
    )
    told = capsys.readouterr()
    assert Code.DATA_SCARCE.value in told.err and "Dice on the cases that it has learnt from:" in told.out
    assert "validation cases" not in told.out
    made = publish(source_of(tmp_path / "run"), tmp_path / "published", Statement("MIT"))
    assert "Dice on the cases that it has learnt from" in (made.path / "docs" / "README.md").read_text()
    metrics = json.loads((made.path / "configs" / "metadata.json").read_text())["eval_metrics"]
    assert metrics and not [name for name in metrics if "validation" in name]


def test_a_training_that_does_not_listen_is_not_gone_on_with_as_one_that_does(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_set, out = open_folder(folder), tmp_path / "run"
    stopped_after_an_epoch(data_set, tiny_plan(data_set, epochs=2, iterations=1), out)
    assert meddl("train", folder, "-o", out, "--resume", "--interactive") == Exit.INPUT
    assert "does not listen to clicks" in capsys.readouterr().err


def test_all_folds_together_are_an_ensemble_that_segments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = clean_set(tmp_path / "d", 4), tmp_path / "run"
    write_plan(tiny_plan(open_folder(folder), iterations=2, epochs=2), tmp_path / "plan.json")
    command = ("train", folder, "--out", out, "--plan", tmp_path / "plan.json", "--fold", "all", "--json")
    assert meddl(*command) == Exit.OK
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["fold"] for event in events if event["event"] == "fold"] == [0, 1]
    assert sorted(path.name for path in out.iterdir()) == ["fold_0", "fold_1", "model"]
    held = [set(json.loads((out / f"fold_{n}" / "split.json").read_text())["validation"]) for n in (0, 1)]
    assert not held[0] & held[1] and len(held[0] | held[1]) == 4
    package = open_model(out / "model")
    assert len(load_networks(package)) == 2 and package.spec.measured["validation_cases"] == 4
    scan = folder / "imagesTr" / f"{name_of(1)}_0000.nii.gz"
    assert meddl("segment", scan, "--model", out / "model", "--out", tmp_path / "s", "--no-picture") == Exit.OK
    assert meddl(*command) == Exit.OUTPUT
    assert meddl(*command, "--resume") == Exit.OK
    assert meddl(*command[:-2], "some") == Exit.USAGE


def test_no_network_of_an_ensemble_is_there_twice_where_patients_are_fewer_than_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three patients made five networks, of which two were copies: their Dice and their votes counted twice."""
    monkeypatch.setattr("MedDLTraining.loop.probe.seconds_of", lambda *_: (0.1, 0.01))
    folder = clean_set(tmp_path / "d", 3)
    data_set = open_folder(folder)
    plan = tiny_plan(data_set, folds=5, epochs=1, iterations=1)
    measured = cross_validate(data_set, plan, tmp_path / "run").package.spec.measured  # type: ignore[union-attr]
    assert (measured["networks"], measured["validation_cases"]) == (3, 3)
    command = ("train", folder, "-o", tmp_path / "planned", "--minutes", 3, "--fold", "all", "--only-plan")
    assert meddl(*command) == Exit.OK
    planned = read_plan(tmp_path / "planned" / "plan.json")
    assert (planned.folds, planned.notes["planned_minutes"]) == (3, 1)
    alone = data_set.without([case.id for case in data_set.cases[1:]])
    with pytest.raises(MedDLError, match="as many patients"):
        cross_validate(alone, plan, tmp_path / "alone")


def test_the_folder_of_one_training_takes_no_cross_validation_which_would_end_without_its_model(
    tmp_path: Path,
) -> None:
    """All folds were trained, and no place was left for the ensemble; then the one model was taken for it."""
    data_set, out = data_in_memory(4), tmp_path / "run"
    plan = tiny_plan(data_set, epochs=1, iterations=1)
    stopped_after_an_epoch(data_set, replace(plan, epochs=2), tmp_path / "stopped")
    train(data_set, plan, out)
    (tmp_path / "own" / "model").mkdir(parents=True)
    for folder, resume in ((out, False), (out, True), (tmp_path / "stopped", True), (tmp_path / "own", False)):
        before = sorted(folder.rglob("*"))
        with pytest.raises(MedDLError) as refusal:
            cross_validate(data_set, plan, folder, resume=resume)
        assert refusal.value.code is Code.OUTPUT_EXISTS and sorted(folder.rglob("*")) == before


def test_the_folds_of_nnunets_split_are_those_that_are_trained_and_not_five_of_the_first_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("MedDLTraining.loop.probe.seconds_of", lambda *_: (0.1, 0.01))
    names = [name_of(n) for n in range(5)]
    split = [{"train": names[:3], "val": names[3:]}, {"train": names[2:], "val": names[:2]}]
    (tmp_path / "splits_final.json").write_text(json.dumps(split))
    given = ("train", folder, "--split", tmp_path / "splits_final.json", "--minutes", 1)
    for fold in (0, 1):
        assert meddl(*given, "-o", tmp_path / str(fold), "--fold", fold, "--only-plan") == Exit.OK
        plan = read_plan(tmp_path / str(fold) / "plan.json")
        assert (plan.folds, plan.fold) == (0, fold)
    assert meddl(*given, "-o", tmp_path / "2", "--fold", 2, "--only-plan") == Exit.INPUT
    data_set = DataRequest(folder, None, (), "", (tmp_path / "splits_final.json",), ()).open()
    result = cross_validate(data_set, replace(tiny_plan(data_set), folds=0, epochs=1, iterations=1), tmp_path / "all")
    assert result.package is not None and result.package.spec.measured["networks"] == 2
    for fold, ids in enumerate((["case_0004", "case_0005"], ["case_0001", "case_0002"])):
        assert json.loads((tmp_path / "all" / f"fold_{fold}" / "split.json").read_text())["validation"] == ids


def test_the_split_of_a_training_is_refused_where_its_pseudonyms_are_those_of_other_cases_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are numbers: with a new case before the others, what had been learnt from was called validation."""
    folder, split = clean_set(tmp_path / "d", 3), tmp_path / "run" / "split.json"
    train(open_folder(folder), tiny_plan(open_folder(folder), iterations=1, epochs=1), tmp_path / "run")
    assert not [one for one in findings(folder, split) if one.fault is Fault.SPLIT_UNKNOWN]
    write_case(folder, 7, drawn(7))
    for part, end in (("imagesTr", "_0000.nii.gz"), ("labelsTr", ".nii.gz")):
        (folder / part / f"{name_of(7)}{end}").rename(folder / part / f"a{end}")
    (found,) = (one for one in findings(folder, split) if one.fault is Fault.SPLIT_UNKNOWN)
    assert found.cases == ("case_0001", "case_0002", "case_0003")
    judged = ("evaluate", folder, "--model", tmp_path / "run" / "model", "--split", split, "--part", "validation")
    assert meddl(*judged, "--out", tmp_path / "report", "--no-pictures") == Exit.INPUT
    assert "The split was written for another scan" in capsys.readouterr().err


def findings(folder: Path, split: Path) -> tuple[Finding, ...]:
    return check(open_folder(folder, splits=read_splits([split]))).findings


def test_a_plan_for_other_labels_or_with_something_unusable_is_refused(tmp_path: Path) -> None:
    data_set = data_in_memory()
    plan = tiny_plan(data_set)
    other = replace(plan, labels=tuple(replace(label, name=label.name + "s") for label in plan.labels))
    with pytest.raises(MedDLError) as refused:
        train(data_set, other, tmp_path / "run")
    assert refused.value.code is Code.PLAN_INVALID
    folder = clean_set(tmp_path / "d", 4)
    (folder / "labelsTr" / f"{name_of(1)}.nii.gz").unlink()
    with pytest.raises(MedDLError) as refused:
        train(open_folder(folder), plan, tmp_path / "run")
    assert refused.value.code is Code.DATA_INVALID


def test_a_contact_sheet_begins_with_the_case_itself_and_shows_its_labels(tmp_path: Path) -> None:
    data_set = data_in_memory(1)
    plan = tiny_plan(data_set, augmentation=STILL)
    (case,) = prepare_cases(data_set, plan.spec, tmp_path / "c")
    contact_sheet(case, plan, tmp_path / "still.png")
    sheet = np.asarray(Image.open(tmp_path / "still.png"))
    first = sheet[:160, :160]
    assert all(np.array_equal(first, sheet[y : y + 160, x : x + 160]) for x in (160, 800) for y in (0, 480))
    assert np.ptp(first, axis=-1).max() > 40  # tinted
    contact_sheet(case, tiny_plan(data_set), tmp_path / "varied.png")
    varied = np.asarray(Image.open(tmp_path / "varied.png"))
    assert np.array_equal(varied[:160, :160], first) and not np.array_equal(varied, sheet)


def kidneys_merged() -> Any:
    """The same scans with other labels: liver and kidneys."""
    data_set = data_in_memory()
    table = data_set.table
    rows = tuple(replace(row, label="kidneys" if "kidney" in row.label else row.label) for row in table.rows)
    labels = (table.labels[0], replace(table.labels[1], name="kidneys"))
    return data_set.with_table(replace(table, rows=rows, labels=labels))


def test_the_channels_of_a_model_or_plan_in_another_order_are_refused(model: Path, tmp_path: Path) -> None:
    """They would be taken for each other, and the model that comes out would name them wrongly."""
    check_order((Channel("T1"), Channel("T2")), (Channel("t1"), Channel("t2")), "m")
    check_order((Channel("image"),), (Channel("CT"),), "m")
    with pytest.raises(MedDLError) as refused:
        check_order((Channel("T1"), Channel("T2")), (Channel("T2"), Channel("T1")), "m")
    assert refused.value.code is Code.CHANNELS_MISMATCH
    package, data_set = open_model(model), data_in_memory()
    two = replace(data_set, channels=(Channel("T1"), Channel("T2")))
    turned = replace(package, spec=replace(package.spec, channels=two.channels[::-1], clicks=None))
    with pytest.raises(MedDLError, match="T2, T1"):
        plan_from_model(turned, two, Budget(0.02, 10**9), "m")
    plan = tiny_plan(data_set, channels=two.channels[::-1], network=staged_unet(4, inputs=2))
    with pytest.raises(MedDLError, match="T2, T1"):
        train(two, plan, tmp_path / "run")


def test_a_training_on_mr_does_not_begin_with_a_model_for_ct() -> None:
    """Its window for Hounsfield units cut their intensities, and the model that came out refused such scans."""
    data_set = replace(data_in_memory(), channels=(Channel("T1", "MR"),))
    with pytest.raises(MedDLError, match="phantom is for CT; the scans of the channel 'T1' are MR") as refused:
        plan_from_model(open_model("phantom"), data_set, Budget(1, 10**9), "m")
    assert refused.value.code is Code.WRONG_MODALITY


def test_a_model_on_whose_grid_a_structure_is_no_voxel_is_nothing_to_begin_with(model: Path) -> None:
    data_set, package = data_in_memory(), open_model(model)
    facts = check(data_set).facts
    coarse = replace(package, spec=replace(package.spec, grid=replace(package.spec.grid, spacing=(30.0, 30.0, 30.0))))
    with pytest.raises(MedDLError, match="smaller than one voxel") as refused:
        plan_from_model(coarse, data_set, Budget(0.02, 10**9), "m", facts=facts)
    assert refused.value.code is Code.PLAN_INVALID


def test_structures_that_overlap_are_not_laid_flat_where_a_training_begins_with_another_model(model: Path) -> None:
    data_set = overlapping_in_memory()
    facts, package = check(data_set).facts, open_model(model)
    assert data_set.exclusive, "nothing but the voxels says that they overlap"
    plan = plan_from_model(package, data_set, Budget(0.02, 10**9), "m", facts=facts)
    assert plan.overlapping and plan.network.arguments["outputs"] == 3


@pytest.mark.parametrize("fixed", [0.0, 0.5, 1.0], ids=["in whole", "in part", "as fixed features"])
def test_a_training_begins_with_another_model_and_a_new_head(model: Path, fixed: float, tmp_path: Path) -> None:
    data_set = kidneys_merged()
    budget = Budget(0.05, 10**9)
    plan = plan_from_model(open_model(model), data_set, budget, "merged", fixed)
    assert plan.network.arguments["outputs"] == 3 and plan.start is not None and plan.start.fixed == fixed
    assert plan.grid == open_model(model).spec.grid
    plan = replace(
        plan,
        iterations=25,
        epochs=2,
        optimiser=Optimiser("adamw", 5e-2 if fixed else 1e-2),
        augmentation=STILL,
        folds=2,
    )
    result = train(data_set, plan, tmp_path / "run")
    assert result.package is not None
    before, after = (
        read_state_dict(folder / "models" / "model.safetensors") for folder in (model, result.package.folder)
    )
    common = [key for key in before if before[key].shape == after[key].shape]
    kept = [key for key in common if torch.equal(before[key], after[key])]
    assert len(common) >= len(before) - 4
    if fixed == 0:
        assert len(kept) < 0.2 * len(common)
    else:
        assert len(kept) >= fixed * len(common) - 1
    assert result.dice["liver"] > 0.5, "what it knew helps from the start"


def test_the_card_names_the_model_that_a_training_began_with_and_its_licence(model: Path, tmp_path: Path) -> None:
    """What was made of a model that must be shared alike was published under any licence, without a trace of it."""
    first = publish(source_of(model), tmp_path / "first", Statement("CC-BY-SA-4.0", name="organs"), for_monai=False)
    plan = plan_from_model(open_model(first.path), kidneys_merged(), Budget(0.05, 10**9), "merged")
    train(kidneys_merged(), replace(plan, iterations=1, epochs=1, folds=2), tmp_path / "run")
    made = publish(source_of(tmp_path / "run"), tmp_path / "made", Statement("MIT"), for_monai=False)
    text = (made.path / "docs" / "README.md").read_text()
    assert f"those of organs (licence: CC-BY-SA-4.0; SHA-256 {first.sha256})" in text


def test_validation_cases_that_the_first_model_has_learnt_from_are_named(model: Path, tmp_path: Path) -> None:
    """A fine-tuned model's Dice was that of cases that it remembered."""
    plan = plan_from_model(open_model(model), kidneys_merged(), Budget(0.05, 10**9), "merged")
    trained = train(kidneys_merged(), replace(plan, iterations=1, epochs=1, folds=2, fold=1), tmp_path / "run")
    learnt, held = (
        set(json.loads((folder / "split.json").read_text())[part])
        for folder, part in ((model.parent, "training"), (tmp_path / "run", "validation"))
    )
    (notice,) = trained.notices
    assert notice.code is Code.LEARNT_FROM and f"cases: {', '.join(sorted(learnt & held))}. The" in notice.message


def test_the_head_is_new_for_other_labels_even_where_it_would_fit_and_is_always_trained(model: Path) -> None:
    data_set, package = data_in_memory(), open_model(model)
    plan = tiny_plan(data_set, start=Start(str(model), None, 1.0), seed=5)
    assert head_of(plan) == {"decoder.seg_layers.0.weight", "decoder.seg_layers.0.bias"}
    renamed = replace(plan, labels=tuple(replace(label, name=f"other {label.value}") for label in plan.labels))
    for given, new in ((plan, frozenset()), (renamed, head_of(plan))):
        network = new_network(given)
        assert set(begin_with(network, package, given)) == new
        assert {name for name, p in network.named_parameters() if p.requires_grad} == head_of(plan)


def test_what_a_foreign_model_does_before_its_network_is_done_in_the_training_too(tmp_path: Path) -> None:
    """As models of nnU-Net for MR are: cropped, normalised on the scan and over the body alone, then resampled."""
    data_set = data_in_memory()
    own = tiny_plan(data_set)
    grid = replace(own.grid, crop="nonzero", spacing=(9.0, 6.0, 6.0), apart=1.2)
    channels = (replace(own.channels[0], intensity=(ZScore(body=True),)),)
    spec = replace(own.spec, grid=grid, channels=channels, steps_on_scan=1, output=Output(apart=1.2))
    package = write_package(spec, new_network(own).state_dict(), tmp_path / "m")
    plan = plan_from_model(package, data_set, Budget(0.02, 10**9), "m")
    (case,) = prepare_cases(data_set, plan.spec, tmp_path / "c", data_set.cases[:1])
    seen = prepare(data_set.load(data_set.cases[0]).volumes, spec)
    np.testing.assert_array_equal(case.image, seen.array)
    assert case.truth.shape[1:] == seen.array.shape[1:] and set(np.unique(case.truth)) == {0, 1, 2, 3}
    assert plan.spec.output == spec.output


def test_fixed_normalisations_stay_as_they_are(tmp_path: Path) -> None:
    data_set = data_in_memory()
    network = replace(staged_unet(4), arguments={**staged_unet(4).arguments, "norm": "batch"})
    plan = tiny_plan(data_set, network=network)
    given = new_network(plan)
    package = write_package(plan.spec, given.state_dict(), tmp_path / "m")
    own = new_network(replace(plan, seed=1))
    assert begin_with(own, package, replace(plan, start=Start("m", None, 1.0))) == ()
    own.train()
    hold_fixed(own)
    own(torch.randn((2, 1, 16, 16, 16)))
    assert all(torch.equal(value, given.state_dict()[key]) for key, value in own.state_dict().items())


def test_what_drops_out_in_fixed_parts_is_kept() -> None:
    arguments = {"spatial_dims": 3, "in_channels": 1, "out_channels": 4, "channels": [4, 8], "strides": [2]}
    network = new_network(tiny_plan(data_in_memory(1), network=Network("UNet", {**arguments, "dropout": 0.9})))
    network.requires_grad_(False)
    hold_fixed(network)
    image = torch.randn((1, 1, 16, 16, 16))
    assert torch.equal(network(image), network(image))


def refusal(**changes: Any) -> MedDLError:
    data_set = data_in_memory(2)
    with pytest.raises(MedDLError) as refused:
        train(data_set, tiny_plan(data_set, **changes), Path("nowhere"))
    return refused.value


def test_a_network_that_does_not_go_with_the_plan_is_refused_before_a_scan_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("MedDLTraining.training.prepare_cases", None)
    too_deep = {"spatial_dims": 3, "in_channels": 1, "out_channels": 4, "features": [4, 4, 8, 8, 8, 4]}
    small = refusal(network=Network("BasicUNet", too_deep))
    assert small.code is Code.PLAN_INVALID and "16 x 16 x 16" in small.message
    assert refusal(network=staged_unet(3)).code is Code.PLAN_INVALID
    assert refusal(network=staged_unet(4, inputs=2)).code is Code.PLAN_INVALID
    monkeypatch.setattr("MedDLTraining.loop.probe.free_on", lambda _: 10**6)
    assert refusal().code is Code.NO_MEMORY
    assert not (tmp_path / "nowhere" / "plan.json").exists()


def test_a_model_of_another_network_or_channels_or_of_another_hash_is_refused(model: Path, tmp_path: Path) -> None:
    data_set = data_in_memory()
    package = open_model(model)
    with pytest.raises(MedDLError) as refused:
        other = tiny_plan(data_set, network=staged_unet(4, width=5))
        begin_with(new_network(other), package, other)
    assert refused.value.code is Code.MODEL_INVALID
    with pytest.raises(MedDLError) as refused:
        plan_from_model(package, replace(data_set, channels=data_set.channels * 2), Budget(1, 10**9), "m")
    assert refused.value.code is Code.CHANNELS_MISMATCH
    changed = tiny_plan(data_set, start=Start(str(model), "0" * 64))
    with pytest.raises(MedDLError) as refused:
        train(data_set, changed, tmp_path / "run")
    assert refused.value.code is Code.PLAN_INVALID
    whole = write_package(
        replace(package.spec, inference=replace(package.spec.inference, patch=None)),
        read_state_dict(model / "models" / "model.safetensors"),
        tmp_path / "m",
    )
    with pytest.raises(MedDLError) as refused:
        plan_from_model(whole, data_set, Budget(1, 10**9), "m")
    assert refused.value.code is Code.MODEL_INVALID


def test_a_scan_on_an_oblique_grid_is_learnt_from_where_it_lies(tmp_path: Path) -> None:
    """Training and inference share one preparation: a turned scan of a known body is found where it was drawn."""
    from fixtures.data_sets import InMemory, case_in_memory

    case = drawn(3, 6.0)
    turn = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])
    geometry = Geometry(case.geometry.shape, turn @ case.geometry.ijk_to_ras)
    case.geometry = case.label_geometry = geometry
    data_set = data_in_memory(1)
    turned = case_in_memory(3, case, "CT")
    assert isinstance(turned.images[0], InMemory)
    (prepared,) = prepare_cases(replace(data_set, cases=(turned,)), tiny_plan(data_set).spec, tmp_path / "c")
    hu = prepared.image[0] * 60 + 60
    assert [round(float(np.median(hu[prepared.truth[0] == v])), -1) for v in (1, 2, 3)] == [100, 140, 180]
