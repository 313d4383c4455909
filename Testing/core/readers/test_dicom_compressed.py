"""Compressed DICOM: each transfer syntax gives the numbers of its uncompressed twin, or is refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from fixtures.dicom_encodings import encoded
from fixtures.dicom_phantoms import dataset, multi_frame, planes, series, stored, with_tags, write
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import dicom_pixels, read

LOSSLESS = (
    *(ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless),
    *(JPEGLosslessSV1, JPEGLossless, JPEGLSLossless, JPEG2000Lossless),
)
LOSSY = {JPEG2000: 40, JPEGLSNearLossless: 2}
BITS = [(16, False), (12, False), (16, True), (12, True)]


def noise(bits: int, signed: bool) -> Dataset:
    """An image that uses all of its bits, the extremes among them."""
    low = -(2 ** (bits - 1)) if signed else 0
    numbers = np.random.default_rng(bits).integers(low, low + 2**bits, (16, 20))
    numbers[0, :2] = low, low + 2**bits - 1
    plane = planes([0.0], rows=16, columns=20)[0]
    pixels = numbers.astype(np.int16 if signed else np.uint16).tobytes()
    return dataset(
        plane, modality="MR", BitsStored=bits, HighBit=bits - 1, PixelRepresentation=int(signed), PixelData=pixels
    )


def read_one(image: Dataset, folder: Path) -> NDArray[Any]:
    write([image], folder)
    return read(folder)[0].array[0]


@pytest.mark.parametrize(
    "syntax, bits, signed",
    [  # no encoder for signed JPEG 2000 is installed; pydicom's own files are read in the next test
        pytest.param(syntax, bits, signed, id=f"{syntax.keyword}-{'signed' if signed else 'unsigned'}-{bits}")
        for syntax in LOSSLESS
        for bits, signed in BITS
        if not (syntax == JPEG2000Lossless and signed)
    ],
)
def test_a_lossless_syntax_gives_the_numbers_of_its_uncompressed_twin(
    syntax: UID, bits: int, signed: bool, tmp_path: Path
) -> None:
    image = noise(bits, signed)
    assert np.array_equal(read_one(encoded(image, syntax), tmp_path), stored(image))


@pytest.mark.parametrize("name", ["693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "MR_small_jp2klossless.dcm"])
def test_signed_jpeg_2000_is_read_as_a_second_decoder_reads_it(name: str) -> None:
    import SimpleITK as sitk

    path = Path(str(get_testdata_file(name, download=False)))
    array = read(path)[0].array[0].astype(float)
    other = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0].astype(float)
    padding = array == -1024
    assert np.abs(array - other)[~padding].max() <= 1
    assert (other[padding] <= -1000).all()


@pytest.mark.parametrize("syntax", LOSSY, ids=lambda uid: uid.keyword)
def test_a_lossy_syntax_gives_nearly_the_numbers_of_its_twin(syntax: UID, tmp_path: Path) -> None:
    image = dataset(planes([0.0])[0], modality="MR")
    away = read_one(encoded(image, syntax), tmp_path).astype(int) - stored(image)
    assert np.abs(away).max() <= LOSSY[syntax]
    assert away.any()


def test_jpeg_baseline_of_8_bits_is_read(tmp_path: Path) -> None:
    image = dataset(planes([0.0])[0], modality="MR", BitsAllocated=8, BitsStored=8, HighBit=7)
    numbers = (stored(image) // 4).astype(np.uint8)
    image = with_tags(image, PixelData=numbers.tobytes())
    away = read_one(encoded(image, JPEGBaseline8Bit), tmp_path).astype(int) - numbers
    assert np.abs(away).max() <= 4


def test_jpeg_extended_of_12_bits_is_read_as_a_second_decoder_reads_it(tmp_path: Path) -> None:
    import SimpleITK as sitk
    from pydicom import dcmread

    source = dcmread(str(get_testdata_file("JPGExtended.dcm", download=False)))
    assert source.file_meta.TransferSyntaxUID == JPEGExtended12Bit
    image = dataset(planes([0.0])[0], modality="MR", Rows=source.Rows, Columns=source.Columns)
    image.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    image.PixelData = source.PixelData
    image["PixelData"].is_undefined_length = True
    array = read_one(image, tmp_path)
    assert np.array_equal(array, sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "slice001.dcm")))[0])
    assert array.max() > 255


def test_compressed_slices_make_the_volume_of_the_uncompressed_ones(tmp_path: Path) -> None:
    images = series(planes())
    write(images, tmp_path / "plain")
    syntaxes = (RLELossless, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless)
    write([encoded(image, syntaxes[n % 4]) for n, image in enumerate(images)], tmp_path / "mixed")
    plain, mixed = read(tmp_path / "plain")[0], read(tmp_path / "mixed")[0]
    assert np.array_equal(plain.array, mixed.array)
    assert plain.geometry.same_as(mixed.geometry)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLosslessSV1], ids=lambda uid: uid.keyword)
def test_a_compressed_multi_frame_file_gives_each_frame_its_own_image(syntax: UID, tmp_path: Path) -> None:
    images = series(planes())
    frames = [encoded(image, syntax).PixelData for image in images]
    items = [frame[8 + int.from_bytes(frame[4:8], "little") :] for frame in frames]
    data = encapsulate([item[8 : 8 + int.from_bytes(item[4:8], "little")] for item in items])
    image = multi_frame(images, PixelData=data)
    image.file_meta.TransferSyntaxUID = syntax
    image["PixelData"].is_undefined_length = True
    write([image], tmp_path / "one")
    write(images, tmp_path / "many")
    assert np.array_equal(read(tmp_path / "one")[0].array, read(tmp_path / "many")[0].array)


def test_unused_bits_that_hold_an_overlay_are_removed(tmp_path: Path) -> None:
    image = noise(12, signed=False)
    marked = (stored(image) | np.uint16(0xF000)).tobytes()
    assert np.array_equal(read_one(with_tags(image, PixelData=marked), tmp_path), stored(noise(12, signed=False)))


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.102", "1.2.3.4"])
def test_a_syntax_without_a_decoder_is_refused_by_name(syntax: str, tmp_path: Path) -> None:
    image = encoded(noise(12, signed=False), RLELossless)
    image.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(MedDLError) as refusal:
        read_one(image, tmp_path)
    assert refusal.value.code is Code.NO_DECODER
    assert UID(syntax).name in refusal.value.message


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless], ids=lambda u: u.keyword
)
def test_damaged_pixel_data_are_refused(syntax: UID, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    image = noise(12, signed=False)
    image.file_meta.TransferSyntaxUID = syntax
    image.PixelData = encapsulate([b"\xff\xd8" + bytes(200)])
    image["PixelData"].is_undefined_length = True
    with pytest.raises(MedDLError) as refusal:
        read_one(image, tmp_path)
    assert refusal.value.code is Code.FILE_UNREADABLE
    assert "CANARY" not in capfd.readouterr().err.upper()


def test_a_codestream_of_another_size_is_refused(tmp_path: Path) -> None:
    image = with_tags(encoded(noise(12, signed=False), JPEG2000Lossless), Rows=32)
    with pytest.raises(MedDLError) as refusal:
        read_one(image, tmp_path)
    assert refusal.value.code is Code.FILE_UNREADABLE


@pytest.mark.parametrize(
    "syntax", sorted(dicom_pixels.GDCM_SYNTAXES - {JPEGExtended12Bit, JPEGBaseline8Bit}), ids=lambda u: UID(u).keyword
)
def test_gdcm_alone_gives_the_same_numbers(syntax: UID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product must not depend on which of pydicom's optional decoders a machine has."""
    image = encoded(noise(12, signed=False), UID(syntax))
    first = read_one(image, tmp_path)
    monkeypatch.setattr(dicom_pixels, "_has_decoder", lambda _syntax: False)
    assert np.array_equal(read(tmp_path)[0].array[0], first)


KILLED_WHILE_DECODING = """
import os, signal, sys
import SimpleITK
from MedDLCore.readers import dicom_pixels, read
dicom_pixels._has_decoder = lambda _syntax: False
if sys.argv[2] == "killed":
    SimpleITK.GetArrayFromImage = lambda _image: os.kill(os.getpid(), signal.SIGKILL)
read(sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_the_pixels_that_a_killed_reader_left_are_swept_by_the_next(tmp_path: Path) -> None:
    """GDCM reads files only: a patient's pixels stayed in the system's temporary folder for good."""
    write([encoded(noise(12, signed=False), RLELossless)], tmp_path / "scan")
    (temporary := tmp_path / "temporary").mkdir()
    left = []
    for how in ("killed", "whole"):
        command = [sys.executable, "-c", KILLED_WHILE_DECODING, str(tmp_path / "scan"), how]
        subprocess.run(command, check=how == "whole", env={**os.environ, "TMPDIR": str(temporary)})
        left.append(len(list(temporary.iterdir())))
    assert left == [1, 0]
