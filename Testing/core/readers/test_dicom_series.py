"""Choosing among series, the order of files, frames, multi-frame twins, and what slices are referred to by."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from fixtures.balls import turned
from fixtures.dicom_phantoms import (
    LPS,
    ROOT,
    centre_of,
    dataset,
    multi_frame,
    planes,
    series,
    stored,
    with_tags,
    write,
)
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import ReadOptions, read
from MedDLCore.readers.dicom import is_dicom, read_dicom

DEPTHS = np.arange(6) * 3.0


def two_series() -> list[Dataset]:
    """A CT and an MR of one study."""
    return series(planes()) + series(planes(DEPTHS), "MR", number=2)


def time_series(count: int = 3) -> list[Dataset]:
    """The place ``k`` at the time ``n`` holds the constant ``10 n + k``."""
    images = []
    for n in range(count):
        for k, plane in enumerate(planes(DEPTHS, rows=4, columns=5)):
            pixels = np.full((4, 5), 10 * n + k, np.uint16).tobytes()
            images.append(dataset(plane, 1 + 100 * n + k, "MR", PixelData=pixels))
    return images


def test_several_series_are_listed_with_numbers_and_without_descriptions(tmp_path: Path) -> None:
    write([with_tags(image, SeriesDescription="CANARY MUELLER") for image in two_series()], tmp_path)
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path)
    assert refusal.value.code is Code.MANY_SERIES
    assert "1: CT, 21 images, 44 x 40 at 1.5 x 1.7 x 3 mm" in refusal.value.message
    assert "2: MR, 6 images" in refusal.value.message
    assert "CANARY" not in refusal.value.message


@pytest.mark.parametrize("choice, modalities", [("1", "CT"), ("2", "MR"), (f"{ROOT}.2", "MR"), ("all", "CT MR")])
def test_a_series_is_chosen_by_number_by_uid_or_all_are(choice: str, modalities: str, tmp_path: Path) -> None:
    write(two_series(), tmp_path)
    volumes = read(tmp_path, ReadOptions(series=choice))
    assert [volume.modality for volume in volumes] == modalities.split()


def test_a_series_that_is_not_there_is_refused_with_the_list(tmp_path: Path) -> None:
    write(two_series(), tmp_path)
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path, ReadOptions(series="3"))
    assert refusal.value.code is Code.SERIES_UNKNOWN
    assert "--series 2: MR" in refusal.value.message


def test_one_bad_series_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    bad = series(planes(DEPTHS), "MR", number=2)
    bad[2].PatientID = "OTHER"
    write(series(planes()) + bad, tmp_path)
    volumes = read(tmp_path, ReadOptions(series="all"))
    assert [volume.modality for volume in volumes] == ["CT"]
    [notice] = [notice for notice in volumes[0].notices if notice.code is Code.SERIES_LEFT_OUT]
    assert "SERIES_INCONSISTENT" in notice.message


def test_the_order_of_files_changes_nothing(tmp_path: Path) -> None:
    images = series(planes()) + series(planes(), first=50, AcquisitionNumber=2, ImageComments="later")
    images = [with_tags(image, PixelData=(stored(image) + n // 21).tobytes()) for n, image in enumerate(images)]
    random.Random(1).shuffle(images)
    paths = write(images, tmp_path)
    first = read_dicom(paths, ReadOptions())
    for seed in range(3):
        random.Random(seed).shuffle(paths)
        for one, other in zip(first, read_dicom(paths, ReadOptions()), strict=True):
            assert one.source == other.source
            assert np.array_equal(one.array, other.array)
            assert one.acquired.files == other.acquired.files


def test_renaming_files_leaves_frames_and_parts_as_they_are(tmp_path: Path) -> None:
    images = time_series()
    write(images, tmp_path / "a")
    random.Random(5).shuffle(images)
    write(images, tmp_path / "b")
    options = ReadOptions(frame="all")
    for one, other in zip(read(tmp_path / "a", options), read(tmp_path / "b", options), strict=True):
        assert one.source.part == other.source.part
        assert np.array_equal(one.array, other.array)


@pytest.mark.parametrize("tag", ["InstanceNumber", "TemporalPositionIdentifier", "EchoTime", "TriggerTime"])
def test_frames_are_counted_in_the_order_of_acquisition(tag: str, tmp_path: Path) -> None:
    images = time_series()
    for n, image in enumerate(images):
        image.InstanceNumber = 1000 - n
        setattr(image, tag, n if tag == "InstanceNumber" else n // 6 + 1)
    write(images, tmp_path)
    volumes = read(tmp_path, ReadOptions(frame="all"))
    assert [volume.source.part for volume in volumes] == ["frame000", "frame001", "frame002"]
    for n, volume in enumerate(volumes):
        assert volume.array[:, 0, 0].tolist() == [10 * n + k for k in range(6)]
    [second] = read(tmp_path, ReadOptions(frame=1))
    assert np.array_equal(second.array, volumes[1].array)
    assert second.source.part == "frame001"


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_multi_frame_file_is_its_single_frame_twin(modality: str, tmp_path: Path) -> None:
    images = series(planes(axes=turned(20, 0) @ turned(-25, 2)), modality)
    if modality == "CT":
        for n, image in enumerate(images):
            shifted = (stored(image) + n).tobytes()
            with_tags(image, RescaleIntercept=-1024 - n, PixelData=shifted)
    write(images, tmp_path / "many")
    write([multi_frame(images[::-1])], tmp_path / "one")
    many, one = read(tmp_path / "many")[0], read(tmp_path / "one")[0]
    assert np.array_equal(many.array, one.array)
    assert many.array.dtype == one.array.dtype
    assert np.abs(many.geometry.ijk_to_ras - one.geometry.ijk_to_ras).max() <= 1e-6
    assert one.acquired.frames == tuple(range(20, -1, -1))
    assert len(set(one.acquired.files)) == 1
    assert np.allclose(many.acquired.ijk_to_ras, one.acquired.ijk_to_ras)


def test_a_frame_of_a_multi_frame_time_series_is_read(tmp_path: Path) -> None:
    images = time_series()
    enhanced = multi_frame(images)
    for n, frame in enumerate(enhanced.PerFrameFunctionalGroupsSequence):
        frame.FrameContentSequence[0].TemporalPositionIndex = n // 6 + 1
    write([enhanced], tmp_path)
    [volume] = read(tmp_path, ReadOptions(frame=2))
    assert volume.array[:, 0, 0].tolist() == [20 + k for k in range(6)]
    assert volume.acquired.frames == tuple(range(12, 18))


def test_acquired_slices_name_the_file_and_place_of_each_slice(tmp_path: Path) -> None:
    slices = planes(tilt=10)
    paths = write(series(slices), tmp_path)
    [volume] = read(tmp_path)
    assert volume.acquired.files == tuple(paths)
    for n, plane in enumerate(slices):
        ras = volume.acquired.geometry(n).index_to_ras([[0, 0, 0], [43, 0, 0], [0, 39, 0]])
        assert np.abs(ras - plane.points()[[0, 0, -1], [0, -1, 0]]).max() < 1e-6
        assert np.allclose(volume.acquired.ijk_to_ras[n, :3, 2], np.cross(plane.across, plane.down) * LPS)


def test_dicom_is_known_by_its_content(tmp_path: Path) -> None:
    [path] = write([dataset(planes()[0])], tmp_path)
    assert is_dicom(path)
    for name, content in {
        "a": b"",
        "b": b"DICM!" * 50,
        "c": b"n+1\0" + bytes(400),
        "d": b"\x08\x00" + b"\xff" * 200,
    }.items():
        (tmp_path / name).write_bytes(content)
        assert not is_dicom(tmp_path / name)


def test_padding_of_a_ct_becomes_air(tmp_path: Path) -> None:
    images = series(planes(), PixelRepresentation=1, BitsStored=16, HighBit=15, RescaleIntercept=0)
    for image in images:
        pixels = stored(image) - 1024
        pixels[0], pixels[1] = -1500, -2000
        with_tags(image, PixelData=pixels.astype(np.int16).tobytes(), PixelPaddingValue=-1500)
        image.PixelPaddingRangeLimit = -2000
    write(images, tmp_path)
    array = read(tmp_path)[0].array
    assert (array[:, :2] == -1024).all()
    assert array.min() == -1024


def test_a_padding_value_that_would_erase_tissue_is_not_believed(tmp_path: Path) -> None:
    write(series(planes(), PixelPaddingValue=1104), tmp_path)
    assert read(tmp_path)[0].array.max() == 80


@pytest.mark.parametrize("intercept", [-1024, 0])
def test_padding_beyond_what_a_ct_measures_becomes_air(intercept: int, tmp_path: Path) -> None:
    """-2000 in a CT whose numbers are declared unsigned: the rim was read as 62512 HU."""
    images = series(planes(), BitsStored=16, HighBit=15, RescaleIntercept=intercept)
    expected = np.stack([stored(image) for image in images]).astype(int) + intercept
    for image in images:
        pixels = stored(image).astype(np.uint16)
        pixels[0] = 63536
        with_tags(image, PixelData=pixels.tobytes(), PixelPaddingValue=63536)
    write(images, tmp_path)
    [volume] = read(tmp_path)
    assert (volume.array[:, 0] == -1024).all()
    assert sorted(map(tuple, volume.array[:, 1:].reshape(len(images), -1))) == sorted(
        map(tuple, expected[:, 1:].reshape(len(images), -1))
    )


def test_a_range_of_padding_that_holds_tissue_is_not_believed_however_far_it_goes(tmp_path: Path) -> None:
    images = series(planes(), BitsStored=16, HighBit=15, PixelPaddingValue=63536)
    write([with_tags(image, PixelPaddingRangeLimit=1000) for image in images], tmp_path)
    assert read(tmp_path)[0].array.max() == 80


def test_padding_of_an_mr_becomes_zero(tmp_path: Path) -> None:
    images = series(planes(), "MR", BitsStored=16, HighBit=15)
    for image in images:
        pixels = stored(image)
        pixels[0] = 63536
        with_tags(image, PixelData=pixels.tobytes(), PixelPaddingValue=63536)
    write(images, tmp_path)
    assert (read(tmp_path)[0].array[:, 0] == 0).all()


def test_what_lies_outside_the_slices_of_a_tilted_scan_is_air(tmp_path: Path) -> None:
    write(series(planes(tilt=15), "MR"), tmp_path / "mr")
    write(series(planes(tilt=15)), tmp_path / "ct")
    assert read(tmp_path / "mr")[0].array[0, -1, 0] == 0
    assert read(tmp_path / "ct")[0].array[0, -1, 0] == -1000


def test_the_slices_that_are_there_stay_as_they_are_where_others_are_missing(tmp_path: Path) -> None:
    write(series(planes()), tmp_path / "whole")
    write(series(planes()[:9] + planes()[10:]), tmp_path / "gap")
    whole, gap = read(tmp_path / "whole")[0], read(tmp_path / "gap")[0]
    assert whole.geometry.same_as(gap.geometry)
    same = [np.array_equal(one, other) for one, other in zip(whole.array, gap.array, strict=True)]
    assert same == [n != 9 for n in range(21)]


def test_messages_name_angle_positions_and_spacings(tmp_path: Path) -> None:
    thin = planes(np.arange(-32, 1, 4.0), tilt=10, thickness=4.0)
    thick = planes(np.arange(1.1, 36, 7.0), tilt=10, thickness=7.0)
    write(series(thin) + series(thick, first=50), tmp_path / "variable")
    write(series(planes()[:9] + planes()[10:]), tmp_path / "gap")
    tilt, variable = (notice.message for notice in read(tmp_path / "variable")[0].notices)
    assert "10.0 degrees" in tilt
    assert "4 and 7 mm" in variable
    [gap] = read(tmp_path / "gap")[0].notices
    assert "S 25.0 and 31.0 mm (6 mm apart" in gap.message


def test_the_centre_of_a_tilted_phantom_is_the_same_in_every_tilt(tmp_path: Path) -> None:
    centres = []
    for tilt in (0, 1, 5, 15):
        write(series(planes(tilt=tilt)), tmp_path / str(tilt))
        [volume] = read(tmp_path / str(tilt))
        centres.append(centre_of(volume.array, volume.geometry))
    assert np.ptp(centres, axis=0).max() < 0.02
