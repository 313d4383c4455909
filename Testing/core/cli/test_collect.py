"""``meddl collect``, and ``meddl segment --collect``: from a click to a case that is learnt from."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from fixtures.balls import ball
from fixtures.dicom_phantoms import planes, series, write
from fixtures.listening import listening_package
from fixtures.models import BALL
from MedDLCore.cli.main import run
from MedDLCore.errors import Exit
from MedDLCore.readers import read
from MedDLCore.readers.seg_nrrd import read_seg_nrrd
from MedDLCore.volume import Geometry, LabelMap
from MedDLCore.writers import write_seg_nrrd
from MedDLTraining.data import open_folder

GEOMETRY = Geometry.from_parts((24, 30, 28), (1.5, 1.5, 1.5))


def meddl(*arguments: object) -> int:
    return run([str(argument) for argument in arguments])


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    volume = ball(GEOMETRY, (20.0, 25.0, 18.0), 9.0)
    path = tmp_path / "Doe Jane.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume.array.transpose(2, 1, 0).astype(np.int16), GEOMETRY.ijk_to_ras), path)
    return path


def test_a_case_that_clicks_corrected_is_learnt_from(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package, out, kept = listening_package(tmp_path / "m").folder, tmp_path / "out", tmp_path / "set"
    given = ("segment", scan, "-m", package, "-o", out, "--modality", "CT", "--no-picture", "--collect", kept)
    assert meddl(*given) == Exit.USAGE
    assert meddl(*given, "--click", "4.5,4.5,4.5=ball", "--click", "20,25,18!=ball") == Exit.OK
    (result,) = out.glob("*.seg.nrrd")
    data_set = open_folder(kept)
    assert np.array_equal(data_set.load(data_set.cases[0]).truth.array, read_seg_nrrd(result).array)
    capsys.readouterr()
    again = ("collect", scan, "--labels", result, "--into", kept, "--modality", "CT", "--json")
    assert meddl(*again) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["replaced"], told["cases"], told["clicks"]) == (True, 1, 2)
    assert "Doe" not in "".join(str(path) for path in kept.rglob("*"))


def test_what_cannot_be_collected_is_refused(scan: Path, tmp_path: Path) -> None:
    assert meddl("collect", scan, "--labels", scan, "--into", tmp_path / "set") == Exit.USAGE
    assert meddl("collect", scan, "--labels", tmp_path / "none.seg.nrrd", "--into", tmp_path / "set") == Exit.USAGE
    (tmp_path / "x.seg.nrrd").write_text("NRRD0004\n")
    assert meddl("collect", scan, "--labels", tmp_path / "x.seg.nrrd", "--into", tmp_path / "set") == Exit.INPUT
    assert meddl("collect", scan, "--labels", tmp_path / "x.seg.nrrd", "--into", tmp_path, "--channel", "a") != Exit.OK
    assert not (tmp_path / "set").exists()


def test_inputs_that_do_not_lie_on_each_other_are_not_collected(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the grid of the first, the second would be written as nothing at all."""
    away = GEOMETRY.ijk_to_ras.copy()
    away[:3, 3] += 500
    nibabel.save(nibabel.Nifti1Image(np.ones(GEOMETRY.shape[::-1], np.int16), away), tmp_path / "away.nii.gz")
    drawn = LabelMap(np.ones(GEOMETRY.shape, np.uint8), GEOMETRY, (BALL,))
    write_seg_nrrd(drawn, tmp_path / "drawn.seg.nrrd")
    given = ("collect", scan, tmp_path / "away.nii.gz", "--labels", tmp_path / "drawn.seg.nrrd")
    assert meddl(*given, "--into", tmp_path / "set") == Exit.INPUT
    assert "CHANNELS_APART" in capsys.readouterr().err and not (tmp_path / "set").exists()


def test_the_channels_of_a_case_may_lie_in_one_file(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in the Medical Segmentation Decathlon: meddl segment takes such a file, and collect had no --frame for it."""
    one = np.asarray(nibabel.load(scan).dataobj)
    both = tmp_path / "both.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.stack([one, 2 * one], axis=-1), GEOMETRY.ijk_to_ras), both)
    drawn = LabelMap(np.ones(GEOMETRY.shape, np.uint8), GEOMETRY, (BALL,))
    write_seg_nrrd(drawn, tmp_path / "drawn.seg.nrrd")
    given = ("collect", both, "--labels", tmp_path / "drawn.seg.nrrd", "--into", tmp_path / "set", "--modality", "MR")
    assert meddl(*given) == meddl(*given, "--frame", "all") == Exit.INPUT
    assert meddl(*given, "--frame", "all", "--channel", "T1") == Exit.INPUT
    assert "error of its own" not in capsys.readouterr().err and not (tmp_path / "set").exists()
    assert meddl(*given, "--frame", "all", "--channel", "T1", "--channel", "FLAIR") == Exit.OK
    data_set = open_folder(tmp_path / "set")
    assert len(data_set.load(data_set.cases[0]).volumes) == 2


def test_what_is_corrected_further_goes_into_the_set_of_its_clicks(scan: Path, tmp_path: Path) -> None:
    """The model had said that it is a CT; the file does not, and was refused: "The set has other channels: CT"."""
    package, out, kept = listening_package(tmp_path / "m").folder, tmp_path / "out", tmp_path / "set"
    given = ("segment", scan, "-m", package, "-o", out, "--no-picture", "--collect", kept)
    assert meddl(*given, "--click", "4.5,4.5,4.5=ball") == Exit.OK
    (result,) = out.glob("*.seg.nrrd")
    again = ("collect", scan, "--labels", result, "--into", kept)
    assert meddl(*again) == Exit.OK
    assert meddl(*again, "--modality", "MR") == Exit.INPUT


def test_the_files_of_a_series_are_one_scan(tmp_path: Path) -> None:
    """``meddl collect ct/*.dcm`` took each slice for a channel."""
    files = write(series(planes()), tmp_path / "ct")
    geometry = read(tmp_path / "ct")[0].geometry
    drawn = LabelMap(np.ones(geometry.shape, np.uint8), geometry, (BALL,))
    write_seg_nrrd(drawn, tmp_path / "drawn.seg.nrrd")
    assert meddl("collect", *files, "--labels", tmp_path / "drawn.seg.nrrd", "--into", tmp_path / "set") == Exit.OK
    assert len([*(tmp_path / "set" / "imagesTr").iterdir()]) == 1
