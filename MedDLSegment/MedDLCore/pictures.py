"""The picture beside a result, which the package of scenes draws: the core asks it for nothing else."""

from __future__ import annotations

from pathlib import Path

from .case import Beside
from .volume import LabelMap, Volume


def _draw(volume: Volume, label_map: LabelMap, path: Path) -> None:
    from MedDLScene.pictures import renderPicture

    renderPicture(volume, label_map, path)


PICTURE = Beside("picture", ".png", "picture", _draw)
"""Planes, surfaces and a legend."""
