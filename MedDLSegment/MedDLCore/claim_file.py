"""A claim where the file system knows no locks, as some network shares: a file that only one process can make.

It says whose it is. A claim whose process no longer runs is taken over; one of another machine is not, for nobody here
can tell: a person removes it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class TakenError(Exception):
    """Another process holds the claim."""


@contextmanager
def claim_file(path: Path, machine: str) -> Iterator[None]:
    """Holds a claim. The file is there as long as the block runs; a killed process leaves it behind.

    Args:
        path: of the file.
        machine: what this machine is called in it.

    Raises:
        TakenError: another process holds it.
        OSError: the file cannot be made.
    """
    mine = f"{machine} {os.getpid()} {_started(os.getpid())}"
    if not _made(path, mine):
        theirs = _text(path)
        if not _is_dead(theirs, machine) or not _removed(path, theirs) or not _made(path, mine):
            raise TakenError
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def _made(path: Path, text: str) -> bool:
    """Whether the file was not there. O_EXCL is atomic on NFS, too, since its version 3."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _is_dead(text: str, machine: str) -> bool:
    """Its process was one of this machine, and has ended; a later one may have its number."""
    where, _, rest = text.partition(" ")
    pid, _, started = rest.partition(" ")
    return where == machine and pid.isdecimal() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """When a process was started, as its machine counts; ``""`` where there is none."""
    import psutil  # here: Slicer's own Python has none, and writes files, too

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return ""


def _removed(path: Path, text: str) -> bool:
    """Whether the dead claim was taken away by this process, and not a new one that another has made meanwhile."""
    aside = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    if aside.read_text() == text:
        aside.unlink()
        return True
    with suppress(OSError):
        os.link(aside, path)  # back, unless there is a third
    aside.unlink()
    return False
