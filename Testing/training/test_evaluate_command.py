"""``meddl evaluate``: from a folder to a page, and what a person sees."""

from __future__ import annotations

import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from fixtures.data_sets import NAMES, clean_set, drawn, id_of, name_of
from fixtures.evaluations import organs_package
from fixtures.volume_phantoms import write_nifti
from MedDLCore.cli.main import run
from MedDLCore.errors import Exit

HISTORY = [
    {"epoch": n, "epochs": 3, "loss": 3.0 - n, "rate": 0.1 / n, "dice": {"liver": 0.2 * n} if n > 1 else {},
     "mean_dice": 0.2 * n if n > 1 else None, "best_epoch": n, "best_dice": 0.1, "seconds": 1.0}
    for n in (1, 2, 3)
]  # fmt: skip


def evaluate(*arguments: object) -> int:
    return run(["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clean_set(tmp_path_factory.mktemp("set") / "d", 3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a training leaves it."""
    training = tmp_path_factory.mktemp("trained")
    organs_package(training / "model")
    (training / "history.json").write_text(json.dumps(HISTORY))
    (training / "split.json").write_text(json.dumps({"training": [id_of(2)], "validation": [id_of(1)]}))
    return training / "model"


class _Outside(HTMLParser):
    """What a page loads, runs or leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.images = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in ("script", "link", "iframe", "object", "base", "form"):
            self.found.append(tag)
        for name, value in attrs:
            if name == "src" and str(value).startswith("data:image/png;base64,"):
                self.images += 1
            elif name in ("src", "href", "srcset", "action") or name.startswith("on"):
                self.found.append(f"{tag} {name}")


def test_a_folder_becomes_a_page_with_tables_and_pictures_and_no_name_of_a_patient(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert evaluate(folder, "--model", model, "--out", out, "--threads", 1) == Exit.OK
    said = capsys.readouterr()
    assert "Dice 0.9" in said.out and f"{name_of(0)} ({id_of(0)})" in said.out and str(out / "report.html") in said.out
    assert "LEARNT_FROM" in said.err and name_of(2) in said.err
    assert sorted(path.name for path in out.iterdir()) == [
        "cases", "cases.csv", "confusion.csv", "evaluation.json", "report.html", "summary.csv",
    ]  # fmt: skip
    for path in out.rglob("*"):
        assert path.is_dir() or b"patient_" not in path.read_bytes()
    page = _Outside()
    text = (out / "report.html").read_text()
    page.feed(text)
    assert page.found == [] and page.images == 3 and "@import" not in text and "url(" not in text
    assert "http" not in text.replace("http-equiv", "") and "default-src 'none'" in text
    assert text.count("<svg") == 5  # Dice, calibration, loss, validation, learning rate
    for word in ("HD95", "Precision", "Recall", "IoU", "Surface Dice at 1 mm", "calibration error", "The training"):
        assert word in text

    rows = list(csv.DictReader((out / "cases.csv").open(newline="")))
    assert [(row["case"], row["structure"]) for row in rows] == [(id_of(n), name) for n in range(3) for name in NAMES]
    truth = drawn(0)
    liver = (truth.labels == 1).sum() * truth.geometry.voxel_volume / 1000
    assert float(rows[0]["truth_volume_mL"]) == pytest.approx(liver, rel=1e-5) and rows[0]["f1"] == rows[0]["dice"]
    means = {
        (row["structure"], row["score"]): float(row["mean"]) for row in csv.DictReader((out / "summary.csv").open())
    }
    assert means["liver", "dice"] == pytest.approx(np.mean([float(row["dice"]) for row in rows[::3]]), rel=1e-4)
    assert means["(mean)", "dice"] == pytest.approx(np.mean([float(row["dice"]) for row in rows]), rel=1e-4)
    assert 0 <= means["liver", "calibration_error"] < 0.1
    picture = Image.open(out / "cases" / f"{id_of(0)}.png")
    assert picture.width > 800


def test_a_program_is_told_in_lines_of_json_and_a_list_chooses_the_cases(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test.txt").write_text(f"{name_of(1)}\n\n")
    command = (folder, "--model", model, "--out", tmp_path / "out", "--json", "--no-pictures")
    assert evaluate(*command, "--cases", tmp_path / "test.txt") == Exit.OK
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["event"] for event in events} == {"progress", "case", "result"}
    assert [event["case"] for event in events if event["event"] == "case"] == [id_of(1)]
    result = events[-1]
    assert result["cases"] == 1 and result["learnt_from"] == []
    dice = result["structures"][0]["scores"]["dice"]
    assert dice["mean"] > 0.9 and dice["low"] is None
    split = model.parent / "split.json"
    assert evaluate(*command, "--split", split, "--part", "validation") == Exit.OK
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert again[-1]["structures"] == result["structures"]


def test_a_hostile_name_of_a_structure_stays_text(folder: Path, tmp_path: Path) -> None:
    names = ["<script>alert(1)</script>", "=1+1", "right kidney"]
    hostile = shutil.copytree(folder, tmp_path / "d")
    content = json.loads((hostile / "dataset.json").read_text())
    content["labels"] = {"background": 0, **{name: value for value, name in enumerate(names, start=1)}}
    (hostile / "dataset.json").write_text(json.dumps(content))
    found = tmp_path / "found"
    shutil.copytree(hostile / "labelsTr", found)
    shutil.copy(hostile / "dataset.json", found)
    assert evaluate(hostile, "--predictions", found, "--out", tmp_path / "out") == Exit.OK
    text = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in text and "&lt;script&gt;" in text
    cells = [row["structure"] for row in csv.DictReader((tmp_path / "out" / "cases.csv").open(newline=""))]
    assert cells[1] == "'=1+1"


def test_files_of_another_program_are_judged_by_the_names_of_their_values(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Truth as prediction, renumbered: perfect; but one kidney is missing in one case, and one case altogether."""
    found = tmp_path / "found"
    found.mkdir()
    for n in (0, 1):
        labels = np.array([0, 3, 1, 2], np.uint8)[drawn(n).labels]
        if n == 1:
            labels[labels == 2] = 0
        write_nifti(found / f"{name_of(n)}_0000_other.nii.gz", labels, drawn(n).geometry)
    command = (folder, "--predictions", found, "--out", tmp_path / "out", "--no-pictures")
    assert evaluate(*command) == Exit.INPUT
    assert "Nothing says what the values" in capsys.readouterr().err
    names = {"background": 0, "Left Kidney": 1, "kidney right": 2, "Liver": 3, "spleen": 4}
    (found / "dataset.json").write_text(json.dumps({"labels": names}))
    assert evaluate(*command) == Exit.SOME_FAILED
    said = capsys.readouterr()
    assert name_of(2) in said.err and "PAIR_MISSING" in said.err and "spleen" in said.err
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert report["model"] is None and report["failed"] == [{"case": id_of(2), "code": "PAIR_MISSING"}]
    dice = {row["name"]: row["scores"]["dice"]["mean"] for row in report["structures"]}
    assert dice == {"liver": 1, "left kidney": 1, "right kidney": 0.5}
    right = report["structures"][2]
    assert (right["missed"], right["scores"]["hd95"]["cases"], right["calibration_error"]) == (1, 1, None)
    assert "missed altogether in 1 case" in (tmp_path / "out" / "report.html").read_text()
    nibabel.save(nibabel.load(found / f"{name_of(0)}_0000_other.nii.gz"), found / f"{name_of(0)}_second.nii.gz")
    assert evaluate(*command) == Exit.SOME_FAILED
    said = capsys.readouterr().err
    assert f"{name_of(0)} ({id_of(0)})" in said and "PAIR_AMBIGUOUS" in said
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"patient_" not in path.read_bytes()


def test_what_meddl_segment_writes_can_be_judged(folder: Path, model: Path, tmp_path: Path) -> None:
    for form in ("nrrd", "nifti"):
        found = tmp_path / form
        for n in range(3):
            scan = folder / "imagesTr" / f"{name_of(n)}_0000.nii.gz"
            arguments = ("segment", scan, "--model", model, "--out", found, "--format", form, "--no-picture")
            assert run([str(argument) for argument in arguments]) == Exit.OK
        out = tmp_path / f"out_{form}"
        assert evaluate(folder, "--predictions", found, "--out", out, "--no-pictures") == Exit.OK
    assert evaluate(folder, "--model", model, "--out", tmp_path / "own", "--no-pictures") == Exit.OK
    tables = [(tmp_path / name / "cases.csv").read_text() for name in ("out_nrrd", "out_nifti", "own")]
    assert tables[0] == tables[1] == tables[2]


def test_what_contradicts_itself_or_is_not_there_is_refused(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", tmp_path / "out")
    assert evaluate(folder, *out) == Exit.USAGE
    assert evaluate(folder, "--model", model, "--predictions", tmp_path, *out) == Exit.USAGE
    assert evaluate(folder, "--model", model, "--cases", "a.txt", "--part", "test", *out) == Exit.USAGE
    assert evaluate(folder, "--predictions", tmp_path / "nowhere", *out) == Exit.INPUT
    assert evaluate(folder, "--predictions", tmp_path, *out) == Exit.INPUT
    assert "NO_IMAGES" in capsys.readouterr().err
    assert evaluate(folder, "--model", model, "--part", "test", *out) == Exit.INPUT
    assert evaluate(folder, "--model", tmp_path / "no_model", *out) == Exit.MODEL
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_case_is_told_of_unless_it_was_not_chosen(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orphaned = shutil.copytree(folder, tmp_path / "d")
    (orphaned / "labelsTr" / f"{name_of(2)}.nii.gz").unlink()
    command = (orphaned, "--model", model, "--no-pictures", "--out", tmp_path / "out")
    assert evaluate(*command) == Exit.SOME_FAILED
    assert "PAIR_MISSING" in capsys.readouterr().err
    assert evaluate(*command, "--leave-out", name_of(2)) == Exit.OK
    (tmp_path / "some.txt").write_text(f"{name_of(0)}\n")
    assert evaluate(*command, "--cases", tmp_path / "some.txt") == Exit.OK
    (tmp_path / "some.txt").write_text(f"{name_of(2)}\n")
    assert evaluate(*command, "--cases", tmp_path / "some.txt") == Exit.INPUT
    assert re.search(r"PAIR_MISSING.*no label map", capsys.readouterr().err)
