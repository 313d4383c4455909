"""Intensity steps. Each becomes "clip, then a straight line", fitted to the scan as it came, or a curve.

Statistics (percentiles, mean, standard deviation) are taken over the scan as it came, or over the network's grid, as
the model asks; never over a part of the scan only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..spec import Clip, FixedZScore, FromMinimum, IntensityStep, Percentiles, Scale, Squash, Window, ZScore

FLAT = 1e-8
"""A range or standard deviation below this part of the values themselves is rounding and no contrast: the image becomes
constant instead of noise."""


@dataclass(frozen=True)
class Line:
    """``clip(value, low, high) * factor + offset``; voxels that are exactly 0 stay 0 if ``keep_zero``."""

    low: float = -np.inf
    high: float = np.inf
    factor: float = 1.0
    offset: float = 0.0
    keep_zero: bool = False

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Maps an array of one axis or more to float32.

        Computes in float64, a slice at a time: far from zero, float32 would round the contrast away.
        """
        result = np.empty(values.shape, dtype=np.float32)
        for n, part in enumerate(values):
            mapped = np.clip(part.astype(np.float64), self.low, self.high) * self.factor + self.offset
            result[n] = np.where(part == 0, 0, mapped) if self.keep_zero else mapped
        return result


@dataclass(frozen=True)
class Curve:
    """``Squash``: a bound without a corner."""

    function: Literal["logistic", "tanh3"]

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Maps an array of one axis or more to float32, a slice at a time."""
        result = np.empty(values.shape, dtype=np.float32)
        for n, part in enumerate(values):
            x = part.astype(np.float64)
            result[n] = 0.5 + 0.5 * np.tanh(0.5 * x) if self.function == "logistic" else 3 * np.tanh(x / 3)
        return result


Fitted = Line | Curve


def fit_intensity(
    steps: Sequence[IntensityStep], scan: NDArray[Any], body: NDArray[np.bool_] | None = None
) -> tuple[Fitted, ...]:
    """Fits the steps to one channel of a scan.

    Args:
        steps: applied one after the other.
        scan: ``(K, J, I)``, what the statistics are taken over.
        body: ``(K, J, I)``, where a step for the body alone takes them.

    Returns:
        One line or curve per step.
    """
    lines: list[Fitted] = []
    values: NDArray[Any] = scan
    for n, step in enumerate(steps):
        line = _fit(step, values, body)
        lines.append(line)
        if any(isinstance(later, (Percentiles, ZScore, FromMinimum)) for later in steps[n + 1 :]):
            values = line(values)
    return tuple(lines)


def apply_intensity(lines: Sequence[Fitted], values: NDArray[Any]) -> NDArray[np.float32]:
    """Applies fitted steps to an array of one axis or more; returns float32."""
    for line in lines:
        values = line(values)
    result: NDArray[np.float32] = values.astype(np.float32, copy=False)
    return result


def toned(steps: Sequence[IntensityStep], values: NDArray[Any]) -> NDArray[Any]:
    """The values after the steps, fitted to themselves; as they are where there are none."""
    return apply_intensity(fit_intensity(steps, values), values) if steps else values


def _fit(step: IntensityStep, values: NDArray[Any], body: NDArray[np.bool_] | None) -> Fitted:
    if isinstance(step, Clip):
        return Line(step.low, step.high)
    if isinstance(step, Scale):
        return Line(factor=step.factor, offset=step.offset)
    if isinstance(step, Window):
        return _between(step.low, step.high, step.out_low, step.out_high, clip=True)
    if isinstance(step, FixedZScore):
        return Line(step.low, step.high, 1 / step.std, -step.mean / step.std)
    if isinstance(step, Percentiles):
        low, high = _percentiles(values, step.lower, step.upper)
        return _between(low, high, step.out_low, step.out_high, step.clip)
    if isinstance(step, ZScore):
        over = values != 0 if step.nonzero else body if step.body else None
        return _standardised(values, over, step.nonzero)
    if isinstance(step, FromMinimum):
        return _from_minimum(values)
    if isinstance(step, Squash):
        return Curve(step.function)
    raise TypeError(f"unknown intensity step {step!r}")


def _percentiles(values: NDArray[Any], lower: float, upper: float) -> tuple[float, float]:
    if (lower, upper) == (0, 100):
        return float(values.min()), float(values.max())
    low, high = np.percentile(values, (lower, upper))
    return float(low), float(high)


def _between(low: float, high: float, out_low: float, out_high: float, clip: bool) -> Line:
    if high - low <= FLAT * max(abs(low), abs(high)):
        return Line(low, low, 0.0, out_low)
    factor = (out_high - out_low) / (high - low)
    edges = (low, high) if clip else (-np.inf, np.inf)
    return Line(*edges, factor, out_low - low * factor)


def _standardised(values: NDArray[Any], over: NDArray[np.bool_] | None, keep_zero: bool) -> Line:
    mean, deviation = _moments(values, over)
    if deviation <= FLAT * abs(mean):
        return Line(factor=0.0)
    return Line(factor=1 / deviation, offset=-mean / deviation, keep_zero=keep_zero)


def _from_minimum(values: NDArray[Any]) -> Line:
    low = float(values.min())
    mean, deviation = _moments(values, None)
    deviation *= float(np.sqrt(values.size / max(1, values.size - 1)))
    if deviation <= FLAT * abs(mean):
        return Line(factor=0.0)
    return Line(factor=1 / deviation, offset=-low / deviation)


def _moments(values: NDArray[Any], over: NDArray[np.bool_] | None) -> tuple[float, float]:
    """Mean and standard deviation (of the population), in float64 with no copy larger than a slice.

    Values are divided by the largest on the way, so that no square overflows.
    """
    largest = max(abs(float(values.min())), abs(float(values.max()))) or 1.0

    def parts() -> Iterator[NDArray[np.float64]]:
        for n, part in enumerate(values):
            yield (part if over is None else part[over[n]]).astype(np.float64) / largest

    count = max(1, values.size if over is None else int(np.count_nonzero(over)))
    mean = sum(float(part.sum()) for part in parts()) / count
    variance = sum(float(np.square(part - mean).sum()) for part in parts()) / count
    return mean * largest, float(np.sqrt(variance)) * largest
