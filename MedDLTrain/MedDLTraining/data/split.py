"""Which cases are for training and which are kept apart, by the names that the person gave them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError

DIGESTS = "images_sha256"
"""A key of a training's ``split.json`` that is no part: digests of what the cases held."""


@dataclass(frozen=True)
class Split:
    """One division of a data set.

    Attributes:
        parts: the name of each part (``train``, ``val``, ``test``) and the names of its cases.
        title: which of several divisions, ``fold 3``; ``""`` where there is one.
    """

    parts: tuple[tuple[str, tuple[str, ...]], ...]
    title: str = ""

    def without(self, names: Collection[str]) -> Split:
        """The same division of fewer cases."""
        parts = tuple((part, tuple(name for name in its if name not in names)) for part, its in self.parts)
        return Split(parts, self.title)


def read_splits(paths: Sequence[Path]) -> tuple[Split, ...]:
    """Reads how the data are divided.

    Args:
        paths: one JSON file: an object of lists (``{"train": [...], "test": [...]}``), or a list of such objects, one
            for each fold (nnU-Net's ``splits_final.json``); or text files with a name on each line, one file for each
            part, which is called as its file is.

    Raises:
        MedDLError: DATA_INVALID, FILE_NOT_FOUND.
    """
    if len(paths) == 1 and paths[0].suffix.lower() == ".json":
        return _from_json(paths[0])
    parts = tuple(
        (path.stem, tuple(line for line in map(str.strip, _text(path).splitlines()) if line)) for path in paths
    )
    if len({name for name, _ in parts}) < len(parts):
        raise MedDLError(Code.DATA_INVALID, "Two files of the split have the same name, which is that of their part.")
    return (Split(parts),) if parts else ()


def _from_json(path: Path) -> tuple[Split, ...]:
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise MedDLError(Code.DATA_INVALID, f"{path.name} is not JSON.") from error
    folds = content if isinstance(content, list) else [content]
    titles = [f"fold {n}" for n in range(len(folds))] if len(folds) > 1 else [""] * len(folds)
    return tuple(Split(_parts(fold, path), title) for fold, title in zip(folds, titles, strict=True))


def _parts(fold: Any, path: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if isinstance(fold, dict):
        fold = {part: names for part, names in fold.items() if part != DIGESTS}
    lists = fold.values() if isinstance(fold, dict) else [None]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists):
        raise MedDLError(Code.DATA_INVALID, f'{path.name} is not of the form {{"train": [names], "val": [names]}}.')
    return tuple((str(part), tuple(names)) for part, names in fold.items())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MedDLError(Code.FILE_NOT_FOUND, f"There is no file {path.name}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise MedDLError(Code.DATA_INVALID, f"{path.name} cannot be read as text.") from error
