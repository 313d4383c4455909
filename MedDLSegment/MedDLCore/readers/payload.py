"""Where the voxels of a volume file are, and reading them all or refusing: raw, gzip, bzip2, zlib, text."""

from __future__ import annotations

import bz2
import gzip
import io
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError

Encoding = Literal["raw", "gzip", "bzip2", "zlib", "text"]

DEFLATE_RATIO = 1032
"""No deflate stream unpacks to more than this many times its size (zlib's documentation)."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Payload:
    """Where voxels are stored.

    Attributes:
        file: the file that holds them.
        dtype: of the stored numbers, with their byte order.
        shape: slowest axis first.
        encoding: how they are packed.
        offset: bytes of the file before the packed data.
        skip: unpacked bytes before the first voxel.
        shared: the file may hold more than these voxels (raw data beside a header).
    """

    file: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    encoding: Encoding = "raw"
    offset: int = 0
    skip: int = 0
    shared: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels, unpacked."""
        return math.prod(self.shape) * self.dtype.itemsize


def decode(payload: Payload, index: int | None = None) -> NDArray[Any]:
    """Reads voxels as they are stored.

    The file is always read to its end, so that a cut is found wherever it is.

    Args:
        payload: where they are; its size was checked against the machine's memory.
        index: only this element of the first axis.

    Returns:
        ``payload.shape``, or without its first axis; ``payload.dtype``.

    Raises:
        MedDLError: FILE_TRUNCATED, FILE_UNREADABLE (damaged, or longer than its header says).
    """
    name = payload.file.name
    try:
        _check_length(payload)
        return _decode_text(payload, index) if payload.encoding == "text" else _decode_binary(payload, index)
    except EOFError:
        raise MedDLError(
            Code.FILE_TRUNCATED, f"{name} ends before the {payload.nbytes} bytes of voxels that its header declares."
        ) from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the packed voxels are damaged ({error}).") from error
    except OSError as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: {error.strerror or error}.") from error


def _check_length(payload: Payload) -> None:
    """Finds a cut before memory is taken, where the file's length tells it."""
    there = payload.file.stat().st_size - payload.offset
    most = {"raw": 1, "gzip": DEFLATE_RATIO, "zlib": DEFLATE_RATIO}.get(payload.encoding)
    if there < 0 or (most is not None and there * most < payload.skip + payload.nbytes):
        raise EOFError
    if payload.encoding == "text" and there < 2 * math.prod(payload.shape) - 1:
        raise EOFError


def _decode_binary(payload: Payload, index: int | None) -> NDArray[Any]:
    one = payload.nbytes // payload.shape[0]
    array = np.empty(payload.shape if index is None else payload.shape[1:], payload.dtype)
    with _unpacked(payload) as stream:
        _pass(stream, payload.skip + (0 if index is None else index * one))
        _fill(stream, array.reshape(-1).view(np.uint8).data)
        if payload.shared:
            return array
        _pass(stream, 0 if index is None else (payload.shape[0] - 1 - index) * one)
        if _more(stream, one):
            raise MedDLError(
                Code.FILE_UNREADABLE,
                f"{payload.file.name} holds more voxels than its header declares: one of the two is wrong.",
            )
    return array


def _decode_text(payload: Payload, index: int | None) -> NDArray[Any]:
    with payload.file.open("rb") as stream:
        stream.seek(payload.offset + payload.skip)
        words = stream.read().split()
    count = math.prod(payload.shape)
    if len(words) < count:
        raise EOFError
    try:
        wide = np.dtype(np.float64 if payload.dtype.kind == "f" else np.int64)
        numbers = np.array(words, dtype=wide)
        array = numbers.astype(payload.dtype)
        if len(words) > count or (wide.kind == "i" and (array != numbers).any()):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise MedDLError(
            Code.FILE_UNREADABLE, f"{payload.file.name}: the voxels are not {count} numbers of type {payload.dtype}."
        ) from error
    array = array.reshape(payload.shape)
    return array if index is None else cast("NDArray[Any]", array[index])


@contextmanager
def _unpacked(payload: Payload) -> Iterator[BinaryIO]:
    with payload.file.open("rb") as file:
        file.seek(payload.offset)
        if payload.encoding == "gzip":
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file))
        elif payload.encoding == "bzip2":
            yield cast(BinaryIO, bz2.BZ2File(file))
        elif payload.encoding == "zlib":
            yield cast(BinaryIO, io.BufferedReader(_Inflated(file), _CHUNK))
        else:
            yield file


class _Inflated(io.RawIOBase):
    """A zlib stream as a file; the standard library has one for gzip only."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._inflate = zlib.decompressobj(wbits=47)  # 32 + 15: a zlib or a gzip header, as MetaIO reads it

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._inflate.eof:
            data = self._inflate.unconsumed_tail or self._packed.read(_CHUNK)
            piece = self._inflate.decompress(data, len(buffer))
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
            if not data and not self._inflate.eof:
                raise EOFError
        return 0


def _fill(stream: BinaryIO, buffer: memoryview) -> None:
    done = 0
    while done < len(buffer):
        count = stream.readinto(buffer[done : done + _CHUNK])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count


def _pass(stream: BinaryIO, count: int) -> None:
    while count:
        piece = stream.read(min(count, _CHUNK))
        if not piece:
            raise EOFError
        count -= len(piece)


def _more(stream: BinaryIO, count: int) -> bool:
    """Whether ``count`` further bytes follow. Reading to the end also checks the checksum of packed data."""
    while count:
        piece = stream.read(min(count, _CHUNK))
        if not piece:
            return False
        count -= len(piece)
    return True
