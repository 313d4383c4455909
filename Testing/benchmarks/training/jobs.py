"""The three studies, each a list of jobs: one network trained within a budget and scored on cases that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .cases import FOLDS, LEARNT_FROM, SCORED, Names, divided, names_of, shuffled

ENGINES = ("nnunet", "meddl")
SEEDS = (0, 1, 2)
COUNTS = (5, 10, 20, 50)
FOR_START = 100
"""Other cases, which the network that the learning curve is also begun with has learnt from."""


@dataclass(frozen=True)
class Job:
    """One network.

    Attributes:
        study: what it belongs to.
        name: its own within the folder.
        engine: ``nnunet`` or ``meddl``.
        minutes: CPU-minutes that its training is planned to end in.
        seed: of everything that is drawn.
        learnt: cases that it learns from.
        watched: cases that the engine may select with, by its own rules.
        scored: cases whose Dice is reported; never among the others, but that a cross-validation scores ``watched``.
        start: the job whose network it begins with.
        merged: all labels are learnt as one.
    """

    study: str
    name: str
    engine: str
    minutes: float
    seed: int
    learnt: Names
    watched: Names
    scored: Names
    start: str = ""
    merged: bool = False


def versus(data: Path, minutes: float, seeds: Sequence[int] = SEEDS) -> list[Job]:
    """Both engines on one split: a fold of ``train.txt`` held out, ``test.txt`` scored."""
    learnt, watched = divided(names_of(data, LEARNT_FROM), 0)
    scored = names_of(data, SCORED)
    return [
        Job("versus", f"versus_{engine}_seed{seed}", engine, minutes, seed, learnt, watched, scored)
        for seed in seeds
        for engine in ENGINES
    ]


def curve(data: Path, minutes: float, seeds: Sequence[int] = SEEDS) -> list[Job]:
    """Few cases, from scratch and from a network that knows the hippocampus of other people as a whole.

    A fifth of the few cases is held out: they are all that there is. Each seed draws other cases.
    """
    order = shuffled(names_of(data, LEARNT_FROM), 0)
    known, others = order[:FOR_START], order[FOR_START:]
    start = Job("curve", "curve_start", "meddl", minutes, 0, *divided(known, 0), (), merged=True)
    jobs = [start]
    for seed in seeds:
        drawn = shuffled(others, seed)
        for count in COUNTS:
            few = (*divided(drawn[:count], 0), names_of(data, SCORED))
            jobs.append(Job("curve", f"curve_scratch_{count}_seed{seed}", "meddl", minutes, seed, *few))
            jobs.append(Job("curve", f"curve_tuned_{count}_seed{seed}", "meddl", minutes, seed, *few, start.name))
    return jobs


def cross(data: Path, minutes: float, seeds: Sequence[int] = (0,), engine: str = "meddl") -> list[Job]:
    """Every case of ``train.txt`` scored once, by the network that did not learn from it."""
    names = names_of(data, LEARNT_FROM)
    return [
        Job("cross", f"cross_{engine}_fold{fold}_seed{seed}", engine, minutes, seed, *parts, parts[1])
        for seed in seeds
        for fold in range(FOLDS)
        for parts in [divided(names, fold)]
    ]


STUDIES = {"versus": versus, "curve": curve, "cross": cross}
