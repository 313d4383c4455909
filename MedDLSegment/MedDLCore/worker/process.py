"""The worker as a process: how it is started, and how it and all that it started is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ENTRY = Path(__file__).with_name("__main__.py")


def worker_command(python: str | Path = sys.executable) -> list[str]:
    """The command that starts a worker.

    Args:
        python: the interpreter, in whose environment torch is; Slicer's own, or another.
    """
    return [str(python), str(ENTRY)]


def worker_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Its environment: text in UTF-8 whatever the system's language is, and no files beside our own modules.

    Args:
        base: where it begins from; this process's own if None. An interpreter that is not Slicer's needs the
            environment in which Slicer was started.
    """
    return {**(os.environ if base is None else base), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def lead_a_group() -> None:
    """Called in the worker: it and what it starts can be ended together."""
    if hasattr(os, "setsid"):
        with suppress(OSError):  # it does already
            os.setsid()


def end_group(pid: int) -> None:
    """Ends a worker and everything that it started, at once.

    Args:
        pid: from its ``hello``: what was started may be a launcher, whose end would leave the worker behind.
    """
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    else:
        system = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "taskkill.exe"
        subprocess.run([str(system), "/F", "/T", "/PID", str(pid)], capture_output=True, check=False)  # noqa: S603
