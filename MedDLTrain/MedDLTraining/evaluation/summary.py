"""All cases together."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.errors import MedDLError, Notice

from .intervals import FEW, LEVEL, RESAMPLES, Interval, interval
from .one_case import CaseResult
from .reliability import Reliability
from .structures import Structure

FORMAT_VERSION = 1
"""Raised whenever a key changes its meaning or goes."""

SCORES: Mapping[str, str] = {
    "dice": "Dice (F1)",
    "iou": "IoU",
    "precision": "Precision",
    "recall": "Recall",
    "hd95": "HD95, mm",
    "mean_surface_distance": "Mean surface distance, mm",
    "surface_dice": "Surface Dice",
    "volume_error": "Volume error, mL",
    "volume_error_percent": "Volume error, %",
}
"""What is averaged, and what a person reads."""


@dataclass(frozen=True)
class StructureSummary:
    """One structure in all cases.

    Attributes:
        name: of the structure.
        scores: mean and interval of each of ``SCORES``.
        missed: cases that have it where nothing was found: they have no distances.
        invented: cases without it where it was found: likewise.
        reliability: of all cases; None where probabilities are not known.
    """

    name: str
    scores: Mapping[str, Interval]
    missed: int
    invented: int
    reliability: Reliability | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The report.

    Attributes:
        judged: name, version and digest of the model; None: ready-made predictions.
        structures: what was compared.
        cases: that were judged, worst Dice first.
        failed: cases that could not be judged, by id.
        summaries: of each structure.
        mean: of each score, over the structures of each case, then over cases.
        tolerance: of the surface Dice, mm.
        seed: of the bootstrap.
        notices: what the person should know.
        uncalibrated: why there are no probabilities to judge.
    """

    judged: Mapping[str, str] | None
    structures: tuple[Structure, ...]
    cases: tuple[CaseResult, ...]
    failed: Mapping[str, MedDLError]
    summaries: tuple[StructureSummary, ...]
    mean: Mapping[str, Interval]
    tolerance: float
    seed: int
    notices: tuple[Notice, ...] = ()
    uncalibrated: str | None = None

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Voxels of all cases; rows are the truth; the first is the background."""
        size = 1 + len(self.structures)
        return functools.reduce(operator.add, (case.confusion for case in self.cases), np.zeros((size, size), np.int64))

    @property
    def learnt(self) -> tuple[str, ...] | None:
        """The cases that the model has learnt from; None: that is not known."""
        if all(case.learnt is None for case in self.cases):
            return None
        return tuple(sorted(case.id for case in self.cases if case.learnt))

    @property
    def is_of_few(self) -> bool:
        """Intervals are likely too narrow."""
        return len(self.cases) < FEW

    def to_json(self) -> dict[str, Any]:
        """``evaluation.json``: plain JSON types, a number that is not there is null. Nothing of a patient."""
        learnt = self.learnt
        return {
            "format": FORMAT_VERSION,
            "model": None if self.judged is None else dict(self.judged),
            "cases": len(self.cases),
            "failed": [{"case": case, "code": error.code.value} for case, error in sorted(self.failed.items())],
            "learnt_from": None if learnt is None else list(learnt),
            "tolerance_mm": self.tolerance,
            "interval": {
                "level": LEVEL,
                "method": "BCa bootstrap over cases",
                "resamples": RESAMPLES,
                "seed": self.seed,
            },
            "structures": [_structure(summary) for summary in self.summaries],
            "mean": _intervals(self.mean),
            "confusion": {
                "names": ["background", *(s.name for s in self.structures)],
                "voxels": self.confusion.tolist(),
            },
            "notices": [{"code": notice.code.value, "message": notice.message} for notice in self.notices],
        }


def summarised(
    judged: Mapping[str, str] | None,
    structures: Sequence[Structure],
    cases: Sequence[CaseResult],
    failed: Mapping[str, MedDLError],
    tolerance: float,
    seed: int,
    uncalibrated: str | None,
) -> Evaluation:
    """Puts the cases together, worst first. Arguments: see ``Evaluation``."""
    ordered = sorted(cases, key=lambda case: (case.dice if case.dice == case.dice else np.inf, case.id))
    names = [structure.name for structure in structures]
    return Evaluation(
        judged,
        tuple(structures),
        tuple(ordered),
        failed,
        tuple(_summary(name, cases, seed) for name in names),
        {key: interval([_mean(case, key) for case in cases], seed) for key in SCORES},
        tolerance,
        seed,
        uncalibrated=uncalibrated,
    )


def _summary(name: str, cases: Sequence[CaseResult], seed: int) -> StructureSummary:
    its = [case.scores[name] for case in cases]
    known = [case.reliability[name] for case in cases if name in case.reliability]
    return StructureSummary(
        name,
        {key: interval([getattr(scores, key) for scores in its], seed) for key in SCORES},
        sum(scores.truth_volume > 0 and scores.found_volume == 0 for scores in its),
        sum(scores.truth_volume == 0 and scores.found_volume > 0 for scores in its),
        functools.reduce(operator.add, known) if known else None,
    )


def _mean(case: CaseResult, key: str) -> float:
    known = [value for scores in case.scores.values() if (value := getattr(scores, key)) == value]
    return float(np.mean(known)) if known else float("nan")


def _structure(summary: StructureSummary) -> dict[str, Any]:
    return {
        "name": summary.name,
        "missed": summary.missed,
        "invented": summary.invented,
        "scores": _intervals(summary.scores),
        "calibration_error": None if summary.reliability is None else _plain(summary.reliability.error),
    }


def _intervals(scores: Mapping[str, Interval]) -> dict[str, dict[str, float | None]]:
    return {key: {name: _plain(value) for name, value in asdict(its).items()} for key, its in scores.items()}


def _plain(value: float) -> float | None:
    return None if value != value else value
