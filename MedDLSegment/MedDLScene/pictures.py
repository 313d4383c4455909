"""A picture of a result, to be looked at in a moment: three planes, the surfaces from the front, and a legend.

Drawn with numpy and pillow: the same picture on every machine, with no window, graphics driver or system font.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from MedDLCore.atomic import atomic_path
from MedDLCore.volume import Label, LabelMap, Volume

from .planes import AXIAL, CORONAL, SAGITTAL, View, mostOf, paint, planeThrough, windowOf
from .relief import paintRelief

PANEL = 560
STRIP = 34
"""Pixels around a panel's image: caption, letters and scale stand there, not in the image."""

GAP = 14
LEGEND = 350
ROWS = 12
"""Names in the legend."""

PAGE, BOX, FLOOR = (22, 24, 29), (8, 9, 11), (36, 40, 48)
TEXT, DIM, LETTER = (232, 234, 237), (150, 156, 166), (246, 198, 83)

_OVERSAMPLING = 2
_RELIEF_PIXELS = 660
_FILLED = 0.94
"""How much of its panel the surfaces fill."""


def renderPicture(volume: Volume, labelMap: LabelMap, path: Path) -> None:
    """Writes a PNG: axial, coronal and sagittal plane with the segments over the scan, surfaces, names and volumes.

    Planes are the patient's own, also for an oblique scan, and lie where most of the segmentation is; their pixels are
    square whatever the voxels are. The view is radiological: the patient's right is on the left.

    Args:
        volume: CT, MR or other; its first channel is shown.
        labelMap: on any grid; empty is allowed.
        path: ends in ``.png``; its folder exists.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE, NO_SPACE.
    """
    picture = drawPicture(volume, labelMap)
    with atomic_path(path) as unfinished:
        picture.save(unfinished, "PNG")


def drawPicture(volume: Volume, labelMap: LabelMap) -> Image.Image:
    """The picture of ``renderPicture``, RGB."""
    page = Image.new("RGB", (2 * PANEL + 4 * GAP + LEGEND, 2 * PANEL + 3 * GAP), PAGE)
    point, window = mostOf(labelMap, volume.geometry), windowOf(volume, labelMap)
    left, right = GAP, 2 * GAP + PANEL
    for view, corner in ((AXIAL, (left, GAP)), (CORONAL, (left, right)), (SAGITTAL, (right, right))):
        page.paste(_planePanel(volume, labelMap, view, point, window), corner)
    page.paste(_reliefPanel(labelMap), (right, GAP))
    page.paste(_legend(volume, labelMap, page.height - 2 * GAP), (right + PANEL + GAP, GAP))
    return page


def volumesInMillilitres(labelMap: LabelMap) -> dict[Label, float]:
    """The volume of each label's voxels, mL."""
    counts = np.zeros((labelMap.layers, int(np.iinfo(labelMap.array.dtype).max) + 1), np.int64)
    for n in range(labelMap.layers):
        for plane in labelMap.layer(n):
            counts[n] += np.bincount(plane.ravel(), minlength=counts.shape[1])
    millilitres = labelMap.geometry.voxel_volume / 1000
    return {label: float(counts[label.layer, label.value]) * millilitres for label in labelMap.labels}


def _planePanel(
    volume: Volume, labelMap: LabelMap, view: View, point: NDArray[np.float64], window: tuple[float, float]
) -> Image.Image:
    inner = PANEL - 2 * STRIP
    plane = planeThrough(volume.geometry, view, point, _OVERSAMPLING * inner, _OVERSAMPLING * inner)
    image = _toImage(paint(volume, labelMap, plane, window)).resize((inner, inner), Image.Resampling.BOX)
    panel = _panel(view.name, _place(view, point), view.letters)
    panel.paste(image, (STRIP, STRIP))
    _scaleBar(panel, float(plane.spacing[0]) * _OVERSAMPLING)
    return panel


def _reliefPanel(labelMap: LabelMap) -> Image.Image:
    inner = PANEL - 2 * STRIP
    panel = _panel("Surfaces", "from the front", CORONAL.letters)
    panel.paste(_floor(inner), (STRIP, STRIP))
    if not labelMap.array.any():
        return panel
    colours, pixel = paintRelief(labelMap, _RELIEF_PIXELS)
    image = _toImage(colours)
    factor = _FILLED * inner / max(image.size)
    size = tuple(max(1, round(n * factor)) for n in image.size)
    image = image.resize(size, Image.Resampling.LANCZOS)
    panel.paste(image, tuple((PANEL - n) // 2 for n in size), image)
    _scaleBar(panel, pixel / factor)
    return panel


def _panel(title: str, detail: str, letters: str) -> Image.Image:
    panel = Image.new("RGB", (PANEL, PANEL), BOX)
    draw = ImageDraw.Draw(panel)
    middle, edge = PANEL // 2, STRIP // 2
    draw.text((STRIP, edge), title, TEXT, _font(17), anchor="lm")
    draw.text((STRIP + draw.textlength(title, _font(17)) + 10, edge), detail, DIM, _font(15), anchor="lm")
    places = ((edge, middle), (PANEL - edge, middle), (middle, edge), (middle, PANEL - edge))
    for letter, place in zip(letters, places, strict=True):
        draw.text(place, letter, LETTER, _font(20), anchor="mm")
    return panel


def _place(view: View, point: NDArray[np.float64]) -> str:
    """Where the plane lies, e.g. ``L 12 mm``."""
    along = point[view.normal]
    return f"{('RL', 'AP', 'SI')[view.normal][int(along < 0)]} {abs(along):.0f} mm"


def _scaleBar(panel: Image.Image, pixel: float) -> None:
    """A bar of a round length, at most a quarter of the panel; ``pixel`` in mm."""
    longest = pixel * PANEL / 4
    power = 10.0 ** np.floor(np.log10(longest))
    length = max(step * power for step in (1, 2, 5) if step * power <= longest)
    draw, right, line = ImageDraw.Draw(panel), PANEL - STRIP, PANEL - STRIP // 2
    left = right - round(length / pixel)
    draw.line((left, line, right, line), TEXT, 2)
    for end in (left, right):
        draw.line((end, line - 4, end, line + 4), TEXT, 2)
    draw.text((left - 8, line), f"{length:g} mm", DIM, _font(14), anchor="rm")


def _legend(volume: Volume, labelMap: LabelMap, height: int) -> Image.Image:
    legend = Image.new("RGB", (LEGEND, height), BOX)
    draw = ImageDraw.Draw(legend)
    draw.text((24, 34), "Segments", TEXT, _font(20), anchor="lm")
    sizes = volumesInMillilitres(labelMap)
    shown = sorted(sizes, key=lambda label: -sizes[label])[:ROWS]
    top = 82
    for label in shown:
        draw.rounded_rectangle((24, top - 9, 42, top + 9), 4, label.color)
        size = _millilitres(sizes[label])
        draw.text((LEGEND - 24, top), size, TEXT, _font(16), anchor="rm")
        room = LEGEND - 24 - draw.textlength(size, _font(16)) - 14 - 54
        draw.text((54, top), _shortened(_plain(label.name), room, draw), TEXT, _font(16), anchor="lm")
        top += 36
    rest = len(sizes) - len(shown)
    if rest or not sizes:
        draw.text((54, top), f"+ {rest} more" if rest else "none", DIM, _font(16), anchor="lm")
    for n, line in enumerate(reversed(_facts(volume))):
        draw.text((24, height - 28 - 24 * n), line, DIM, _font(14), anchor="lm")
    return legend


def _facts(volume: Volume) -> list[str]:
    k, j, i = volume.geometry.shape
    spacing = " x ".join(f"{n:.3g}" for n in volume.geometry.spacing)
    return [
        f"{volume.modality or 'Scan'}, {i} x {j} x {k} voxels",
        f"{spacing} mm",
        "The patient's right is on the left.",
        "Not for diagnosis.",
    ]


def _millilitres(volume: float) -> str:
    if volume == 0:
        return "empty"
    if volume < 0.01:
        return "< 0.01 mL"
    return f"{volume:,.2f} mL" if volume < 10 else f"{volume:,.1f} mL" if volume < 100 else f"{volume:,.0f} mL"


def _plain(text: str) -> str:
    """What the built-in font can draw: ASCII, on one line; accents are dropped."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(letters.encode("ascii", "replace").decode().split())


def _shortened(text: str, room: float, draw: ImageDraw.ImageDraw) -> str:
    if draw.textlength(text, _font(16)) <= room:
        return text
    while text and draw.textlength(text + "...", _font(16)) > room:
        text = text[:-1]
    return text + "..."


def _floor(size: int) -> Image.Image:
    """A background that is lighter in its middle, so that dark surfaces stand out."""
    y, x = np.indices((size, size)) / (size - 1) * 2 - 1
    light = np.clip(1 - np.hypot(x, y) / 1.3, 0, 1)[..., None]
    return _toImage((np.array(BOX) + light * (np.array(FLOOR) - BOX)) / 255)


def _toImage(picture: NDArray[Any]) -> Image.Image:
    """0 to 1, with 3 (RGB) or 4 (RGBA) channels -> pillow."""
    return Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own font: there on every machine."""
    return ImageFont.load_default(size)
