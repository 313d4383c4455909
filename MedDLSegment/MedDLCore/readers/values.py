"""What the values of a scan are: finite numbers, and for a CT Hounsfield units."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError, Notice

NONFINITE_ACCEPTED = 0.01
"""The fraction of NaN and infinite voxels that is replaced; more is refused."""

CT_AIR = -1024
"""What replaces a voxel of a CT that is no number, HU."""

PADDING_HU = -1100.0
"""No tissue and no air lies lower, with the noise of real scanners: it is padding outside the scanner's circle."""

AIR_HU = -850.0
"""Air lies between ``PADDING_HU`` and here."""

AIR_AT_LEAST = 0.005
"""The share of air from which there is a peak. Whole scans hold 17 % to 62 %; the same scans shifted by 1024, 0.2 %."""

FIRST_PERCENTILE_HU = -200.0
"""Where there is air, the first percentile lies below this."""

LUNG_HU = -700.0
"""Above it lies the body without its aerated lung."""

SOFT_HU = (-200.0, 300.0)
"""Fat, water, muscle, blood and organs, with contrast medium and noise."""

SOFT_AT_LEAST = 0.4
"""The least share of soft tissue in the body without its lung. Whole scans hold 79 % to 97 %, crops of a lung 37 %,
scans with a wrong slope 5 %."""

FLOAT32_LOSS = 1e-6
"""Rounding that is smaller than this part of the range of values loses nothing."""

SAMPLES = 400_000
"""Shares are taken on a regular subgrid of about this many voxels."""


def check_values(
    array: NDArray[Any], modality: str | None, allow: Set[Code] = frozenset()
) -> tuple[NDArray[Any], tuple[Notice, ...]]:
    """Makes values finite, and doubts those of a CT that do not look like Hounsfield units.

    Args:
        array: any shape, a real dtype; slope and intercept applied.
        modality: DICOM's name of it, or None.
        allow: with NONFINITE in it, any number of NaN and infinite voxels is replaced.

    Returns:
        The array itself, or a repaired copy where it held NaN or infinite values (CT: -1024, else 0); the warnings.

    Raises:
        MedDLError: NONFINITE, where more than 1 % of the voxels are no numbers.
    """
    array, notices = _finite(array, modality, allow)
    doubt = check_hounsfield(array) if modality == "CT" else None
    return array, notices if doubt is None else (*notices, doubt)


def _finite(array: NDArray[Any], modality: str | None, allow: Set[Code]) -> tuple[NDArray[Any], tuple[Notice, ...]]:
    if array.dtype.kind != "f":
        return array, ()
    finite = np.isfinite(array)
    count = array.size - int(np.count_nonzero(finite))
    if count == 0:
        return array, ()
    found = f"{count} of {array.size} voxels ({100 * count / array.size:.2g} %) are NaN or infinite"
    if count > NONFINITE_ACCEPTED * array.size and Code.NONFINITE not in allow:
        raise MedDLError(Code.NONFINITE, f"{found}.")
    fill = CT_AIR if modality == "CT" else 0
    return np.where(finite, array, array.dtype.type(fill)), (Notice(Code.NONFINITE, f"{found}; now {fill}."),)


def check_hounsfield(array: NDArray[Any]) -> Notice | None:
    """Asks whether the values can be Hounsfield units: air at -1000, water at 0.

    Padding is left aside. Then there must be air, and what is neither air nor lung must mostly be soft tissue: a
    missing intercept moves both, a missing slope the second. A crop without any air cannot be judged so; the
    warning says just that.

    Args:
        array: any shape with three spatial axes last, finite, a real dtype.

    Returns:
        UNITS_DUBIOUS with what was found, or None.
    """
    found = _doubt(_subgrid(array))
    if found is None:
        return None
    return Notice(Code.UNITS_DUBIOUS, f"The CT's values may not be Hounsfield units: {found}.")


def _doubt(sample: NDArray[Any]) -> str | None:
    inside = sample[sample > PADDING_HU]
    if not inside.size:
        return f"all lie below {PADDING_HU:g}"
    low, high = float(inside.min()), float(inside.max())
    if low >= 0:
        picture = ", like the grey values of a picture" if high <= 255 else ": the intercept may be missing"
        return f"none is negative, they run from {low:.4g} to {high:.4g}{picture}"
    air = float(np.mean(inside < AIR_HU))
    if air < AIR_AT_LEAST or np.percentile(inside, 1) >= FIRST_PERCENTILE_HU:
        return (
            f"they run from {low:.4g} to {high:.4g} without a peak near -1000, that of air; "
            "a crop inside the body has none either, and then cannot be checked"
        )
    body = inside[inside > LUNG_HU]
    soft = float(np.mean((body > SOFT_HU[0]) & (body < SOFT_HU[1]))) if body.size else 0.0
    if soft < SOFT_AT_LEAST:
        return f"only {100 * soft:.0f} % of what is denser than lung is soft tissue: slope or intercept may be wrong"
    return None


def _subgrid(array: NDArray[Any]) -> NDArray[Any]:
    """Every n-th voxel along each of the last three axes: no axis is missed, as with a stride over the flat array."""
    steps = [1, 1, 1]
    while array.size / np.prod(steps) > SAMPLES:
        steps[int(np.argmax(np.array(array.shape[-3:]) / steps))] += 1
    k, j, i = steps
    return array[..., ::k, ::j, ::i]


def narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """Stored numbers in the machine's byte order and in no wider a type than they need.

    float64 and wider become float32 where that is exact to ``FLOAT32_LOSS`` of the range of values, else float64;
    float16 becomes float32; 64-bit integers become int32 where they fit; other integers stay as they are.
    """
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size != 4:
        return _narrowed_float(array)
    if kind in "iu" and size == 8 and array.size and array.min() >= -(2**31) and array.max() < 2**31:
        return array.astype(np.int32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _narrowed_float(array: NDArray[Any]) -> NDArray[Any]:
    finite = array[np.isfinite(array)]
    if finite.size and not _fits_float32(float(finite.min()), float(finite.max())):
        return array.astype(np.float64)
    with np.errstate(invalid="ignore"):  # NaN is dealt with afterwards
        return array.astype(np.float32)


def _fits_float32(low: float, high: float) -> bool:
    largest = max(abs(low), abs(high))
    if largest == 0:
        return True
    single = np.finfo(np.float32)
    rounding = largest * float(single.eps) / 2
    return float(single.tiny) <= largest <= float(single.max) and rounding <= FLOAT32_LOSS * (high - low)


def rescaled(array: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Stored numbers times slope plus intercept.

    Returns:
        Integers, in the narrowest of int16, int32 and int64 that holds them, where numbers, slope and intercept are
        integers; else float32, or float64 where float32 would lose (see ``narrowed``).
    """
    if slope == 1 and intercept == 0:
        return array
    if array.dtype.kind in "iu" and float(slope).is_integer() and float(intercept).is_integer():
        ends = [int(end) * int(slope) + int(intercept) for end in (array.min(), array.max())]
        for narrow in (np.int16, np.int32, np.int64):
            if np.iinfo(narrow).min <= min(ends) and max(ends) <= np.iinfo(narrow).max:
                return _by_slice(array, np.int64, int(slope), int(intercept), narrow)
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    bounds = [float(end) * slope + intercept for end in (finite.min(), finite.max())] if finite.size else [0.0]
    single = _fits_float32(min(bounds), max(bounds))
    return _by_slice(array, np.float64, slope, intercept, np.float32 if single else np.float64)


def _by_slice(array: NDArray[Any], wide: Any, slope: float, intercept: float, dtype: Any) -> NDArray[Any]:
    """Computes in the type ``wide``, a slice at a time, so that no wide array of the whole volume exists."""
    result = np.empty(array.shape, dtype)
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is dealt with afterwards
        for source, target in zip(array, result, strict=True):
            target[...] = source.astype(wide) * slope + intercept
    return result
