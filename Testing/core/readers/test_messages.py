"""What messages call files: told apart, counted, printable; and nothing of them in a warning that a manifest holds."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.fileset import FileSet

from fixtures.dicom_nasty import report
from fixtures.dicom_phantoms import dataset, planes, series, with_tags, write
from fixtures.volume_phantoms import OBLIQUE, edited, numbered, write_volume
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import ReadOptions, read
from MedDLCore.readers.file_names import shown_names

DEPTHS = np.arange(5) * 3.0


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    """ "IM1 and IM1 differ but have the same SOPInstanceUID." """
    for n in range(5):
        write(series(planes(DEPTHS[n : n + 1]), first=n + 1), tmp_path / f"part{n}", "IM")
    write([with_tags(dataset(planes(DEPTHS)[2], 3), ImageComments="again")], tmp_path / "copy", "IM")
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path)
    assert refusal.value.code is Code.SERIES_INCONSISTENT
    assert "copy/IM001.dcm and part2/IM001.dcm differ" in refusal.value.message
    assert str(tmp_path) not in refusal.value.message


def test_a_name_takes_as_many_folders_as_it_needs_and_no_more() -> None:
    paths = [Path("/home/me/study", name) for name in ("1/x/IM1", "2/x/IM1", "2/x/IM2", "2/IM3", "IM3")]
    assert [*shown_names(paths).values()] == ["1/x/IM1", "2/IM3", "2/x/IM1", "IM2", "study/IM3"]


def test_a_name_is_shown_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    write(series(planes(DEPTHS)), tmp_path)
    (tmp_path / "\x1b[2J\nmy notes").write_text("no image")
    [notice] = read(tmp_path)[0].notices
    assert notice.message == r"\x1b[2J my notes is not a DICOM file; it was left out."


def test_many_files_that_are_left_out_are_one_warning_for_each_reason(tmp_path: Path) -> None:
    write(series(planes(DEPTHS)), tmp_path)
    write([with_tags(report(), SOPInstanceUID=f"1.2.{n}") for n in range(30)], tmp_path / "reports", "SR")
    for n in range(300):
        (tmp_path / f"{n:03d}.txt").write_text("notes")
    reports, notes = (str(notice) for notice in read(tmp_path)[0].notices if notice.code is Code.FILE_SKIPPED)
    assert notes == (
        "FILE_SKIPPED: 300 files were left out, each of them not a DICOM file: "
        "000.txt, 001.txt, 002.txt, 003.txt, 004.txt and 295 more."
    )
    assert "30 files were left out, each of them not a CT, MR or PET image (SR): SR001.dcm, " in reports


def test_a_file_that_is_left_out_is_named_once_and_not_with_every_frame(tmp_path: Path) -> None:
    for n in range(4):
        moments = series(planes(DEPTHS, rows=4, columns=4), "MR", first=10 * n, TemporalPositionIdentifier=n + 1)
        write([with_tags(image, PixelData=bytes([n] * 32)) for image in moments], tmp_path, f"moment{n}-")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "moment9-001.dcm").touch()
    volumes = read(tmp_path, ReadOptions(frame="all"))
    codes = [[notice.code for notice in volume.notices] for volume in volumes]
    assert codes == [[Code.FILE_DAMAGED, Code.FILE_SKIPPED], *[[Code.FILE_DAMAGED]] * 3]


def test_the_index_of_a_disc_is_called_so(tmp_path: Path) -> None:
    """People choose it: it lies beside the folders. It was called a secondary capture."""
    index = FileSet()
    for image in series(planes(DEPTHS), StudyID="1", StudyTime="120000"):
        index.add(image)
    index.write(tmp_path)
    [notice] = read(tmp_path)[0].notices
    assert notice.message.startswith("DICOMDIR is the index of a disc (DICOMDIR)")
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path / "DICOMDIR")
    assert refusal.value.code is Code.NO_IMAGES
    assert "index of a disc" in refusal.value.message
    assert "folder" in refusal.value.hint


def of_unclear_geometry(name: str, folder: Path) -> Path:
    path = write_volume(folder / name, numbered(OBLIQUE.shape), OBLIQUE)
    if name.endswith(".nii"):
        image = nibabel.load(path)
        image.set_qform(np.diag([2.0, 2.0, 2.0, 1.0]), 1)
        nibabel.save(image, path)
    elif name.endswith(".nrrd"):
        edited(path, ("space: left-posterior-superior", "space: scanner-xyz"))
    else:
        text = path.read_bytes()
        start = text.index(b"Offset")
        path.write_bytes(text[:start] + text[text.index(b"\n", start) + 1 :])
    return path


@pytest.mark.parametrize("suffix", ["nii", "nrrd", "mha"])
def test_a_warning_that_a_manifest_holds_names_no_file(suffix: str, tmp_path: Path) -> None:
    """The file's name can be the patient's; only notices whose code begins with FILE_ are kept out of the manifest."""
    [volume] = read(of_unclear_geometry(f"CANARY_MUELLER.{suffix}", tmp_path))
    assert [notice.code for notice in volume.notices] == [Code.GEOM_AMBIGUOUS]
    assert "CANARY" not in volume.notices[0].message


def test_the_warning_of_a_series_that_was_left_out_names_no_file(tmp_path: Path) -> None:
    write(series(planes(DEPTHS)), tmp_path, "good")
    write(series(planes(DEPTHS), "MR", 2, ImagePositionPatient=None), tmp_path, "CANARY")
    [volume] = read(tmp_path, ReadOptions(series="all"))
    assert [notice.code for notice in volume.notices] == [Code.SERIES_LEFT_OUT]
    assert "GEOM_MISSING" in volume.notices[0].message
    assert "CANARY" not in volume.notices[0].message
