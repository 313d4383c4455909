"""Which results of a batch a person should look at first, and why.

Four questions, asked of every segment: does the left one lie to the right of the right one; is the volume one that
hardly any person has; is it far from those of the other scans of this batch; and is it missing where most have it?
None of them says that a result is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from ..models.anatomy import LEFT, RIGHT, normalised
from .ledger import Entry

REFERENCES: Mapping[str, tuple[float, float]] = {
    "adrenal gland": (6.5, 7),
    "brain": (1300, 1450),
    "heart": (620, 840),
    "kidney": (137.5, 155),
    "liver": (1400, 1800),
    "pancreas": (120, 140),
    "prostate": (17, 17),
    "spleen": (130, 150),
    "thyroid": (17, 20),
    "thyroid gland": (17, 20),
}
"""Grams of a woman's and a man's organ (of a pair: one), the heart with its blood: ICRP Publication 89 (2002), table
2.8. A gram is taken as a millilitre."""

PLAUSIBLE = 4.0
"""A volume below the smaller reference divided by this, or above the larger one times this, is hardly a person's."""

FEW = 5
"""Scans with a structure that it takes before they are a cohort."""

FAR = 3.5
"""Robust z-score from which a value is an outlier (Iglewicz and Hoaglin 1993)."""

LEAST_SPREAD = 0.1
"""Of the logarithms of volumes: people differ by so much, whatever a small cohort says."""

MOST_HAVE_IT = 0.8
"""Share of the scans in which a structure was found from which its absence is told."""

_MAD = 1.4826
"""From the median absolute deviation to the standard deviation of a normal distribution."""


@dataclass(frozen=True)
class Outlier:
    """One thing to look at.

    Attributes:
        scan: its key.
        segment: name of the structure.
        why: in words.
        weight: by which scans are sorted, the largest first.
    """

    scan: str
    segment: str
    why: str
    weight: float


def outliers(entries: Iterable[Entry]) -> dict[str, list[Outlier]]:
    """What there is to look at, by scan; only scans with something are in it.

    Args:
        entries: with their segments, of one model.
    """
    rows = [(entry.scan, row) for entry in entries for row in entry.segments]
    found = [*_swapped(rows), *_implausible(rows), *_far(rows), *_missing(rows)]
    by_scan: dict[str, list[Outlier]] = defaultdict(list)
    for outlier in sorted(found, key=lambda each: (-each.weight, each.segment)):
        by_scan[outlier.scan].append(outlier)
    return dict(by_scan)


Rows = list[tuple[str, Mapping[str, Any]]]


def _swapped(rows: Rows) -> Iterable[Outlier]:
    """The centre of the left one has the larger R: the axis points to the patient's right."""
    sides: dict[tuple[str, str, str], dict[str, tuple[str, float]]] = defaultdict(dict)
    for scan, row in rows:
        name, centre = normalised(row["name"]), row.get("center_R_mm")
        if name is not None and name[1] is not None and centre is not None:
            sides[scan, row["part"], name[0]][name[1].value] = (row["name"], centre)
    for (scan, *_), pair in sides.items():
        if {LEFT.value, RIGHT.value} <= pair.keys():
            (left, left_r), (right, right_r) = pair[LEFT.value], pair[RIGHT.value]
            if left_r > right_r:
                yield Outlier(scan, left, f"lies to the right of {right}: left and right are swapped", 100.0)


def _implausible(rows: Rows) -> Iterable[Outlier]:
    for scan, row in rows:
        name, volume = normalised(row["name"]), row["volume_mL"]
        reference = REFERENCES.get(name[0]) if name is not None else None
        if reference is None or not row["voxels"]:
            continue
        least, most = reference[0] / PLAUSIBLE, reference[1] * PLAUSIBLE
        if volume > most:
            yield Outlier(scan, row["name"], f"{volume:.0f} mL is more than hardly anybody has ({most:.0f} mL)", 50.0)
        elif volume < least and not row["touches_edge"]:
            yield Outlier(scan, row["name"], f"{volume:.3g} mL is less than hardly anybody has ({least:.3g} mL)", 50.0)


def _far(rows: Rows) -> Iterable[Outlier]:
    """By the logarithm: half and twice are equally far. What the scan's edge cuts off is no comparison."""
    whole: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for scan, row in rows:
        if row["voxels"] and not row["touches_edge"]:
            whole[row["name"]].append((scan, row["volume_mL"]))
    for name, volumes in whole.items():
        if len(volumes) < FEW:
            continue
        logs = [float(np.log(volume)) for _, volume in volumes]
        middle = median(logs)
        spread = max(_MAD * median(abs(log - middle) for log in logs), LEAST_SPREAD)
        for (scan, volume), log in zip(volumes, logs, strict=True):
            score = (log - middle) / spread
            if abs(score) > FAR:
                usual = float(np.exp(middle))
                why = f"{volume:.3g} mL is far from the {usual:.3g} mL that are usual in this batch (z = {score:+.1f})"
                yield Outlier(scan, name, why, min(abs(score), 40.0))


def _missing(rows: Rows) -> Iterable[Outlier]:
    known: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for scan, row in rows:
        known[row["name"]].append((scan, bool(row["voxels"])))
    for name, scans in known.items():
        have_it = sum(there for _, there in scans)
        if len(scans) >= FEW and have_it >= MOST_HAVE_IT * len(scans):
            for scan, there in scans:
                if not there:
                    yield Outlier(scan, name, f"is missing; {have_it} of {len(scans)} scans have it", 10.0)
