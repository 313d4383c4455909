"""One way to write files: whole, or not at all.

A file appears under its final name only once all of its bytes are on the disk, and the files of one result appear
together. Killed, cancelled or out of space, a run leaves no file that looks like a result.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .claim_file import TakenError, claim_file
from .errors import Code, MedDLError
from .system_errors import named_errors

TEMPORARY_PREFIX = ".meddl-"
"""How the names of unfinished files and folders begin. After a kill they may be deleted."""

REPLACED_PREFIX = ".replaced-"
"""How the names of folders begin that hold what is being replaced. After a kill it must be put back."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Gives a path to write to; on success what is there becomes ``path``, on failure it is removed.

    It has the same name, in a private folder beside ``path``: libraries choose their format by suffixes, put the name
    into the file, or write further files. An existing ``path`` is replaced at once, never opened.

    Args:
        path: the final name, in a folder that exists.

    Raises:
        MedDLError: NO_SPACE where the disk is full, OUTPUT_UNWRITABLE where the folder refuses.
    """
    folder = temporary_name(path.parent)
    with named_errors(path.name):
        folder.mkdir(mode=0o700)
        try:
            yield folder / path.name
            _to_disk(folder / path.name)
            (folder / path.name).replace(path)
            _folder_to_disk(path.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def atomic_group(folder: Path, last: str, replaced: Sequence[Path] = ()) -> Iterator[Path]:
    """Gives a private folder to write files into; on success they all move to ``folder``, on failure none is left.

    Args:
        folder: where the files will be; it exists.
        last: name of the file that moves last, and so vouches for the others.
        replaced: files of an earlier result that go just before the first one moves, in this order.

    Raises:
        MedDLError: NO_SPACE where the disk is full, OUTPUT_UNWRITABLE where the folder refuses.
    """
    staging = temporary_name(folder)
    moved: list[Path] = []
    with named_errors("the result"):
        staging.mkdir(mode=0o700)
        try:
            yield staging
            for path in replaced:
                path.unlink(missing_ok=True)
            for path in sorted(staging.iterdir(), key=lambda path: path.name == last):
                moved.append(folder / path.name)
                path.replace(moved[-1])
            _folder_to_disk(folder)
        except BaseException:
            for path in moved:
                path.unlink(missing_ok=True)
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def claimed(folder: Path, name: str) -> Iterator[None]:
    """Keeps every other run from writing the result ``name`` into ``folder``. A killed run's claim ends with it.

    Where the file system knows no locks, as some network shares, a file that only one can make takes their place.

    Raises:
        MedDLError: OUTPUT_EXISTS where another run is at work on this result; OUTPUT_UNWRITABLE.
    """
    import filelock  # here, as psutil below: Slicer's own Python has neither, and writes files, too

    path = folder / f"{TEMPORARY_PREFIX}{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
    lock, locks = filelock.FileLock(path), True
    with named_errors("the output folder"):
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise _taken() from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            locks = False
    if not locks:
        path.unlink(missing_ok=True)
        with _claimed_without_locks(path.with_suffix(".claim")):
            yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes it on release
            path.unlink()  # while it is held: who waits for it sees that it is gone
        lock.release()


@contextmanager
def _claimed_without_locks(path: Path) -> Iterator[None]:
    try:
        with claim_file(path, _machine()):
            yield
    except TakenError:
        raise _taken(
            f"Wait for it. If it was cut off on another machine, remove {path.name} from the folder."
        ) from None


def _taken(hint: str = "Wait for it, or choose another output folder.") -> MedDLError:
    return MedDLError(Code.OUTPUT_EXISTS, "Another run is writing this very result into this folder.", hint)


def check_place(folder: Path) -> None:
    """Makes sure, before anything else is done, that a folder can be made or written to. It is not made.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE, NO_SPACE.
    """
    with named_errors("the output folder"):
        _write_probe(next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists()))


def check_folder(folder: Path, needed_bytes: int = 0) -> None:
    """Makes sure, before a long run, that results can be written; makes the folder if there is none.

    Sweeps what a killed run left unfinished there.

    Args:
        folder: where the results will go.
        needed_bytes: at least so much must be free.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE, NO_SPACE.
    """
    with named_errors("the output folder"):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        _write_probe(folder)
        free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise MedDLError(
            Code.NO_SPACE,
            f"The result needs {_size(needed_bytes)}; the disk of the output folder has {_size(free)}.",
        )


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder of this process alone in the system's temporary one, for voxels; gone at the end of the block.

    Where a process was killed and left one, the next that asks for one removes it.
    """
    place = Path(tempfile.gettempdir())
    sweep(place)
    folder = temporary_name(place)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def temporary_name(parent: Path, prefix: str = TEMPORARY_PREFIX) -> Path:
    """A new name in ``parent``. It holds this machine and process, so that what a killed one left can be told."""
    return parent / f"{prefix}{_machine()}-{os.getpid()}-{secrets.token_hex(8)}"


def sweep(parent: Path) -> None:
    """Removes what processes of this machine that no longer run left unfinished in ``parent``."""
    for left in left_by_the_dead(parent):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with suppress(OSError):  # another run sweeps, too
                left.unlink()


def left_by_the_dead(parent: Path, prefix: str = TEMPORARY_PREFIX) -> Iterator[Path]:
    """What processes of this machine that no longer run left in ``parent`` under a ``temporary_name``."""
    import psutil

    for left in parent.glob(prefix + "*"):
        machine, _, rest = left.name.removeprefix(prefix).partition("-")
        pid = rest.partition("-")[0]
        if machine == _machine() and pid.isdigit() and not psutil.pid_exists(int(pid)):
            yield left


def _write_probe(folder: Path) -> None:
    probe = temporary_name(folder)
    try:
        probe.write_bytes(b"\0")
    finally:
        probe.unlink(missing_ok=True)


def _size(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count >= 10e6 else f"{count / 1e3:.0f} kB"


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


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
