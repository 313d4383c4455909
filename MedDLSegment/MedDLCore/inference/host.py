"""How much memory of the machine this process may still take."""

from __future__ import annotations

from pathlib import Path

import psutil

GROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where Linux shows the groups that a container's limits are set on, and which of them this process is in."""


def free_memory(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> int:
    """Bytes that are free: the machine's, or what a container's limit leaves of them.

    Args:
        groups: root of the control groups' file system, version 1 or 2.
        membership: one line ``number:controllers:path`` for each hierarchy.
    """
    return min([int(psutil.virtual_memory().available), *_left_in_groups(groups, membership)])


def _left_in_groups(groups: Path, membership: Path) -> list[int]:
    """What each limit above this process leaves: a group may take no more than those that it lies in."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return []
    left = []
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if controllers == "":
            root, limit, usage, idle = groups, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            root, (limit, usage, idle) = groups / "memory", names
        else:
            continue
        inside = Path(path.lstrip("/"))
        for folder in (root / part for part in (inside, *inside.parents)):
            most, used = _number(folder / limit), _number(folder / usage)
            if most is not None and used is not None:
                left.append(max(0, most - used + _of_statistics(folder / "memory.stat", idle)))
    return left


def _number(path: Path) -> int | None:
    """None where there is no such file, or no limit (``max``)."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _of_statistics(path: Path, name: str) -> int:
    """A figure of ``memory.stat``: pages of files that the system drops when memory is asked for count as used."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)
