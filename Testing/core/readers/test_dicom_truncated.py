"""A DICOM file that is cut anywhere is refused by name; it never makes a shorter stack."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from fixtures.dicom_phantoms import ROOT, multi_frame, planes, series, with_tags, write
from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.readers import ReadOptions, read
from MedDLCore.volume import Volume

DEPTHS = np.arange(5) * 3.0
DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"


def small_series() -> list[Dataset]:
    return series(planes(DEPTHS, rows=8, columns=8))


def as_bytes(image: Dataset) -> bytes:
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def with_sequences(image: Dataset) -> Dataset:
    """An image with a nested sequence of undefined length before its pixels."""
    inner, item = Dataset(), Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "inner"
    item.PurposeOfReferenceCodeSequence = [inner]
    item["PurposeOfReferenceCodeSequence"].is_undefined_length = True
    item.is_undefined_length_sequence_item = True
    image.ReferencedImageSequence = [item]
    image["ReferencedImageSequence"].is_undefined_length = True
    return image


def compressed(image: Dataset) -> Dataset:
    from pydicom import dcmread

    readable = dcmread(io.BytesIO(as_bytes(image)))
    readable.compress(RLE, generate_instance_uid=False)
    return readable


def deflated(image: Dataset) -> Dataset:
    image.file_meta.TransferSyntaxUID = DEFLATED
    return image


KINDS = {
    "explicit": lambda image: image,
    "implicit": lambda image: _syntax(image, "1.2.840.10008.1.2"),
    "sequences": with_sequences,
    "RLE": compressed,
    "deflated": deflated,
    "multi-frame": lambda image: multi_frame([image]),
}


def _syntax(image: Dataset, uid: str) -> Dataset:
    image.file_meta.TransferSyntaxUID = uid
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_at_any_byte_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    whole = as_bytes(KINDS[kind](small_series()[-1]))
    path = tmp_path / "cut.dcm"
    path.write_bytes(whole)
    read(path)
    needed = len(whole) - (kind == "deflated")  # its last byte only makes the length even
    for length in range(1, needed, 5):
        path.write_bytes(whole[:length])
        with pytest.raises(MedDLError) as refusal:
            read(path)
        assert refusal.value.code is Code.FILE_TRUNCATED, (length, refusal.value)
        assert "cut.dcm" in refusal.value.message


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.99])
@pytest.mark.parametrize("which", [0, 2, -1])
def test_a_series_with_a_cut_file_is_never_read_as_a_shorter_stack(share: float, which: int, tmp_path: Path) -> None:
    path = write(small_series(), tmp_path)[which]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path)
    assert refusal.value.code is Code.FILE_TRUNCATED
    assert path.name in refusal.value.message


def test_pixel_data_that_are_shorter_than_the_image_are_refused(tmp_path: Path) -> None:
    images = small_series()
    images[1].PixelData = images[1].PixelData[:-2]
    write(images, tmp_path)
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path)
    assert refusal.value.code is Code.FILE_TRUNCATED


def test_a_compressed_frame_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    image = compressed(small_series()[0])
    frame = image.PixelData[16:]
    image.PixelData = encapsulate([frame[: len(frame) // 2]])
    write([image], tmp_path)
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path)
    assert refusal.value.code in (Code.FILE_UNREADABLE, Code.FILE_TRUNCATED)


def test_an_image_with_trailing_padding_loses_nothing(tmp_path: Path) -> None:
    image = with_tags(small_series()[0], DataSetTrailingPadding=b"\0" * 64)
    write([image], tmp_path)
    assert read(tmp_path)[0].array.shape == (1, 8, 8)


def test_empty_and_foreign_files_are_listed_and_the_series_is_read(tmp_path: Path) -> None:
    write(small_series(), tmp_path)
    (tmp_path / "LOCKFILE").touch()
    (tmp_path / "notes.txt").write_text("scanned on a Tuesday")
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(300))
    (tmp_path / "._slice001.dcm").write_bytes(b"\0\x05\x16\x07" + bytes(300))
    volume = read(tmp_path)[0]
    assert volume.array.shape == (5, 8, 8)
    assert [str(notice) for notice in about_files(volume)] == [
        "FILE_SKIPPED: LOCKFILE is empty; it was left out.",
        "FILE_SKIPPED: 3 files were left out, each of them not a DICOM file: ._slice001.dcm, notes.txt, picture.",
    ]


def about_files(volume: Volume) -> list[Notice]:
    return [notice for notice in volume.notices if notice.code.value.startswith("FILE_")]


@pytest.mark.parametrize("content", [b"", bytes(2000), b"no longer DICOM"])
@pytest.mark.parametrize("name", ["slice005.dcm", "slice006.dcm", "other.DCM", "IM17", "IM9"])
def test_what_is_left_of_a_last_slice_is_a_warning_of_its_own(name: str, content: bytes, tmp_path: Path) -> None:
    """A slice that is missing at an end leaves no gap; "skipped: not a DICOM file" did not say that."""
    paths = write(small_series(), tmp_path)
    if name.startswith("IM"):
        paths = [path.rename(tmp_path / f"IM{n}") for n, path in enumerate(paths, 1)]
    (tmp_path / name).write_bytes(content)
    [volume] = read(tmp_path)
    [notice] = about_files(volume)
    assert notice.code is Code.FILE_DAMAGED
    assert name in notice.message
    assert "may end too early" in notice.message


def test_a_slice_whose_mark_is_damaged_is_refused_by_name(tmp_path: Path) -> None:
    """It was skipped as a foreign file, and the scan ended a slice earlier."""
    path = write(small_series(), tmp_path)[-1].rename(tmp_path / "last")
    data = path.read_bytes()
    path.write_bytes(data[:130] + b"\0" + data[131:])
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path)
    assert refusal.value.code is Code.FILE_UNREADABLE
    assert "last" in refusal.value.message


def two_series_of_which_the_second_is_cut(folder: Path, share: float) -> Path:
    """Returns the cut file."""
    write(small_series(), folder, "a")
    path = write(series(planes(DEPTHS, rows=8, columns=8), "MR", number=2), folder, "b")[-1]
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


@pytest.mark.parametrize("share", [0.75, 0.99])
def test_a_cut_file_of_another_series_does_not_take_the_chosen_one_with_it(share: float, tmp_path: Path) -> None:
    cut = two_series_of_which_the_second_is_cut(tmp_path, share)
    [chosen] = read(tmp_path, ReadOptions(series="1"))
    assert chosen.array.shape == (5, 8, 8)
    [every] = read(tmp_path, ReadOptions(series="all"))
    [notice] = [notice for notice in every.notices if notice.code is Code.SERIES_LEFT_OUT]
    assert "FILE_TRUNCATED" in notice.message
    for options, code in (
        (ReadOptions(series="2"), Code.FILE_TRUNCATED),
        (ReadOptions(series=f"{ROOT}.2"), Code.FILE_TRUNCATED),
        (ReadOptions(), Code.MANY_SERIES),
    ):
        with pytest.raises(MedDLError) as refusal:
            read(tmp_path, options)
        assert refusal.value.code is code
        assert (cut.name in refusal.value.message) == (code is Code.FILE_TRUNCATED)
    assert "--series 2: MR, 5 images, not readable (FILE_TRUNCATED)" in refusal.value.message


@pytest.mark.parametrize("options", [ReadOptions(), ReadOptions(series="1"), ReadOptions(series="all")])
def test_a_file_that_is_cut_before_its_series_is_told_refuses_every_series(
    options: ReadOptions, tmp_path: Path
) -> None:
    cut = two_series_of_which_the_second_is_cut(tmp_path, 0.3)
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path, options)
    assert refusal.value.code is Code.FILE_TRUNCATED
    assert cut.name in refusal.value.message


def test_a_file_cut_at_any_byte_never_leaves_its_own_series_shorter(tmp_path: Path) -> None:
    path = two_series_of_which_the_second_is_cut(tmp_path, 1)
    whole = path.read_bytes()
    read_one = 0
    for length in range(1, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(MedDLError) as refusal:
            read(tmp_path, ReadOptions(series="2"))
        assert refusal.value.code is Code.FILE_TRUNCATED
        try:
            [volume] = read(tmp_path, ReadOptions(series="1"))
        except MedDLError as error:
            assert error.code is Code.FILE_TRUNCATED
        else:
            assert volume.modality == "CT"
            assert len(volume.acquired) == 5
            read_one += 1
    assert read_one > 10


def test_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    """Old archives hold bare data sets."""
    for path in write(small_series(), tmp_path):
        image = _syntax(small_series()[0], "1.2.840.10008.1.2")
        whole = as_bytes(image)
        if path.name == "slice001.dcm":
            meta_length = int.from_bytes(whole[140:144], "little")
            path.write_bytes(whole[144 + meta_length :])
    assert read(tmp_path)[0].array.shape == (5, 8, 8)


def test_a_damaged_header_is_refused_by_name(tmp_path: Path) -> None:
    path = write(small_series(), tmp_path)[2]
    data = path.read_bytes()
    at = data.index(b"IS", data.index(b"\x20\x00\x13\x00"))
    path.write_bytes(data[: at + 4] + b"x" + data[at + 5 :])
    with pytest.raises(MedDLError) as refusal:
        read(tmp_path)
    assert refusal.value.code is Code.FILE_UNREADABLE
    assert path.name in refusal.value.message
