"""How much memory this process holds, and held at its highest. Linux only."""

from __future__ import annotations

from pathlib import Path


def forget_highest() -> None:
    """Starts the count anew: it holds what came before, and even what the process had that started this one."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def highest() -> int:
    """Bytes of the process's memory at its highest (``VmHWM``)."""
    return _of_status("VmHWM")


def held() -> int:
    """Bytes that the process holds now (``VmRSS``)."""
    return _of_status("VmRSS")


def _of_status(key: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line for line in status.splitlines() if line.startswith(key)).split()[1])
