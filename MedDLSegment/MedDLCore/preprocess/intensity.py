"""Intensity steps. Each becomes "clip, then a straight line", fitted to the scan as it came.

Statistics (percentiles, mean, standard deviation) are taken over the scan as it came, or over the network's grid, as
the model asks; never over a part of the scan only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec import Clip, FixedZScore, IntensityStep, Percentiles, Scale, Window, ZScore

FLAT = 1e-8
"""A range or standard deviation below this is no contrast: the image becomes constant instead of noise."""


@dataclass(frozen=True)
class Line:
    """``clip(value, low, high) * factor + offset``; voxels that are exactly 0 stay 0 if ``keep_zero``."""

    low: float = -np.inf
    high: float = np.inf
    factor: float = 1.0
    offset: float = 0.0
    keep_zero: bool = False

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Maps an array of any shape to float32."""
        result: NDArray[np.float32] = np.clip(values.astype(np.float32), self.low, self.high)
        zero = values == 0 if self.keep_zero else None
        result *= np.float32(self.factor)
        result += np.float32(self.offset)
        if zero is not None:
            result[zero] = 0
        return result


def fit_intensity(steps: Sequence[IntensityStep], scan: NDArray[Any]) -> tuple[Line, ...]:
    """Fits the steps to one channel of a scan.

    Args:
        steps: applied one after the other.
        scan: ``(K, J, I)``, what the statistics are taken over.

    Returns:
        One line per step.
    """
    lines: list[Line] = []
    values: NDArray[Any] = scan
    for n, step in enumerate(steps):
        line = _fit(step, values)
        lines.append(line)
        if any(isinstance(later, (Percentiles, ZScore)) for later in steps[n + 1 :]):
            values = line(values)
    return tuple(lines)


def apply_intensity(lines: Sequence[Line], values: NDArray[Any]) -> NDArray[np.float32]:
    """Applies fitted steps to an array of any shape; returns float32."""
    result: NDArray[np.float32] = values.astype(np.float32, copy=False)
    for line in lines:
        result = line(result)
    return result


def _fit(step: IntensityStep, values: NDArray[Any]) -> Line:
    if isinstance(step, Clip):
        return Line(step.low, step.high)
    if isinstance(step, Scale):
        return Line(factor=step.factor, offset=step.offset)
    if isinstance(step, Window):
        return _between(step.low, step.high, step.out_low, step.out_high, clip=True)
    if isinstance(step, FixedZScore):
        return Line(step.low, step.high, 1 / max(step.std, FLAT), -step.mean / max(step.std, FLAT))
    if isinstance(step, Percentiles):
        low, high = _percentiles(values, step.lower, step.upper)
        return _between(low, high, step.out_low, step.out_high, step.clip)
    if isinstance(step, ZScore):
        return _standardised(values[values != 0] if step.nonzero else values, step.nonzero)
    raise TypeError(f"unknown intensity step {step!r}")


def _percentiles(values: NDArray[Any], lower: float, upper: float) -> tuple[float, float]:
    if (lower, upper) == (0, 100):
        return float(values.min()), float(values.max())
    low, high = np.percentile(values, (lower, upper))
    return float(low), float(high)


def _between(low: float, high: float, out_low: float, out_high: float, clip: bool) -> Line:
    if high - low < FLAT * max(1.0, abs(high)):
        return Line(low, low, 0.0, out_low)
    factor = (out_high - out_low) / (high - low)
    edges = (low, high) if clip else (-np.inf, np.inf)
    return Line(*edges, factor, out_low - low * factor)


def _standardised(values: NDArray[Any], keep_zero: bool) -> Line:
    if values.size == 0:
        return Line(factor=0.0)
    mean = float(values.mean(dtype=np.float64))
    deviation = float(values.std(dtype=np.float64))
    if deviation < FLAT * max(1.0, abs(mean)):
        return Line(factor=0.0, keep_zero=keep_zero)
    return Line(factor=1 / deviation, offset=-mean / deviation, keep_zero=keep_zero)
