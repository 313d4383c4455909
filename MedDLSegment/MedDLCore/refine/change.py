"""What a click means to a model, and what it changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..click import Click
from ..errors import Code, MedDLError
from ..preprocess import check_inside, network_grid
from ..spec import FloatTriple, ModelSpec
from ..volume import Geometry, Label
from .box import Box, moved

BESIDE = 1.0
"""Voxels of the network's grid between the outermost one and a click that is taken for one on it."""


@dataclass(frozen=True, eq=False)
class Change:
    """The smallest box of the scan that holds all voxels that changed, and what is there now.

    Attributes:
        box: K, J, I; empty where nothing changed.
        array: label values ``(1, k, j, i)``; of structures that may overlap masks ``(N, k, j, i)`` of 0 and 1, the
            label value n + 1 at n.
    """

    box: Box
    array: NDArray[Any]

    @property
    def is_nothing(self) -> bool:
        """Whether all stayed as it was."""
        return self.array.size == 0

    @classmethod
    def between(cls, before: NDArray[Any], after: NDArray[Any], start: tuple[int, int, int] = (0, 0, 0)) -> Change:
        """The change from ``before`` to ``after``, ``(L, k, j, i)`` each, of the part of the scan from ``start`` on."""
        differs = (before != after).any(axis=0)
        ends = [np.flatnonzero(differs.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        low, high = ([int(x[n]) + n % 2 if x.size else 0 for x in ends] for n in (0, -1))
        a, b, c = (slice(m, n) for m, n in zip(low, high, strict=True))
        return cls(moved((a, b, c), start), after[:, a, b, c].copy())


def check_listens(spec: ModelSpec) -> None:
    """Refuses a model that does not listen to clicks.

    Raises:
        MedDLError: CLICKS_MISMATCH.
    """
    if spec.clicks is None:
        raise MedDLError(
            Code.CLICKS_MISMATCH,
            f"The model {spec.name} was not trained with clicks; it does not listen to them.",
            "Train one that does with meddl train --interactive; --from begins with this model's weights.",
        )


def label_of(click: Click, spec: ModelSpec, scan: Geometry) -> Label:
    """The label that a click means.

    Raises:
        MedDLError: CLICKS_MISMATCH where the model does not listen, or not for this structure; REGION_OUTSIDE where the
            click lies outside the scan, or outside what the model sees of it.
    """
    check_listens(spec)
    heard = [label for label in spec.labels if spec.clicks is not None and label.value in spec.clicks.labels]
    check_inside(scan, click.point)
    _check_seen(click.point, spec, scan)
    for label in heard:
        if label.name.casefold() == click.structure.casefold():
            return label
    names = ", ".join(label.name for label in heard)
    raise MedDLError(
        Code.CLICKS_MISMATCH,
        f"{click.structure!r} is none of the structures of {spec.name} that can be clicked.",
        f"Take one of: {names}.",
    )


def _check_seen(point: FloatTriple, spec: ModelSpec, scan: Geometry) -> None:
    """Refuses a point, RAS mm, that a grid of fixed shape does not reach: the click would be heard at another place."""
    if spec.grid.shape is None or spec.crops is not None:
        return
    grid = network_grid(scan, spec.grid)
    last = np.array(grid.shape[::-1]) - 1
    if (np.abs(grid.ras_to_index(point) - last / 2) > last / 2 + BESIDE).any():
        raise MedDLError(
            Code.REGION_OUTSIDE,
            f"The model {spec.name} sees only the middle of the scan; the point {point} lies outside.",
            "Cut the scan around what is to be corrected (Crop Volume in Slicer).",
        )
