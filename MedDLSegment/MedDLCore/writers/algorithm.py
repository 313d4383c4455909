"""What made a segmentation, as results name it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Algorithm:
    """What made a segmentation.

    Attributes:
        name: the model's name.
        version: the model's version.
        model_sha256: hexadecimal digest of its weights.
        assisted: a person corrected what it found, or told it where to look again.
    """

    name: str
    version: str
    model_sha256: str
    assisted: bool = False
