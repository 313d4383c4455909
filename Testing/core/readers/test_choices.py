"""What a person chooses is done or refused, never ignored: series, frames, an empty path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures.dicom_nasty import repeats
from fixtures.dicom_phantoms import ROOT, planes, series, with_tags, write
from fixtures.volume_phantoms import OBLIQUE, numbered, write_volume
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import ReadOptions, read

FILES = ["a.nii.gz", "a.nrrd", "a.mha"]


def refused(path: object, options: ReadOptions = ReadOptions()) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        read(path, options)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("name", FILES)
def test_a_series_of_a_file_that_has_none_is_refused(name: str, tmp_path: Path) -> None:
    """--series was ignored."""
    path = write_volume(tmp_path / name, numbered(OBLIQUE.shape), OBLIQUE)
    for chosen in ("1", ROOT):
        error = refused(path, ReadOptions(series=chosen))
        assert error.code is Code.SERIES_UNKNOWN
        assert name in error.message
        assert error.hint == "Leave out --series."
    assert len(read(path, ReadOptions(series="all"))) == 1


@pytest.mark.parametrize("name", FILES)
def test_a_frame_of_a_file_that_holds_one_volume_is_refused_in_whole_words(name: str, tmp_path: Path) -> None:
    """It said "holds 1 volumes" and "--frame 0 to 0"."""
    path = write_volume(tmp_path / name, numbered(OBLIQUE.shape), OBLIQUE)
    error = refused(path, ReadOptions(frame=1))
    assert error.code is Code.NOT_3D
    assert error.message == f"{name} holds one volume; there is no number 1."
    assert error.hint == "Leave out --frame."
    for right in (0, "all"):
        assert len(read(path, ReadOptions(frame=right))) == 1  # type: ignore[arg-type]


def test_a_series_that_is_not_the_only_one_is_refused(tmp_path: Path) -> None:
    write(series(planes()), tmp_path)
    error = refused(tmp_path, ReadOptions(series="7"))
    assert error.code is Code.SERIES_UNKNOWN
    assert "--series 1: CT, 21 images" in error.message
    assert len(read(tmp_path, ReadOptions(series="1"))) == 1


def test_a_series_is_chosen_by_the_number_that_viewers_show(tmp_path: Path) -> None:
    """The second of the series 2 and 5 was "2": the number of another one."""
    for number, modality in ((2, "CT"), (5, "MR")):
        write(series(planes(), modality, number), tmp_path, f"{number}-")
    assert read(tmp_path, ReadOptions(series="2"))[0].modality == "CT"
    assert read(tmp_path, ReadOptions(series="5"))[0].modality == "MR"
    assert refused(tmp_path, ReadOptions(series="1")).code is Code.SERIES_UNKNOWN


@pytest.mark.parametrize("number", [3, None, -1])
def test_series_that_differ_in_nothing_but_their_uid_are_told_apart_in_the_list(
    number: int | None, tmp_path: Path
) -> None:
    """The lines of the list were the same."""
    for n in (1, 2):
        images = [with_tags(image, SeriesNumber=number) for image in series(planes(), number=n)]
        write(images, tmp_path / f"SE{n}", "IM")
    message = refused(tmp_path).message
    assert "--series 1: CT, 21 images, 44 x 40 at 1.5 x 1.7 x 3 mm, first file SE1/IM001.dcm" in message
    assert "--series 2: CT, 21 images, 44 x 40 at 1.5 x 1.7 x 3 mm, first file SE2/IM001.dcm" in message
    assert read(tmp_path, ReadOptions(series="2"))[0].source.series_uid == f"{ROOT}.2"


def test_one_of_several_acquisitions_is_chosen_like_a_frame(tmp_path: Path) -> None:
    """--frame was ignored where a series holds two acquisitions."""
    write(repeats(2, AcquisitionNumber=[1, 2]), tmp_path)
    first, second = read(tmp_path)
    [chosen] = read(tmp_path, ReadOptions(frame=1))
    assert chosen.source.part == second.source.part == "acq2"
    assert np.array_equal(chosen.array, second.array)
    assert not np.array_equal(chosen.array, first.array)
    error = refused(tmp_path, ReadOptions(frame=2))
    assert error.code is Code.NOT_3D
    assert "--frame 0 to 1" in error.hint


@pytest.mark.parametrize("empty", ["", [""], ["", "b"]])
def test_an_empty_path_is_not_the_current_folder(
    empty: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(series(planes()), tmp_path)
    monkeypatch.chdir(tmp_path)
    error = refused(empty)
    assert error.code is Code.FILE_NOT_FOUND
    assert "empty" in error.message
    assert len(read(".")) == 1
