"""The picture of a result."""

from __future__ import annotations

from pathlib import Path

from ..case import CaseResult, Outputs
from ..volume import Volume
from ..writers import output_path


def draw(volume: Volume, result: CaseResult, outputs: Outputs) -> dict[str, Path]:
    """Draws planes, surfaces and a legend beside the other files."""
    from MedDLScene.pictures import renderPicture

    path = output_path(outputs.folder, result.stem, ".png")
    renderPicture(volume, result.segmentation.label_map, path)
    return {"picture": path}
