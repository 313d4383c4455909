"""What the phantom is made of: distances and smooth fields, against formulas evaluated point by point."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fixtures.balls import positions, turned
from MedDLCore.demo.fields import Waves
from MedDLCore.demo.shapes import Ellipsoid, column, joined, rotation, tube
from MedDLCore.volume import Geometry


def an_oblique_grid() -> Geometry:
    return Geometry.from_parts((7, 9, 8), (6.0, 5.0, 7.0), turned(30, 0) @ turned(-20, 2), (-20, -22, -18))


def points_of(geometry: Geometry) -> np.ndarray:
    return np.moveaxis(positions(geometry), -1, 0).astype(np.float32)


def test_a_field_of_waves_is_its_sum_of_cosines() -> None:
    grid = an_oblique_grid()
    waves = Waves.random(np.random.default_rng(3), (20, 80), deviation=5.0)
    phase = 2 * np.pi * positions(grid) @ waves.vectors.T + waves.phases
    assert np.allclose(waves(grid), waves.amplitude * np.cos(phase).sum(axis=-1), atol=1e-3)


def test_a_field_has_the_deviation_and_the_wavelengths_that_were_asked_for() -> None:
    waves = Waves.random(np.random.default_rng(4), (20, 80), deviation=5.0)
    wavelengths = 1 / np.linalg.norm(waves.vectors, axis=1)
    assert wavelengths.min() >= 20 and wavelengths.max() <= 80
    large = Geometry.from_parts((60, 60, 60), (25.3, 24.1, 26.7))
    assert waves(large).std() == pytest.approx(5.0, rel=0.03)


def test_an_ellipsoid_of_equal_radii_is_a_ball() -> None:
    points = points_of(an_oblique_grid())
    centre = np.array([3.0, -2.0, 5.0])
    exact = np.linalg.norm(points - centre[:, None, None, None], axis=0) - 12
    assert np.allclose(Ellipsoid((3, -2, 5), (12, 12, 12), (10, 20, 30))(points), exact, atol=1e-3)


def test_a_turned_ellipsoid_has_its_tips_where_its_axes_point() -> None:
    ellipsoid = Ellipsoid((1, 2, 3), (30, 10, 20), (25, -35, 50))
    axes = rotation(ellipsoid.degrees)
    assert np.allclose(axes @ axes.T, np.eye(3)) and np.linalg.det(axes) == pytest.approx(1)
    for axis, radius in enumerate(ellipsoid.radii):
        for outside in (-2.0, 0.0, 2.0):
            tip = np.array(ellipsoid.centre) + axes[:, axis] * (radius + outside)
            distance = ellipsoid(tip.astype(np.float32).reshape(3, 1, 1, 1)).item()
            assert distance == pytest.approx(outside, abs=1e-3)


def test_turning_follows_the_right_hand_rule() -> None:
    assert np.allclose(rotation((0, 0, 90)) @ [1, 0, 0], [0, 1, 0])
    assert np.allclose(rotation((90, 0, 90)) @ [0, 0, 1], [1, 0, 0])  # first about the first axis, then the third


def test_the_distance_to_a_tube_is_that_to_its_nearest_segment() -> None:
    points = points_of(an_oblique_grid())
    line = np.array([[-10, 0, -10], [5, 5, 0], [5, -8, 20]])
    steps = np.linspace(0, 1, 400)[:, None]
    dense = np.concatenate([a + steps * (b - a) for a, b in itertools.pairwise(line)])
    exact = np.linalg.norm(points.reshape(3, 1, -1) - dense.T[:, :, None], axis=0).min(axis=0) - 4
    assert np.allclose(tube(points, line, 4).ravel(), exact, atol=0.05)


def test_a_round_column_is_a_cylinder_and_a_square_one_keeps_its_half_widths() -> None:
    points = points_of(an_oblique_grid())
    exact = np.hypot(points[0] - 3, points[1] + 5) - 15
    assert np.allclose(column(points, (15, 15), 2.0, centre=(3, -5)), exact, atol=1e-2)
    sides = np.array([[14.0, 0, 9], [0, 22.0, -9], [10.0, 0, 0], [0, 20.0, 0]], dtype=np.float32).T.reshape(3, 4, 1, 1)
    assert np.allclose(column(sides, (10, 20), 2.5).ravel(), [4, 2, 0, 0], atol=1e-3)


def test_joining_fills_the_notch_between_two_shapes_and_leaves_the_rest() -> None:
    first, second = np.array([1.0, 5.0, 20.0], np.float32), np.array([1.0, 9.0, 3.0], np.float32)
    assert np.allclose(joined(first, second, 8.0), [1 - 8 / 4, 5 - 16 * 0.25 / 8, 3.0])
