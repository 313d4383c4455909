"""Inputs into scans: which of the files that a person names belong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import MedDLError
from .file_names import named_like_slices, patterns_of
from .open import format_of


def scans_of(inputs: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Takes the files of a DICOM series together and everything else on its own.

    With two or more DICOM files go the files that are named like them and are not DICOM (empty, damaged, not there):
    a slice that cannot be read must not be missed. Nothing is refused here: what is wrong with a file is said where its
    scan is read.

    Args:
        inputs: files and folders, as they were named; one that is named twice counts once.

    Returns:
        What ``read`` takes, one for each scan, in the order of its first input.
    """
    kinds = {path: _format(path) for path in inputs}
    slices = [path for path, kind in kinds.items() if kind == "DICOM"]
    if len(slices) < 2:
        return [(path,) for path in kinds]
    patterns = patterns_of(slices)
    series = dict.fromkeys(path for path, kind in kinds.items() if _belongs(path, kind, patterns))
    first = next(iter(series))
    return [tuple(series) if path == first else (path,) for path in kinds if path == first or path not in series]


def _belongs(path: Path, kind: str | None, patterns: frozenset[str]) -> bool:
    return kind == "DICOM" or (kind is None and named_like_slices(path, patterns))


def _format(path: Path) -> str | None:
    """As ``format_of``; ``folder`` for a folder, None also for what is not there or cannot be opened."""
    try:
        if path.is_dir():
            return "folder"
        return format_of(path) if path.is_file() else None
    except (MedDLError, OSError, ValueError):  # too long a name; a null character in it
        return None
