"""The child process that trains for a window: a real process, spoken to as the window does."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.child_process import Child
from fixtures.data_sets import NAMES, clean_set, drawn, labels_of, name_of
from fixtures.trainings import data_in_memory, tiny_plan
from MedDLCore.models import open_model
from MedDLCore.plain_data import from_plain
from MedDLCore.volume import Geometry, LabelMap, Volume
from MedDLCore.worker import end_group, give_volume
from MedDLCore.worker.arrays import give_label_map, take_label_map, take_volume
from MedDLCore.worker.messages import Scan
from MedDLTraining.data import open_folder
from MedDLTraining.plan.plan_file import plan_to_plain
from MedDLTraining.service import Data, service_command
from MedDLTraining.service.jobs import (
    MATERIAL,
    CheckJob,
    CollectJob,
    EvaluateJob,
    PlanJob,
    PreviewJob,
    PublishJob,
    ShowJob,
    TrainJob,
    UseJob,
)


@pytest.fixture(scope="module")
def child(_no_models_of_the_person: None) -> Iterator[Child]:
    running = Child(service_command(sys.executable))
    yield running
    running.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(str(clean_set(tmp_path_factory.mktemp("set") / "data", 4)))


def a_plan(**changes: Any) -> dict[str, Any]:
    return plan_to_plain(tiny_plan(data_in_memory(4), **changes))


def test_the_check_tells_cases_labels_and_findings(child: Child, data: Data) -> None:
    told = child.ask("check", CheckJob(data))
    assert [case["id"] for case in told["cases"]] == [f"case_{n:04d}" for n in range(1, 5)]
    assert [label["name"] for label in told["labels"]] == list(NAMES)
    assert not [finding for finding in told["findings"] if finding["severity"] == "error"]


def test_a_table_that_merges_labels_is_followed(child: Child, data: Data) -> None:
    rows = child.ask("check", CheckJob(data))["rows"]
    merged = [{**row, "label": "kidney" if "kidney" in row["segment"] else row["label"]} for row in rows]
    number, line = child.talk.request("check")  # plain data, as it comes from a saved scene
    message = {**json.loads(line), "job": {"data": {"folder": data.folder, "rows": merged}}}
    child.write(json.dumps(message).encode() + b"\n")
    assert [label["name"] for label in child.end_of(number).data["labels"]] == ["liver", "kidney"]


def test_what_is_no_job_is_refused_with_its_reason(child: Child, tmp_path: Path) -> None:
    assert child.refused("check", UseJob("x")) == "REQUEST_INVALID"
    assert child.refused("check", CheckJob(Data(str(tmp_path / "nowhere")))) == "FILE_NOT_FOUND"
    assert child.refused("publish", PublishJob("x", "y", {"licence": "MIT", "colour": "red"})) == "REQUEST_INVALID"


def test_data_with_an_error_in_it_are_not_planned_on(child: Child, tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "data", 3)
    (folder / "labelsTr" / "patient_001.nii.gz").unlink()
    assert child.refused("plan", PlanJob(Data(str(folder)), "x", 1.0, 10**9)) == "DATA_INVALID"
    left = Data(str(folder), leave_out=("patient_001",))
    assert len(child.ask("check", CheckJob(left))["cases"]) == 2


def test_the_plan_keeps_to_the_memory_and_says_what_it_takes(child: Child, data: Data) -> None:
    told = child.ask("plan", PlanJob(data, "my model", 0.3, 2 * 10**9, "cpu", 1, folds=4))
    assert told["plan"]["name"] == "my_model" and told["memory"] <= 2 * 10**9
    assert (told["training"], told["validation"]) == (3, 1)


def test_a_network_that_is_to_listen_is_planned_from_nothing_and_from_a_plain_model(
    child: Child, data: Data, tmp_path: Path
) -> None:
    plain = child.ask("train", TrainJob(data, a_plan(epochs=1, iterations=1), str(tmp_path / "plain"), "cpu", 1))
    for start in ("", plain["model"]):
        told = child.ask("plan", PlanJob(data, "x", 0.05, 2 * 10**9, "cpu", 1, start, folds=2, interactive=True))
        assert told["plan"]["listening"]["radius"] > 0
        assert told["plan"]["network"]["arguments"]["inputs"] == 1 + 3 * len(NAMES)
        assert (told["plan"]["start"] is None) == (start == "")
    assert child.ask("plan", PlanJob(data, "x", 0.05, 2 * 10**9, "cpu", 1))["plan"]["listening"] is None


def test_a_plan_of_ones_own_is_followed_as_it_is(child: Child, data: Data, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(a_plan(epochs=7)))
    told = child.ask("plan", PlanJob(data, "x", 0.3, 10**6, "cpu", 1, file=str(file)))
    assert (told["plan"]["epochs"], told["plan"]["name"], told["minutes"]) == (7, "tiny", None)
    file.write_text('{"epochs": 7}')
    assert child.refused("plan", PlanJob(data, "x", 0.3, 10**9, file=str(file))) == "PLAN_INVALID"


def test_a_preview_is_a_picture_and_a_volume_in_the_private_folder(child: Child, data: Data) -> None:
    told = child.ask("preview", PreviewJob(data, a_plan(), "patient_002"))
    assert (child.folder / told["picture"]).read_bytes().startswith(b"\x89PNG")
    scan = take_volume(from_plain(Scan, told["scan"], "scan"), child.folder)
    truth = take_label_map(told["truth"], child.folder)
    assert told["name"] == "patient_002" and scan.geometry.same_as(truth.geometry) and truth.array.any()


def test_a_training_tells_its_epochs_is_judged_shown_published_and_used(
    child: Child, data: Data, tmp_path: Path
) -> None:
    out = tmp_path / "training"
    number = child.send("train", TrainJob(data, a_plan(), str(out), "cpu", 1))
    told = child.end_of(number).data
    assert [event.data["epoch"] for event in child.told("epoch", number)] == [1, 2, 3]
    assert set(child.told("epoch", number)[-1].data["dice"]) == set(NAMES) == set(told["dice"])
    assert json.loads((out / MATERIAL).read_text())["folder"] == data.folder
    model = open_model(told["model"])

    report = child.ask("evaluate", EvaluateJob(data, str(out), str(tmp_path / "report"), device="cpu", threads=1))
    assert Path(report["report"]).is_file() and len(report["cases"]) == 2  # of two folds, one was held out
    assert {row["name"] for row in report["structures"]} == set(NAMES)

    case = report["cases"][0]["case"]
    shown = child.ask("show", ShowJob(data, case, told["model"], "cpu", 1))
    scan = take_volume(
        Scan(**{**shown["scans"][0], "ijk_to_ras": tuple(shown["scans"][0]["ijk_to_ras"])}), child.folder
    )
    truth, found = (take_label_map(shown[name], child.folder) for name in ("truth", "found"))
    assert scan.geometry.same_as(truth.geometry) and found.geometry.same_as(truth.geometry)
    assert {label.name for label in truth.labels} == set(NAMES)

    said = {"licence": "CC-BY-4.0", "name": "of-the-window"}
    made = child.ask("publish", PublishJob(str(out), str(tmp_path / "bundle"), said, str(tmp_path / "report")))
    assert made["name"] == "of-the-window" and (tmp_path / "bundle" / "models" / "model.pt").is_file()
    assert child.ask("use", UseJob(made["path"]))["name"] == "of-the-window"
    assert model.spec.name == "tiny" and open_model("of-the-window").spec.name == "of-the-window"


def test_cases_kept_apart_are_told_from_those_that_have_their_pseudonyms_since_the_set_grew(
    child: Child, tmp_path: Path
) -> None:
    """A report of cases that were held out was one of others, of which the model had learnt from some."""
    out, grown = tmp_path / "training", clean_set(tmp_path / "grown", 3)
    child.ask("train", TrainJob(Data(str(grown)), a_plan(iterations=1, epochs=1), str(out), "cpu", 1))
    for part, end in (("imagesTr", "_0000.nii.gz"), ("labelsTr", ".nii.gz")):
        found = grown / part / f"{name_of(2)}{end}"
        found.with_name(f"a{end}").write_bytes(found.read_bytes())
    read_anew = Data(str(grown), leave_out=(name_of(2),))
    job = EvaluateJob(read_anew, str(out), str(tmp_path / "report"), device="cpu", threads=1)
    assert child.refused("evaluate", job) == "DATA_INVALID"


def test_a_stopped_training_is_resumed_to_its_end(child: Child, data: Data, tmp_path: Path) -> None:
    plan, out = a_plan(epochs=40), str(tmp_path / "training")
    number = child.send("train", TrainJob(data, plan, out, "cpu", 1))
    child.until(lambda: child.told("epoch", number))
    child.write(child.talk.cancel(number))
    assert child.end_of(number).data["model"] is None
    done = len(child.told("epoch", number))
    again = child.send("train", TrainJob(data, plan, out, "cpu", 1, resume=True))
    assert child.end_of(again).data["model"] is not None
    epochs = [event.data["epoch"] for event in child.told("epoch", again)]
    assert epochs == list(range(1, 41)) and done < 40  # the earlier ones are told again


def test_a_pause_holds_a_training_until_it_is_told_to_go_on(child: Child, data: Data, tmp_path: Path) -> None:
    number = child.send("train", TrainJob(data, a_plan(epochs=30), str(tmp_path / "training"), "cpu", 1))
    child.until(lambda: child.told("epoch", number))
    child.ask("pause")
    child.until(lambda: any(event.data["stage"] == "paused" for event in child.told("progress", number)))
    epochs = len(child.told("epoch", number))
    child.until(lambda: sum(event.kind == "heartbeat" for event in child.events[-4:]) >= 1)
    assert len(child.told("epoch", number)) <= epochs + 1
    child.ask("go_on")
    assert child.end_of(number).data["model"] is not None


def test_every_fold_is_told_and_the_model_is_the_ensemble(child: Child, data: Data, tmp_path: Path) -> None:
    number = child.send("train", TrainJob(data, a_plan(), str(tmp_path / "training"), "cpu", 1, all_folds=True))
    told = child.end_of(number).data
    assert [event.data["fold"] for event in child.told("fold", number)] == [0, 1]
    assert len(open_model(told["model"]).spec.weights) == 2


def test_scans_of_an_open_scene_become_a_data_set(child: Child, tmp_path: Path) -> None:
    folder = tmp_path / "collected"

    def handed_over() -> CollectJob:
        scans, maps = [], []
        for n in range(2):
            case = drawn(n)
            scans.append((give_volume(Volume(case.image, case.geometry, "CT"), child.folder),))
            maps.append((give_label_map(LabelMap(case.labels, case.geometry, labels_of(*NAMES)), child.folder),))
        return CollectJob(("Smith", "Jones"), tuple(scans), tuple(maps), str(folder))

    assert sorted(child.ask("collect", handed_over())["names"].items()) == [
        ("case_0001", "Jones"),
        ("case_0002", "Smith"),
    ]
    told = child.ask("check", CheckJob(Data(str(folder))))
    assert [label["name"] for label in told["labels"]] == list(NAMES) and len(told["cases"]) == 2
    assert not [path for path in folder.rglob("*") if "Smith" in path.name]
    assert len(child.ask("collect", handed_over())["names"]) == 2  # once more: what was there is replaced
    (folder / "notes.txt").write_text("of a person")
    assert child.refused("collect", handed_over()) == "OUTPUT_EXISTS"


def test_the_inputs_of_a_case_are_laid_on_the_first_and_keep_their_names(child: Child, tmp_path: Path) -> None:
    case, folder = drawn(0), tmp_path / "collected"
    first = Volume(case.image, case.geometry, "MR")
    coarse = Geometry(
        tuple(-(-n // 2) for n in first.geometry.shape), first.geometry.ijk_to_ras @ np.diag([2, 2, 2, 1])
    )
    second = Volume(np.ascontiguousarray(case.image[::2, ::2, ::2]), coarse, "MR")
    scans = tuple(give_volume(volume, child.folder) for volume in (first, second))
    truth = give_label_map(LabelMap(case.labels, case.geometry, labels_of(*NAMES)), child.folder)
    job = CollectJob(("Smith",), (scans,), ((truth,),), str(folder), ("T1", "FLAIR"))
    assert child.ask("collect", job)["names"] == {"case_0001": "Smith"}
    data_set = open_folder(folder)
    assert [channel.name for channel in data_set.channels] == ["T1", "FLAIR"]
    t1, flair = data_set.load(data_set.cases[0]).volumes
    assert np.array_equal(t1.array, case.image) and flair.geometry.same_as(t1.geometry)
    assert np.array_equal(flair.array[::2, ::2, ::2], second.array)  # at its own voxels' places it is itself
    given = [*(scan.array for scan in scans), truth["array"]]
    assert not [name for name in given if (child.folder / name).exists()]


def test_a_scene_in_a_folder_is_named_as_unusable_and_spoils_nothing_else(child: Child, tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "data", 2)
    (folder / "dataset.json").unlink()
    (folder / "day.mrb").write_bytes(b"PK")
    told = child.ask("check", CheckJob(Data(str(folder))))
    assert len(told["cases"]) == 2
    (scene,) = told["unusable"]
    assert scene["name"] == "day.mrb" and "is read by Slicer itself" in scene["message"]
    (finding,) = [finding for finding in told["findings"] if scene["id"] in finding["cases"]]
    assert finding["remedy"].startswith("Open it in Slicer, and choose 'Scans of this scene'")


def test_a_killed_training_is_resumed_in_another_child(data: Data, tmp_path: Path) -> None:
    plan, out = a_plan(epochs=12), tmp_path / "training"
    first = Child(service_command(sys.executable))
    number = first.send("train", TrainJob(data, plan, str(out), "cpu", 1))
    first.until(lambda: first.told("epoch", number))
    end_group(first.talk.pid)
    first.process.wait(120)
    first.process.stdout.close()
    first.process.stdin.close()
    second = Child(service_command(sys.executable))
    remembered = json.loads((out / MATERIAL).read_text())
    assert remembered == json.loads(json.dumps(asdict(data)))
    again = second.send("train", TrainJob(data, plan, str(out), "cpu", 1, resume=True))
    assert second.end_of(again).data["model"] is not None
    losses = [event.data["loss"] for event in second.told("epoch", again)]
    assert len(losses) == 12 and np.isfinite(losses).all()
    second.process.stdin.close()
    second.process.wait(120)
    second.process.stdout.close()
