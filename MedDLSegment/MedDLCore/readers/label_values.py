"""The values of a label map as they are stored, in the types that a label map has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError

ROUNDING = 1e-3
"""A value this near to a whole number is it: label maps that went through a float type or a slope."""


def label_values(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Stored numbers as label values.

    Args:
        array: any shape, a real dtype.
        name: of the file, for the message.

    Returns:
        The same values as uint8, or uint16 where one is above 255.

    Raises:
        MedDLError: FILE_UNREADABLE where a value is not a whole number from 0 to 65535: the file is no label map.
    """
    low, high = float(array.min()), float(array.max())
    if not (low >= -ROUNDING and high <= 65535 + ROUNDING):
        raise _no_label_map(name, f"its values run from {low:g} to {high:g}")
    dtype = np.uint8 if round(high) < 256 else np.uint16
    if array.dtype.kind != "f":
        return array.astype(dtype, copy=False)
    result = np.empty(array.shape, dtype)
    for source, target in zip(array, result, strict=True):  # plane by plane: no second float array of the whole
        whole = np.rint(source)
        if np.abs(source - whole).max() > ROUNDING:
            raise _no_label_map(name, "not all of its values are whole numbers")
        target[...] = whole
    return result


def values_present(array: NDArray[Any]) -> tuple[int, ...]:
    """The values of a label map but for 0, in order. Plane by plane: counting needs integers of 8 bytes.

    Args:
        array: three or more axes, uint8 or uint16.
    """
    there = np.zeros(int(np.iinfo(array.dtype).max) + 1, np.bool_)
    for plane in array.reshape(-1, *array.shape[-2:]):
        there[np.flatnonzero(np.bincount(plane.ravel()))] = True
    return tuple(int(value) for value in np.flatnonzero(there) if value)


def _no_label_map(name: str, why: str) -> MedDLError:
    return MedDLError(
        Code.FILE_UNREADABLE,
        f"{name} is no label map: {why}.",
        "A label map holds whole numbers from 0 (background) to 65535. Is this the scan itself, or a probability map?",
    )
