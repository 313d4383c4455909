"""How sure a mean over cases is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
RESAMPLES = 9999
FEW = 20
"""With fewer cases, a bootstrap interval is likely too narrow: the person is told."""

_AT_A_TIME = 1000
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Interval:
    """A mean, and where the mean of ever more cases of this kind would lie.

    Attributes:
        mean: of the cases; NaN without any.
        low, high: the 95 % confidence interval; NaN for fewer than 2 cases.
        cases: that have the value.
    """

    mean: float
    low: float
    high: float
    cases: int


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    """The mean and its interval by the bootstrap over cases, bias-corrected and accelerated (BCa, Efron 1987).

    Args:
        values: one for each case; NaN is left out.
        seed: of the ``RESAMPLES`` resamples: the same values give the same interval.
    """
    known = np.array([value for value in values if np.isfinite(value)])
    count, mean = len(known), float(np.mean(known)) if len(known) else float("nan")
    if count < 2:
        return Interval(mean, float("nan"), float("nan"), count)
    if np.ptp(known) == 0:
        return Interval(mean, mean, mean, count)
    rng = np.random.default_rng(seed)
    parts = (min(_AT_A_TIME, RESAMPLES - done) for done in range(0, RESAMPLES, _AT_A_TIME))
    means = np.concatenate([known[rng.integers(count, size=(n, count))].mean(axis=1) for n in parts])
    # Ties count half, so that the bias of a symmetric distribution is 0.
    below = (np.count_nonzero(means < mean) + np.count_nonzero(means == mean) / 2 + 0.5) / (RESAMPLES + 1)
    bias = _NORMAL.inv_cdf(below)
    left_out = (known.sum() - known) / (count - 1)  # the jackknife
    gaps = left_out.mean() - left_out
    acceleration = float((gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5))
    low, high = (
        _quantile_at(z, bias, acceleration)
        for z in (_NORMAL.inv_cdf((1 - LEVEL) / 2), _NORMAL.inv_cdf((1 + LEVEL) / 2))
    )
    return Interval(mean, float(np.quantile(means, low)), float(np.quantile(means, high)), count)


def _quantile_at(z: float, bias: float, acceleration: float) -> float:
    return _NORMAL.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
