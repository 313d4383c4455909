"""Finding DICOM files and opening them whole: a file that is cut anywhere is refused, never read as far as it goes."""

from __future__ import annotations

import io
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.filereader import read_partial
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from ..errors import Code, MedDLError
from .dicom_tags import BROKEN, Tags

_PREAMBLE = bytes(128) + b"DICM"
_PIXEL_KEYWORDS = {0x0010: "PixelData", 0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData"}
_UNDEFINED = 0xFFFFFFFF
_ITEM, _DELIMITER = 0xE000, 0xE0DD
_META = b"\x02\x00\x00\x00UL"
"""What follows ``DICM``: the first element of the file meta information."""

_SERIES_NUMBER = 0x00200011
"""The last attribute, by its tag, that says to which series a file belongs."""


@dataclass(frozen=True)
class PixelElement:
    """Where the pixel data of a file are.

    Attributes:
        keyword: ``PixelData``, ``FloatPixelData`` or ``DoubleFloatPixelData``.
        start, stop: bytes of the file, without the element's header and the closing delimiter.
        encapsulated: they are compressed and lie in fragments (PS3.5 A.4).
        inflated: the bytes themselves, where the whole data set is deflated.
    """

    keyword: str
    start: int
    stop: int
    encapsulated: bool
    inflated: bytes | None = None


@dataclass(frozen=True, eq=False)
class DicomFile:
    """A DICOM file whose header has been read; its pixels have been found, not read.

    Attributes:
        path: the file.
        name: what it is called in messages.
        tags: its attributes, without the pixel data. Of a file that is cut, those up to the series' number, or none.
        syntax: transfer syntax.
        sop_class: SOP class, or ``""``.
        pixels: where its pixel data are, or None.
        refusal: FILE_TRUNCATED, where the file is cut.
    """

    path: Path
    name: str
    tags: Tags
    syntax: UID
    sop_class: str
    pixels: PixelElement | None
    refusal: MedDLError | None = None

    def pixel_bytes(self) -> bytes:
        """The pixel data as they are stored.

        Raises:
            MedDLError: FILE_TRUNCATED, FILE_UNREADABLE where the file changed since it was opened.
        """
        assert self.pixels is not None  # noqa: S101 - only images get here
        if self.pixels.inflated is not None:
            return self.pixels.inflated
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.pixels.start)
                data = stream.read(self.pixels.stop - self.pixels.start)
        except OSError as error:
            raise MedDLError(Code.FILE_UNREADABLE, f"{self.name}: {error.strerror or error}.") from error
        if len(data) < self.pixels.stop - self.pixels.start:
            raise _cut(self.name)
        return data


_AT_AN_END = (1, 8)
"""Bytes that pydicom asks for where a file may well end: a peek, and the header of a further element."""

_SEARCH = 8192
"""Bytes that pydicom asks for where it searches for a delimiter; it takes fewer there."""


class _CutError(Exception):
    """The file ended inside something."""


class _WholeReads(io.BufferedReader):
    """A file that never gives less than it is asked for, nor goes beyond its end.

    pydicom takes what there is at the end of a file as the rest of a value, without an error.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self.size = super().seek(0, os.SEEK_END)
        super().seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if size is None or size < 0 or len(data) == size or size == _SEARCH:
            return data
        if data or size not in _AT_AN_END:
            raise _CutError
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        place = super().seek(offset, whence)
        if place > self.size:
            raise _CutError
        return place


def is_dicom(path: Path) -> bool:
    """Whether the file starts as DICOM: with ``DICM`` after a preamble, cut inside it, or as a bare data set.

    A file whose ``DICM`` is damaged is one as well, told by what follows.

    Raises:
        MedDLError: FILE_UNREADABLE where the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_PREAMBLE) + len(_META))
    except OSError as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name}: {error.strerror or error}.") from error
    if not start:
        return False
    return start[128:132] == b"DICM" or start[132:] == _META or _PREAMBLE.startswith(start) or _is_bare(start)


def _is_bare(start: bytes) -> bool:
    """A data set without preamble begins with group 2 or 8: a low element, then a VR or a short length."""
    if len(start) < 8 or start[0] not in (2, 8) or start[1] != 0:
        return False
    element = int.from_bytes(start[2:4], "little")
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    return element <= 0x0020 and (explicit or int.from_bytes(start[4:8], "little") <= 256)


def open_dicom(path: Path, name: str) -> DicomFile:
    """Reads the header, and finds the pixel data.

    Args:
        path: starts as DICOM.
        name: what it is called in messages.

    Returns:
        The file. Where it ends inside its header or its pixel data, it carries its refusal, and what can be told of
        its series.

    Raises:
        MedDLError: FILE_UNREADABLE where it is damaged otherwise.
    """
    try:
        return _open_whole(path, name)
    except MedDLError as refusal:
        if refusal.code is not Code.FILE_TRUNCATED:
            raise
        tags = _leading_tags(path, name)
        return DicomFile(path, name, tags, UID(""), tags.text("SOPClassUID"), None, refusal)


def _leading_tags(path: Path, name: str) -> Tags:
    """The attributes of a cut file up to the series' number, each of them whole; none where it is cut before."""
    try:
        with _WholeReads(io.FileIO(path)) as stream:
            dataset = read_partial(stream, stop_when=lambda tag, *_: tag > _SERIES_NUMBER, force=True)
            if stream.tell() >= stream.size:
                raise _CutError
    except (_CutError, *BROKEN):
        dataset = Dataset()
    return Tags(dataset, name)


def _open_whole(path: Path, name: str) -> DicomFile:
    try:
        with _WholeReads(io.FileIO(path)) as stream:
            start = stream.peek(len(_PREAMBLE) + len(_META))
            if stream.size < len(_PREAMBLE) and _PREAMBLE.startswith(start):
                raise _CutError
            if start[132:138] == _META and start[128:132] != b"DICM":
                raise ValueError("its mark is damaged")
            dataset = dcmread(stream, force=True, stop_before_pixels=True)
            syntax = _transfer_syntax(dataset)
            if syntax == DeflatedExplicitVRLittleEndian:
                stream.seek(0)
                dataset = dcmread(stream, force=True)
                pixels = _inflated_pixels(dataset)
            else:
                pixels = _find_pixels(stream, syntax)
    except _CutError:
        raise _cut(name) from None
    except OSError as error:
        if error.errno is None:  # pydicom's own: the file ends where the next item of a sequence should be
            raise _cut(name) from error
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: {error.strerror}.") from error
    except BROKEN as error:
        if isinstance(error, zlib.error) and "truncated" in str(error):
            raise _cut(name) from error
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the DICOM header is damaged.") from error
    tags = Tags(dataset, name)
    meta = Tags(dataset.file_meta, name)
    sop_class = tags.text("SOPClassUID") or meta.text("MediaStorageSOPClassUID")
    return DicomFile(path, name, tags, syntax, sop_class, pixels)


def check_native_length(file: DicomFile, bits_allocated: int, samples: int, frames: int) -> None:
    """Refuses uncompressed pixel data that are not as long as rows, columns and frames ask for.

    Less than a frame may follow: padding.

    Args:
        file: with pixel data.
        bits_allocated: bits of one sample.
        samples: of one frame.
        frames: of the file.

    Raises:
        MedDLError: FILE_TRUNCATED; FILE_UNREADABLE where there is room for a further frame.
    """
    assert file.pixels is not None  # noqa: S101 - only images get here
    data = file.pixels.inflated
    there = file.pixels.stop - file.pixels.start if data is None else len(data)
    if file.pixels.encapsulated:
        return
    spare = there - math.ceil(frames * samples * bits_allocated / 8)
    if spare < 0:
        raise _cut(file.name)
    if spare >= max(samples * bits_allocated // 8, 2):  # one byte makes the length even
        raise MedDLError(
            Code.FILE_UNREADABLE, f"{file.name} holds more pixels than its header declares: one of the two is wrong."
        )


def _cut(name: str) -> MedDLError:
    return MedDLError(Code.FILE_TRUNCATED, f"{name} ends before its data do.")


def _transfer_syntax(dataset: Dataset) -> UID:
    """As the file states it, or as pydicom found the data set to be encoded."""
    stated = dataset.file_meta.get("TransferSyntaxUID")
    if stated:
        return UID(str(stated))
    implicit, little = dataset.original_encoding
    if little is False:
        return ExplicitVRBigEndian
    return ImplicitVRLittleEndian if implicit or implicit is None else UID("1.2.840.10008.1.2.1")


def _inflated_pixels(dataset: Dataset) -> PixelElement | None:
    for keyword in _PIXEL_KEYWORDS.values():
        if keyword in dataset:
            data = bytes(dataset[keyword].value or b"")
            del dataset[keyword]
            return PixelElement(keyword, 0, 0, False, data)
    return None


def _find_pixels(stream: _WholeReads, syntax: UID) -> PixelElement | None:
    """Reads the element's header, before which pydicom stopped, and checks that its value is whole."""
    order = "big" if syntax == ExplicitVRBigEndian else "little"
    header = stream.read(8)
    if len(header) < 8:
        return None
    group = int.from_bytes(header[:2], order)  # type: ignore[arg-type]
    keyword = _PIXEL_KEYWORDS.get(int.from_bytes(header[2:4], order))  # type: ignore[arg-type]
    if group != 0x7FE0 or keyword is None:
        return None
    if header[4:6].isalpha() and header[4:6].isupper():
        length = int.from_bytes(stream.read(4), order)  # type: ignore[arg-type]
    else:
        length = int.from_bytes(header[4:8], order)  # type: ignore[arg-type]
    start = stream.tell()
    if length == _UNDEFINED:
        return PixelElement(keyword, start, _end_of_fragments(stream), True)
    if length > stream.size - start:
        raise _CutError
    return PixelElement(keyword, start, start + length, False)


def _end_of_fragments(stream: _WholeReads) -> int:
    while True:
        place = stream.tell()
        header = stream.read(8)
        if len(header) < 8:
            raise _CutError
        group, element = int.from_bytes(header[:2], "little"), int.from_bytes(header[2:4], "little")
        if (group, element) == (0xFFFE, _DELIMITER):
            return place
        if (group, element) != (0xFFFE, _ITEM):
            raise ValueError("not a fragment")
        stream.seek(int.from_bytes(header[4:], "little"), os.SEEK_CUR)
