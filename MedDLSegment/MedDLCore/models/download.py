"""Downloads one file of the catalogue, and goes on where an earlier attempt stopped.

What came is kept in ``FILE.part`` beside ``FILE.note``, which holds the server's validator (RFC 9110, 8.8). The next
attempt asks for the rest with Range and If-Range (RFC 9110, 14.2 and 13.1.5): a server whose file changed meanwhile
sends the whole of the new one.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import shutil
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from ..errors import Code, MedDLError
from ..system_errors import named_errors
from .catalogue import RemoteFile
from .connection import NETWORK_ERRORS, connect, failed, reason
from .unfinished import NOTE

CHUNK = 1 << 18

LARGEST = 8 * 2**30
"""Bytes that a file whose size the publisher does not say may have."""

OnBytes = Callable[[int, int | None], None]
"""Called with (bytes of this file that are here, its size if known). What it raises ends the download."""


def download(file: RemoteFile, folder: Path, on_bytes: OnBytes) -> Path:
    """Downloads a file. What it holds is compared with its digests by the caller: see ``compare``.

    Args:
        file: of the catalogue.
        folder: where it is put, and where an unfinished one lies. One process at a time.
        on_bytes: told of the bytes.

    Returns:
        The file, as long as it should be. One that is there already is not asked for again.

    Raises:
        MedDLError: DOWNLOAD_FAILED, after which the next call goes on; DOWNLOAD_TAMPERED for another size, after which
            nothing is kept; NO_SPACE, OUTPUT_UNWRITABLE.
    """
    whole, part = folder / file.name, folder / f"{file.name}.part"
    with named_errors(file.name):
        if not whole.is_file():
            on_bytes(_size(part), file.size)
            try:
                _receive(file, part, on_bytes)
            except MedDLError as error:
                if error.code is Code.DOWNLOAD_TAMPERED:
                    _discard(part)
                raise
            part.replace(whole)
            _note_of(part).unlink(missing_ok=True)
        on_bytes(_size(whole), _size(whole))
    return whole


def compare(path: Path, file: RemoteFile) -> None:
    """Compares a file with the size and the digests that its publisher gives.

    Raises:
        MedDLError: DOWNLOAD_TAMPERED, naming the file and the algorithm.
    """
    if file.size is not None and _size(path) != file.size:
        raise tampered(file, f"it has {_size(path)} bytes, not {file.size}")
    for algorithm, published in file.digests.items():
        if digest_of(path, algorithm) != published:
            raise tampered(file, f"its {algorithm.upper()} is another")


def digest_of(path: Path, algorithm: str) -> str:
    """A file's digest, hexadecimal, read in pieces. The weak ones are compared only because a publisher gives them."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def tampered(file: RemoteFile, problem: str) -> MedDLError:
    """DOWNLOAD_TAMPERED, naming the file and its source."""
    return MedDLError(
        Code.DOWNLOAD_TAMPERED,
        f"{file.name} of {urlsplit(file.url).hostname} is not what was published: {problem}. It was not used.",
    )


def _receive(file: RemoteFile, part: Path, on_bytes: OnBytes) -> None:
    """Brings ``part`` to its full length."""
    here, validator = _unfinished(part, file)
    headers = {"Range": f"bytes={here}-"} if here else {}
    if here and validator:
        headers["If-Range"] = validator
    try:
        with _in_words(file, part), connect(file.url, headers) as response:
            if response.status != http.client.PARTIAL_CONTENT:
                here = 0
            total = _total(response, here, file)
            _check_space(part, file, total, here)
            if here == 0:
                with named_errors(file.name):
                    _note_of(part).write_text(json.dumps({"url": file.url, "validator": _validator(response)}))
            _append(response, part, here, file, total, on_bytes)
    except _NothingLeftError as error:
        if error.total != here:  # the file there is shorter now
            _discard(part)
            _receive(file, part, on_bytes)


class _NothingLeftError(Exception):
    """The server has no byte after those that are here."""

    def __init__(self, total: int | None) -> None:
        super().__init__()
        self.total = total


@contextmanager
def _in_words(file: RemoteFile, part: Path) -> Iterator[None]:
    """The network's errors as DOWNLOAD_FAILED; the disk's pass, in ``named_errors``' words."""
    try:
        yield
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and _size(part):
            total = error.headers.get("Content-Range", "").removeprefix("bytes */")
            raise _NothingLeftError(int(total) if total.isdigit() else None) from error
        raise failed(file.url, reason(error), _hint(part)) from error
    except NETWORK_ERRORS as error:
        raise failed(file.url, reason(error), _hint(part)) from error


def _append(response: IO[bytes], part: Path, here: int, file: RemoteFile, total: int | None, on_bytes: OnBytes) -> None:
    limit = total if total is not None else LARGEST
    with named_errors(file.name), part.open("ab" if here else "wb") as out:
        while chunk := response.read(CHUNK):
            here += len(chunk)
            if here > limit:
                raise tampered(file, f"it is longer than {limit} bytes")
            out.write(chunk)
            out.flush()  # what is told is there after a kill
            on_bytes(here, total)
    if total is not None and here < total:
        raise failed(file.url, f"the connection ended after {here} of {total} bytes", _hint(part))


def _total(response: Any, here: int, file: RemoteFile) -> int | None:
    """The size of the whole file, as the catalogue or the server says.

    Raises:
        MedDLError: DOWNLOAD_TAMPERED where they differ, or it is more than a model can have; DOWNLOAD_FAILED where
            the server sends another part than was asked for.
    """
    if here:
        sent = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if sent is None or int(sent[1]) != here:
            raise failed(file.url, "the server sent another part of the file than was asked for")
        declared = sent[2]
    else:
        declared = response.headers.get("Content-Length", "")
    if not declared.isdigit():
        return file.size
    if file.size is not None and int(declared) != file.size:
        raise tampered(file, f"it has {declared} bytes, not {file.size}")
    if int(declared) > LARGEST:
        raise tampered(file, f"it has {declared} bytes, more than a model")
    return int(declared)


def _check_space(part: Path, file: RemoteFile, total: int | None, here: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if total is not None and free < total - here:
        raise MedDLError(
            Code.NO_SPACE, f"{file.name} needs {(total - here) / 1e6:.1f} MB; the disk has {free / 1e6:.1f} MB."
        )


def _unfinished(part: Path, file: RemoteFile) -> tuple[int, str]:
    """Bytes of an earlier attempt that can be built upon, and the validator of what they are a part of.

    Without a validator and without a digest nothing would notice that the file changed in between.
    """
    note: Any = None
    with suppress(OSError, ValueError):
        note = json.loads(_note_of(part).read_text())
    if isinstance(note, dict) and note.get("url") == file.url and _size(part):
        validator = str(note.get("validator") or "")
        if (validator or file.digests) and validator.isprintable():
            return _size(part), validator
    _discard(part)
    return 0, ""


def _validator(response: Any) -> str:
    """A strong ETag, else the date of the last change, else nothing."""
    etag = response.headers.get("ETag", "")
    return str(etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", ""))


def _hint(part: Path) -> str:
    return f"{_size(part) / 1e6:.1f} MB are here: the next attempt goes on there." if _size(part) else ""


def _note_of(part: Path) -> Path:
    return part.with_suffix(NOTE)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)
