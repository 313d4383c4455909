"""Colours for structures that come without one."""

from __future__ import annotations

import colorsys

GOLDEN = 0.618034
"""Part of the circle of hues between neighbouring values: neighbours look different, and no hue comes back soon."""


def colour(value: int) -> tuple[int, int, int]:
    """Red, green, blue, 0 to 255, for a label value."""
    red, green, blue = colorsys.hsv_to_rgb(value * GOLDEN % 1, 0.55, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)
