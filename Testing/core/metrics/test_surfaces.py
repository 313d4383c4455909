"""Surface distances against shapes whose answer is known, and against another implementation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from monai.metrics.utils import get_edge_surface_distance
from numpy.typing import NDArray

from fixtures.balls import ball_mask, turned
from MedDLCore.metrics import surface_distances
from MedDLCore.metrics.surface_elements import CORNERS, cell_codes, element_areas
from MedDLCore.volume import Geometry

OBLIQUE = turned(25, 2) @ turned(-40, 0) @ turned(10, 1)


def grid(spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), direction: Any = None, size: int = 48) -> Geometry:
    """A grid whose middle is the origin of the world. ``spacing``: i, j, k."""
    axes = np.eye(3) if direction is None else direction
    shape = tuple(round(size / mm) for mm in spacing[::-1])
    middle = axes @ (np.array(spacing) * (np.array(shape[::-1]) - 1) / 2)
    return Geometry.from_parts(shape, spacing, axes, -middle)


def box_mask(geometry: Geometry, start: tuple[int, int, int], stop: tuple[int, int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(geometry.shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


@pytest.mark.parametrize(
    "direction", [np.eye(3), OBLIQUE, np.diag([-1.0, 1.0, 1.0])], ids=["straight", "turned", "left"]
)
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.9, 3.0)])
def test_concentric_balls_are_as_far_apart_as_their_radii(direction: Any, spacing: tuple[float, float, float]) -> None:
    geometry = grid(spacing, direction)
    small, large = (ball_mask(geometry, (0, 0, 0), radius) for radius in (12.0, 18.0))
    measured = surface_distances(small, large, geometry)
    voxel = max(spacing)
    assert measured.mean() == pytest.approx(6, abs=0.55 * voxel)  # the nearest of a layer one cell thick
    assert measured.hausdorff(95) == pytest.approx(6, abs=0.75 * voxel)
    assert measured.dice(6 - 1.5 * voxel) < 0.02 and measured.dice(6 + voxel) > 0.99
    for areas, radius in ((measured.truth_areas, 12.0), (measured.found_areas, 18.0)):
        assert areas.sum() == pytest.approx(4 * math.pi * radius**2, rel=0.2)  # steps: +9 % on a cubic grid


@pytest.mark.parametrize(("axis", "shift"), [(0, 2), (1, 3), (2, 5)])
def test_a_plane_that_is_shifted_by_whole_voxels_is_off_by_exactly_that(axis: int, shift: int) -> None:
    geometry = grid((0.5, 1.5, 4.0), OBLIQUE, 60)
    start, stop = [0, 0, 0], list(geometry.shape)
    stop[axis] = geometry.shape[axis] // 2
    truth = box_mask(geometry, tuple(start), tuple(stop))  # type: ignore[arg-type]
    stop[axis] += shift
    found = box_mask(geometry, tuple(start), tuple(stop))  # type: ignore[arg-type]
    measured, mm = surface_distances(truth, found, geometry), shift * float(geometry.spacing[2 - axis])
    assert measured.hausdorff(100) == pytest.approx(mm, rel=1e-5)
    faces = [n * mm for n, mm in zip(geometry.shape, geometry.spacing[::-1], strict=True)]
    side = math.prod(faces) / faces[axis]
    farthest = measured.found_areas[np.isclose(measured.from_found, mm)].sum()
    assert 0.97 * side < farthest < 1.12 * side  # with the row of the walls that lies as far away
    assert measured.dice(0.99 * mm) < 1 and measured.dice(1.01 * mm) == 1


def test_a_box_has_the_area_of_its_faces_up_to_its_bevelled_edges() -> None:
    geometry = grid((0.5, 1.0, 2.0), OBLIQUE, 60)
    mask = box_mask(geometry, (4, 10, 20), (24, 50, 100))  # 40 x 40 x 40 mm
    measured = surface_distances(mask, mask, geometry)
    assert measured.truth_areas.sum() == pytest.approx(6 * 40 * 40, rel=0.03)
    assert (measured.mean(), measured.hausdorff(100), measured.dice(0)) == (0, 0, 1)


def test_a_surface_of_thick_and_thin_voxels_counts_by_its_area_and_not_by_its_elements() -> None:
    """Thin slices give the sides of a box more elements: their distance would count more, were they only counted."""
    fine, coarse = grid((1.0, 1.0, 1.0), size=60), grid((1.0, 1.0, 4.0), size=60)
    means = []
    for geometry in (fine, coarse):
        k = geometry.spacing[2]
        truth = box_mask(geometry, (round(8 / k), 10, 10), (round(40 / k), 50, 50))
        found = box_mask(geometry, (round(8 / k), 10, 10), (round(40 / k), 50, 54))
        means.append(surface_distances(truth, found, geometry).mean())
    assert means[0] == pytest.approx(means[1], rel=0.05)


def test_the_grid_on_which_two_shapes_are_drawn_does_not_matter() -> None:
    straight, turned_ = grid((0.6, 0.6, 0.6)), grid((0.6, 0.6, 1.2), OBLIQUE)
    values = []
    for geometry in (straight, turned_):
        truth, found = ball_mask(geometry, (0, 0, 0), 13), ball_mask(geometry, (3, 1, -2), 15)
        measured = surface_distances(truth, found, geometry)
        values.append((measured.mean(), measured.hausdorff(95), measured.dice(2.0)))
    assert values[0] == pytest.approx(values[1], rel=0.03, abs=0.03)


def test_on_a_sheared_grid_distances_are_still_those_of_the_world() -> None:
    matrix = np.diag([1.0, 1.0, 1.5, 1.0])
    matrix[:3, 2] = (0.6, 0.0, 1.5)
    matrix[:3, 3] = (-40, -30, -30)
    geometry = Geometry((40, 60, 80), matrix)
    assert not geometry.is_orthogonal
    small, large = (ball_mask(geometry, (0, 0, 0), radius) for radius in (12.0, 18.0))
    measured = surface_distances(small, large, geometry)
    assert measured.mean() == pytest.approx(6, abs=0.8)
    assert measured.hausdorff(95) == pytest.approx(6, abs=1.0)


def test_masks_at_the_volumes_faces_have_a_surface_there() -> None:
    geometry = grid(size=20)
    whole = np.ones(geometry.shape, bool)
    measured = surface_distances(whole, whole, geometry)
    assert measured.truth_areas.sum() == pytest.approx(6 * 20 * 20, rel=0.05)


def test_nothing_is_infinitely_far_and_no_number_is_made_of_it() -> None:
    geometry = grid(size=20)
    ball, empty = ball_mask(geometry, (0, 0, 0), 5), np.zeros(geometry.shape, bool)
    for truth, found in ((ball, empty), (empty, ball)):
        measured = surface_distances(truth, found, geometry)
        assert math.isnan(measured.mean()) and math.isnan(measured.hausdorff(95)) and measured.dice(100.0) == 0
    measured = surface_distances(empty, empty, geometry)
    assert all(math.isnan(value) for value in (measured.mean(), measured.hausdorff(), measured.dice(1.0)))
    with pytest.raises(ValueError, match="do not fit"):
        surface_distances(ball, ball[1:], geometry)


def test_a_far_speck_moves_the_largest_distance_and_not_the_95th_percentile() -> None:
    geometry = grid()
    truth, found = ball_mask(geometry, (0, 0, 0), 12), ball_mask(geometry, (0, 0, 0), 12)
    found[2, 2, 2] = True
    measured = surface_distances(truth, found, geometry)
    assert measured.hausdorff(95) == 0 and measured.hausdorff(100) > 20


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 1.2, 2.5)])
def test_monai_measures_the_same(spacing: tuple[float, float, float]) -> None:
    """It follows the same paper, with triangles of its own where a polygon is not flat."""
    geometry = grid(spacing, size=40)
    truth, found = ball_mask(geometry, (0, 0, 0), 11), ball_mask(geometry, (2.1, 1.3, -3.0), 12.5)
    ours = surface_distances(truth, found, geometry)
    masks, mm = (torch.from_numpy(found), torch.from_numpy(truth)), list(spacing[::-1])
    for tolerance in (0.5, 1.0, 2.0, 3.0):
        y_pred, y = (mask[None, None] for mask in masks)
        dice = compute_surface_dice(y_pred, y, [tolerance], include_background=True, spacing=mm, use_subvoxels=True)  # type: ignore[arg-type]
        assert ours.dice(tolerance) == pytest.approx(float(dice), abs=0.01)
    edges, distances, areas = get_edge_surface_distance(*masks, spacing=mm, use_subvoxels=True, symmetric=True)
    weights = [area[edge].numpy() for area, edge in zip(areas, edges, strict=True)]
    assert np.sort(ours.from_found) == pytest.approx(np.sort(distances[0].numpy()), abs=1e-4)
    assert np.sort(ours.from_truth) == pytest.approx(np.sort(distances[1].numpy()), abs=1e-4)
    mean = sum(float(d.numpy() @ w) for d, w in zip(distances, weights, strict=True)) / sum(w.sum() for w in weights)
    assert ours.mean() == pytest.approx(mean, rel=0.01)
    hd95 = compute_hausdorff_distance(y_pred, y, include_background=True, spacing=mm, percentile=95)  # of border voxels
    assert ours.hausdorff(95) == pytest.approx(float(hd95), abs=max(spacing))


def test_the_areas_of_a_flat_surface_are_exact_however_it_leans() -> None:
    """A plane through cell corners is cut without steps: diagonal planes of a cubic grid."""
    areas = element_areas(np.eye(3))
    code_of = lambda inside: sum(1 << bit for bit, corner in enumerate(CORNERS) if inside(*corner))  # noqa: E731
    assert areas[code_of(lambda k, j, i: k == 0)] == pytest.approx(1)
    assert areas[code_of(lambda k, j, i: k + j == 0)] == pytest.approx(math.sqrt(0.5))
    assert areas[code_of(lambda k, j, i: k + j + i <= 1)] == pytest.approx(1.299, abs=1e-3)  # a hexagon
    assert areas[0] == areas[255] == 0 and (areas[1:255] > 0).all()
    assert areas[1:255] == pytest.approx(element_areas(OBLIQUE)[1:255])


def test_every_cell_of_a_noisy_mask_has_closed_polygons() -> None:
    """Each polygon's sides lie in faces; the vector areas of a closed surface add up to nothing."""
    from MedDLCore.metrics.surface_elements import _all_polygons

    noise = np.random.default_rng(0).random((6, 7, 8)) > 0.5
    total = np.zeros(3)
    for code in cell_codes(noise).ravel():
        for polygon in _all_polygons()[code]:
            assert len(polygon) >= 3
            total += np.cross(polygon, np.roll(polygon, -1, axis=0)).sum(axis=0) / 2
    assert total == pytest.approx(np.zeros(3), abs=1e-9)
