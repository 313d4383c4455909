"""What is left out of a grid at its ends."""

from __future__ import annotations

from collections.abc import Sequence

Cut = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Voxels at the low and the high end of axes 0, 1, 2."""

NOTHING_CUT: Cut = ((0, 0), (0, 0), (0, 0))


def inner(cut: Cut, shape: Sequence[int]) -> tuple[slice, slice, slice]:
    """What a cut leaves of axes of these lengths."""
    a, b, c = (slice(low, n - high) for n, (low, high) in zip(shape, cut, strict=True))
    return a, b, c
