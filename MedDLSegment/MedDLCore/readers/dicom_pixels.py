"""Decoding pixel data: pydicom's decoders where they are installed, else SimpleITK's GDCM on the bare pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import get_decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from ..atomic import private_folder
from ..errors import Code, MedDLError
from .dicom_files import DicomFile
from .dicom_slices import Pixels
from .dicom_tags import BROKEN

GDCM_SYNTAXES = frozenset(
    {
        *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless),
        *(JPEG2000Lossless, JPEG2000, RLELossless),
    }
)
"""Compressed transfer syntaxes that GDCM decodes."""


def stored_frame(file: DicomFile, pixels: Pixels, frame: int) -> NDArray[Any]:
    """``(rows, columns)``: the stored numbers of one frame; see ``stored_frames``."""
    return next(stored_frames(file, pixels, [frame]))


def stored_frames(file: DicomFile, pixels: Pixels, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Decodes frames of a file.

    Args:
        file: an image.
        pixels: how it stores numbers.
        frames: 0-based numbers.

    Yields:
        ``(rows, columns)`` of ``pixels.dtype``: stored numbers, unused bits removed, no slope or intercept applied.

    Raises:
        MedDLError: NO_DECODER naming the transfer syntax; FILE_UNREADABLE where the data are damaged;
            FILE_TRUNCATED.
    """
    data = file.pixel_bytes()
    if _has_decoder(file.syntax):
        done = 0
        try:
            for array, _ in get_decoder(file.syntax).iter_array(
                data, indices=frames, raw=True, **_options(file, pixels)
            ):
                yield _checked(array, pixels)
                done += 1
            return
        except BROKEN as error:
            if done or file.syntax not in GDCM_SYNTAXES:
                raise _damaged(file) from error
    if file.syntax not in GDCM_SYNTAXES:
        raise MedDLError(Code.NO_DECODER, f"{file.name}: no decoder for {_name(file.syntax)} is installed.")
    try:
        stack = _by_gdcm(file.syntax, pixels, data)
        for frame in frames:
            yield _checked(stack[frame], pixels)
    except BROKEN as error:
        raise _damaged(file) from error


def _has_decoder(syntax: UID) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:  # pydicom knows no such transfer syntax
        return False


def _options(file: DicomFile, pixels: Pixels) -> dict[str, Any]:
    assert file.pixels is not None  # noqa: S101 - only images get here
    return {
        "rows": pixels.rows,
        "columns": pixels.columns,
        "number_of_frames": pixels.frames,
        "samples_per_pixel": 1,
        "photometric_interpretation": pixels.photometric,
        "bits_allocated": pixels.allocated,
        "bits_stored": pixels.stored,
        "pixel_representation": int(pixels.signed),
        "pixel_keyword": file.pixels.keyword,
        "pixel_vr": "OW" if pixels.allocated > 8 else "OB",
    }


def _checked(array: NDArray[Any], pixels: Pixels) -> NDArray[Any]:
    """The frame in its nominal type; a codestream may hold another size or precision than its header states."""
    if array.shape != (pixels.rows, pixels.columns):
        raise ValueError("the compressed image has another size than its header states")
    low, high = int(array.min()), int(array.max())
    limits = np.iinfo(pixels.dtype)
    if low < limits.min or high > limits.max:
        raise ValueError("the compressed image has other numbers than its header states")
    return array.astype(pixels.dtype, copy=False)


def _by_gdcm(syntax: UID, pixels: Pixels, data: bytes) -> NDArray[Any]:
    """``(frames, rows, columns)``. GDCM sees a file with the pixels alone, so it can apply no slope to them."""
    import SimpleITK as sitk

    bare = Dataset()
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    bare.Rows, bare.Columns, bare.NumberOfFrames = pixels.rows, pixels.columns, pixels.frames
    bare.SamplesPerPixel, bare.PhotometricInterpretation = 1, "MONOCHROME2"
    bare.BitsAllocated, bare.BitsStored, bare.HighBit = pixels.allocated, pixels.stored, pixels.stored - 1
    bare.PixelRepresentation = int(pixels.signed)
    bare.add_new("PixelData", "OB", data)
    bare["PixelData"].is_undefined_length = True
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = syntax
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    with private_folder() as folder:
        path = folder / "pixels.dcm"
        bare.save_as(path, enforce_file_format=True)
        reader.SetFileName(str(path))
        image: NDArray[Any] = sitk.GetArrayFromImage(reader.Execute())
    return image.reshape(pixels.frames, *image.shape[-2:])


def _name(syntax: UID) -> str:
    return f"its transfer syntax ({syntax.name})" if syntax.name != syntax else f"its transfer syntax {syntax}"


def _damaged(file: DicomFile) -> MedDLError:
    return MedDLError(Code.FILE_UNREADABLE, f"{file.name}: its pixel data ({_name(file.syntax)}) are damaged.")
