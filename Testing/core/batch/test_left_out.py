"""What a batch says of the scans that did not run."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from fixtures.batches import JOB, PACKAGE, batch, write_series
from fixtures.models import BALL
from MedDLCore.batch import Choice, Entry, Rules, Scan, State, choose, open_source, write_reports
from MedDLCore.batch.page import LISTED
from MedDLCore.errors import Code
from MedDLCore.volume import Geometry, LabelMap
from MedDLCore.writers import write_seg_nrrd
from MedDLCore.writers.nifti import write_nifti, write_nifti_scan


def scan(number: int, modality: str, **more: Any) -> Scan:
    return Scan(f"series-{number:05}", f"study-{number}", (Path("IM"),), modality=modality, is_dicom=True, **more)


def cases(out: Path) -> list[dict[str, str]]:
    """The rows of the table, which are those of the other file, too."""
    with (out / "cases.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = ("study", "scan", "state", "code", "why", "model")
    in_json = json.loads((out / "report.json").read_text(encoding="utf-8"))["cases"]
    assert [[row[name] for name in told] for row in rows] == [[case[name] for name in told] for case in in_json]
    return rows


def test_a_scan_that_did_not_run_was_counted_and_stood_in_no_table(tmp_path: Path) -> None:
    source, out = tmp_path / "scans", tmp_path / "out"
    write_series(source / "a", 1, "MR")
    write_series(source / "b", 2)
    write_series(source / "c", 3, BodyPartExamined="FOOT")
    write_series(source / "d", 4, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    choices = choose(open_source(source, out).scans(), Rules.parse(["body part != foot"]), PACKAGE.spec)
    for _ in range(2):  # the second run resumes the first
        entries = batch([choice.scan for choice in choices if choice.runs], out)
        assert len(entries) == 1, "the ledger knows what was begun, and nothing else"
        write_reports(out, JOB, entries, choices)
        rows = cases(out)
        assert [(row["state"], row["code"], row["why"]) for row in rows[1:]] == [
            ("left out", "WRONG_MODALITY", "the model is for CT, this is MR"),
            ("left out", "", "it does not hold that body part != foot"),
            ("left out", "LOCALIZER", "a localizer"),
        ]
        assert [row["scan"] for row in rows] == [choices[n].scan.key for n in (1, 0, 2, 3)]
        page = (out / "report.html").read_text()
        assert "4 scans: 1 done, 3 left out." in page
        for row in rows[1:]:
            assert f"<tr><th>{row['scan']}<td class=text>left out<td class=text>{row['code']}<" in page


def test_what_was_found_in_scans_is_not_taken_for_scans(tmp_path: Path) -> None:
    """Results and maps of uncertainty beside the scans were segmented, and stood in the tables under hashes."""
    grid = Geometry.from_parts((6, 7, 8), (1.0, 1.0, 1.0))
    labels = LabelMap(np.ones(grid.shape, np.uint8), grid, (BALL,))
    write_nifti_scan(np.ones(grid.shape, np.int16), grid, tmp_path / "scan.nii.gz")
    write_nifti_scan(np.ones(grid.shape, np.float32), grid, tmp_path / "scan_map.nii.gz", is_map=True)
    write_nifti(labels, tmp_path / "scan_result.nii.gz")
    write_seg_nrrd(labels, tmp_path / "drawn.nrrd")
    choices = choose(open_source(tmp_path, tmp_path / "out").scans(), Rules(), PACKAGE.spec)
    assert {choice.scan.name for choice in choices if choice.runs} == {"scan.nii.gz"}
    assert [choice.code for choice in choices if not choice.runs] == [Code.NOT_CT_MR] * 3


def test_a_rule_that_names_a_patient_is_not_told_in_files_that_name_nobody(tmp_path: Path) -> None:
    rules = Rules.parse(["patient = CANARY-ID", "description !~ Canary", "thickness = 1..3"])
    choices = choose(
        [scan(1, "CT", patient="2"), scan(2, "CT", patient="CANARY-ID", description="canary"),
         scan(3, "CT", patient="CANARY-ID")],
        rules, PACKAGE.spec,
    )  # fmt: skip
    write_reports(tmp_path, JOB, {}, choices)
    assert [row["why"].removeprefix("it does not hold that ") for row in cases(tmp_path)] == [
        "patient = ...", "description !~ ...", "thickness = 1..3",
    ]  # fmt: skip
    assert not any(b"canary" in path.read_bytes().lower() for path in tmp_path.iterdir())
    write_reports(tmp_path, JOB, {}, choices, identify=True)
    assert cases(tmp_path)[0]["why"] == "it does not hold that patient = CANARY-ID"


def test_rules_and_file_names_with_bytes_that_are_no_text_do_not_cost_the_tables(tmp_path: Path) -> None:
    rules = Rules.parse(["body part = \udcff" + "x" * 999])
    choices = choose([scan(1, "CT", name="\udcff.nii")], rules, PACKAGE.spec)
    write_reports(tmp_path, JOB, {}, choices, identify=True)
    [row] = cases(tmp_path)
    assert row["why"].startswith("it does not hold that body part = xxx")
    assert len(row["why"]) == 200
    assert row["name"] == r"\udcff.nii"


def test_a_scan_that_other_rules_let_run_before_stands_there_as_it_ended(tmp_path: Path) -> None:
    choices = [Choice(scan(n, "CT"), "it does not hold that slices > 900") for n in range(3)]
    done, begun = (
        Entry(choice.scan.key, "", "", state)
        for choice, state in zip(choices, (State.DONE, State.STARTED), strict=False)
    )
    write_reports(tmp_path, JOB, {entry.scan: entry for entry in (begun, done)}, choices)
    assert [row["state"] for row in cases(tmp_path)] == ["done", "left out", "left out"]


def test_twenty_thousand_scans_of_which_ten_run_make_a_page_that_can_be_read(tmp_path: Path) -> None:
    scans = [scan(n, "CT" if n % 2000 == 0 else "MR" if n % 3 else "SR") for n in range(20_000)]
    choices = choose(scans, Rules.parse(["slices != 7"]), PACKAGE.spec)
    entries = {
        choice.scan.key: Entry(choice.scan.key, "", "", State.REFUSED, Code.FILE_TRUNCATED.value)
        for choice in choices
        if choice.runs
    }
    write_reports(tmp_path, JOB, entries, choices)
    page = (tmp_path / "report.html").read_text()
    counts = Counter(row["why"] for row in cases(tmp_path) if row["state"] == "left out")
    assert (counts.total(), len(entries)) == (19_990, 10)
    assert page.count("<tr>") == 1 + len(entries) + len(counts) == 13
    for why, count in counts.items():
        assert f"<tr><th>{count} scans<td class=text>left out" in page
        assert why in page
    write_reports(tmp_path, JOB, {}, [choice for choice in choices if not choice.runs][:LISTED])
    assert (tmp_path / "report.html").read_text().count("<th>series-") == LISTED
