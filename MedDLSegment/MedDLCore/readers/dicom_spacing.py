"""How slices follow each other: even or not, what is missing between them, and the even spacing that suits them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError

EVEN_MM = 0.1
EVEN_PART = 0.25
"""Slices are evenly spaced when none lies further than these, mm and part of the spacing, from its even place.

Positions that a scanner rounded to 0.1 mm are even; a single slice that is missing moves others by half a spacing.
"""

GAP_FACTOR = 1.5
"""A distance this many times the one to be expected there means that a slice is missing."""

NEIGHBOURS = 3
"""Distances before, and behind, from which the one to be expected is taken."""

UNCOVERED_MM = 10.0
"""A gap that leaves more than this without any slice (and more than twice the slice thickness) is refused."""

FEW = 10.0
"""Percentile of distances that gives the spacing of the even grid: the finest that is no exception."""

PLANES_PER_SLICE = 4
"""The even grid has at most this many planes for each slice, beside those that fill gaps."""


MOST_PLANES = 100_000
"""No scan has more; a grid with more follows from positions that cannot be true."""


def is_even(depths: NDArray[np.float64]) -> bool:
    """Whether slices lie on an even grid, to ``EVEN_MM`` and ``EVEN_PART``.

    Args:
        depths: ``(N,)`` mm along the slice normal, ascending.
    """
    if len(depths) < 3:
        return True
    spacing = (depths[-1] - depths[0]) / (len(depths) - 1)
    away = np.abs(depths - np.linspace(depths[0], depths[-1], len(depths))).max()
    return bool(away <= min(EVEN_MM, spacing * EVEN_PART))


def expected_distances(depths: NDArray[np.float64], thickness: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distance to be expected between each slice and the next, from its surroundings.

    It is the larger of two: the median distance of the ``NEIGHBOURS`` before or behind, which follows a protocol
    that changes its spacing; and the mean thickness of the two slices, scaled as distances are to thickness in most
    of the series, which knows that thick slices lie further apart.

    Args:
        depths: ``(N,)`` mm, ascending, N >= 2.
        thickness: ``(N,)`` mm; NaN where it is not known.

    Returns:
        ``(N - 1,)`` mm.
    """
    gaps = np.diff(depths)
    expected = np.empty(len(gaps))
    for n in range(len(gaps)):
        sides = [gaps[max(n - NEIGHBOURS, 0) : n], gaps[n + 1 : n + 1 + NEIGHBOURS]]
        expected[n] = max((float(np.median(side)) for side in sides if side.size), default=float(gaps[n]))
    means = (thickness[1:] + thickness[:-1]) / 2
    known = np.isfinite(means)
    if known.any():
        usual = float(np.median(gaps[known] / means[known]))
        expected[known] = np.maximum(expected[known], usual * means[known])
    return expected


def missing(depths: NDArray[np.float64], thickness: NDArray[np.float64]) -> NDArray[np.bool_]:
    """``(N - 1,)``: between which slices there should be others."""
    result: NDArray[np.bool_] = np.diff(depths) > GAP_FACTOR * expected_distances(depths, thickness)
    return result


def uncovered(depths: NDArray[np.float64], thickness: NDArray[np.float64]) -> NDArray[np.bool_]:
    """``(N - 1,)``: between which slices more is unseen than interpolation may fill.

    A gap's uncovered part is what the slices on both sides do not reach with half their thickness; the expected
    distance stands in where the thickness is not known. Limit: ``UNCOVERED_MM``, or twice the local thickness.
    """
    means = (thickness[1:] + thickness[:-1]) / 2
    local = np.where(np.isfinite(means), means, expected_distances(depths, thickness))
    result: NDArray[np.bool_] = np.diff(depths) - local > np.maximum(UNCOVERED_MM, 2 * local)
    return result


def even_grid(depths: NDArray[np.float64], holes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Even planes from the first slice to the last.

    The spacing is close to the finest one that is no exception (``FEW``), so that thin slices keep their detail and
    one narrow joint between two parts of a scan (4.0, 1.08, 7.0 mm) does not multiply the planes; where slices are
    merely missing, all others coincide with planes.

    Args:
        depths: ``(N,)`` mm, ascending, N >= 2.
        holes: ``(N - 1,)``: where slices are missing.

    Raises:
        MedDLError: TOO_LARGE, where that would take more than ``MOST_PLANES``.

    Returns:
        ``(M,)`` mm, evenly spaced, from ``depths[0]`` to ``depths[-1]``.
    """
    gaps = np.diff(depths)
    present = gaps[~holes] if (~holes).any() else gaps
    wanted = max(
        float(np.percentile(present, FEW, method="lower")), float(present.sum()) / (PLANES_PER_SLICE * len(present))
    )
    steps = max(1, round(float(depths[-1] - depths[0]) / wanted))
    if steps > MOST_PLANES:
        raise MedDLError(Code.TOO_LARGE, f"The slices lie so far apart that {steps} planes would be needed.")
    return np.linspace(depths[0], depths[-1], steps + 1)
