"""One way to write a file: whole, or not at all.

A file appears under its final name only once all of its bytes are on the disk. Killed, cancelled or out of space,
a run leaves no file that looks like a result.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import Code, MedDLError

TEMPORARY_PREFIX = ".meddl-"
"""How the names of unfinished files begin. After a kill they may be deleted."""

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNWRITABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.ENOENT,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.EIO,
}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` to write to; on success it becomes ``path``, on failure it is removed.

    The temporary name keeps all suffixes, because libraries choose their format by them. An existing ``path`` is
    replaced at once, never opened.

    Args:
        path: the final name, in a folder that exists.

    Raises:
        MedDLError: NO_SPACE where the disk is full, OUTPUT_UNWRITABLE where the folder refuses.
    """
    temporary = path.with_name(TEMPORARY_PREFIX + secrets.token_hex(8) + "".join(path.suffixes[-2:]))
    with _named_errors(path.name):
        try:
            yield temporary
            _to_disk(temporary)
            temporary.replace(path)
            _folder_to_disk(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def check_folder(folder: Path, needed_bytes: int = 0) -> None:
    """Makes sure, before a long run, that results can be written; makes the folder if there is none.

    Args:
        folder: where the results will go.
        needed_bytes: at least so much must be free.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE, NO_SPACE.
    """
    with _named_errors("the output folder"):
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        try:
            probe.write_bytes(b"\0")
        finally:
            probe.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise MedDLError(
            Code.NO_SPACE,
            f"The result needs {needed_bytes / 1e6:.0f} MB; the disk of the output folder has {free / 1e6:.0f} MB.",
        )


@contextmanager
def _named_errors(what: str) -> Iterator[None]:
    """Turns the system's refusals to write into ours; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise MedDLError(Code.NO_SPACE, f"The disk is full: {what} was not written.") from error
        if error.errno in _UNWRITABLE:
            reason = os.strerror(error.errno)
            raise MedDLError(Code.OUTPUT_UNWRITABLE, f"{what} cannot be written: {reason}.") from error
        raise


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _folder_to_disk(folder: Path) -> None:
    """The new name itself must survive a power cut. Windows cannot open a folder and does this on its own."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
