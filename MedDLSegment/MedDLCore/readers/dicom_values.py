"""Stored numbers into values: Hounsfield units of a CT, signal of an MR, activity of a PET."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError, Notice
from ..machine_memory import total_memory
from .dicom_pixels import stored_frames
from .dicom_slices import Slice
from .file_names import listed
from .values import CT_AIR, rescaled

PADDING_AT_MOST_HU = -1000.0
"""A padding value of a CT above this would declare tissue to be padding; it is not believed."""

PADDING_AT_LEAST_HU = 32000.0
"""From here on nothing is measured: extended scales end at 30,710 HU, 12 bits in steps of 10 HU from -10,240 HU on.
Such padding was written as a negative number, and its bits are declared, and stored, as a large one."""


def values_of(slices: Sequence[Slice], modality: str | None) -> tuple[NDArray[Any], tuple[Notice, ...]]:
    """Decodes slices and applies what their headers say of the values.

    Padding (pixels outside the scanner's circle, stored as -1500, -2000 HU or lower, or beyond what a CT measures)
    becomes air, -1024 HU, in a CT and 0 in any other image.

    Args:
        slices: of one size.
        modality: ``CT``, ``MR``, ``PT`` or None.

    Returns:
        ``(K, J, I)``: int16 for an ordinary CT; integers wherever slope and intercept are whole, else floating point.
        The warnings.

    Raises:
        MedDLError: NO_DECODER, FILE_UNREADABLE, FILE_TRUNCATED, TOO_LARGE; SERIES_INCONSISTENT where only some slices
            state slope and intercept, and it matters.
    """
    stack = _decoded(slices)
    notices: tuple[Notice, ...] = ()
    if slices[0].pixels.photometric == "MONOCHROME1" and _is_negative(stack):
        for item, image in zip(slices, stack, strict=True):
            image[...] = _turned_round(image, item)
        notices = (
            Notice(Code.VALUES_INVERTED, "The image is stored as a negative (MONOCHROME1) and was turned round."),
        )
    values = _rescaled(stack, slices)
    ranges = [_padding_of(item, modality) for item in slices]
    if modality == "CT" and any(ranges):
        values = values.astype(np.result_type(values.dtype, np.int16), copy=False)  # unsigned numbers hold no air
    for image, padding in zip(values, ranges, strict=True):
        if padding is not None:
            image[(image >= padding[0]) & (image <= padding[1])] = CT_AIR if modality == "CT" else 0
    return values, notices


def check_memory(voxels: int, dtype: np.dtype[Any], what: str) -> None:
    """Refuses, before anything is allocated, what the memory could never hold.

    Raises:
        MedDLError: TOO_LARGE.
    """
    size, memory = voxels * dtype.itemsize, total_memory()
    if size > memory:
        raise MedDLError(
            Code.TOO_LARGE,
            f"{what} would take {size / 2**30:.0f} GiB, "
            f"and this machine, or its container, has {memory / 2**30:.0f} GiB of memory.",
        )


def _decoded(slices: Sequence[Slice]) -> NDArray[Any]:
    """``(K, J, I)`` stored numbers; each file is opened once."""
    shape = (len(slices), slices[0].pixels.rows, slices[0].pixels.columns)
    dtype = np.result_type(*{item.pixels.dtype for item in slices})
    check_memory(math.prod(shape), dtype, "The series")
    stack = np.empty(shape, dtype)
    by_file: dict[Any, list[int]] = defaultdict(list)
    for k, item in enumerate(slices):
        by_file[item.file.path].append(k)
    for places in by_file.values():
        first = slices[places[0]]
        frames = stored_frames(first.file, first.pixels, [slices[k].frame for k in places])
        for k, image in zip(places, frames, strict=True):
            stack[k] = image
    return stack


def _is_negative(stack: NDArray[Any]) -> bool:
    """Whether the numbers themselves are inverted, told by the air around the body, which is dark in every modality.

    MONOCHROME1 only says how to display (PS3.3 C.7.6.3.1.2), and numbers keep their meaning; but some exporters
    invert the numbers with it.
    """
    border = np.concatenate(
        [stack[:, 0].ravel(), stack[:, -1].ravel(), stack[:, :, 0].ravel(), stack[:, :, -1].ravel()]
    )
    low, high = np.percentile(stack, (0.5, 99.5))
    return bool(np.median(border) > (low + high) / 2)


def _turned_round(image: NDArray[Any], item: Slice) -> NDArray[Any]:
    """The same picture in white for black, in the range of the stored bits."""
    highest = -1 if item.pixels.signed else 2**item.pixels.stored - 1
    turned: NDArray[Any] = highest - image.astype(np.int64)
    return turned


def _rescaled(stack: NDArray[Any], slices: Sequence[Slice]) -> NDArray[Any]:
    """Slope and intercept of each slice; a PET has others in each."""
    scales = [(item.slope, item.intercept) for item in slices]
    if len(set(scales)) == 1:
        return rescaled(stack, *scales[0])
    unstated = [item.name for item in slices if item.unstated]
    if 0 < len(unstated) < len(slices):
        raise MedDLError(
            Code.SERIES_INCONSISTENT,
            f"{len(unstated)} of {len(slices)} slices do not state slope and intercept of their values as the others "
            f"do: {listed(unstated)}.",
        )
    parts = [rescaled(stack[k : k + 1], *scale) for k, scale in enumerate(scales)]
    types = {part.dtype for part in parts}
    dtype = np.result_type(*types) if all(kind.kind in "iu" for kind in types) else np.dtype(np.float32)
    return np.concatenate(parts).astype(dtype, copy=False)


def _padding_of(item: Slice, modality: str | None) -> tuple[float, float] | None:
    """The values of a slice that are no measurement, from and to; None where none are, or it is not believed."""
    if item.padding is None:
        return None
    low, high = sorted(end * item.slope + item.intercept for end in item.padding)
    if modality == "CT" and high > PADDING_AT_MOST_HU and low < PADDING_AT_LEAST_HU:
        return None
    if item.pixels.photometric == "MONOCHROME1":  # whether the padding was inverted with the image is not known
        return None
    slack = 1e-6 * max(abs(low), abs(high), 1.0)
    return low - slack, high + slack
