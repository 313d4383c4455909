"""Slicer scenes as inputs and as results. They need the extra ``[scene]``, and say so where it is absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..case import Beside
from ..readers import ReadOptions, check_without_series, chosen_frames
from ..readers.values import check_values
from ..volume import LabelMap, Volume

SCENES = {".mrb", ".mrml"}
"""Suffixes of scene files."""


def read_scene(path: Path, options: ReadOptions) -> list[Volume]:
    """The volumes of a scene, their values checked as those of files are.

    Raises:
        MedDLError: EXTRA_MISSING; SERIES_UNKNOWN, NOT_3D for a choice that the scene does not have; NONFINITE; what
            ``MedDLScene`` refuses.
    """
    from MedDLScene.scene_files import volumesOfScene

    check_without_series(path.name, options)
    volumes = [volume for _, volume in volumesOfScene(path)]
    return [_checked(volumes[n], options) for n in chosen_frames(path.name, len(volumes), options.frame)]


def _checked(volume: Volume, options: ReadOptions) -> Volume:
    modality = options.modality or volume.modality
    array, notices = check_values(volume.array, modality, options.allow)
    return replace(volume, array=array, modality=modality, notices=volume.notices + notices)


def require_scenes() -> None:
    """Raises EXTRA_MISSING where Slicer's libraries are not installed: before the run, not after it."""
    import MedDLScene.libraries  # noqa: F401


def _write_scene(volume: Volume, label_map: LabelMap, path: Path) -> None:
    from MedDLScene.result_scene import writeResultScene

    writeResultScene(volume, label_map, path, name="scan")


SCENE = Beside("mrb", ".mrb", "write", _write_scene)
"""The scan and its segmentation, as a scene that Slicer opens."""
