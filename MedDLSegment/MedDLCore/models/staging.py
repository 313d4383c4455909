"""A folder appears under its name whole, or not at all.

It is filled under a temporary name beside its final one, brought to the disk, and renamed. The temporary name holds
this machine and process, so that what a killed process left behind can be told from work that is under way.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..atomic import sweep, temporary_name
from ..errors import Code, MedDLError
from ..system_errors import named_errors


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Gives an empty folder in ``parent``, which is removed in the end unless it was settled.

    What killed processes left there is removed first: weights of gigabytes.

    Raises:
        MedDLError: NO_SPACE where the disk is full; OUTPUT_UNWRITABLE where the folder refuses.
    """
    with named_errors(parent.name):
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent)
        scratch = temporary_name(parent)
        scratch.mkdir(mode=0o700)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def settle(folder: Path, final: Path, overwrite: bool = False) -> None:
    """Brings the files of ``folder`` to the disk and renames it to ``final``.

    Args:
        folder: on the same disk as ``final``.
        final: its new name.
        overwrite: replace what is there.

    Raises:
        MedDLError: MODEL_EXISTS; NO_SPACE, OUTPUT_UNWRITABLE.
    """
    with named_errors(final.name):
        for path in folder.rglob("*"):
            if path.is_file():
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
        folder.chmod(0o755)
        if not os.path.lexists(final):
            folder.rename(final)
            return
        if not overwrite:
            raise MedDLError(Code.MODEL_EXISTS, f"There is already something named {final.name!r}.")
        old = temporary_name(final.parent)
        final.rename(old)
        try:
            folder.rename(final)
        except OSError:
            old.rename(final)
            raise
        with suppress(OSError):  # the new one is in its place; what stays of the old is swept later
            _delete(old)


@contextmanager
def staged_folder(final: Path, overwrite: bool = False) -> Iterator[Path]:
    """Gives an empty folder to fill; on success it becomes ``final``, on failure it is removed.

    It is named as ``final`` is, within a temporary folder: messages and descriptions take names from folders.

    Raises:
        MedDLError: as ``scratch_folder`` and ``settle``.
    """
    with scratch_folder(final.parent) as scratch:
        staged = scratch / final.name
        staged.mkdir()
        yield staged
        settle(staged, final, overwrite)


def remove_folder(folder: Path) -> None:
    """Removes a folder: it vanishes from its name at once, then from the disk. Of a link, only the link.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE.
    """
    with named_errors(folder.name):
        doomed = temporary_name(folder.parent)
        folder.rename(doomed)
        _delete(doomed)


def _delete(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path)
