"""One command in several processes on this machine, with the environment that torchrun gives.

torchrun itself may start the command as well, which is how several machines train together. Its store listens on every
network interface; the processes that are started here meet in a private file, and talk over the loopback interface.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from MedDLCore.atomic import sweep, temporary_name
from MedDLCore.errors import Code, Exit, MedDLError

MEETING = "MEDDL_MEETING"
"""The variable with the path of the file in which processes of this launcher meet."""

SILENT = int(Exit.CANCELLED)
"""Exit status of a process that ended because it was told to, or because another one was gone."""

GRACE = 10.0
"""Seconds from asking a process to end to ending it."""

LOOPBACK = {"linux": "lo", "darwin": "lo0"}


def member() -> tuple[int, int] | None:
    """This process's rank and how many there are, where it was started as one of several."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    return (int(os.environ["RANK"]), count) if count > 1 else None


def together() -> int:
    """How many processes train together; 1 where this one is alone."""
    return (member() or (0, 1))[1]


def neighbours() -> int:
    """How many of them there are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def launch(command: Sequence[str], count: int) -> int:
    """Runs a command in ``count`` processes. When one fails, or this one ends, so do all.

    Args:
        command: for this Python, such as ``-m MedDLCore.cli train ...``.
        count: of processes.

    Returns:
        The exit status of the first one, or of the one that failed.

    Raises:
        MedDLError: PROCESS_LOST where one was ended by the system.
        KeyboardInterrupt: they were interrupted.
    """
    place = Path(tempfile.gettempdir())
    sweep(place)
    folder = temporary_name(place)
    folder.mkdir(mode=0o700)
    environment = _environment(folder / "meeting", count)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for rank in map(str, range(count)):
            own = {**environment, "RANK": rank, "LOCAL_RANK": rank}
            processes.append(_start([sys.executable, *command], own))
        return _outcome(_first_end(processes))
    finally:
        _end(processes)
        shutil.rmtree(folder, ignore_errors=True)


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Its standard input closes with this process; a terminal's Ctrl-C comes to this one alone, which ends it once."""
    return subprocess.Popen(  # noqa: S603  this very program
        command, stdin=subprocess.PIPE, env=environment, start_new_session=True
    )


def end_with_launcher() -> None:
    """Ends this process at once when its launcher is gone, however that ended: its standard input closes then."""
    if MEETING in os.environ:
        threading.Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    os.read(0, 1)
    os._exit(SILENT)  # from wherever it is; files are written whole or not at all


def _environment(meeting: Path, count: int) -> Mapping[str, str]:
    own = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), MEETING: str(meeting), "PYTHONSAFEPATH": "1"}
    if sys.platform in LOOPBACK:
        own |= dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), LOOPBACK[sys.platform])
    return {**os.environ, **own}


def _first_end(processes: Sequence[subprocess.Popen[bytes]]) -> list[int | None]:
    """Waits until all have ended, or one has failed; their exit statuses."""
    statuses = [process.poll() for process in processes]
    while None in statuses and not any(statuses):
        time.sleep(0.1)
        statuses = [process.poll() for process in processes]
    if any(statuses):
        time.sleep(0.5)  # those that it takes with it are told from it by theirs
    return [process.poll() for process in processes]


def _outcome(statuses: Sequence[int | None]) -> int:
    for rank, status in enumerate(statuses):
        if status is not None and status < 0:
            raise MedDLError(
                Code.PROCESS_LOST,
                f"Process {rank + 1} of {len(statuses)} was ended from outside, by signal {-status}. All were ended.",
            )
    failed = [status for status in statuses if status]
    if failed and set(failed) == {SILENT}:
        raise KeyboardInterrupt  # they were interrupted, and leave it to this one to say so
    return next((status for status in failed if status != SILENT), 0)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
