"""A child process that cannot take the machine down: it is watched, and ended where it takes too much."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence

import psutil

from MedDLCore.inference import free_memory

BETWEEN_LOOKS = 0.1
"""Seconds."""

LEFT = 1e9
"""Bytes of the machine's memory below which the child is ended whatever it holds itself."""

BESIDE = 1e9
"""Bytes that a process may hold beside what it is allowed: code, weights, the scan."""

OF_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "nnUNet_def_n_proc")


def run_guarded(command: Sequence[str], threads: int, memory: float, seconds: float) -> str:
    """Runs a command to its end.

    Args:
        command: program and arguments.
        threads: what its libraries are told to use.
        memory: bytes that it may take for its work.
        seconds: of wall time that it may take.

    Returns:
        Why it has no result; "" where it ended well.
    """
    environment = {**os.environ, **dict.fromkeys(OF_THREADS, str(threads))}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment)
        try:
            why = _watch(child, memory, seconds)
        finally:
            child.kill()
            child.wait()
        if why or child.returncode == 0:
            return why
        said.seek(0)
        last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
    return f"failed: {last}" if child.returncode > 0 else f"killed by the system (signal {-child.returncode})"


def _watch(child: subprocess.Popen[bytes], memory: float, seconds: float) -> str:
    begun = time.monotonic()
    while child.poll() is None:
        held = _held(child.pid)
        if held > memory + BESIDE:
            return f"killed at {held / 1e9:.1f} GB"
        if free_memory() < LEFT:
            return f"killed at {held / 1e9:.1f} GB: the machine's memory was nearly full"
        if time.monotonic() - begun > seconds:
            return f"stopped after {seconds:.0f} s"
        time.sleep(BETWEEN_LOOKS)
    return ""


def _held(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
