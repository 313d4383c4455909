"""What the person says about the input, beyond its path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import Code


@dataclass(frozen=True)
class ReadOptions:
    """Choices that settle what a file leaves open.

    Attributes:
        series: which series of a folder: None (there must be one), "all", a SeriesInstanceUID, or the number that
            MANY_SERIES lists: SeriesNumber, or 1, 2, ... where that does not tell all apart.
        frame: which volume of a 4-D file or of a series of several acquisitions, counted from 0, or "all"; None: a
            4-D file is refused, and acquisitions are all read.
        modality: DICOM's name of the modality (``CT``, ``MR``, ``PT``) where the file does not state it.
        allow: refusals that the person overrides.
    """

    series: str | None = None
    frame: int | Literal["all"] | None = None
    modality: str | None = None
    allow: frozenset[Code] = frozenset()
