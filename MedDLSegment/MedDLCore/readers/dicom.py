"""DICOM files into volumes: read this first.

Files are opened whole (``dicom_files``), told apart and grouped into series (``dicom_series``), described slice by
slice (``dicom_slices``), sorted into stacks (``dicom_stacks``), placed in the world (``dicom_geometry``), decoded
(``dicom_pixels``, ``dicom_values``) and, where a stack is irregular, resampled (``dicom_straighten``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ..errors import EXPLANATIONS, Code, MedDLError, Notice
from ..volume import Source, Volume
from .dicom_files import DicomFile, is_dicom, open_dicom
from .dicom_geometry import lay_out
from .dicom_left_out import LeftOut, left_out, not_dicom, notices_of, said_once
from .dicom_series import Series, check_whole, choose, series_of
from .dicom_stacks import Stack, stacks_of
from .dicom_straighten import straightened
from .dicom_tags import silent_pydicom
from .dicom_values import check_memory, values_of
from .file_names import patterns_of, shown_names
from .options import ReadOptions
from .values import CT_AIR, check_values

__all__ = ["is_dicom", "read_dicom"]


def read_dicom(files: Sequence[Path], options: ReadOptions) -> list[Volume]:
    """Reads DICOM series, classic or multi-frame.

    Args:
        files: all files of a folder, or those of a series; the order does not matter. Files that are not DICOM are
            left out with a warning each.
        options: which series, which volume of a 4-D one, what is overridden.

    Returns:
        One volume for each acquisition, frame or series that was asked for, sorted by series and part. CT in HU.

    Raises:
        MedDLError: FILE_TRUNCATED, FILE_UNREADABLE, NO_IMAGES, MANY_SERIES, NO_DECODER, NOT_SCALAR, NOT_CT_MR,
            NOT_3D, LOCALIZER, MULTI_STACK, SERIES_INCONSISTENT, GEOM_SINGULAR, GEOM_MISSING, GEOM_GAP, GEOM_DUP,
            NONFINITE, TOO_LARGE.
    """
    with silent_pydicom():
        images, rest = _open(files)
        chosen, rest = choose(series_of(images), rest, options)
        results = [_read_or_refusal(series, options) for series in chosen]
        refusals = [result for result in results if isinstance(result, MedDLError)]
        if len(refusals) == len(results):
            raise refusals[0]
        notices = [*notices_of(rest), *map(_left_out_series, refusals)]
        read = [volume for result in results if not isinstance(result, MedDLError) for volume in result]
        return said_once([volume.with_notices(*notices) for volume in read])


def _read_or_refusal(series: Series, options: ReadOptions) -> list[Volume] | MedDLError:
    """One bad series of several must not take the others with it."""
    try:
        return _read_series(series, options)
    except MedDLError as refusal:
        return refusal


def _left_out_series(refusal: MedDLError) -> Notice:
    """What is said of a series that is refused beside others. It names no file: a manifest may hold it."""
    why = f"{refusal.code.value}: {EXPLANATIONS[refusal.code].meaning}"
    return Notice(Code.SERIES_LEFT_OUT, f"One of the series was left out. {why}")


def _open(files: Sequence[Path]) -> tuple[list[DicomFile], list[LeftOut]]:
    """Opens all files: images, and the others."""
    names = shown_names(set(files))
    images: list[DicomFile] = []
    rest: list[LeftOut] = []
    foreign = []
    for path, name in names.items():
        if not is_dicom(path):
            foreign.append(path)
            continue
        file = open_dicom(path, name)
        reason = left_out(file)
        if reason is not None:
            rest.append(reason)
            continue
        if not file.tags.text("SeriesInstanceUID"):
            check_whole(file)  # it could belong to any series
        images.append(file)
    patterns = patterns_of(file.path for file in images)
    return images, [*rest, *(not_dicom(path, names[path], patterns) for path in foreign)]


def _read_series(series: Series, options: ReadOptions) -> list[Volume]:
    if series.refusal is not None:
        raise series.refusal
    modality = options.modality or series.modality
    stacks = stacks_of(series.slices, options)
    parts = [stack.part for stack in stacks]
    split = len(stacks) > 1 and not all(part.startswith("frame") for part in parts)
    volumes = []
    for stack in stacks:
        volume = _read_stack(stack, series, modality, options)
        if split:
            text = f"The series holds {len(parts)} volumes ({', '.join(parts)}); this one is {stack.part}."
            volume = volume.with_notices(Notice(Code.SERIES_SPLIT, text))
        volumes.append(volume)
    return volumes


def _read_stack(stack: Stack, series: Series, modality: str | None, options: ReadOptions) -> Volume:
    layout = lay_out(stack, options.allow)
    values, of_values = values_of(stack.slices, modality)
    values, of_units = check_values(values, modality, options.allow)
    if not layout.regular:
        check_memory(math.prod(layout.geometry.shape), values.dtype, "The straightened scan")
        fill = max(CT_AIR, float(values.min())) if modality == "CT" else 0.0
        values = straightened(values, layout, fill)
    notices = (*notices_of(series.copies), *stack.notices, *layout.notices, *of_values, *of_units)
    files = tuple(sorted({item.file.path for item in stack.slices}))
    source = Source("DICOM", files, series.uid, stack.part)
    return Volume(values, layout.geometry, modality, source, layout.acquired, notices)
