"""The picture of truth and prediction side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fixtures.balls import ball, ball_mask, turned
from MedDLCore.volume import Geometry, Label, LabelMap
from MedDLScene.comparison import (
    CAPTION,
    FOUND_ONLY,
    GAP,
    MISSED,
    PANEL,
    STRIP,
    difference,
    drawComparison,
    renderComparison,
)

COLOR = (0, 158, 115)
CELL = PANEL + 2 * STRIP + GAP


def grid(direction: np.ndarray | None = None) -> Geometry:
    axes = np.diag([-1.0, -1.0, 1.0]) if direction is None else direction
    return Geometry.from_parts((50, 80, 80), (1.5, 1.5, 2.4), axes, -axes @ np.array([59.25, 59.25, 58.8]))


def label_map(geometry: Geometry, centre: tuple[float, float, float], value: int = 1) -> LabelMap:
    mask = ball_mask(geometry, centre, 10)
    return LabelMap(mask.astype(np.uint8) * value, geometry, (Label(value, "ball", COLOR),))


def panel(picture: Image.Image, row: int, column: int) -> np.ndarray:
    left, top = column * CELL + STRIP, CAPTION + row * CELL + STRIP
    return np.asarray(picture)[top : top + PANEL, left : left + PANEL].astype(int)


def middle_of(image: np.ndarray, color: tuple[int, int, int]) -> tuple[float, float]:
    """Row and column of the middle of what has exactly this colour (outlines have)."""
    rows, columns = np.nonzero((np.abs(image - np.array(color)) <= 1).all(axis=-1))
    assert len(rows) > 20
    return float(rows.mean()), float(columns.mean())


@pytest.mark.parametrize("direction", [None, turned(20)], ids=["straight", "turned"])
def test_the_patients_right_is_at_the_left_and_truth_stands_left_of_prediction(direction: np.ndarray | None) -> None:
    geometry = grid(direction)
    scan = ball(geometry, (0, 0, 0), 45)
    truth, found = label_map(geometry, (20, 0, 0)), label_map(geometry, (-20, 0, 0), value=7)
    picture = drawComparison(scan, truth, found)
    for row in (0, 1):  # axial, coronal
        assert middle_of(panel(picture, row, 0), COLOR)[1] < PANEL / 2 - 20  # right in the world, left in the picture
        assert middle_of(panel(picture, row, 1), COLOR)[1] > PANEL / 2 + 20
        differences = panel(picture, row, 2)
        assert middle_of(differences, MISSED.color)[1] < PANEL / 2 - 20
        assert middle_of(differences, FOUND_ONLY.color)[1] > PANEL / 2 + 20


def test_anterior_and_superior_are_up() -> None:
    geometry = grid()
    scan, truth = ball(geometry, (0, 0, 0), 45), label_map(geometry, (0, 20, 18))
    far = replace(truth, array=truth.array | label_map(geometry, (0, -25, -25)).array)  # so that both ends are shown
    picture = drawComparison(scan, far, truth)
    axial = panel(drawComparison(scan, truth, truth), 0, 0)
    assert middle_of(axial, COLOR)[0] == pytest.approx(PANEL / 2, abs=40)
    sagittal = panel(picture, 2, 1)
    row, column = middle_of(sagittal, COLOR)
    assert row < PANEL / 2 and column < PANEL / 2  # superior is up, and it faces to the left


def test_what_is_right_has_no_difference_and_what_is_both_was_missed() -> None:
    geometry = grid()
    one, other = label_map(geometry, (0, 0, 0)), label_map(geometry, (4, 0, 0))
    assert not difference(one, one).array.any()
    both = difference(one, other)
    masks = one.array > 0, other.array > 0
    assert np.array_equal(both.array == MISSED.value, masks[0] & ~masks[1])
    assert np.array_equal(both.array == FOUND_ONLY.value, masks[1] & ~masks[0])
    pair = (Label(1, "a", COLOR), Label(2, "b", COLOR))
    swapped = difference(LabelMap(one.array, geometry, pair), LabelMap(one.array * 2, geometry, pair))
    assert set(np.unique(swapped.array)) == {0, MISSED.value}


def test_a_case_without_any_structure_is_drawn_too(tmp_path: Path) -> None:
    geometry = grid()
    empty = replace(label_map(geometry, (0, 0, 0)), array=np.zeros(geometry.shape, np.uint8))
    renderComparison(ball(geometry, (0, 0, 0), 45), empty, empty, tmp_path / "c.png")
    assert Image.open(tmp_path / "c.png").size == (3 * CELL - GAP, CAPTION + 3 * CELL - GAP)
