"""A contact sheet: one case as it is, and as the plan's augmentation varies it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from MedDLCore.atomic import atomic_path
from MedDLCore.volume import Label

from ..cases import PreparedCase
from ..plan import Plan
from .variations import across, variations

if TYPE_CHECKING:
    from PIL import Image

COLUMNS, ROWS = 6, 4
EDGE = 160
"""Pixels of a picture."""

OPACITY = 0.4


def contact_sheet(case: PreparedCase, plan: Plan, path: Path, seed: int = 0) -> None:
    """Draws a patch around a structure, untouched in the first place, then varied; the labels are tinted.

    Args:
        case: a prepared case.
        plan: patch and augmentation.
        path: of the PNG.
        seed: of the variations.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    from PIL import Image

    images, truths = variations(case, plan, COLUMNS * ROWS, seed)
    low, high = (float(v) for v in np.percentile(images[0, 0], (0.5, 99.5)))
    sheet = Image.new("RGB", (COLUMNS * EDGE, ROWS * EDGE))
    axis = across(plan)
    for n, (image, truth) in enumerate(zip(images, truths, strict=True)):
        at = _middle(truth, axis)
        grey = np.clip((image[0].take(at, axis) - low) / max(high - low, 1e-6), 0, 1)
        tinted = _tinted(grey, truth.take(at, axis + 1), plan.labels, plan.overlapping)
        sheet.paste(_upright(tinted), (n % COLUMNS * EDGE, n // COLUMNS * EDGE))
    with atomic_path(path) as unfinished:
        sheet.save(unfinished)


def _middle(truth: NDArray[np.float32], axis: int) -> int:
    """The slice with most of the structures."""
    area = (truth > 0).any(axis=0).sum(axis=tuple(n for n in range(3) if n != axis))
    return int(area.argmax()) if area.any() else truth.shape[axis + 1] // 2


def _tinted(
    grey: NDArray[np.float32], truth: NDArray[np.float32], labels: tuple[Label, ...], overlapping: bool
) -> NDArray[np.uint8]:
    picture = np.repeat(grey[..., None] * 255, 3, axis=-1)
    for label in labels:
        mask = truth[label.value - 1] > 0 if overlapping else truth[0] == label.value
        picture[mask] = (1 - OPACITY) * picture[mask] + OPACITY * np.array(label.color)
    return picture.astype(np.uint8)


def _upright(picture: NDArray[np.uint8]) -> Image.Image:
    """The higher of the two axes upwards (anterior or superior, where the grid is RAS)."""
    from PIL import Image

    turned = np.flipud(picture.swapaxes(0, 1))
    image = Image.fromarray(np.ascontiguousarray(turned))
    scale = EDGE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    tile = Image.new("RGB", (EDGE, EDGE))
    tile.paste(image.resize(size, Image.Resampling.BILINEAR), ((EDGE - size[0]) // 2, (EDGE - size[1]) // 2))
    return tile
