"""Slicer scenes as inputs and as results, where the extra ``[scene]`` is there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ..case import CaseResult, Outputs
from ..errors import Code, MedDLError
from ..volume import Volume
from ..writers import output_path

SCENES = {".mrb", ".mrml"}
"""Suffixes of scene files."""


def read_scene(path: Path) -> list[Volume]:
    """The volumes of a scene.

    Raises:
        MedDLError: EXTRA_MISSING; NO_IMAGES where it holds none; what ``MedDLScene`` refuses.
    """
    require_scene("Slicer scenes")
    from MedDLScene.scene_files import volumesOfScene

    volumes: list[Volume] = [volume for _, volume in volumesOfScene(path)]
    if not volumes:
        raise MedDLError(Code.NO_IMAGES, f"The scene {path.name} holds no volume.")
    return volumes


def check_scene(outputs: Outputs, stem: str) -> None:
    """Refuses before the run what ``write_scene`` would refuse after it."""
    require_scene("Slicer scenes")
    path = output_path(outputs.folder, stem, ".mrb")
    if path.exists() and not outputs.overwrite:
        raise MedDLError(Code.OUTPUT_EXISTS, f"{path.name} is in the output folder already.")


def write_scene(volume: Volume, result: CaseResult, outputs: Outputs) -> Path:
    """Writes a scene (.mrb) with the scan and its segmentation."""
    require_scene("Slicer scenes")
    from MedDLScene.scene_files import writeScene

    path = output_path(outputs.folder, result.stem, ".mrb")
    writeScene(volume, result.segmentation.label_map, path)
    return path


def require_scene(what: str) -> None:
    """Raises EXTRA_MISSING where Slicer's libraries are not installed."""
    if importlib.util.find_spec("MedDLScene") is None or importlib.util.find_spec("slicer") is None:
        raise MedDLError(Code.EXTRA_MISSING, f"{what} need the extra [scene].", "pip install 'meddl[scene]'")
