"""Draws the icons: ``python Resources/Icons/draw.py``.

A slice of a body, grey on the left, with its segments on the right; for the training, with a learning curve. And what
stands for the scans in the module Sample Data: a head, a liver and a chest, as such a slice shows them.
"""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw

SIDE, OVER = 128, 8
"""Pixels of an icon, and how much larger it is drawn to have smooth edges."""

HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[1]

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]

GROUND, BODY, RIM = (27, 38, 59), (196, 203, 214), (236, 240, 245)
ORGANS: tuple[tuple[Box, Colour, Colour], ...] = (
    ((20, 44, 62, 86), (148, 158, 174), (221, 130, 101)),
    ((74, 46, 106, 82), (148, 158, 174), (88, 178, 168)),
    ((52, 72, 78, 98), (118, 128, 146), (244, 196, 92)),
)
"""Box, grey and colour of each structure, in pixels of the icon."""


def slice_of_a_body(coloured: bool) -> Image.Image:
    """The whole picture, grey or with segments."""
    image = Image.new("RGBA", (SIDE * OVER, SIDE * OVER))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle(_scaled((2, 2, 126, 126)), 24 * OVER, GROUND)
    draw.ellipse(_scaled((10, 24, 118, 106)), BODY, RIM, 3 * OVER)
    for box, grey, colour in ORGANS:
        draw.ellipse(_scaled(box), colour if coloured else grey, (255, 255, 255) if coloured else None, 2 * OVER)
    return image


def icon() -> Image.Image:
    """Grey on the left of a slanted line, segmented on the right."""
    mask = Image.new("L", (SIDE * OVER, SIDE * OVER))
    draw = ImageDraw.Draw(mask)
    right = [(58, 0), (128, 0), (128, 128), (36, 128)]
    draw.polygon([(x * OVER, y * OVER) for x, y in right], 255)
    whole = Image.composite(slice_of_a_body(True), slice_of_a_body(False), mask)
    ImageDraw.Draw(whole).line([(54 * OVER, 22 * OVER), (39 * OVER, 108 * OVER)], (*RIM, 255), 3 * OVER)
    return whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def training_icon() -> Image.Image:
    """The segmented slice, and over it a curve that rises to its end."""
    whole = slice_of_a_body(True)
    draw = ImageDraw.Draw(whole)
    curve = [(x, 116 - 84 * (1 - math.exp(-(x - 18) / 26))) for x in range(18, 111)]
    draw.line([(x * OVER, y * OVER) for x, y in curve], (*GROUND, 255), 13 * OVER, joint="curve")
    draw.line([(x * OVER, y * OVER) for x, y in curve], (*RIM, 255), 7 * OVER, joint="curve")
    x, y = curve[-1]
    draw.ellipse(_scaled((x - 9, y - 9, x + 9, y + 9)), RIM, GROUND, 3 * OVER)
    return whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


SAMPLES: dict[str, tuple[tuple[Box, Colour], ...]] = {
    "MRHead": (
        ((26, 10, 102, 118), RIM),
        ((31, 15, 97, 113), (60, 70, 92)),
        ((35, 19, 93, 109), BODY),
        ((56, 44, 62, 84), (60, 70, 92)),
        ((66, 44, 72, 84), (60, 70, 92)),
    ),
    "CTLiver": (
        ((10, 24, 118, 106), BODY),
        ((18, 36, 82, 92), (221, 130, 101)),
        ((86, 40, 110, 74), (157, 108, 162)),
        ((56, 78, 76, 102), RIM),
    ),
    "CTChest": (
        ((10, 24, 118, 106), BODY),
        ((18, 34, 56, 94), (44, 56, 80)),
        ((72, 34, 110, 94), (44, 56, 80)),
        ((50, 40, 82, 72), (206, 110, 84)),
        ((56, 78, 74, 100), RIM),
    ),
}
"""Ellipses of each scan, in pixels of the icon."""


def thumbnail(name: str) -> Image.Image:
    """A picture of a scan of the module Sample Data."""
    image = Image.new("RGBA", (SIDE * OVER, SIDE * OVER))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle(_scaled((2, 2, 126, 126)), 24 * OVER, GROUND)
    for box, colour in SAMPLES[name]:
        draw.ellipse(_scaled(box), colour)
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _scaled(box: Box) -> Box:
    left, top, right, bottom = box
    return left * OVER, top * OVER, right * OVER, bottom * OVER


if __name__ == "__main__":
    for path in (HERE / "MedDL.png", MODULES / "MedDLSegment" / "Resources" / "Icons" / "MedDLSegment.png"):
        icon().save(path)
    training_icon().save(MODULES / "MedDLTrain" / "Resources" / "Icons" / "MedDLTrain.png")
    for name in SAMPLES:
        thumbnail(name).save(MODULES / "MedDLSegment" / "Resources" / "Icons" / f"MedDLSegment-{name}.png")
