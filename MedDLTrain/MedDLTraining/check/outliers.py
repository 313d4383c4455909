"""Which of many numbers do not belong, judged by median and median deviation, which outliers themselves do not move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

AT_LEAST = 8
"""Fewer numbers have no outliers that could be told."""

DEVIATIONS = 5.0
"""Robust standard deviations from the median beyond which a number is an outlier. Iglewicz and Hoaglin (1993) take
3.5; a data set has hundreds of numbers, and a false alarm for every data set is soon not read any more."""

TO_DEVIATION = 1.4826
"""A normal distribution's standard deviation, in median deviations."""


def outliers(values: Sequence[float], factor: float) -> NDArray[np.bool_]:
    """Positive numbers that are far from the rest on a logarithmic scale.

    Args:
        values: positive.
        factor: an outlier is at least this many times the median, or its reciprocal.

    Returns:
        ``(len(values),)``; none of fewer than ``AT_LEAST``.
    """
    logs = np.log(np.asarray(values, dtype=np.float64))
    if len(logs) < AT_LEAST:
        return np.zeros(len(logs), dtype=np.bool_)
    distance = np.abs(logs - np.median(logs))
    deviation = TO_DEVIATION * float(np.median(distance))
    return np.asarray((distance > DEVIATIONS * deviation) & (distance >= np.log(factor) - 1e-9))
