"""Files of this package appear whole, or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from MedDLCore.errors import Code, MedDLError


@contextmanager
def wholeFile(path: Path) -> Iterator[Path]:
    """Gives a path of the same name in a private folder beside ``path``; what was written there becomes ``path``.

    Libraries that write further files, or put the file's name into it, can do so.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    with namedErrors(path.name), tempfile.TemporaryDirectory(prefix=".meddl-", dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)


@contextmanager
def namedErrors(name: str) -> Iterator[None]:
    """Turns the system's refusals to write into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MedDLError(Code.NO_SPACE, f"The disk is full: {name} could not be written.") from error
        raise MedDLError(Code.OUTPUT_UNWRITABLE, f"{name}: {os.strerror(error.errno or 0)}.") from error
