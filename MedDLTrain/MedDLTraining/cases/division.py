"""Which cases are learnt from, and which the training is watched with."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from MedDLCore.errors import Code, MedDLError, Notice

from ..data import Case, DataSet

TRAINING = ("train", "training", "imagesTr")
WATCHED = ("val", "valid", "validation", "dev")
"""What people call the parts of a split."""

USUAL = 5
"""Folds, where nobody says how many."""


@dataclass(frozen=True)
class Division:
    """Cases of one training.

    Attributes:
        training: what is learnt from.
        validation: what the Dice is watched on; never learnt from, unless there is only one case.
        notices: what the person should know.
    """

    training: tuple[Case, ...]
    validation: tuple[Case, ...]
    notices: tuple[Notice, ...] = ()


def divide(data_set: DataSet, folds: int, fold: int, seed: int) -> Division:
    """Divides the cases. Cases of one patient stay together. What a split names for a test is never taken.

    Args:
        data_set: its first split, where it has one, says which cases are for training.
        folds: parts of equal size of the training cases, no more than there are patients; 0: as the split says, or 5
            where it names none.
        fold: which part is for validation, from 0; which of the divisions that a split names.
        seed: of the order.

    Raises:
        MedDLError: DATA_INVALID where there is no case for training; PLAN_INVALID for a division that is not there.
    """
    named, count = named_folds(data_set) if folds == 0 else 0, divisions(data_set, folds)
    if count and fold >= count:
        raise MedDLError(
            Code.PLAN_INVALID,
            f"There is no fold {fold}: the {'split names' if named else 'patients make'} {count}, from 0.",
            "Give --fold one of them.",
        )
    training, watched = _split(data_set, fold if named else 0)
    if named:
        return Division(training, watched)
    groups = _by_patient(training)
    if not groups:
        raise MedDLError(Code.DATA_INVALID, "There is no case to train on.", "Look at the split with meddl check.")
    if count == 1:
        message = "There is one patient only, as files say it: the validation Dice is that of the training's own cases."
        return Division(training, training, (Notice(Code.DATA_SCARCE, message),))
    names = sorted(groups)
    random.Random(seed).shuffle(names)  # noqa: S311  no secret
    held = set(names[fold::count])
    parts: tuple[list[Case], list[Case]] = [], []
    for name in sorted(groups):
        parts[name in held].extend(groups[name])
    return Division(tuple(parts[0]), tuple(parts[1]))


def divisions(data_set: DataSet, folds: int) -> int:
    """How many there are to choose from with this number of ``folds``: 1 where there is one patient only."""
    named = named_folds(data_set) if folds == 0 else 0
    return named or min(folds or USUAL, len(_by_patient(_split(data_set, 0)[0])))


def named_folds(data_set: DataSet) -> int:
    """How many divisions the data set's split names, each with cases for training and for validation; 0: none."""
    whole = [all(_split(data_set, n)) for n in range(len(data_set.splits))]
    return len(whole) if all(whole) else 0


def _by_patient(cases: Sequence[Case]) -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.patient or case.id].append(case)
    return groups


def _split(data_set: DataSet, number: int) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    if not data_set.splits:
        return data_set.cases, ()
    parts = {name.casefold(): names for name, names in data_set.splits[number].parts}
    training = _of(data_set.cases, [n for name in TRAINING for n in parts.get(name.casefold(), ())])
    watched = _of(data_set.cases, [n for name in WATCHED for n in parts.get(name, ())])
    return training, watched


def _of(cases: Sequence[Case], names: Sequence[str]) -> tuple[Case, ...]:
    known = set(names)
    return tuple(case for case in cases if case.name in known or case.id in known)
