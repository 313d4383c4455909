"""Whether structures lie on the side that their name says, and as they lie in the other cases."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from MedDLCore.models.anatomy import LEFT, RIGHT, normalised
from MedDLCore.volume import Label

from ..data.data_set import DataSet
from .facts import CaseFacts
from .findings import Fault, Finding
from .outliers import AT_LEAST, TO_DEVIATION

CLEAR = 4.0
"""Robust standard deviations by which the median of an offset must differ from 0 to be a rule of this data set."""

LEAST_MM = 2.0
"""Shorter offsets are noise."""

_AXES = ("left and right", "front and back", "up and down")


def find_swapped(facts: Sequence[CaseFacts], data_set: DataSet) -> Iterator[Finding]:
    """Pairs of a left and a right structure of which the left one lies further to the right."""
    for left, right in _pairs(data_set.labels):
        wrong = [
            case.id
            for case in facts
            if (offset := _offset(case, left, right)) is not None and offset[0] < -LEAST_MM  # R grows to the right
        ]
        if wrong:
            yield Finding(Fault.SIDES_SWAPPED, f"{left} lies to the right of {right}.", tuple(wrong))


def find_mirrored(facts: Sequence[CaseFacts], data_set: DataSet) -> Iterator[Finding]:
    """Cases in which structures lie to each other as in a mirror image of the other cases."""
    swapped = {case for finding in find_swapped(facts, data_set) for case in finding.cases}
    read = [case for case in facts if case.labels and case.id not in swapped]
    names = [label.name for label in data_set.labels]
    centres = np.array([[case.labels[name].centroid or (np.nan,) * 3 for name in names] for case in read], np.float64)
    found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for first, second in itertools.combinations(range(len(names)), 2):
        offsets = centres[:, second] - centres[:, first] if len(read) else np.empty((0, 3))
        both = np.flatnonzero(np.isfinite(offsets[:, 0]))
        if len(both) >= AT_LEAST:
            for n, axis in np.argwhere(_mirrored(offsets[both])):
                found[read[both[n]].id][f"{names[first]} to {names[second]}"].add(int(axis))
    for case, pairs in found.items():
        axes = ", ".join(_AXES[axis] for axis in sorted(set().union(*pairs.values())))
        message = f"{axes.capitalize()} look exchanged, from {_listed(list(pairs))}."
        yield Finding(Fault.MIRRORED, message, (case,))


def _mirrored(offsets: NDArray[np.float64]) -> NDArray[np.bool_]:
    """``(N, 3)`` mm -> where the offset lies where the others' would lie in a mirror, and the others agree."""
    median = np.median(offsets, axis=0)
    deviation = np.maximum(TO_DEVIATION * np.median(np.abs(offsets - median), axis=0), LEAST_MM / CLEAR)
    rule = np.abs(median) > CLEAR * deviation
    return np.asarray(rule & (np.abs(offsets + median) <= 2 * deviation))


def _offset(case: CaseFacts, first: str, second: str) -> NDArray[np.float64] | None:
    """From one structure's centre to another's, RAS mm; None where one is missing."""
    if first not in case.labels or second not in case.labels:
        return None
    a, b = case.labels[first].centroid, case.labels[second].centroid
    return None if a is None or b is None else np.subtract(b, a)


def _pairs(labels: Sequence[Label]) -> Iterator[tuple[str, str]]:
    """Names of labels that are the left and the right one of something."""
    by_words = {words: label.name for label in labels if (words := _with_side(label)) is not None}
    for (thing, side), name in by_words.items():
        if side == LEFT.value and (other := by_words.get((thing, RIGHT.value))) is not None:
            yield name, other


def _with_side(label: Label) -> tuple[str, str] | None:
    """What the label is called without its side, and the side's code: as the name says, or else as the code does."""
    words = normalised(label.name)
    if words is not None and words[1] is not None:
        return words[0], words[1].value
    term = label.terminology
    for modifier in (term.modifier, term.region_modifier) if term else ():
        if term is not None and modifier is not None and modifier.value in (LEFT.value, RIGHT.value):
            return f"{term.type.value} {term.region.value if term.region else ''}", modifier.value
    return None


def _listed(pairs: Sequence[str]) -> str:
    more = len(pairs) - 3
    return "; ".join(pairs[:3]) + (f" and {more} more pairs" if more > 0 else "")
