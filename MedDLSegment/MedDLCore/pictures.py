"""The picture beside a result. The one place where the core asks the package of scenes, which draws it without any."""

from __future__ import annotations

from pathlib import Path

from .case import Beside
from .volume import LabelMap, Volume


def _draw(volume: Volume, label_map: LabelMap, path: Path) -> None:
    from MedDLScene.pictures import renderPicture

    renderPicture(volume, label_map, path)


PICTURE = Beside("picture", ".png", "picture", _draw)
"""Planes, surfaces and a legend."""
