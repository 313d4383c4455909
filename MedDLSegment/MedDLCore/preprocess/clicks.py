"""Clicks, and what was found so far, as input channels of a network that listens (see ``spec.Clicks``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..spec import Clicks, FloatTriple, Grid, Triple

ROUNDING = 1e-6
"""mm, and voxels: a voxel whose centre lies on the ball's surface is in it."""


class Clicked(NamedTuple):
    """A click on a grid.

    Attributes:
        voxel: its index along axes 0, 1, 2. It may lie outside: into a patch, balls reach from there.
        label: the value of the label that is meant.
        positive: the voxel belongs to it; False: it does not.
    """

    voxel: Triple
    label: int
    positive: bool = True


def click_spacing(grid: Grid) -> FloatTriple:
    """Mm along axes 0, 1, 2 at which clicks are drawn, in training as in use.

    It is the spacing that the model asks for: the grid's own is a little more or less, so that it holds whole voxels
    (``grid.rule``), and a ball as wide as two voxels would lose its outermost ones. Where the model keeps a scan's own,
    a voxel counts as 1 mm: a network that learns from scans of many spacings sees voxels.
    """
    a, b, c = (mm or 1.0 for mm in grid.spacing or (0.0, 0.0, 0.0))
    return a, b, c


def click_channels(
    clicked: Sequence[Clicked], shape: Sequence[int], spacing: Sequence[float], clicks: Clicks
) -> NDArray[np.float32]:
    """Draws clicks as balls.

    Args:
        clicked: in the order in which they were made: where balls of the same label say opposite things, the later one
            counts.
        shape: of the grid or patch, axes 0, 1, 2.
        spacing: mm along them.
        clicks: what the network takes.

    Returns:
        ``(2 * labels, *shape)``: the positive clicks of each label, then the negative ones. The voxel of a click is
        always in its ball, however large voxels are.
    """
    count = len(clicks.labels)
    channels = np.zeros((2 * count, *shape), np.float32)
    for click in clicked:
        where, ball = _ball(click.voxel, shape, spacing, clicks.radius)
        own = clicks.labels.index(click.label) + (0 if click.positive else count)
        channels[own][where][ball] = 1
        channels[(own + count) % (2 * count)][where][ball] = 0
    return channels


def mask_channels(found: NDArray[Any], clicks: Clicks, overlapping: bool) -> NDArray[np.float32]:
    """What was found, a channel for each label that can be clicked.

    Args:
        found: ``(1, d0, d1, d2)`` label values; of overlapping labels ``(N, d0, d1, d2)`` masks, label n + 1 at n.
        clicks: what the network takes.
        overlapping: which of the two.
    """
    masks = [found[value - 1] > 0 if overlapping else found[0] == value for value in clicks.labels]
    return np.stack(masks).astype(np.float32)


def _ball(
    centre: Triple, shape: Sequence[int], spacing: Sequence[float], radius: float
) -> tuple[tuple[slice, slice, slice], NDArray[np.bool_]]:
    """The part of the grid around a ball, and which of its voxels lie within."""
    squares, where = [], []
    for n, size, mm in zip(centre, shape, spacing, strict=True):
        reach = int(radius / mm + ROUNDING)
        part = slice(min(max(n - reach, 0), size), min(max(n + reach + 1, 0), size))
        where.append(part)
        squares.append(((np.arange(part.start, part.stop) - n) * mm) ** 2)
    a, b, c = squares
    within: NDArray[np.bool_] = a[:, None, None] + b[None, :, None] + c[None, None, :] <= (radius + ROUNDING) ** 2
    return (where[0], where[1], where[2]), within
