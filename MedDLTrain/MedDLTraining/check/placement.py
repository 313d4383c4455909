"""Where scans and label maps lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from MedDLCore.errors import Code
from MedDLCore.preprocess.prepare import LEAST_COMMON_PART

from ..data.composing import LOST_ACCEPTED
from .facts import CaseFacts
from .findings import Fault, Finding
from .outliers import outliers

SPACING_FACTOR = 2.0
"""A spacing this many times the usual one, or its reciprocal, can be an outlier."""

DOUBTS = {Code.GEOM_AMBIGUOUS, Code.GEOM_TILT, Code.GEOM_GAP, Code.GEOM_VARIABLE, Code.GEOM_DUP, Code.FILE_DAMAGED}
"""Warnings of readers about where voxels lie."""


def find_misplaced(facts: Sequence[CaseFacts]) -> Iterator[Finding]:
    """Label maps off their scans, channels off each other, and doubtful geometry."""
    for case in facts:
        if case.apart:
            yield Finding(Fault.GEOMETRY_MISMATCH, f"The label map: {'; '.join(case.apart)}.", (case.id,))
        elif case.lost > LOST_ACCEPTED:
            yield Finding(
                Fault.FOREGROUND_OUTSIDE, f"{case.lost:.0%} of the segmentation lie outside the scan.", (case.id,)
            )
        for n, image in enumerate(case.images):
            if image.common < LEAST_COMMON_PART:
                message = f"Only {image.common:.0%} of channel 0 lies within channel {n}."
                yield Finding(Fault.CHANNELS_APART, message, (case.id,))
    doubts: dict[Code, list[str]] = {}
    for case in facts:
        for code in {notice.code for image in case.images for notice in image.notices} & DOUBTS:
            doubts.setdefault(code, []).append(case.id)
    for code, cases in sorted(doubts.items()):
        yield Finding(Fault.GEOMETRY_DOUBTFUL, f"The reader warned: {code.value}.", tuple(cases))


def find_odd_grids(facts: Sequence[CaseFacts]) -> Iterator[Finding]:
    """Spacings far from the others', and single slices among volumes."""
    read = [case for case in facts if case.images]
    if not read:
        return
    spacings = np.array([case.images[0].spacing for case in read])
    flat = np.array([min(case.images[0].geometry.shape) == 1 for case in read])
    if flat.any() and not flat.all():
        fewer = flat if flat.sum() * 2 <= len(flat) else ~flat
        kind = "single slices" if fewer is flat else "volumes"
        yield Finding(Fault.FLAT_AND_DEEP, f"{int(fewer.sum())} of {len(read)} scans are {kind}.", _ids(read, fewer))
    odd = np.stack([outliers(along.tolist(), SPACING_FACTOR) for along in spacings.T], axis=1).any(axis=1) & ~flat
    usual = _in_mm(np.median(spacings, axis=0))
    for n in np.flatnonzero(odd):
        message = f"The spacing (R, A, S) is {_in_mm(spacings[n])}; usual in this data set is {usual}."
        yield Finding(Fault.SPACING_OUTLIER, message, (read[n].id,))


def _in_mm(spacing: NDArray[np.float64]) -> str:
    return " x ".join(f"{mm:.3g}" for mm in spacing) + " mm"


def _ids(cases: Sequence[CaseFacts], chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(case.id for case, yes in zip(cases, chosen, strict=True) if yes)
