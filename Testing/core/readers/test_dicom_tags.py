"""Tags that are absent, empty or damaged: each alone, and many at once, on series with known outcome."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from fixtures.dicom_encodings import encoded
from fixtures.dicom_phantoms import dataset, multi_frame, planes, series, write
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import ReadOptions, read
from MedDLCore.readers.dicom_tags import Tags, silent_pydicom

OPTIONAL = [
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "AccessionNumber"),
    *("Modality", "PatientName", "PatientID", "PatientBirthDate", "SliceThickness", "StudyInstanceUID"),
    *("SeriesInstanceUID", "FrameOfReferenceUID", "SeriesNumber", "AcquisitionNumber", "InstanceNumber"),
    *("SamplesPerPixel", "PhotometricInterpretation", "HighBit", "NumberOfFrames", "PixelPaddingValue"),
    *("EchoTime", "TriggerTime", "TemporalPositionIdentifier", "SpacingBetweenSlices", "PixelPaddingRangeLimit"),
]
NEEDED = {
    "Rows": Code.FILE_UNREADABLE,
    "Columns": Code.FILE_UNREADABLE,
    "BitsAllocated": Code.FILE_UNREADABLE,
    "PixelRepresentation": Code.FILE_UNREADABLE,
    "ImagePositionPatient": Code.GEOM_MISSING,
    "ImageOrientationPatient": Code.GEOM_MISSING,
    "PixelSpacing": Code.GEOM_MISSING,
}


def absent(image: Dataset, keyword: str) -> None:
    if keyword in image:
        delattr(image, keyword)


def empty(image: Dataset, keyword: str) -> None:
    setattr(image, keyword, None)


def changed(change: Callable[[Dataset, str], None], keyword: str) -> list[Dataset]:
    images = series(planes())
    for image in images:
        change(image, keyword)
    return images


@pytest.mark.parametrize("change", [absent, empty])
@pytest.mark.parametrize("keyword", OPTIONAL)
def test_an_optional_tag_may_be_absent_or_empty(keyword: str, change: Callable[..., None], tmp_path: Path) -> None:
    write(series(planes()), tmp_path / "whole")
    write(changed(change, keyword), tmp_path / "changed")
    [whole], [other] = read(tmp_path / "whole"), read(tmp_path / "changed")
    assert np.array_equal(whole.array, other.array)
    assert whole.geometry.same_as(other.geometry)
    assert other.notices == ()
    assert other.modality == "CT"


@pytest.mark.parametrize("change", [absent, empty])
@pytest.mark.parametrize("keyword", NEEDED)
def test_a_needed_tag_that_is_absent_or_empty_is_refused(
    keyword: str, change: Callable[..., None], tmp_path: Path
) -> None:
    write(changed(change, keyword), tmp_path)
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path)
    assert refusal.value.code is NEEDED[keyword]


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_a_ct_without_slope_or_intercept_is_doubted_only_where_it_matters(keyword: str, tmp_path: Path) -> None:
    write(changed(absent, keyword), tmp_path)
    codes = [notice.code for notice in read(tmp_path)[0].notices]
    assert codes == ([Code.UNITS_DUBIOUS] if keyword == "RescaleIntercept" else [])


def test_a_modality_that_no_file_states_is_taken_from_the_person(tmp_path: Path) -> None:
    images = changed(absent, "Modality")
    for image in images:
        absent(image, "SOPClassUID")
        image.file_meta.MediaStorageSOPClassUID = ""
    for path, image in zip(write(series(planes()), tmp_path), images, strict=True):
        image.save_as(path)
    assert read(tmp_path)[0].modality is None
    assert read(tmp_path, ReadOptions(modality="CT"))[0].modality == "CT"


@pytest.mark.parametrize(
    "keyword, vr, value",
    [
        ("RescaleSlope", "DS", b"one "),
        ("RescaleIntercept", "DS", b"nan "),
        ("PixelSpacing", "DS", b"1.5 "),
        ("ImagePositionPatient", "DS", b"0\\0\\inf "),
        ("SliceThickness", "DS", b"3,0 "),
        ("InstanceNumber", "IS", b"1.5 "),
    ],
)
def test_a_number_that_is_none_is_refused_by_name(keyword: str, vr: str, value: bytes, tmp_path: Path) -> None:
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    images = series(planes())
    tag = Tag(tag_for_keyword(keyword))
    absent(images[3], keyword)
    images[3]._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    with silent_pydicom():
        paths = write(images, tmp_path)
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path)
    assert refusal.value.code is Code.FILE_UNREADABLE
    assert keyword in refusal.value.message
    assert paths[3].name in refusal.value.message


def test_tags_tell_absent_and_empty_from_damaged() -> None:
    image = Dataset()
    image.ImageType, image.EchoTime, image.PixelSpacing = ["A", "B "], 12.5, [1, 2]
    image.PatientID, image.ReferencedImageSequence = "", []
    tags = Tags(image, "name")
    assert tags.texts("ImageType") == ("A", "B")
    assert tags.text("ImageType") == "A\\B"
    assert tags.number("EchoTime") == 12.5
    assert tags.numbers("PixelSpacing", 2).tolist() == [1, 2]
    assert tags.text("PatientID") == tags.text("PatientName") == ""
    assert tags.number("Rows") is None
    assert tags.items("ReferencedImageSequence") == tags.items("SourceImageSequence") == ()
    assert tags.item("ReferencedImageSequence").number("Rows") is None
    for read_it in (
        lambda: tags.number("PixelSpacing"),
        lambda: tags.integer("EchoTime"),
        lambda: tags.items("ImageType"),
    ):
        with pytest.raises(MedDLError, match="name: its attribute"):
            read_it()


def test_pydicom_says_nothing_of_the_patient(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its warnings quote values, and a library's log may end up in a file."""
    image = dataset(planes()[0])
    image.SpecificCharacterSet = "CANARY_SET"
    with silent_pydicom():
        image.PatientBirthDate = "CANARY-DATE"
        image.PatientAge = "CANARY-AGE"
        write([image], tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(tmp_path)
    out, err = capfd.readouterr()
    assert "CANARY" not in out + err


SEEDS = 30


def a_small_series(kind: int) -> list[Dataset]:
    images = series(planes(np.arange(4) * 3.0, rows=6, columns=6), "MR" if kind % 2 else "CT")
    if kind % 3 == 1:
        return [multi_frame(images)]
    return [encoded(image, "1.2.840.10008.1.2.5") for image in images] if kind % 3 == 2 else images


def ends_as_it_may(folder: Path) -> None:
    """A volume of finite numbers, or a refusal with a hint; anything else fails the test."""
    try:
        volumes = read(folder)
    except MedDLError as refusal:
        assert refusal.hint
        return
    assert volumes
    for volume in volumes:
        assert np.isfinite(volume.array).all()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_tags_deleted_or_emptied_end_as_a_volume_or_a_refusal(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    images = a_small_series(seed)
    for image in images:
        for element in list(image):
            if element.keyword and element.keyword != "PixelData" and chance.random() < 0.08:
                chance.choice([absent, empty])(image, element.keyword)
    for n, image in enumerate(images):
        image.save_as(tmp_path / f"{n}.dcm")
    ends_as_it_may(tmp_path)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_bytes_flipped_end_as_a_volume_or_a_refusal(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    for path in write(a_small_series(seed), tmp_path):
        data = bytearray(path.read_bytes())
        for _ in range(chance.choice([1, 3, 30])):
            data[chance.randrange(128, len(data))] = chance.randrange(256)
        path.write_bytes(bytes(data))
    ends_as_it_may(tmp_path)
