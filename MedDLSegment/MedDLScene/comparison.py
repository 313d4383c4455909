"""A picture of truth and prediction side by side: three planes, where they differ most.

Rows are planes as in ``pictures``, radiological. The third column is the difference alone, in two colours that people
with any kind of colour vision tell apart, and that differ in brightness.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from MedDLCore.atomic import atomic_path
from MedDLCore.volume import Geometry, Label, LabelMap, Volume

from .planes import AXIAL, CORONAL, SAGITTAL, View, mostOf, paint, planeThrough, windowOf

PANEL, STRIP, GAP, CAPTION = 270, 18, 6, 26
"""Pixels: a panel's image, what stands around it, between panels, above columns."""

MARGIN = 25.0
"""mm that are shown around the structures."""

FOUND_ONLY = Label(1, "found only", (86, 180, 233))
MISSED = Label(2, "missed", (213, 94, 0))
"""Okabe & Ito 2008: sky blue and vermilion."""

PAGE, TEXT, LETTER = (0, 0, 0), (232, 234, 237), (246, 198, 83)


def renderComparison(volume: Volume, truth: LabelMap, found: LabelMap, path: Path) -> None:
    """Writes a PNG.

    Args:
        volume: its first channel is shown.
        truth: on the volume's grid.
        found: on the same grid, with the truth's labels in the same order and colours; values may differ.
        path: ends in ``.png``; its folder exists.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE, NO_SPACE.
    """
    picture = drawComparison(volume, truth, found)
    with atomic_path(path) as unfinished:
        picture.save(unfinished, "PNG", optimize=True)


def drawComparison(volume: Volume, truth: LabelMap, found: LabelMap) -> Image.Image:
    """The picture of ``renderComparison``, RGB."""
    different = difference(truth, found)
    point = mostOf(different if different.array.any() else truth, volume.geometry)
    shown, window = _around(truth, found), windowOf(volume, truth)
    cell = PANEL + 2 * STRIP + GAP
    page = Image.new("RGB", (3 * cell - GAP, CAPTION + 3 * cell - GAP), PAGE)
    draw = ImageDraw.Draw(page)
    for column, caption in enumerate(("truth", "prediction")):
        draw.text((column * cell + cell // 2, CAPTION // 2), caption, TEXT, _font(15), anchor="mm")
    for label, place, anchor in ((MISSED, 0.46, "rm"), (FOUND_ONLY, 0.54, "lm")):
        draw.text((round((2 + place) * cell), CAPTION // 2), label.name, label.color, _font(15), anchor=anchor)
    for row, view in enumerate((AXIAL, CORONAL, SAGITTAL)):
        plane = planeThrough(shown, view, point, PANEL, PANEL)
        for column, label_map in enumerate((truth, found, different)):
            corner = column * cell + STRIP, CAPTION + row * cell + STRIP
            page.paste(_toImage(paint(volume, label_map, plane, window)), corner)
            _letters(draw, view, corner)
    return page


def difference(truth: LabelMap, found: LabelMap) -> LabelMap:
    """Where a structure was missed, and where one was found that is not there; a voxel that is both was missed."""
    array = np.zeros(truth.geometry.shape, np.uint8)
    for own, other in zip(truth.labels, found.labels, strict=True):
        array[found.mask(other) & ~truth.mask(own) & (array == 0)] = FOUND_ONLY.value
        array[truth.mask(own) & ~found.mask(other)] = MISSED.value
    return LabelMap(array, truth.geometry, (FOUND_ONLY, MISSED))


def _around(truth: LabelMap, found: LabelMap) -> Geometry:
    """The part of the grid that holds every structure, ``MARGIN`` wider; all of it where there is none."""
    start, stop = [], []
    margins = np.ceil(MARGIN / truth.geometry.spacing[::-1]).astype(int)
    for axis, size in enumerate(truth.geometry.shape):
        there = np.flatnonzero(_occupied(truth, axis) | _occupied(found, axis))
        low, high = (there[0], there[-1] + 1) if len(there) else (0, size)
        start.append(max(0, int(low - margins[axis])))
        stop.append(min(size, int(high + margins[axis])))
    return truth.geometry.cropped(start, stop)


def _occupied(labelMap: LabelMap, axis: int) -> NDArray[np.bool_]:
    others = tuple(n for n in range(labelMap.array.ndim) if n != axis + labelMap.array.ndim - 3)
    return np.asarray(labelMap.array.any(axis=others))


def _letters(draw: ImageDraw.ImageDraw, view: View, corner: tuple[int, int]) -> None:
    """The directions, at the edges of a panel's image."""
    left, top = corner
    middle, out = PANEL // 2, STRIP // 2
    places = ((-out, middle), (PANEL + out, middle), (middle, -out), (middle, PANEL + out))
    for letter, (x, y) in zip(view.letters, places, strict=True):
        draw.text((left + x, top + y), letter, LETTER, _font(13), anchor="mm")


def _toImage(picture: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own font: there on every machine."""
    return ImageFont.load_default(size)
