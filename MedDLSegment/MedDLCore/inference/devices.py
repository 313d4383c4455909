"""Which device the network runs on, and how much memory is free there."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import Code, MedDLError
from ..machine_memory import free_memory


@dataclass(frozen=True)
class Device:
    """A device that is there.

    Attributes:
        name: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        description: what a person reads, e.g. the graphics card's name.
        free_memory: bytes; for ``mps`` and ``cpu`` the machine's free memory.
    """

    name: str
    description: str
    free_memory: int


def choose_device(wanted: str = "auto", threads: int | None = None) -> Device:
    """Chooses a device and sets the number of CPU threads.

    Args:
        wanted: ``auto`` (CUDA, then MPS, then CPU) or a device's name.
        threads: CPU threads; None: all cores that this process may use.

    Raises:
        MedDLError: DEVICE_MISSING where it is not on this machine.
    """
    torch.set_num_threads(threads or usable_cores())
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = wanted.partition(":")
    host = free_memory()
    if kind == "cuda" and torch.cuda.is_available() and _is_number_below(index or "0", torch.cuda.device_count()):
        free, _ = torch.cuda.mem_get_info(wanted)
        return Device(wanted, torch.cuda.get_device_name(wanted), int(free))
    if wanted == "mps" and torch.backends.mps.is_available():
        return Device(wanted, f"Apple {platform.machine()} GPU", host)
    if wanted == "cpu":
        return Device(wanted, f"CPU ({processor()}), {torch.get_num_threads()} threads", host)
    raise MedDLError(Code.DEVICE_MISSING, f"The device {wanted!r} is not on this machine.")


def _is_number_below(text: str, limit: int) -> bool:
    return text.isdecimal() and int(text) < limit


def processor(about: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = about.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores that this process may use (its affinity, where the system tells)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
