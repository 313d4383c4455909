"""The child process that runs batches for a window: a real one with a real network, spoken to as the window does."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from fixtures.batches import write_series
from fixtures.child_process import Child
from fixtures.packages import threshold_package
from MedDLCore.batch import open_source
from MedDLCore.batch.ranking import FILE_NAME, KeptFigures
from MedDLCore.batch.service import BatchJob, ShowJob, service_command
from MedDLCore.batch.service.serving import Attended
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import open_model
from MedDLCore.pipeline import load
from MedDLCore.plain_data import from_plain
from MedDLCore.readers import read
from MedDLCore.spec import Channel
from MedDLCore.uncertainty import measure
from MedDLCore.worker.arrays import take_label_map, take_volume
from MedDLCore.worker.messages import Scan


@pytest.fixture
def child() -> Iterator[Child]:
    running = Child(service_command(sys.executable))
    yield running
    running.close()


@pytest.fixture
def job(tmp_path: Path) -> BatchJob:
    """Two CT series, of which one is cut, and an MR series; the network finds the ball of the first."""
    source = tmp_path / "scans"
    write_series(source / "a", 1, slices=20, RescaleIntercept=-624)
    write_series(source / "b", 2, "MR")
    write_series(source / "c", 3)
    cut = source / "c" / "IM0003.dcm"
    cut.write_bytes(cut.read_bytes()[:2000])
    model = threshold_package(tmp_path / "model").folder
    return BatchJob(str(source), str(tmp_path / "out"), str(model), ("slices > 3",), device="cpu", threads=1)


def test_a_batch_is_previewed_run_shown_and_not_done_again(child: Child, job: BatchJob) -> None:
    looked = child.send("preview", job)
    told = child.end_of(looked)
    assert told.data["to_do"] == 2
    assert told.data["needs"]["memory"] > 0
    choices = {event.data["scan"]: event.data for event in child.told("choice", looked)}
    assert sorted((data["state"], data["code"]) for data in choices.values()) == [
        ("left out", "WRONG_MODALITY"), ("runs", ""), ("runs", ""),
    ]  # fmt: skip
    first = next(data for data in choices.values() if data["slices"] == 20)
    assert (first["modality"], first["thickness"]) == ("CT", 3.0)
    assert child.refused("show", ShowJob(first["scan"])) == "FILE_NOT_FOUND"

    running = child.send("run", job)
    told = child.end_of(running)
    assert sum(told.data["counts"].values()) == 2
    assert told.data["counts"]["refused"] == 1
    cases = json.loads(Path(told.data["report"]).with_suffix(".json").read_text())["cases"]
    left_out = next(data for data in choices.values() if data["state"] == "left out")
    assert [cases[-1][name] for name in ("scan", "state", "code", "why")] == [
        left_out[name] for name in ("scan", "state", "code", "reason")
    ]
    assert Path(told.data["segments"]).is_file()
    assert [event.data["place"] for event in child.told("begins", running)] == [1, 2]
    refused = next(event.data for event in child.told("ended", running) if event.data["state"] == "refused")
    assert refused["code"] == "FILE_TRUNCATED"
    assert refused["message"]
    assert refused["hint"]
    fractions = [event.data["fraction"] for event in child.told("progress", running) if event.data["fraction"]]
    assert fractions == sorted(fractions)
    [stored] = [event.data for event in child.told("stored", running)]
    assert dcmread(stored["path"]).SOPInstanceUID == stored["instance"]

    [part] = child.ask("show", ShowJob(stored["scan"]))["parts"]
    volume = take_volume(from_plain(Scan, part["scan"], "scan"), child.folder)
    found = take_label_map(part["found"], child.folder)
    assert volume.array.shape[0] == 20
    assert found.geometry.shape == volume.geometry.shape
    assert np.count_nonzero(found.array) == part["statistics"][0]["voxels"] > 0
    assert part["manifest"]["model"]["name"] == "threshold"

    again = child.send("run", job)
    assert child.end_of(again).data["counts"] == told.data["counts"]
    assert not child.told("begins", again)
    assert [event.data["instance"] for event in child.told("stored", again)] == [stored["instance"]]
    states = {event.data["scan"]: event.data["state"] for event in child.told("choice", again)}
    assert states[refused["scan"]] == "refused"
    assert states[stored["scan"]] in ("done", "warned")


def test_chosen_series_run_at_once_and_are_drawn(child: Child, job: BatchJob, tmp_path: Path) -> None:
    for number, name in enumerate("ef", start=5):
        write_series(Path(job.source) / name, number, slices=12, RescaleIntercept=-624)
    uids = {str(dcmread(next(Path(job.source, name).iterdir())).SeriesInstanceUID) for name in "aef"}
    chosen = replace(job, series=tuple(uids), workers=2)
    running = child.send("run", chosen)
    told = child.end_of(running)
    assert sum(told.data["counts"].values()) == len(child.told("choice", running)) == 3
    begins = [child.events.index(event) for event in child.told("begins", running)]
    ends = [child.events.index(event) for event in child.told("ended", running)]
    assert begins[1] < ends[0], "the second scan waited for the first one's end"
    fractions = [event.data["fraction"] for event in child.told("progress", running) if event.data["fraction"]]
    assert fractions == sorted(fractions)
    assert Path(told.data["report"]).read_text().count("data:image/jpeg") == 3
    again = child.send("run", replace(chosen, workers=0, pictures=False))
    assert child.end_of(again).data["counts"] == told.data["counts"]


def test_a_pause_is_told_and_cancelling_keeps_what_is_done(child: Child, job: BatchJob) -> None:
    child.ask("preview", job)
    running = child.send("run", job)
    child.until(lambda: child.told("begins", running))
    child.ask("pause")
    child.until(lambda: any(event.data["stage"] == "paused" for event in child.told("progress", running)))
    assert len(child.told("ended", running)) == len(child.told("begins", running)) == 1
    child.write(child.talk.cancel(running))
    assert child.end_of(running).data["code"] == "CANCELLED"
    again = child.send("run", job)
    assert child.end_of(again).kind == "result"
    assert [event.data["place"] for event in child.told("begins", again)] == [1]
    child.ask("go_on")


def test_scans_are_ranked_by_how_sure_the_model_is_once(child: Child, job: BatchJob) -> None:
    write_series(Path(job.source) / "e", 5, slices=12, RescaleIntercept=-1000)
    ranking = child.send("rank", job)
    told = child.end_of(ranking)
    assert told.kind == "result", told.data
    assert told.data["counts"] == {"done": 2, "refused": 1}
    ranked = {event.data["scan"]: event.data for event in child.told("ranked", ranking)}
    refused = next(event.data for event in child.told("ended", ranking) if event.data["state"] == "refused")
    assert refused["code"] == "FILE_TRUNCATED" and len(ranked) == 2 and refused["scan"] not in ranked
    fractions = [event.data["fraction"] for event in child.told("progress", ranking) if event.data["fraction"]]
    assert fractions == sorted(fractions)

    model = load(open_model(job.model), "cpu", 1)
    slices = {event.data["scan"]: event.data["slices"] for event in child.told("choice", ranking)}
    for name, count in (("a", 20), ("e", 12)):
        its = measure(read(Path(job.source) / name), model)
        figures = next(data for scan, data in ranked.items() if slices[scan] == count)
        assert (figures["disagreement"], figures["entropy"], figures["way"]) == (its.disagreement, its.entropy, its.way)
    assert not list(Path(job.out).rglob("*.nrrd")), "nothing is segmented"

    again = child.send("rank", job)
    child.end_of(again)
    assert {event.data["scan"]: event.data for event in child.told("ranked", again)} == ranked
    assert [event.data["scan"] for event in child.told("begins", again)] == [refused["scan"]]
    kept = Path(job.out, FILE_NAME)
    assert not any(series in kept.read_text() for series in ("Thorax", "Phantom", "1.2.826"))

    scan = next(iter(ranked))
    [part] = child.ask("show", ShowJob(scan, alone=True))["parts"]
    assert take_volume(from_plain(Scan, part["scan"], "scan"), child.folder).array.shape[0] == slices[scan]


def test_what_was_measured_with_another_model_or_of_another_scan_does_not_count(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 1)
    [scan] = open_source(tmp_path / "a", tmp_path).scans()
    figures = {"disagreement": 0.02, "entropy": 0.1, "found": 3.0, "way": "ensemble"}
    KeptFigures(tmp_path, "5e" * 32).keep(scan, figures)
    assert KeptFigures(tmp_path, "5e" * 32).of(scan) == figures
    assert KeptFigures(tmp_path, "6e" * 32).of(scan) is None
    cut = scan.files[0]
    cut.write_bytes(cut.read_bytes()[:-10])
    assert KeptFigures(tmp_path, "5e" * 32).of(scan) is None
    (tmp_path / FILE_NAME).write_text('{"model": "' + "5e" * 32 + '", "scans": [1]}')
    assert KeptFigures(tmp_path, "5e" * 32).of(scan) is None
    KeptFigures(tmp_path, "5e" * 32).keep(scan, figures)
    assert KeptFigures(tmp_path, "5e" * 32).of(scan) == figures


def test_a_cancelled_ranking_goes_on_where_it_was(child: Child, job: BatchJob) -> None:
    write_series(Path(job.source) / "e", 5, slices=12)
    child.ask("preview", job)
    ranking = child.send("rank", job)
    child.until(lambda: child.told("begins", ranking))
    child.ask("pause")
    child.until(lambda: any(event.data["stage"] == "paused" for event in child.told("progress", ranking)))
    child.write(child.talk.cancel(ranking))
    assert child.end_of(ranking).data["code"] == "CANCELLED"
    before = {event.data["scan"] for event in child.told("ranked", ranking)}
    ended = {event.data["scan"] for event in child.told("ended", ranking)}
    again = child.send("rank", job)
    assert child.end_of(again).kind == "result"
    assert before <= ended and not before & {event.data["scan"] for event in child.told("begins", again)}


def test_what_cannot_be_a_batch_is_refused_in_words(child: Child, job: BatchJob, tmp_path: Path) -> None:
    both = threshold_package(
        tmp_path / "both", name="both", channels=(Channel("T1", "MR"), Channel("FLAIR", "MR"))
    ).folder
    for wrong, code in (
        ({"rules": ("size = 3",)}, "RULE_INVALID"),
        ({"rule_file": str(tmp_path / "none.txt")}, "FILE_NOT_FOUND"),
        ({"source": str(tmp_path / "nowhere")}, "FILE_NOT_FOUND"),
        ({"model": str(both)}, "CHANNELS_MISMATCH"),
    ):
        assert child.refused("preview", BatchJob(**{**vars(job), **wrong})) == code
    assert child.refused("preview", ShowJob("scan")) == "REQUEST_INVALID"
    assert child.refused("show", ShowJob("scan")) == "FILE_NOT_FOUND"


def test_a_control_says_that_it_waits_only_during_a_pause() -> None:
    said: list[bool] = []
    control = Attended(lambda: said.append(True))
    control.wait(control.check)
    assert said == []
    control.pause()

    def check() -> None:
        if said:
            control.cancel()
        control.check()

    with pytest.raises(MedDLError) as ended:
        control.wait(check)
    assert (ended.value.code, said) == (Code.CANCELLED, [True])
