"""What a click means to a model, and what it changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..click import Click
from ..errors import Code, MedDLError
from ..preprocess import check_inside
from ..spec import ModelSpec
from ..volume import Geometry, Label
from .box import Box, moved


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
        MedDLError: CLICKS_MISMATCH where the model does not listen, or not for this structure; REGION_OUTSIDE.
    """
    check_listens(spec)
    heard = [label for label in spec.labels if spec.clicks is not None and label.value in spec.clicks.labels]
    check_inside(scan, click.point)
    for label in heard:
        if label.name.casefold() == click.structure.casefold():
            return label
    names = ", ".join(label.name for label in heard)
    raise MedDLError(
        Code.CLICKS_MISMATCH,
        f"{click.structure!r} is none of the structures of {spec.name} that can be clicked.",
        f"Take one of: {names}.",
    )
