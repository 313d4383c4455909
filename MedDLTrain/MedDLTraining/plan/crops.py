"""Whether the data are crops around what is to be found, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from MedDLCore.preprocess import extent_of
from MedDLCore.spec import Crops, FloatTriple, Grid

from ..check.facts import CaseFacts

WHOLE_SCAN_MM = 128.0
"""A scan that is shorter than this along every axis is a crop: no head or trunk fits in.

What is as small and was acquired so (a tooth, a mouse) loses nothing: scans of the size of the training data need no
point.
"""


def crops_of(facts: Sequence[CaseFacts], grid: Grid, declared: bool | None = None) -> Crops | None:
    """How large the scans are that a training learns from, if they are crops.

    Args:
        facts: of the cases that are learnt from.
        grid: of the model.
        declared: they are crops, or they are not, as a person says; None: they are if every one is shorter than
            ``WHOLE_SCAN_MM`` along every axis.
    """
    extents = np.array([extent_of(case.images[0].geometry, grid) for case in facts if case.images])
    if not len(extents) or not ((extents < WHOLE_SCAN_MM).all() if declared is None else declared):
        return None
    return Crops(_triple(np.median(extents, axis=0)), _triple(extents.max(axis=0)))


def _triple(values: NDArray[np.float64]) -> FloatTriple:
    a, b, c = (round(float(value), 2) for value in values)
    return a, b, c
