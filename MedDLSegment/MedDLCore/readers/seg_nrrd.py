"""3D Slicer's segmentation file, ``.seg.nrrd``, as ``writers.seg_nrrd`` and Slicer itself write it.

After Slicer's developer guide ("Segmentation file format (.seg.nrrd)"). Files of Slicer 4.10 and before have a layer
for each segment and do not number them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import Code, MedDLError
from ..terminology import TAG, parse_terminology
from ..volume import Label, LabelMap, Terminology
from .label_values import label_values
from .nrrd import read_header_and_pairs
from .options import ReadOptions
from .stored import StoredImage, load

_GREY = (128, 128, 128)


def segments_of_seg_nrrd(path: Path) -> tuple[Label, ...]:
    """The segments of a file, by its header alone: no voxel is read.

    Returns:
        In the file's order; values may be the same in different layers.

    Raises:
        MedDLError: FILE_UNREADABLE where the file is no segmentation, or what the NRRD reader refuses.
    """
    image, pairs = read_header_and_pairs(path)
    return _labels(path, image, pairs)


def read_seg_nrrd(path: Path) -> LabelMap:
    """Reads a segmentation, on the grid on which it is stored, which may be a part of its scan's.

    Returns:
        ``(K, J, I)``, or ``(L, K, J, I)`` where it has layers.

    Raises:
        MedDLError: as ``segments_of_seg_nrrd``; FILE_TRUNCATED.
    """
    image, pairs = read_header_and_pairs(path)
    labels = _labels(path, image, pairs)
    layers = [label_values(volume.array, path.name) for volume in load(image, ReadOptions(frame="all"))]
    array = layers[0] if len(layers) == 1 else np.stack(layers)
    try:
        return LabelMap(array, image.geometry, labels)
    except ValueError as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name}: its segments contradict each other ({error}).") from error


def _labels(path: Path, image: StoredImage, pairs: Mapping[str, str]) -> tuple[Label, ...]:
    numbers = sorted({int(found[1]) for key in pairs if (found := re.match(r"segment(\d{1,9})_", key))})
    if not numbers and not any(key.startswith("segmentation_") for key in pairs):
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name} does not describe any segments.")
    try:
        return tuple(_label(n, image.frames, pairs) for n in numbers)
    except ValueError as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name}: a segment's description is malformed.") from error


def _label(number: int, layers: int, pairs: Mapping[str, str]) -> Label:
    def said(key: str, default: str) -> str:
        return pairs.get(f"segment{number}_{key}", default)

    value = int(said("labelvalue", "1"))
    layer = int(said("layer", str(number if layers > 1 else 0)))
    if not 0 < value < 65536 or not 0 <= layer < layers:
        raise ValueError("no such value or layer")
    color = _GREY
    if len(parts := said("color", "").split()) == 3:
        red, green, blue = (round(255 * min(max(float(part), 0.0), 1.0)) for part in parts)
        color = (red, green, blue)
    name = re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], said("name", f"Segment_{number + 1}"))
    return Label(value, " ".join(name.split()), color, _terminology(said("tags", "")), layer)


def _terminology(tags: str) -> Terminology | None:
    """Slicer's tags are ``key:value`` pairs, joined by ``|``."""
    for tag in tags.split("|"):
        key, _, value = tag.partition(":")
        if key.strip() == TAG:
            return parse_terminology(value)
    return None
