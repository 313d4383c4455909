"""Change of grid: exact where it can be, right in the world where it cannot."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fixtures.balls import positions, turned
from MedDLCore.resample import resample
from MedDLCore.volume import Geometry


def all_orientations() -> list[str]:
    pairs = ("LR", "PA", "IS")
    return [
        "".join(pairs[axis][sign] for axis, sign in zip(axes, signs, strict=True))
        for axes in itertools.permutations(range(3))
        for signs in itertools.product((0, 1), repeat=3)
    ]


def test_all_48_permutations_and_flips_are_copied_exactly() -> None:
    geometry = Geometry.from_parts((5, 6, 7), (1.3, 0.7, 2.2), turned(33, 1), (3, -7, 11))
    array = np.random.default_rng(0).normal(size=geometry.shape).astype(np.float32)
    assert len(all_orientations()) == 48
    for letters in all_orientations():
        other = geometry.reoriented(letters)
        moved = resample(array, geometry, other, "linear")
        for ijk in ((0, 0, 0), (1, 2, 0), tuple(n - 1 for n in other.shape[::-1])):
            i, j, k = np.round(geometry.ras_to_index(other.index_to_ras(ijk))).astype(int)
            assert moved[ijk[2], ijk[1], ijk[0]] == array[k, j, i]
        assert np.array_equal(resample(moved, other, geometry, "nearest"), array)


def test_crops_and_extensions_copy_and_fill() -> None:
    geometry = Geometry.from_parts((5, 6, 7), (1, 2, 3))
    array = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
    crop = resample(array, geometry, geometry.cropped((1, 2, 3), (4, 5, 6)), "linear")
    assert crop.dtype == np.int16
    assert np.array_equal(crop, array[1:4, 2:5, 3:6])
    extended = resample(array, geometry, geometry.cropped((-2, 0, -1), (6, 6, 9)), "linear", fill=-9)
    assert np.array_equal(extended[2:7, :, 1:8], array)
    assert (extended[:2] == -9).all()
    assert (extended[:, :, 8:] == -9).all()
    far = resample(array, geometry, geometry.cropped((50, 0, 0), (55, 6, 7)), "linear", fill=-9)
    assert (far == -9).all()


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_a_linear_ramp_in_the_world_survives_any_change_of_grid(interpolation: str) -> None:
    source = Geometry.from_parts((40, 40, 40), (1.0, 1.2, 1.5), turned(10, 0), (-20, -20, -25))
    target = Geometry(
        (12, 13, 14), np.array([[-0.9, 0.3, 0.1, 3], [0.2, 1.1, -0.2, -2], [0, 0.2, 1.3, 4], [0, 0, 0, 1]])
    )
    slope = np.array([2.0, -3.0, 0.5])
    ramp = (positions(source) @ slope).astype(np.float32)
    moved = resample(ramp, source, target, interpolation)  # type: ignore[arg-type]
    assert np.abs(moved - positions(target) @ slope).max() < 1e-3


def test_nearest_invents_no_value_and_keeps_the_dtype() -> None:
    source = Geometry.from_parts((10, 10, 10), (1, 1, 1))
    labels = np.random.default_rng(0).choice(np.array([0, 5, 300], np.uint16), size=(10, 10, 10))
    moved = resample(labels, source, source.with_spacing((0.7, 1.3, 0.9)), "nearest")
    assert moved.dtype == np.uint16
    assert set(np.unique(moved)) <= {0, 5, 300}
    mask = resample(labels > 0, source, source.with_spacing((0.7, 1.3, 0.9)), "nearest")
    assert mask.dtype == np.bool_


def test_outside_the_outer_faces_is_fill_and_within_them_is_not() -> None:
    source = Geometry.from_parts((4, 4, 4), (1, 1, 1))
    values = np.ones((4, 4, 4), np.float32)
    fine = Geometry.from_parts((4, 4, 20), (0.5, 1, 1), origin=(-2.2, 0, 0))
    row = resample(values, source, fine, "linear", fill=-7)[0, 0]
    at = fine.index_to_ras(np.stack([np.arange(20), np.zeros(20), np.zeros(20)], axis=-1))[:, 0]
    assert (row[(at > -0.5) & (at < 3.5)] == 1).all()
    assert (row[(at < -0.5) | (at > 3.5)] == -7).all()


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float64])
def test_interpolation_keeps_a_contrast_that_float32_cannot_hold(dtype: type) -> None:
    source = Geometry.from_parts((6, 6, 6), (1, 1, 1))
    small = np.random.default_rng(0).integers(0, 100, source.shape)
    target = source.with_spacing((0.7, 0.8, 0.9))
    expected = resample(small.astype(np.float32), source, target, "linear")
    found = resample((small + 2_000_000_000).astype(dtype), source, target, "linear")
    assert np.abs(found - 2_000_000_000 - expected).max() < 1e-3
