"""Intensity steps. Each becomes "clip, then a straight line", fitted to the scan as it came, or a curve.

Statistics (percentiles, mean, standard deviation) are taken over the scan as it came, or over the network's grid, as
the model asks; never over a part of the scan only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..spec import Clip, FixedZScore, FromMinimum, IntensityStep, Percentiles, Scale, Squash, Window, ZScore
from .route import works_in
from .statistics import Sample

if TYPE_CHECKING:
    from torch import Tensor

FLAT = 1e-8
"""A range or standard deviation below this part of the values themselves is rounding and no contrast: the image becomes
constant instead of noise."""


@dataclass(frozen=True)
class Line:
    """``clip(value, low, high) * factor + offset``; voxels that are exactly 0 stay 0 if ``keep_zero``."""

    low: float = -math.inf
    high: float = math.inf
    factor: float = 1.0
    offset: float = 0.0
    keep_zero: bool = False

    def __call__(self, values: Tensor) -> Tensor:
        """Maps floating-point values, in place.

        Their distance from where the line crosses 0 is taken first: it is exact where it is small, so that the contrast
        of values far from zero is not rounded away.
        """
        if self.factor == 0:
            return values.fill_(self.offset)
        zero = values == 0 if self.keep_zero else None
        root = -self.offset / self.factor
        if values.element_size() == 4:
            root = float(np.float32(root))
        values.sub_(root).mul_(self.factor).add_(root * self.factor + self.offset)
        if math.isfinite(self.low) or math.isfinite(self.high):
            values.clamp_(*sorted((self.low * self.factor + self.offset, self.high * self.factor + self.offset)))
        return values if zero is None else values.masked_fill_(zero, 0)

    @property
    def rises(self) -> bool:
        """A larger value never becomes smaller than another."""
        return self.factor >= 0 and not self.keep_zero


@dataclass(frozen=True)
class Curve:
    """``Squash``: a bound without a corner."""

    function: Literal["logistic", "tanh3"]
    rises = True

    def __call__(self, values: Tensor) -> Tensor:
        """Maps floating-point values, in place."""
        if self.function == "logistic":
            return values.sigmoid_()
        return values.div_(3).tanh_().mul_(3)


Fitted = Line | Curve


def fit_intensity(
    steps: Sequence[IntensityStep],
    scan: NDArray[Any] | Tensor,
    body: NDArray[np.bool_] | None = None,
    applied: Sequence[Fitted] = (),
) -> tuple[Fitted, ...]:
    """Fits the steps to one channel of a scan.

    Args:
        steps: applied one after the other.
        scan: ``(K, J, I)``, what the statistics are taken over.
        body: ``(K, J, I)``, for a step that takes them over the body alone. None: over all of it.
        applied: what is done to the scan before.

    Returns:
        One line or curve per step.
    """
    lines: list[Fitted] = []
    measuring = [n for n, step in enumerate(steps) if isinstance(step, (Percentiles, ZScore, FromMinimum))]
    sample = Sample.of(scan, body).after(*applied) if measuring else None
    for n, step in enumerate(steps):
        line = _fit(step, sample)
        lines.append(line)
        if sample is not None and n < measuring[-1]:
            sample = sample.after(line)
    return tuple(lines)


def tone(lines: Sequence[Fitted], values: Tensor) -> Tensor:
    """Applies fitted steps to floating-point values, in place."""
    for line in lines:
        values = line(values)
    return values


def apply_intensity(lines: Sequence[Fitted], values: NDArray[Any]) -> NDArray[np.float32]:
    """Applies fitted steps to an array of one axis or more, a slice at a time; returns float32."""
    import torch

    if not lines:
        return values.astype(np.float32, copy=False)
    result = np.empty(values.shape, dtype=np.float32)
    for n in range(len(values)):
        part = np.array(values[n : n + 1], dtype=works_in(values), order="C")
        result[n : n + 1] = tone(lines, torch.from_numpy(part)).numpy()
    return result


def toned(steps: Sequence[IntensityStep], values: NDArray[Any]) -> NDArray[Any]:
    """The values after the steps, fitted to themselves; as they are where there are none."""
    return apply_intensity(fit_intensity(steps, values), values) if steps else values


def _fit(step: IntensityStep, sample: Sample | None) -> Fitted:
    if isinstance(step, Clip):
        return Line(step.low, step.high)
    if isinstance(step, Scale):
        return Line(factor=step.factor, offset=step.offset)
    if isinstance(step, Window):
        return _between(step.low, step.high, step.out_low, step.out_high, clip=True)
    if isinstance(step, FixedZScore):
        return Line(step.low, step.high, 1 / step.std, -step.mean / step.std)
    if isinstance(step, Squash):
        return Curve(step.function)
    if sample is None:
        raise TypeError(f"unknown intensity step {step!r}")
    if isinstance(step, Percentiles):
        ends = (step.lower, step.upper)
        low, high = sample.range() if ends == (0, 100) else sample.percentiles(ends)
        return _between(low, high, step.out_low, step.out_high, step.clip)
    if isinstance(step, ZScore):
        return _standardised(*sample.moments(step.nonzero), step.nonzero)
    mean, deviation = sample.moments()
    low, _ = sample.range()
    deviation *= math.sqrt(len(sample) / max(1, len(sample) - 1))
    return Line(factor=0.0) if deviation <= FLAT * abs(mean) else Line(factor=1 / deviation, offset=-low / deviation)


def _between(low: float, high: float, out_low: float, out_high: float, clip: bool) -> Line:
    if high - low <= FLAT * max(abs(low), abs(high)):
        return Line(low, low, 0.0, out_low)
    factor = (out_high - out_low) / (high - low)
    edges = (low, high) if clip else (-math.inf, math.inf)
    return Line(*edges, factor, out_low - low * factor)


def _standardised(mean: float, deviation: float, keep_zero: bool) -> Line:
    if deviation <= FLAT * abs(mean):
        return Line(factor=0.0)
    return Line(factor=1 / deviation, offset=-mean / deviation, keep_zero=keep_zero)
