"""Names of files in messages, and what names tell: which files belong together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

_LISTED = 5
"""Names in a message about many files."""

_SHOWN = 200
"""Characters of a name that are shown."""

_DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}


def shown_names(paths: Iterable[Path]) -> dict[Path, str]:
    """What each file is called in messages: its name, and of files with one name as many folders as tell them apart.

    Args:
        paths: different files.

    Returns:
        By path, sorted.
    """
    same: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        same[path.name].append(path)
    names: dict[Path, str] = {}
    for group in same.values():
        parts = 1
        while len({path.parts[-parts:] for path in group}) < len(group):
            parts += 1
        names |= {path: in_one_line("/".join(path.parts[-parts:])) for path in group}
    return dict(sorted(names.items()))


def in_one_line(name: str) -> str:
    """The name, which may hold line ends, in one line of bounded length; other controls are the message's concern."""
    return " ".join(name[-_SHOWN:].splitlines())


def listed(names: Sequence[str]) -> str:
    """``a, b, c, d, e and 7 more``."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def patterns_of(paths: Iterable[Path]) -> frozenset[str]:
    """The names without their numbers: ``IM0007`` and ``IM123`` have one pattern."""
    return frozenset(_pattern(path) for path in paths)


def named_like_slices(path: Path, patterns: frozenset[str]) -> bool:
    """Whether the name is a DICOM file's, or has one of the patterns of the slices."""
    if path.name.startswith("."):  # what systems put beside a file: ._IM0007
        return False
    return path.suffix.lower() in _DICOM_SUFFIXES or _pattern(path) in patterns


def _pattern(path: Path) -> str:
    return re.sub(r"\d+", "0", path.name)
