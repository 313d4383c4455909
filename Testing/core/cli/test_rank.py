"""``meddl rank``: the scan of which the model is least sure comes first."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from fixtures.models import threshold_package
from MedDLCore.cli.main import run
from MedDLCore.errors import Exit
from MedDLCore.spec import Channel
from MedDLCore.volume import Geometry
from MedDLCore.writers.nifti import write_nifti_scan

GRID = Geometry.from_parts((20, 22, 24), (1.5, 1.5, 1.5))


def meddl(*arguments: object) -> int:
    return run([str(argument) for argument in arguments])


@pytest.fixture
def scans(tmp_path: Path) -> list[Path]:
    """The nearer the block's value is to the threshold of 0, the less sure the network is."""
    paths = []
    for name, value in (("sure", 900), ("unsure", 60), ("between", 200)):
        array = np.full(GRID.shape, -900, np.int16)
        array[5:15, 5:15, 5:15] = value
        paths.append(tmp_path / f"{name}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(array.transpose(2, 1, 0), GRID.ijk_to_ras), paths[-1])
    return paths


def test_the_least_sure_comes_first(scans: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package, table, maps = threshold_package(tmp_path / "m", 0), tmp_path / "out" / "rank.csv", tmp_path / "maps"
    given = ("rank", *scans, "-m", package, "--modality", "CT", "--csv", table, "--maps", maps)
    assert meddl(*given) == Exit.OK
    shown = capsys.readouterr().out
    named = [line.split()[:2] for line in shown.splitlines()[1:]]
    assert named == [["1", "unsure.nii.gz"], ["2", "between.nii.gz"], ["3", "sure.nii.gz"]]
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["scan"] for row in rows] == ["unsure", "between", "sure"]
    assert {row["passes"] for row in rows} == {"perturbed"} and float(rows[0]["found_mL"]) == 3.38
    image = nibabel.load(maps / "unsure_disagreement.nii.gz")
    assert np.allclose(image.affine, GRID.ijk_to_ras) and float(np.asarray(image.dataobj).max()) > 0
    assert meddl(*given, "--json", "--by", "entropy") == Exit.OK
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1]["ranking"] == ["unsure", "between", "sure"]


def test_cases_of_several_channels_are_ranked_one_after_the_other(
    scans: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All scans were taken for the channels of a single case, and nothing could be ranked."""
    two = tuple(Channel(name, "CT") for name in ("first", "second"))
    package = threshold_package(tmp_path / "m", 0, inputs=2, channels=two)
    given = ("-m", package, "--modality", "CT", "--json")
    cases = [scan for scan in scans for _ in two]
    assert meddl("rank", *cases, *given) == Exit.OK
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ranking"] == ["unsure", "between", "sure"]
    assert meddl("rank", *scans, *given) == Exit.INPUT, "three scans are not cases of two"


def test_scans_of_one_name_in_folders_of_their_own_are_told_apart_and_each_has_its_map(
    scans: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The map of one patient's t1.nii.gz replaced that of the other, and the table named neither."""
    moved = [tmp_path / patient / "t1.nii.gz" for patient in ("anna", "ben", "more/anna")]
    for scan, place in zip(scans, moved, strict=True):
        place.parent.mkdir(parents=True)
        scan.rename(place)
    given = ("-m", threshold_package(tmp_path / "m", 0), "--modality", "CT", "--maps", tmp_path / "maps")
    assert meddl("rank", *moved, *given) == Exit.OK
    shown = [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert shown == ["ben/t1.nii.gz", "anna/t1.nii.gz", "anna/t1.nii.gz"]
    maps = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert len(maps) == 3 and {"anna_t1_disagreement.nii.gz", "ben_t1_disagreement.nii.gz"} < set(maps)


def test_warnings_name_the_scan_that_they_are_about(
    scans: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three scans gave the same sentence three times."""
    assert meddl("rank", *scans, "-m", threshold_package(tmp_path / "m", 0)) == Exit.OK
    warnings = [line for line in capsys.readouterr().err.splitlines() if "MODALITY_UNKNOWN" in line]
    assert [scan.name for scan in scans if any(scan.name in line for line in warnings)] == [s.name for s in scans]


def test_a_scan_that_is_refused_does_not_stop_the_others(
    scans: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = threshold_package(tmp_path / "m", 0)
    scans[1].write_bytes(b"no scan")
    assert meddl("rank", *scans, "-m", package, "--modality", "CT") == Exit.SOME_FAILED
    shown = capsys.readouterr()
    assert "sure.nii.gz" in shown.out and "unsure.nii.gz" not in shown.out and "FILE" in shown.err


def test_a_part_of_a_scan_is_not_ranked(scans: list[Path], tmp_path: Path) -> None:
    package = threshold_package(tmp_path / "m", 0)
    assert meddl("rank", scans[0], "-m", package, "--structure", "ball") == Exit.USAGE
    assert meddl("rank", scans[0], "-m", package, "--modality", "CT", "--passes", "dropout") == Exit.MODEL


def test_a_table_that_cannot_be_written_is_said_before_a_scan_is_looked_at(
    scans: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    given = ("rank", *scans, "-m", threshold_package(tmp_path / "m", 0), "--modality", "CT", "--json")
    assert meddl(*given, "--csv", tmp_path / "file" / "rank.csv") == Exit.OUTPUT
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == ["error"]


def test_what_was_measured_is_not_lost_when_the_run_ends_early(
    scans: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl+C, or a disk that maps have filled, cost the figures of all scans: the table was written at the very end."""

    def cut_off(*given: object, **choices: object) -> None:
        if "between" in str(given[2]):
            raise KeyboardInterrupt
        write_nifti_scan(*given, **choices)  # type: ignore[arg-type]

    monkeypatch.setattr("MedDLCore.cli.rank.write_nifti_scan", cut_off)
    package, table = threshold_package(tmp_path / "m", 0), tmp_path / "rank.csv"
    given = ("rank", *scans, "-m", package, "--modality", "CT", "--csv", table, "--maps", tmp_path / "maps")
    assert meddl(*given) == Exit.CANCELLED
    with table.open(encoding="utf-8") as file:
        assert [row["scan"] for row in csv.DictReader(file)] == ["unsure", "sure"]
    told = capsys.readouterr()
    assert "unsure.nii.gz" in told.out and "CANCELLED" in told.err
