"""Which cases a model has learnt from: scores on them say how well it remembers, not how well it finds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError

from .case import Case
from .split import DATA, DIGESTS, FOLDS, SPLIT


@dataclass(frozen=True)
class Learnt:
    """What a training tells of its cases.

    Attributes:
        ids: the pseudonyms of those that were learnt from.
        images: SHA-256 of their images' contents; empty where the training does not say them. Contents go before
            pseudonyms, which are numbers: another data set has the same.
    """

    ids: frozenset[str]
    images: frozenset[str] = frozenset()

    @property
    def is_certain(self) -> bool:
        """It goes by contents."""
        return bool(self.images)

    def holds(self, case: Case, images: Iterable[str]) -> bool:
        """Whether a case, whose images have these digests, was learnt from."""
        return not self.images.isdisjoint(images) if self.images else case.id in self.ids


def trainings_of(model: Path) -> tuple[Path, ...]:
    """The folders of the trainings that made the model in a folder: that above it, or the folds beside it."""
    above = model.resolve().parent
    return tuple(folder for folder in (above, *sorted(above.glob("fold_*"))) if (folder / SPLIT).is_file())


def learnt_by(trainings: Sequence[Path], model: Path | None = None) -> Learnt | None:
    """All cases that at least one of the trainings has learnt from; None where none tells.

    Args:
        trainings: their folders.
        model: the model's folder, which tells of its data itself where it was published and no training is at hand.

    Raises:
        MedDLError: DATA_INVALID for a file that no training has written.
    """
    paths = [folder / SPLIT for folder in trainings]
    if not paths and model is not None and (model / DATA).is_file():
        paths = [model / DATA]
    if not paths:
        return None
    ids: set[str] = set()
    images: set[str] = set()
    for path in paths:
        record = read_record(path)
        try:
            digests = record.get(DIGESTS, {})
            own = [str(case) for split in record.get(FOLDS, [record]) for case in split["training"]]
            images |= {str(digest) for case in own for digest in digests.get(case, ())}
        except (LookupError, TypeError, AttributeError) as error:
            raise _malformed(path) from error
        ids |= set(own)
    return Learnt(frozenset(ids), frozenset(images))


def learnt_all(measured: Mapping[str, Any]) -> bool:
    """Whether the cases by which a training was watched are those that it learnt from: there was one patient.

    Args:
        measured: of the model, see ``ModelSpec.measured``.
    """
    return measured.get("validation_cases") == 0


def read_record(path: Path) -> Any:
    """A file of a training. Raises: MedDLError, DATA_INVALID."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _malformed(path) from error


def _malformed(path: Path) -> MedDLError:
    return MedDLError(Code.DATA_INVALID, f"{path.name} of the training is not as a training writes it.")
