"""Where the files of a model lie while it is downloaded, so that a killed download can go on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import Code, MedDLError
from ..system_errors import named_errors

LOCK = ".lock"

NOTE = ".note"
"""Suffix of what is known of an unfinished file: not of its bytes."""


@contextmanager
def claimed_folder(folder: Path) -> Iterator[Path]:
    """Gives a folder, made if it is not there, to one process at a time. The system lets go of it when that ends.

    Raises:
        MedDLError: DOWNLOAD_FAILED where another process has it; OUTPUT_UNWRITABLE, NO_SPACE.
    """
    with named_errors(folder.name):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _lock(descriptor):
            raise MedDLError(Code.DOWNLOAD_FAILED, f"{folder.name} is being downloaded by another process.")
        yield folder
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
