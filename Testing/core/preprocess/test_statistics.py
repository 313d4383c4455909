"""Percentiles, means and deviations without a sort and without a copy are those that numpy finds."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from MedDLCore.preprocess.intensity import Line
from MedDLCore.preprocess.statistics import Sample

PERCENTS = (0, 0.5, 1, 2.3, 25, 50, 66.6, 97, 99.5, 100)
INTEGERS = ("bool", "uint8", "int8", "int16", "uint16", ">i2")
OTHERS = ("float16", "float32", "float64", "int32", "int64", ">f4")


def an_array(dtype: str, shape: tuple[int, ...] = (7, 19, 23)) -> np.ndarray:
    """Many zeros, negative numbers, and numbers that occur more than once."""
    values = np.random.default_rng(0).normal(0, 400, shape).round(1)
    values[values < -300] = 0
    if np.dtype(dtype).kind in "ui" and np.dtype(dtype).itemsize < 4:
        info = np.iinfo(dtype)
        values = values.clip(info.min, info.max)
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_percentile_of_integers_is_numpys_to_the_last_bit(dtype: str) -> None:
    for shape in ((7, 19, 23), (1, 1, 1), (1, 1, 2), (3, 1, 1)):
        array = an_array(dtype, shape)
        assert Sample.of(array).percentiles(PERCENTS) == np.percentile(array.astype(np.int64), PERCENTS).tolist()


@pytest.mark.parametrize("dtype", OTHERS)
def test_a_percentile_of_other_numbers_is_numpys(dtype: str) -> None:
    array = an_array(dtype)
    found = Sample.of(array).percentiles(PERCENTS)
    np.testing.assert_allclose(found, np.percentile(array.astype(np.float64), PERCENTS), rtol=1e-6)


def test_ranks_go_through_zero_and_through_all_magnitudes() -> None:
    array = np.array([[-3e38, -1.5, -1e-40, -0.0, 0.0, 1e-40, 7.25, 7.25, 3e38]], np.float32)
    assert Sample.of(array).ranked(range(9)) == sorted(array[0].tolist())
    far = np.array([[-1e300, -2.0, 5e-324, 1e300]])
    assert Sample.of(far).ranked(range(4)) == far[0].tolist()


@pytest.mark.parametrize("dtype", INTEGERS + OTHERS)
def test_mean_deviation_and_range_are_numpys(dtype: str) -> None:
    array = an_array(dtype)
    exact, sample = array.astype(np.float64), Sample.of(array)
    assert len(sample) == array.size
    assert sample.range() == (exact.min(), exact.max())
    np.testing.assert_allclose(sample.moments(), (exact.mean(), exact.std()), rtol=1e-9)
    present = exact[exact != 0]
    np.testing.assert_allclose(sample.moments(nonzero=True), (present.mean(), present.std()), rtol=1e-9)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_statistics_may_be_those_of_a_part_or_of_what_becomes_of_the_values(dtype: str) -> None:
    array = an_array(dtype)
    within = np.random.default_rng(1).random(array.shape) > 0.3
    line, falling = Line(-200, 500, 0.5, 3.0), Line(factor=-2.0, offset=1.0, keep_zero=True)
    expected = np.clip(array[within].astype(np.float64), -200, 500) * 0.5 + 3
    expected = np.where(expected == 0, 0, expected * -2 + 1)
    sample = Sample.of(array, within).after(line).after(falling)
    assert len(sample) == expected.size
    np.testing.assert_allclose(sample.moments(), (expected.mean(), expected.std()), rtol=1e-5)
    np.testing.assert_allclose(sample.range(), (expected.min(), expected.max()), rtol=1e-6)
    found = sample.percentiles(PERCENTS)
    np.testing.assert_allclose(found, np.percentile(expected, PERCENTS), rtol=1e-5)


def test_squares_of_huge_numbers_do_not_overflow() -> None:
    array = an_array("float64") * 1e299
    mean, deviation = Sample.of(array).moments()
    np.testing.assert_allclose((mean / 1e299, deviation / 1e299), (np.mean(array / 1e299), np.std(array / 1e299)))


def test_a_tensor_is_measured_as_its_array() -> None:
    array = an_array("float32")
    tensor, sample = Sample.of(torch.from_numpy(array)), Sample.of(array)
    assert tensor.moments() == sample.moments()
    assert tensor.percentiles([12]) == sample.percentiles([12])


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_the_image_is_left_alone_and_never_copied_whole(dtype: str) -> None:
    array = an_array(dtype, (60, 128, 128))
    kept = array.copy()
    line = Line(0, 100, 2.0, 1.0)
    Sample.of(array).after(line).percentiles([3])  # what it imports does not count
    tracemalloc.start()
    try:
        sample = Sample.of(array).after(line)
        sample.percentiles([3])
        sample.moments()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(array, kept)
    assert peak < array.nbytes


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_of_no_voxels_mean_and_deviation_are_0(dtype: type) -> None:
    """The body of a scan that is 0 everywhere."""
    nothing = np.zeros((2, 3, 4), np.bool_)
    assert Sample.of(np.zeros((2, 3, 4), dtype), nothing).moments() == (0, 0)
