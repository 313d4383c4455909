"""A click: what a person says of a place in a scan."""

from __future__ import annotations

from dataclasses import dataclass

from .spec import FloatTriple


@dataclass(frozen=True)
class Click:
    """What a person says of a place.

    Attributes:
        point: R, A, S, mm.
        structure: the name of the label that is meant, in any case.
        positive: the place belongs to it; False: it does not.
    """

    point: FloatTriple
    structure: str
    positive: bool = True
