"""How much memory this process may take: the machine's, or what a container's limit leaves of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

GROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where Linux shows the groups that a container's limits are set on, and which of them this process is in."""


def free_memory(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> int:
    """Bytes that are free: the machine's, or what a container's limit leaves of them.

    Args:
        groups: root of the control groups' file system, version 1 or 2.
        membership: one line ``number:controllers:path`` for each hierarchy.
    """
    import psutil  # here, as below: Slicer's own Python has none, and reads files, too

    left = (group.most - group.used for group in _limited_groups(groups, membership))
    return max(0, min([int(psutil.virtual_memory().available), *left]))


def total_memory(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> int:
    """Bytes that there are, free or not: the machine's, or a container's limit. Arguments as for ``free_memory``."""
    import psutil

    most = (group.most for group in _limited_groups(groups, membership))
    return min([int(psutil.virtual_memory().total), *most])


class _Group(NamedTuple):
    """A limit above this process, bytes; and what is used of it and would not be given back when asked for."""

    most: int
    used: int


def _limited_groups(groups: Path, membership: Path) -> Iterator[_Group]:
    """The limits above this process: a group may take no more than those that it lies in."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return
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
                yield _Group(most, used - _of_statistics(folder / "memory.stat", idle))


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
