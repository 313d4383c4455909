"""A folder appears under its name whole, or not at all.

It is filled under a temporary name beside its final one, brought to the disk, and renamed. The temporary name holds
this machine and process, so that what a killed process left behind can be told from work that is under way.
A folder that it replaces lies aside meanwhile, and is put back where the process was killed in between.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..atomic import REPLACED_PREFIX, left_by_the_dead, sweep, temporary_name
from ..errors import Code, MedDLError
from ..system_errors import named_errors


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Gives an empty folder in ``parent``, which is removed in the end unless it was settled.

    What killed processes left there is tidied up first: weights of gigabytes.

    Raises:
        MedDLError: NO_SPACE where the disk is full; OUTPUT_UNWRITABLE where the folder refuses.
    """
    with named_errors(parent.name):
        parent.mkdir(parents=True, exist_ok=True)
        tidy(parent)
        scratch = temporary_name(parent)
        scratch.mkdir(mode=0o700)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def tidy(parent: Path) -> None:
    """Removes what killed processes left unfinished in a folder, and puts back what they were about to replace."""
    for aside in left_by_the_dead(parent, REPLACED_PREFIX):
        with suppress(OSError):  # another process tidies up, too
            for old in aside.iterdir():
                if not os.path.lexists(parent / old.name):
                    old.rename(parent / old.name)
            shutil.rmtree(aside)
    sweep(parent)


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
        aside = temporary_name(final.parent, REPLACED_PREFIX)
        aside.mkdir(mode=0o700)
        try:
            final.rename(aside / final.name)
            try:
                folder.rename(final)
            except OSError:
                (aside / final.name).rename(final)
                raise
        finally:
            if os.path.lexists(final):  # else the old one is nowhere but aside
                shutil.rmtree(aside, ignore_errors=True)


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
