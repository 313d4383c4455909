"""Inputs named on the command line -> cases, one volume for each channel of the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import Code, MedDLError
from ..readers import ReadOptions, read
from ..readers.open import format_of
from ..volume import Volume
from .scenes import SCENES, read_scene

Case = tuple[Volume, ...]

WITHOUT_ORDER = ("DICOM", "scene")
"""Formats whose several volumes are no channels in an order, as the frames of a 4-D file are."""


def group_inputs(inputs: Sequence[Path], channels: int) -> list[tuple[Path, ...]]:
    """Which inputs belong together.

    For a model with several channels all of them, in the order of the channels. For a model with one channel each is
    on its own, unless all are DICOM files, which are then read together.
    """
    if channels > 1 or (len(inputs) > 1 and all(path.is_file() and format_of(path) == "DICOM" for path in inputs)):
        return [tuple(inputs)]
    return [(path,) for path in inputs]


def read_cases(paths: tuple[Path, ...], channels: int, options: ReadOptions) -> list[Case]:
    """Reads one group: a case for every volume (series, frame, volume of a scene) if the model has one channel.

    Raises:
        MedDLError: what the readers refuse; CHANNELS_MISMATCH where an input for one channel holds several volumes,
            or the one input for several channels does not say which is which.
    """
    if channels == 1 or len(paths) == 1:
        volumes = _read(paths, options)
        if channels == 1 or volumes[0].channels == channels:
            return [(volume,) for volume in volumes]
        if len(volumes) > 1 and volumes[0].source.format in WITHOUT_ORDER:
            raise MedDLError(
                Code.CHANNELS_MISMATCH,
                f"{paths[0].name} holds {len(volumes)} volumes, and which of them is which channel stands nowhere.",
                "Give a folder or file for each channel, in the order that meddl models info shows.",
            )
        return [tuple(volumes)]
    return [tuple(_single(path, options) for path in paths)]


def _read(paths: tuple[Path, ...], options: ReadOptions) -> list[Volume]:
    if len(paths) == 1 and paths[0].suffix.lower() in SCENES:
        return read_scene(paths[0], options)
    return read(paths[0] if len(paths) == 1 else list(paths), options)


def _single(path: Path, options: ReadOptions) -> Volume:
    volumes = _read((path,), options)
    if len(volumes) != 1:
        raise MedDLError(
            Code.CHANNELS_MISMATCH,
            f"{path.name} holds {len(volumes)} volumes; a channel takes one.",
            "Choose one with --series or --frame.",
        )
    return volumes[0]
