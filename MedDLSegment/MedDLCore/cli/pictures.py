"""The picture of a result, where the extra ``[scene]`` and a graphics library are there to draw it."""

from __future__ import annotations

from pathlib import Path

from ..case import CaseResult, Outputs
from ..errors import Code, MedDLError, Notice
from ..volume import Volume
from ..writers import atomic_path, output_path
from .reporter import Reporter
from .scenes import require_scene


def draw(volume: Volume, result: CaseResult, outputs: Outputs, reporter: Reporter) -> dict[str, Path]:
    """Draws the planes and surfaces; a machine that cannot draw costs the picture and not the result."""
    path = output_path(outputs.folder, result.stem, ".png")
    try:
        require_scene("Pictures")
        from MedDLScene.pictures import renderPicture

        with atomic_path(path) as temporary:
            renderPicture(volume, result.segmentation.label_map, temporary)
    except MedDLError as error:
        if error.code is not Code.EXTRA_MISSING:
            raise
        reporter.notice(Notice(error.code, f"No picture was drawn. {error.message} {error.hint}"))
        return {}
    return {"picture": path}
