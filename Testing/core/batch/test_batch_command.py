"""``meddl batch`` as a person, and a program, meet it: with a real worker and a real network."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.batches import JOB, batch, write_series
from fixtures.dicom_phantoms import RADIUS
from fixtures.packages import threshold_package
from MedDLCore.batch import Scan, State, WorkerSegmenter, open_source
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit, MedDLError
from MedDLCore.models import open_model
from MedDLCore.worker import Job


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network that finds what is above 100 HU: nothing of the phantom, but half of it with an offset of 500."""
    return threshold_package(tmp_path / "model").folder


def meddl_batch(*arguments: object) -> int:
    return run(["batch", *map(str, arguments), "--threads", "1", "--device", "cpu", "--backend", "torch"])


def events(text: str, kind: str) -> list[dict[str, Any]]:
    return [event for line in text.splitlines() if (event := json.loads(line))["event"] == kind]


def test_a_preview_that_is_no_terminal_s_folds_no_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(
        tmp_path / "scans", 1, "MR", SeriesDescription="A description of a series of sixty letters, more or less"
    )
    assert meddl_batch(tmp_path / "scans", "-m", model, "-o", tmp_path / "out", "--preview") == Exit.OK
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "A description" in line]
    assert "more or less" in line and "WRONG_MODALITY" in line


def test_a_folder_of_patients_is_previewed_segmented_and_left_alone(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "scans", tmp_path / "out"
    write_series(source / "a", 1, slices=20, RescaleIntercept=-624)
    write_series(source / "b", 2, "MR")
    write_series(source / "c", 3)
    cut = source / "c" / "IM0003.dcm"
    cut.write_bytes(cut.read_bytes()[:2000])
    write_series(source / "d", 4, BodyPartExamined="FOOT")
    options = (source, "-m", model, "-o", out, "--where", "body part !~ foot", "--json")

    assert meddl_batch(*options, "--preview") == Exit.OK
    said = capsys.readouterr().out
    chosen = [event["what"] for event in events(said, "choice")]
    assert chosen == ["runs", "left out: the model is for CT, this is MR (WRONG_MODALITY)", "runs",
                      "left out: it does not hold that body part !~ foot"]  # fmt: skip
    [needs] = events(said, "result")
    assert needs["to_do"] == 2
    assert needs["memory"] > 0
    assert needs["disk"] > 0
    assert not list(out.rglob("*.dcm"))

    for _ in range(2):
        assert meddl_batch(*options) == Exit.SOME_FAILED
        *scans, summary = events(capsys.readouterr().out, "result")
        assert summary["counts"] == {"warned": 1, "refused": 1, "left out": 2}
    assert scans == [], "the second run does nothing"
    with (out / "cases.csv").open(newline="") as file:
        cases = list(csv.DictReader(file))
    assert [(case["state"], case["code"]) for case in cases] == [
        ("warned", ""), ("refused", "FILE_TRUNCATED"), ("left out", "WRONG_MODALITY"), ("left out", ""),
    ]  # fmt: skip
    with (out / "segments.csv").open(newline="") as file:
        [segment] = csv.DictReader(file)
    assert float(segment["volume_mL"]) == pytest.approx(4 / 3 * np.pi * RADIUS**3 / 1000, rel=0.2)
    assert meddl_batch(*options, "--preview") == Exit.OK
    assert events(capsys.readouterr().out, "choice")[0]["what"] == "already warned"


def test_each_refusal_on_the_screen_names_its_scan(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "scans", tmp_path / "out"
    for number in (1, 2):
        write_series(source / f"{number}", number)
        cut = source / f"{number}" / "IM0003.dcm"
        cut.write_bytes(cut.read_bytes()[:2000])
    keys = {scan.key for scan in open_source(source, out).scans()}
    options = (source, "-m", model, "-o", out, "--retry")
    assert meddl_batch(*options) == Exit.SOME_FAILED
    lines = [line for line in capsys.readouterr().err.splitlines() if "IM0003.dcm" in line]
    assert {line.split(": FILE_TRUNCATED: ")[0] for line in lines} == keys
    assert meddl_batch(*options, "--json") == Exit.SOME_FAILED
    assert {event["case"] for event in events(capsys.readouterr().out, "error")} == keys


def test_rules_that_no_scan_fulfils_are_no_failure_and_said(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "scans", 1)
    assert meddl_batch(tmp_path / "scans", "-m", model, "-o", tmp_path / "out", "--where", "modality = MR") == Exit.OK
    assert "Batch: 1 left out; report.html says why." in capsys.readouterr().out


def test_a_worker_that_the_system_kills_costs_its_own_scan(model: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        write_series(tmp_path / "scans" / str(number), number)
    scans = open_source(tmp_path / "scans", tmp_path / "out").scans()
    package = open_model(model)

    class Killing:
        """As the kernel does where memory runs out."""

        number = 0

        def begins(self, scan: Scan, number: int, of: int) -> None:
            self.number = number

        def progress(self, scan: object, stage: str, done: int, of: int) -> None:
            if (self.number, stage) == (1, "network"):
                self.number = 0
                os.kill(segmenter._worker.conversation.pid or 0, signal.SIGKILL)

        def ended(self, scan: Scan, entry: object, notices: object, error: object) -> None: ...

    request = Job(str(model), device="cpu", threads=1, backend="torch")
    with WorkerSegmenter(package, request) as segmenter:
        entries = batch(scans, tmp_path / "out", segmenter, watcher=Killing())
    assert [(entries[scan.key].state, entries[scan.key].code) for scan in scans] == [
        (State.FAILED, Code.NO_MEMORY.value),
        (State.WARNED, ""),
    ]


def test_two_workers_give_what_one_gives(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2, 3):
        write_series(tmp_path / "scans" / str(number), number, RescaleIntercept=-624)
    found = []
    for workers in ("1", "2", "auto"):
        out = tmp_path / workers
        assert meddl_batch(tmp_path / "scans", "-m", model, "-o", out, "--workers", workers) == Exit.OK
        assert (out / "report.html").read_text().count("data:image/jpeg") == 3
        table = (out / "segments.csv").read_text().splitlines()
        found.append((table, sorted(path.name for path in out.rglob("*.seg.dcm"))))
    assert found[0] == found[1] == found[2]
    assert len(found[0][1]) == 3
    capsys.readouterr()


def test_a_model_that_changes_meanwhile_ends_the_batch(model: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "scans", 1)
    scans = open_source(tmp_path / "scans", tmp_path / "out").scans()
    package = open_model(model)
    other = threshold_package(tmp_path / "other", name="other").folder
    request = Job(str(other), device="cpu", threads=1)
    with WorkerSegmenter(package, request) as segmenter, pytest.raises(MedDLError) as refused:
        batch(scans, tmp_path / "out", segmenter, JOB)
    assert refused.value.code is Code.MODEL_CORRUPT


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert meddl_batch(tmp_path / "nowhere", "-m", "no model", "-o", tmp_path / "file" / "out") == Exit.OUTPUT
    assert Code.OUTPUT_UNWRITABLE.value in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--where", "colour = red"], Exit.USAGE),
        (["--rules", "no such file"], Exit.INPUT),
        (["--series", "3"], Exit.USAGE),
        (["a second input"], Exit.USAGE),
        (["--workers", "0"], Exit.USAGE),
        (["--store"], Exit.USAGE),
    ],
)
def test_what_a_batch_does_not_take_is_refused(
    options: list[str], status: Exit, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert meddl_batch(tmp_path, *options, "-m", model, "-o", tmp_path / "out") == status
    assert capsys.readouterr().err


def test_points_which_no_scan_of_a_batch_was_given_are_refused_and_not_in_its_manifests(
    model: Path, tmp_path: Path
) -> None:
    """--at was taken, reached no network, and stood in the manifest of each result as if it had."""
    write_series(tmp_path / "scans", 1, slices=4)
    assert meddl_batch(tmp_path / "scans", "--at", "1,2,3", "-m", model, "-o", tmp_path / "out") == Exit.USAGE
    assert not (tmp_path / "out").exists()
