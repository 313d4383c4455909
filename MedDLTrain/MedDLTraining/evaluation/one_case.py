"""What one case gave: scores of each structure, which was taken for which, and how true the probabilities were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.errors import Code, Notice
from MedDLCore.metrics import Scores, boxes_of_values, confusion, joined, score
from MedDLCore.volume import LabelMap

from .reliability import Reliability
from .structures import Structure


@dataclass(frozen=True, eq=False)
class CaseResult:
    """One case.

    Attributes:
        id: its pseudonym.
        scores: by structure.
        confusion: voxels; rows are the truth, columns what was found; the first is the background.
        reliability: by structure; empty where probabilities are not known.
        notices: what the person should know.
        learnt: the model has learnt from it; None: that is not known.
    """

    id: str
    scores: Mapping[str, Scores]
    confusion: NDArray[np.int64]
    reliability: Mapping[str, Reliability] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    learnt: bool | None = None

    @property
    def dice(self) -> float:
        """Mean over the structures that are in the truth or were found; NaN without any."""
        known = [scores.dice for scores in self.scores.values() if scores.dice == scores.dice]
        return sum(known) / len(known) if known else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; NaN is null. Nothing of a patient."""
        return {
            "case": self.id,
            "scores": {
                name: {key: _or_none(value) for key, value in asdict(its).items()} for name, its in self.scores.items()
            },
            "confusion": self.confusion.tolist(),
            "reliability": {name: asdict(its) for name, its in self.reliability.items()},
            "notices": [{"code": notice.code.value, "message": notice.message} for notice in self.notices],
            "learnt": self.learnt,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CaseResult:
        """Reads what ``to_json`` gives."""
        return cls(
            content["case"],
            {
                name: Scores(**{key: _or_nan(value) for key, value in its.items()})
                for name, its in content["scores"].items()
            },
            np.array(content["confusion"], np.int64),
            {
                name: Reliability(**{key: tuple(v) for key, v in its.items()})
                for name, its in content["reliability"].items()
            },
            tuple(Notice(Code(notice["code"]), notice["message"]) for notice in content["notices"]),
            content["learnt"],
        )


def compare(
    truth: LabelMap, found: LabelMap, structures: Sequence[Structure], tolerance: float
) -> tuple[dict[str, Scores], NDArray[np.int64]]:
    """Scores of each structure, and their confusion.

    Each structure is looked at in the box that holds it in the truth and in what was found.

    Args:
        truth: on the scan's grid.
        found: on the same grid.
        structures: what is compared.
        tolerance: of the surface Dice, mm.
    """
    boxes = [[boxes_of_values(of.layer(n)) for n in range(of.layers)] for of in (truth, found)]
    scores = {}
    for structure in structures:
        pair = structure.in_truth(truth), structure.in_found(found)
        own = [its[label.layer].get(label.value) for its, label in zip(boxes, pair, strict=True)]
        box = joined([part for part in own if part is not None]) or (slice(0, 1), slice(0, 1), slice(0, 1))
        one, other = (of.layer(label.layer)[box] == label.value for of, label in zip((truth, found), pair, strict=True))
        grid = truth.geometry.cropped([part.start for part in box], [part.stop for part in box])
        scores[structure.name] = score(one, other, grid, tolerance)
    pairs = [(structure.in_truth(truth), structure.in_found(found)) for structure in structures]
    return scores, confusion(truth, found, pairs)


def _or_none(value: float) -> float | None:
    return None if value != value else value


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
