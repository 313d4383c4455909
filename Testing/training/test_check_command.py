"""``meddl check`` as a person, and a program, meet it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from fixtures.data_sets import (
    NAMES,
    clean_set,
    drawn,
    labels_of,
    name_of,
    shifted,
    with_layers,
    write_case,
    write_slicer_case,
)
from MedDLCore.cli.main import run
from MedDLCore.errors import Exit
from MedDLTraining.check import EFFECTS, Fault


def check(*arguments: object) -> int:
    return run(["check", *map(str, arguments)])


def test_a_clean_set_ends_well_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(clean_set(tmp_path / "d", 4)) == Exit.OK
    said = capsys.readouterr().out
    assert "4 cases" in said and "left kidney" in said
    assert "0 errors, 0 warnings, 0 notes" in said
    assert said.rstrip().endswith("Nothing that was found would make it so.")


def test_an_error_ends_with_the_status_of_a_refused_input_and_answers_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, case = clean_set(tmp_path / "d", 4), drawn(2)
    case.label_geometry = shifted(case.geometry, 9, 0, 0)
    write_case(folder, 2, case)
    assert check(folder) == Exit.INPUT
    said = capsys.readouterr().out
    assert f"{name_of(2)} (case_0003): The label map: its corners lie up to 9 mm" in said
    effect = EFFECTS[Fault.GEOMETRY_MISMATCH]
    assert effect.consequence in said and effect.remedy in said
    assert f"GEOMETRY_MISMATCH: {effect.consequence}" in said.split("Why would Dice be 0")[1]


def test_where_no_case_can_be_read_it_is_not_said_that_nothing_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = clean_set(tmp_path / "d", 4)
    for path in (folder / "imagesTr").iterdir():
        path.write_bytes(path.read_bytes()[:-50])
    assert check(folder) == Exit.INPUT
    assert "No training begins with these errors." in capsys.readouterr().out.split("Why would Dice be 0")[1]


def test_a_case_is_left_out_at_the_persons_word(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 5)
    (folder / "labelsTr" / f"{name_of(1)}.nii.gz").unlink()
    assert check(folder) == Exit.INPUT
    assert check(folder, "--leave-out", name_of(1)) == Exit.OK
    assert check(folder, "--leave-out", "nobody") == Exit.INPUT


def test_a_case_that_is_left_out_is_missed_in_no_split(tmp_path: Path) -> None:
    folder, split = clean_set(tmp_path / "d", 6), tmp_path / "split.json"
    split.write_text(json.dumps({"train": [name_of(n) for n in range(4)], "test": [name_of(4), name_of(5)]}))
    assert check(folder, "--split", split, "--leave-out", name_of(1), "--leave-out", "case_0006") == Exit.OK


def test_the_report_for_programs_holds_every_figure_and_no_name(tmp_path: Path) -> None:
    folder, path = clean_set(tmp_path / "d", 4), tmp_path / "report.json"
    (folder / "labelsTr" / f"{name_of(1)}.nii.gz").unlink()
    assert check(folder, "--json", path) == Exit.INPUT
    report = json.loads(path.read_text())
    assert "patient_" not in path.read_text()
    assert [finding["fault"] for finding in report["findings"]] == ["NO_PAIR", "FEW_CASES"]
    assert report["findings"][0]["cases"] == ["unused_0001"]
    assert len(report["per_case"]) == 3
    assert report["per_case"][0]["images"][0]["spacing"] == [5, 5, 5]
    assert sum(report["spacing"]["R"]["counts"]) == 3
    assert sum(report["intensities"][0]["all"]["counts"]) > 1000
    edges = report["intensities"][0]["foreground"]["edges"]
    assert 60 < edges[0] < 100 and 180 < edges[-1] < 230  # the organs' HU and their noise
    liver = report["volumes_mL"]["liver"]
    assert liver["cases"] == 3 and 8 < liver["median"] < 16  # a ball of 14 mm has 11.5 mL


def test_a_picture_of_each_case_has_its_pseudonym_and_its_segments(tmp_path: Path) -> None:
    assert check(clean_set(tmp_path / "d", 4), "--pictures", tmp_path / "p") == Exit.OK
    pictures = sorted((tmp_path / "p").iterdir())
    assert [path.name for path in pictures] == [f"case_000{n}.png" for n in (1, 2, 3, 4)]
    image = Image.open(pictures[0]).convert("RGB")
    assert len({color for _, color in image.getcolors(1 << 24) if max(color) - min(color) > 60}) > 20  # not only grey


def test_the_table_of_labels_is_written_edited_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, table = clean_set(tmp_path / "d", 4), tmp_path / "labels.csv"
    assert check(folder, "--write-labels", table) == Exit.OK
    text = table.read_text()
    table.write_text(text.replace(",left kidney\n", ",kidneys\n").replace(",right kidney\n", ",kidneys\n"))
    assert table.read_text() != text
    capsys.readouterr()
    assert check(folder, "--labels", table) == Exit.OK
    said = capsys.readouterr().out
    assert "kidneys" in said and "NAMES_MERGED" in said and "SEGMENTS_MERGED" in said


def test_a_split_of_names_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = clean_set(tmp_path / "d", 4)
    (tmp_path / "train.txt").write_text(f"{name_of(0)}\n{name_of(1)}\n")
    (tmp_path / "test.txt").write_text(f"{name_of(1)}\n{name_of(2)}\n")
    assert check(folder, "--split", tmp_path / "train.txt", "--split", tmp_path / "test.txt") == Exit.INPUT
    assert "SPLIT_TWICE" in capsys.readouterr().out


def test_what_was_checked_is_exported_under_pseudonyms_with_a_key_only_if_asked_for(tmp_path: Path) -> None:
    folder, key = clean_set(tmp_path / "d", 2), tmp_path / "key.csv"
    assert check(folder, "--key", key) == Exit.USAGE
    assert check(folder, "--export", tmp_path / "out", "--leave-out", name_of(1)) == Exit.OK
    assert not key.exists()
    written = sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert written == ["case_0001.labels.json", "case_0001.nii.gz", "case_0001_0000.nii.gz", "dataset.json"]
    assert check(tmp_path / "out") == Exit.OK
    assert check(folder, "--export", tmp_path / "out") == Exit.OUTPUT
    assert check(folder, "--export", tmp_path / "more", "--key", key) == Exit.OK
    assert name_of(1) in key.read_text() and key.stat().st_mode & 0o077 == 0


def test_with_an_error_in_it_nothing_is_exported_and_overlapping_structures_keep_their_layers(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 2)
    (folder / "labelsTr" / f"{name_of(1)}.nii.gz").unlink()
    assert check(folder, "--export", tmp_path / "out") == Exit.INPUT and not (tmp_path / "out").exists()
    layered, several = with_layers(drawn(0)), tmp_path / "several"
    layered.labels[1][layered.labels[0] > 0] = 2
    several.mkdir()
    write_slicer_case(several, 0, layered, [replace(label, layer=n) for n, label in enumerate(labels_of(*NAMES))])
    assert check(several, "--export", tmp_path / "out") == Exit.OK
    assert len(list((tmp_path / "out" / "labelsTr").glob("*.seg.nrrd"))) == 1


def test_the_page_of_all_that_can_be_found_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("--explain") == Exit.OK
    made = capsys.readouterr().out
    page = Path(__file__).resolve().parents[2] / "Resources" / "CHECK.md"
    assert page.read_text(encoding="utf-8") == made, "run: meddl check --explain > Resources/CHECK.md"
    assert all(f"| `{fault.value}`" in made for fault in Fault)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path / "nowhere") == Exit.INPUT
    assert "FILE_NOT_FOUND" in capsys.readouterr().err


def test_nothing_in_the_data_set_is_changed(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 4)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    check(folder, "--json", tmp_path / "r.json", "--pictures", tmp_path / "p", "--write-labels", tmp_path / "l.csv")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
