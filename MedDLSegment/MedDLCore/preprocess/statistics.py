"""What intensity steps need to know of an image: smallest and largest value, percentiles, mean and deviation.

Nothing is sorted and nothing is copied whole. Of integers of up to 16 bits, which most scans are, the voxels are
counted value by value once, and everything follows from the counts, exactly; other images are gone through slice by
slice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .route import works_in

if TYPE_CHECKING:
    from torch import Tensor

DIGIT = 16
"""Bits by which numbers are told apart at a time."""

Mapping = Callable[["Tensor"], "Tensor"]
"""Changes values in place, each by itself."""


class Sample(ABC):
    """The values that statistics are taken of."""

    @staticmethod
    def of(array: NDArray[Any] | Tensor, within: NDArray[np.bool_] | None = None) -> Sample:
        """The voxels of an image of one axis or more, or those ``within``, of the same shape."""
        if isinstance(array, np.ndarray) and array.dtype.kind in "iub" and array.dtype.itemsize * 8 <= DIGIT:
            return _counted(array, within)
        return _Gone(array, within)

    @abstractmethod
    def after(self, *mappings: Mapping) -> Sample:
        """What becomes of the values, one mapping after the other."""

    @abstractmethod
    def range(self) -> tuple[float, float]:
        """The smallest and the largest value."""

    @abstractmethod
    def ranked(self, ranks: Sequence[int]) -> list[float]:
        """The values at these places, from 0, of all in order."""

    @abstractmethod
    def moments(self, nonzero: bool = False) -> tuple[float, float]:
        """Mean and standard deviation of the population, 0 of none; ``nonzero``: of the values that are not 0."""

    @abstractmethod
    def __len__(self) -> int: ...

    def percentiles(self, percents: Sequence[float]) -> list[float]:
        """Percentiles, 0..100, between the two nearest ranks as ``numpy.percentile`` finds them."""
        places = [(len(self) - 1) * (percent / 100) for percent in percents]
        ranks = [min(int(place) + n, len(self) - 1) for place in places for n in (0, 1)]
        values = iter(self.ranked(ranks))
        return [_between(next(values), next(values), place % 1) for place in places]


def _between(low: float, high: float, part: float) -> float:
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


@dataclass(frozen=True, eq=False)
class _Counted(Sample):
    """``values`` (float64, each different) and how often each occurs."""

    values: NDArray[np.float64]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.counts.sum())

    def after(self, *mappings: Mapping) -> Sample:
        import torch

        values = torch.from_numpy(self.values.copy())
        for mapping in mappings:
            values = mapping(values)
        return replace(self, values=values.numpy())

    def range(self) -> tuple[float, float]:
        return float(self.values.min()), float(self.values.max())

    def ranked(self, ranks: Sequence[int]) -> list[float]:
        order = np.argsort(self.values)
        at = np.searchsorted(np.cumsum(self.counts[order]), ranks, side="right")
        found: list[float] = self.values[order][at].tolist()
        return found

    def moments(self, nonzero: bool = False) -> tuple[float, float]:
        counts = self.counts * (self.values != 0) if nonzero else self.counts
        number = max(1, int(counts.sum()))
        mean = float((self.values * counts).sum()) / number
        return mean, float(np.sqrt((np.square(self.values - mean) * counts).sum() / number))


def _counted(array: NDArray[Any], within: NDArray[np.bool_] | None) -> _Counted:
    unsigned = np.dtype(f"u{array.dtype.itemsize}")
    counts = np.zeros(2 ** (8 * unsigned.itemsize), dtype=np.int64)
    for n in range(len(array)):
        part = array[n : n + 1] if within is None else array[n : n + 1][within[n : n + 1]]
        bits = np.ascontiguousarray(part, dtype=array.dtype.newbyteorder("=")).view(unsigned)
        counts += np.bincount(bits.ravel(), minlength=len(counts))
    present = np.flatnonzero(counts)
    values = present.astype(unsigned).view(array.dtype.newbyteorder("="))
    return _Counted(values.astype(np.float64), counts[present])


@dataclass(frozen=True, eq=False)
class _Gone(Sample):
    """Gone through slice by slice, after the mappings so far."""

    array: NDArray[Any] | Tensor
    within: NDArray[np.bool_] | None = None
    mappings: tuple[Mapping, ...] = ()

    def parts(self) -> Iterator[NDArray[Any]]:
        """The values, in pieces of one axis, in the type that they are interpolated in."""
        import torch

        for n in range(len(self.array)):
            part = self.array[n : n + 1]
            values = part if isinstance(part, np.ndarray) else part.cpu().numpy()
            if self.within is not None:
                values = values[self.within[n : n + 1]]
            values = values.astype(works_in(values), order="C", copy=bool(self.mappings))
            for mapping in self.mappings:
                values = mapping(torch.from_numpy(values)).numpy()
            yield values.reshape(-1)

    def __len__(self) -> int:
        return int(np.prod(self.array.shape)) if self.within is None else int(np.count_nonzero(self.within))

    def after(self, *mappings: Mapping) -> Sample:
        return replace(self, mappings=(*self.mappings, *mappings))

    def range(self) -> tuple[float, float]:
        ends = [(float(part.min()), float(part.max())) for part in self.parts() if part.size]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def ranked(self, ranks: Sequence[int]) -> list[float]:
        """Digit by digit: of the numbers that begin as the one at a rank does, how many have each next digit."""
        number = next(self.parts()).dtype
        bits = 8 * number.itemsize
        begins, left = [0] * len(ranks), list(ranks)
        for shift in range(bits - DIGIT, -1, -DIGIT):
            counts = {begin: np.zeros(2**DIGIT, dtype=np.int64) for begin in begins}
            for part in self.parts():
                keys = _ordered(part)
                for begin, count in counts.items():
                    alike = keys if shift == bits - DIGIT else keys[keys >> (shift + DIGIT) == begin]
                    count += np.bincount((alike >> shift & (2**DIGIT - 1)).astype(np.int64), minlength=2**DIGIT)
            for n, begin in enumerate(begins):
                upto = np.cumsum(counts[begin])
                digit = int(np.searchsorted(upto, left[n], side="right"))
                left[n] -= int(upto[digit - 1]) if digit else 0
                begins[n] = begin << DIGIT | digit
        return [_from_ordered(begin, number) for begin in begins]

    def moments(self, nonzero: bool = False) -> tuple[float, float]:
        """In float64. Values are divided by the largest on the way, so that no square overflows."""
        if len(self) == 0:
            return 0.0, 0.0
        low, high = self.range()
        largest = max(abs(low), abs(high)) or 1.0

        def scaled() -> Iterator[NDArray[np.float64]]:
            for part in self.parts():
                yield (part[part != 0] if nonzero else part).astype(np.float64) / largest

        number, total = 0, 0.0
        for part in scaled():
            number, total = number + part.size, total + float(part.sum())
        mean = total / max(1, number)
        variance = sum(float(np.square(part - mean).sum()) for part in scaled()) / max(1, number)
        return mean * largest, float(np.sqrt(variance)) * largest


def _ordered(values: NDArray[Any]) -> NDArray[Any]:
    """Floating-point numbers as unsigned integers in the same order (IEEE 754)."""
    bits = values.view(np.dtype(f"u{values.dtype.itemsize}"))
    top = bits.dtype.type(1 << (8 * bits.itemsize - 1))
    keys: NDArray[Any] = np.where(bits & top, ~bits, bits | top)
    return keys


def _from_ordered(key: int, number: np.dtype[Any]) -> float:
    width = 8 * number.itemsize
    top = 1 << (width - 1)
    bits = key ^ top if key & top else key ^ (2**width - 1)
    return float(np.array(bits, dtype=f"u{number.itemsize}").view(number))
