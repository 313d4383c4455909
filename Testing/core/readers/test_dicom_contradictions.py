"""Headers of which two readings are possible: refused rather than read one way, silently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from fixtures.dicom_nasty import repeats
from fixtures.dicom_phantoms import dataset, multi_frame, planes, series, stored, with_tags, write
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import ReadOptions, read


def refused(images: list[Dataset], folder: Path, options: ReadOptions = ReadOptions()) -> MedDLError:
    write(images, folder)
    with pytest.raises(MedDLError) as caught:
        read(folder, options)
    return caught.value


@pytest.mark.parametrize("tag, value", [("RescaleIntercept", None), ("RescaleSlope", "")])
def test_a_slice_that_lost_its_intercept_or_slope_is_not_read_beside_others(
    tag: str, value: str | None, tmp_path: Path
) -> None:
    """One slice lay 1024 HU above its neighbours, and nothing was said (N19, N24)."""
    images = series(planes(), RescaleSlope=1 if tag == "RescaleIntercept" else 2)
    with_tags(images[5], **{tag: value})
    error = refused(images, tmp_path)
    assert error.code is Code.SERIES_INCONSISTENT
    assert "1 of 21 slices" in error.message
    assert "slice006.dcm" in error.message


def test_a_slope_that_is_not_stated_everywhere_and_is_one_everywhere_changes_nothing(tmp_path: Path) -> None:
    images = series(planes())
    with_tags(images[5], RescaleSlope=None)
    write(images, tmp_path)
    assert read(tmp_path)[0].array.min() == -1000


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_values_that_are_kept_in_a_look_up_table_are_refused(modality: str, tmp_path: Path) -> None:
    """The stored numbers were taken for the values (N24)."""
    images = series(planes(), modality, RescaleSlope=None, RescaleIntercept=None)
    for image in images:
        table = Dataset()
        table.add_new("LUTDescriptor", "US", [4096, 0, 16])
        table.ModalityLUTType = "HU"
        table.add_new("LUTData", "OW", np.arange(4096, dtype=np.uint16).tobytes())
        image.ModalityLUTSequence = [table]
    error = refused(images, tmp_path)
    assert error.code is Code.FILE_UNREADABLE
    assert "look-up table" in error.message


def test_numbers_in_the_upper_bits_are_refused(tmp_path: Path) -> None:
    """Values came out four bits off (PS3.3 C.7.6.3.1.1 wants HighBit to be BitsStored - 1)."""
    images = [with_tags(image, HighBit=15, PixelData=(stored(image) << 4).tobytes()) for image in series(planes())]
    assert refused(images, tmp_path).code is Code.FILE_UNREADABLE


@pytest.mark.parametrize(
    "tags", [{"AcquisitionNumber": [*range(1, 7)]}, {"TemporalPositionIdentifier": [*range(1, 7)]}], ids=str
)
@pytest.mark.parametrize("frame", [None, 0, "all"])
def test_a_time_series_that_was_broken_off_is_no_set_of_acquisitions(
    tags: dict[str, list[object]], frame: int | None, tmp_path: Path
) -> None:
    """Six moments became six results where the last lacked slices, though six whole ones are refused (N15, N8)."""
    error = refused(repeats(6, "MR", **tags)[:-3], tmp_path, ReadOptions(frame=frame))
    assert error.code is Code.NOT_3D
    assert "broken off" in error.message


def test_two_phases_of_which_one_covers_less_are_two_volumes(tmp_path: Path) -> None:
    write(repeats(2, AcquisitionNumber=[1, 2])[:-3], tmp_path)
    assert [len(volume.acquired) for volume in read(tmp_path)] == [21, 18]


def longer(image: Dataset) -> Dataset:
    return with_tags(image, PixelData=image.PixelData + bytes(len(image.PixelData)))


def one_frame_less(image: Dataset) -> Dataset:
    frames = image.PerFrameFunctionalGroupsSequence[:-1]
    return with_tags(image, NumberOfFrames=20, PerFrameFunctionalGroupsSequence=frames)


@pytest.mark.parametrize(
    "images",
    [[longer(image) for image in series(planes())], [one_frame_less(multi_frame(series(planes())))]],
    ids=["single frame", "multi-frame"],
)
def test_a_file_with_more_frames_than_it_declares_is_refused(images: list[Dataset], tmp_path: Path) -> None:
    """The rest was left unread (N10: never a shorter stack)."""
    error = refused(images, tmp_path)
    assert error.code is Code.FILE_UNREADABLE
    assert "more pixels than its header declares" in error.message


def test_padding_after_the_pixels_is_no_further_frame(tmp_path: Path) -> None:
    tiny = planes([0.0], rows=1, columns=1)[0]
    one_byte = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    write([dataset(tiny, PixelData=b"\x07\0", RescaleIntercept=0, **one_byte)], tmp_path / "tiny")
    assert read(tmp_path / "tiny")[0].array.tolist() == [[[7]]]
    write([with_tags(image, PixelData=image.PixelData + bytes(100)) for image in series(planes())], tmp_path / "padded")
    assert read(tmp_path / "padded")[0].array.shape == (21, 40, 44)


def test_a_name_with_empty_parts_is_the_same_patient(tmp_path: Path) -> None:
    """``Canary^Name^^`` was another patient than ``Canary^Name`` (N26)."""
    images = series(planes())
    for n, name in enumerate(["Canary^Name^^", "CANARY^NAME", "Canary^Name "]):
        images[n].PatientName = name
    write(images, tmp_path / "same")
    assert len(read(tmp_path / "same")) == 1
    images[7].PatientName = "Canary^Norma"
    assert refused(images, tmp_path / "other").code is Code.SERIES_INCONSISTENT
