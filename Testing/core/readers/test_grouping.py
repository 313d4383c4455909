"""Which inputs are one scan: the files of a DICOM series, and everything else on its own."""

from __future__ import annotations

import os
from pathlib import Path

from fixtures.dicom_phantoms import planes, series, write
from fixtures.volume_phantoms import OBLIQUE, numbered, write_nifti
from MedDLCore.errors import Code
from MedDLCore.readers import read, scans_of


def test_dicom_files_are_one_scan_and_everything_else_is_one_each(tmp_path: Path) -> None:
    slices = write(series(planes()), tmp_path / "dicom")
    others = [write_nifti(tmp_path / f"{n}.nii", numbered(OBLIQUE.shape), OBLIQUE) for n in range(2)]
    inputs = [others[0], *slices, others[1], tmp_path]
    assert scans_of(inputs) == [(others[0],), tuple(slices), (others[1],), (tmp_path,)]
    assert scans_of(slices[:1]) == [(slices[0],)]
    assert scans_of([]) == []


def test_a_note_beside_the_slices_does_not_make_each_slice_a_scan(tmp_path: Path) -> None:
    """``meddl segment scan/*`` segmented every slice alone where the folder held a text."""
    slices = write(series(planes()), tmp_path)
    (tmp_path / "notes.txt").write_text("notes")
    assert scans_of([*slices, tmp_path / "notes.txt"]) == [tuple(slices), (tmp_path / "notes.txt",)]


def test_an_empty_or_missing_slice_stays_with_its_series(tmp_path: Path) -> None:
    slices = write(series(planes()), tmp_path)
    slices[-1].write_bytes(b"")
    assert scans_of(slices) == [tuple(slices)]
    assert [notice.code for notice in read(slices)[0].notices] == [Code.FILE_DAMAGED]
    slices[3].unlink()
    assert scans_of(slices) == [tuple(slices)]


def test_nothing_is_refused_where_inputs_are_only_sorted(tmp_path: Path) -> None:
    """A file that could not be opened stopped the whole run, not its scan."""
    slices = write(series(planes()), tmp_path)
    os.mkfifo(tmp_path / "pipe")
    odd = [tmp_path / "absent.nii", tmp_path / ("n" * 5000), Path("a\0b"), tmp_path / "pipe"]
    assert scans_of([*slices, *odd]) == [tuple(slices), *((path,) for path in odd)]
    assert scans_of(odd) == [(path,) for path in odd]
