"""Which cases are for training and which are kept apart, by the names that the person gave them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError

DIGESTS = "images_sha256"
"""A key of a training's ``split.json`` that is no part: digests of what the cases held."""

SPLIT = "split.json"
"""The file in which a training records how its cases were divided."""

DATA = Path("docs", "data.json")
"""Where a published model keeps what is known of its data: the split of each of its ``FOLDS``, and ``DIGESTS``."""

FOLDS = "folds"


@dataclass(frozen=True)
class Split:
    """One division of a data set.

    Attributes:
        parts: the name of each part (``train``, ``val``, ``test``) and the names of its cases.
        title: which of several divisions, ``fold 3``; ``""`` where there is one.
        images: of a training's ``split.json``, by pseudonym: SHA-256 of its images' contents.
    """

    parts: tuple[tuple[str, tuple[str, ...]], ...]
    title: str = ""
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def without(self, names: Collection[str]) -> Split:
        """The same division of fewer cases."""
        parts = tuple((part, tuple(name for name in its if name not in names)) for part, its in self.parts)
        return replace(self, parts=parts)

    def means_another(self, case: str, images: Sequence[str]) -> bool:
        """Whether it was written for another scan than the one that has this pseudonym now.

        Args:
            case: the pseudonym: a number, which changes with the cases that are there.
            images: from ``content_hash``.
        """
        return case in self.images and self.images[case] != tuple(images)


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
    return tuple(
        Split(_parts(fold, path), title, _images(fold, path)) for fold, title in zip(folds, titles, strict=True)
    )


def _parts(fold: Any, path: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if isinstance(fold, dict):
        fold = {part: names for part, names in fold.items() if part != DIGESTS}
    lists = _lists_of_text(fold, path)
    return tuple((str(part), tuple(names)) for part, names in lists.items())


def _images(fold: Any, path: Path) -> dict[str, tuple[str, ...]]:
    return {name: tuple(digests) for name, digests in _lists_of_text(fold.get(DIGESTS, {}), path).items()}


def _lists_of_text(content: Any, path: Path) -> Mapping[str, list[str]]:
    lists = content.values() if isinstance(content, dict) else [None]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists):
        raise MedDLError(Code.DATA_INVALID, f'{path.name} is not of the form {{"train": [names], "val": [names]}}.')
    found: Mapping[str, list[str]] = content
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MedDLError(Code.FILE_NOT_FOUND, f"There is no file {path.name}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise MedDLError(Code.DATA_INVALID, f"{path.name} cannot be read as text.") from error
