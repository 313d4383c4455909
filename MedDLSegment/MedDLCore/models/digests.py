"""The SHA-256 of weights, without reading gigabytes again that this process has just read.

A digest is kept with the file's identity: device, inode, size and times. Whoever writes into the file changes its
times; who sets the time of the content back still changes that of the inode. Both go in ticks, so that a file that was
written a moment before it was read is read again.
"""

from __future__ import annotations

import time
from pathlib import Path

from .weights import sha256_of

SETTLED_NS = 2_000_000_000
"""So long before it is read a file must have rested: the coarsest ticks of file systems (FAT)."""

Identity = tuple[int, int, int, int, int]

_known: dict[Path, tuple[Identity, str]] = {}


def identity(path: Path) -> Identity:
    """What changes when somebody writes into the file, or puts another in its place."""
    about = path.stat()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def known_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal: read, or known of the same file since this process read it."""
    now, before = time.time_ns(), identity(path)
    kept = _known.get(path.absolute())
    if kept is not None and kept[0] == before:
        return kept[1]
    digest = sha256_of(path)
    if now - max(before[3:]) > SETTLED_NS and identity(path) == before:
        _known[path.absolute()] = before, digest
    return digest
