"""Lets the C library keep the memory that one layer of a network frees for the next one.

A network on a CPU takes and frees gigabytes in each pass. glibc gives each block of more than some megabytes back to
the system, which fills it with zeros, page by page, when the next layer takes it again: a third of the CPU-seconds of a
pass, and more where the system is itself a guest of another one. Kept memory costs nothing. It is broken into pieces,
though, so that more of it is needed: nothing with one network, half of what a pass takes with another.

Other C libraries than glibc are left as they are.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

LARGEST = 64 << 20
"""Bytes of the largest block that is kept. With larger ones the pieces grow: of nnU-Net's network on patches of 128^3
all blocks together would take 60 % more memory."""

USUAL_LARGEST, USUAL_FREE = 32 << 20, 64 << 20
"""What glibc itself comes to in a process that has freed large blocks: up to where they are kept, and how much."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of ``mallopt`` (malloc.h)."""

ALL = -1


@contextmanager
def keeping_memory() -> Iterator[None]:
    """Keeps freed memory until the end of the block, and then gives it back to the system. May be nested."""
    _begin()
    try:
        yield
    finally:
        _end()


@cache
def is_possible() -> bool:
    """The C library is glibc."""
    return _library() is not None


_users = 0
_lock = threading.Lock()


def _begin() -> None:
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _trim()  # what is free already lies in the wrong places
            _keep(LARGEST, ALL)


def _end() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            _keep(USUAL_LARGEST, USUAL_FREE)
            _trim()


def _keep(largest: int, free: int) -> None:
    if (mallopt := _function("mallopt")) is not None:
        mallopt(M_MMAP_THRESHOLD, largest)
        mallopt(M_TRIM_THRESHOLD, free)


def _trim() -> None:
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    return getattr(_library(), name, None)


@cache
def _library() -> ctypes.CDLL | None:
    """glibc, if that is what this process runs on."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
