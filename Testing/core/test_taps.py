"""What values along an axis are made of, against SimpleITK, which finds them without such weights."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import SimpleITK as sitk

from MedDLCore.taps import NOTHING, Taps, picked, taps

INTERPOLATORS = {"linear": sitk.sitkLinear, "cubic": sitk.sitkBSpline3}
FILL = -9.0


def by_itk(values: np.ndarray, at: np.ndarray, interpolation: str) -> np.ndarray:
    """Values at places along the last axis of a line of voxels."""
    image = sitk.GetImageFromArray(values[None, None].astype(np.float64))
    found = [
        sitk.Resample(image, [1, 1, 1], sitk.TranslationTransform(3, [float(place), 0, 0]), interpolator, [0.0] * 3)
        for place in at
        for interpolator in (INTERPOLATORS[interpolation],)
    ]
    return np.array([sitk.GetArrayFromImage(one)[0, 0, 0] for one in found])


def product(along: Taps, values: np.ndarray) -> np.ndarray:
    first, last = along.span(0, len(along))
    return along.matrix(0, len(along)) @ values[first:last]


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 40, 200])
def test_values_between_voxels_are_those_of_itk(size: int, interpolation: Literal["linear", "cubic"]) -> None:
    """But for the cubic spline of two voxels beyond their centres, where ITK reads outside of the image."""
    rng = np.random.default_rng(size)
    values = rng.normal(size=size)
    beyond = 0.0 if (size, interpolation) == (2, "cubic") else 0.499
    at = np.sort(rng.uniform(-beyond, size - 1 + beyond, 60))
    along = taps(size, at, interpolation)
    assert along.inside.all()
    np.testing.assert_allclose(product(along, values), by_itk(values, at, interpolation), atol=1e-8)
    np.testing.assert_allclose(along.weight.sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_an_edge_that_is_repeated_is_that_of_a_longer_line(interpolation: Literal["linear", "cubic"]) -> None:
    values = np.random.default_rng(0).normal(size=17)
    at = np.linspace(-4.4, 19.3, 50)
    along = taps(17, at, interpolation, edge=(5, 3))
    assert along.inside.all()
    expected = by_itk(np.pad(values, (5, 3), mode="edge"), at + 5, interpolation)
    np.testing.assert_allclose(product(along, values), expected, atol=1e-8)


def test_places_beyond_the_outer_faces_are_outside() -> None:
    at = np.array([-0.6, -0.5, -0.4, 3.4, 3.5, 3.6])
    for interpolation in ("linear", "cubic"):
        assert taps(4, at, interpolation).inside.tolist() == [False, True, True, True, False, False]
    whole = taps(4, np.arange(-2.0, 6.0), "cubic")
    assert whole.inside.tolist() == [False, False, True, True, True, True, False, False]


def test_places_of_voxels_take_them_as_they_are() -> None:
    for interpolation in ("linear", "cubic"):
        along = taps(9, np.array([7.0, 5.0 + 1e-9, 3.0]), interpolation)
        assert along.index.tolist() == [[7], [5], [3]]
        assert along.weight.tolist() == [[1], [1], [1]]


def test_an_axis_that_runs_the_other_way_is_made_of_the_same_voxels() -> None:
    values = np.random.default_rng(0).normal(size=11)
    along = taps(11, np.linspace(-0.3, 10.2, 30), "cubic")
    np.testing.assert_allclose(product(along.flipped(11), values[::-1]), product(along, values), atol=1e-12)


def test_no_weight_is_so_small_that_products_with_it_are_slow() -> None:
    matrix = taps(300, np.linspace(0.1, 298.7, 120), "cubic").matrix(0, 120)
    assert np.abs(matrix[matrix != 0]).min() >= NOTHING


def test_picks_know_what_lies_outside() -> None:
    assert picked(np.array([-1, 0, 3, 4]), 4).inside.tolist() == [False, True, True, False]
