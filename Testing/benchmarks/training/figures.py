"""Means with their intervals, and the difference of two engines on the same cases and seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
LEVEL = 95
"""Per cent of the interval."""

Scores = NDArray[np.float64]
"""``(seeds, cases)``; NaN where there is none."""


@dataclass(frozen=True)
class Mean:
    """A mean, and the percentile bootstrap's interval (Efron 1979)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean_of(scores: Scores) -> Mean:
    """Over all seeds and cases. Both are drawn anew: another training, on other patients."""
    return _drawn(lambda seeds, cases: scores[np.ix_(seeds, cases)], scores.shape)


def difference(one: Scores, other: Scores) -> Mean:
    """Of ``one - other``, paired: a draw takes the same seeds and cases of both."""
    if one.shape != other.shape:
        raise ValueError(f"scores of different seeds or cases: {one.shape} and {other.shape}")
    return mean_of(one - other)


def _drawn(take: Callable[[NDArray[np.int64], NDArray[np.int64]], Scores], shape: tuple[int, ...]) -> Mean:
    rng = np.random.default_rng(0)
    seeds, cases = (rng.integers(n, size=(DRAWS, n)) for n in shape)
    means = [np.nanmean(take(s, c)) for s, c in zip(seeds, cases, strict=True)]
    low, high = np.percentile(means, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return Mean(float(np.nanmean(take(*(np.arange(n) for n in shape)))), float(low), float(high))
