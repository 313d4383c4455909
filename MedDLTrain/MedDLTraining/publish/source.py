"""What is published: a model, and what its training left beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelPackage, ModelStore, open_folder, open_model

from ..data.split import DATA, DIGESTS, FOLDS, SPLIT
from ..training import MODEL

PSEUDONYM = re.compile(r"case_\d+")
"""As data sets name their cases."""

SHA256 = re.compile(r"[0-9a-f]{64}")

Split = dict[str, list[str]]


@dataclass(frozen=True)
class Source:
    """A model to publish.

    Attributes:
        package: the model.
        splits: of each fold, the pseudonyms of the cases for ``training`` and ``validation``; empty where they are not
            known.
        images: SHA-256 of the images' contents, by pseudonym.
    """

    package: ModelPackage
    splits: tuple[Split, ...] = ()
    images: Mapping[str, list[str]] = field(default_factory=dict)


def source_of(name_or_path: str | Path, store: ModelStore | None = None) -> Source:
    """Finds the model in a training's or a cross-validation's folder, or opens it by its name or folder.

    Args:
        name_or_path: of the training, or of the model.
        store: for a name; the person's own if None.

    Raises:
        MedDLError: as ``open_model``; MODEL_INVALID for a model in parts, one that needs another one's result, or one
            that runs its own code; DATA_INVALID where the record of the split is damaged.
    """
    inside = Path(name_or_path) / MODEL
    package = open_folder(inside) if (inside / "configs").is_dir() else open_model(name_or_path, store)
    if package.parts or package.previous is not None or package.trusted:
        raise MedDLError(
            Code.MODEL_INVALID,
            f"{package.spec.name} is not a network or an ensemble of its own; its parts can be published one by one.",
        )
    return Source(package, *_data_of(package.folder.resolve()))


def _data_of(model: Path) -> tuple[tuple[Split, ...], dict[str, list[str]]]:
    """Of the folder of a model: what a bundle holds itself, or the training around it, or the folds beside it."""
    if (model / DATA).is_file():
        content = _read(model / DATA)
        records = [{**fold, DIGESTS: content.get(DIGESTS, {})} for fold in content.get(FOLDS, ())]
    elif model.name == MODEL:
        files = [model.parent / SPLIT, *(folder / SPLIT for folder in sorted(model.parent.glob("fold_*")))]
        records = [_read(path) for path in files if path.is_file()]
    else:
        records = []
    images: dict[str, list[str]] = {}
    for record in records:
        images |= record.get(DIGESTS, {})
    return tuple(_split(record) for record in records), _checked(images)


def _split(record: Mapping[str, Any]) -> Split:
    return {part: [_pseudonym(name) for name in record.get(part, ())] for part in ("training", "validation")}


def _checked(images: Mapping[str, Any]) -> dict[str, list[str]]:
    """Nothing but pseudonyms and hashes: whatever else stands in the file is not published."""
    if not all(SHA256.fullmatch(str(one)) for hashes in images.values() for one in hashes):
        raise _damaged()
    return {_pseudonym(name): [str(one) for one in hashes] for name, hashes in sorted(images.items())}


def _pseudonym(name: object) -> str:
    if not PSEUDONYM.fullmatch(str(name)):
        raise _damaged()
    return str(name)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged() from error
    if not isinstance(content, dict):
        raise _damaged()
    return content


def _damaged() -> MedDLError:
    return MedDLError(
        Code.DATA_INVALID,
        "The record of the training's split is damaged, or holds something else than pseudonyms and hashes.",
        "It is split.json of the training, or docs/data.json of a published model.",
    )
