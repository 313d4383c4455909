"""Which distances between slices are even, which mean that one is missing, and the even grid that follows."""

from __future__ import annotations

import numpy as np
import pytest

from MedDLCore.readers.dicom_spacing import even_grid, expected_distances, is_even, missing, uncovered

UNKNOWN = np.nan


def depths(*gaps: float) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(gaps)])


def thickness(mm: float, slices: np.ndarray) -> np.ndarray:
    return np.full(len(slices), mm)


def test_rounded_positions_are_even_and_a_missing_thin_slice_is_not() -> None:
    assert is_even(np.round(np.arange(300) * 0.625, 1))
    assert not is_even(np.delete(np.arange(300) * 0.625, 150))
    assert not is_even(np.delete(np.arange(2000) * 0.1, 1000))
    assert not is_even(depths(5, 5, 5.3, 5))


@pytest.mark.parametrize("mm", [UNKNOWN, 5.0, 1.0])
def test_a_missing_slice_is_found_wherever_it_is(mm: float) -> None:
    for n in range(1, 11):
        places = np.delete(np.arange(12) * 5.0, n)
        assert np.flatnonzero(missing(places, thickness(mm, places))).tolist() == [n - 1]


def test_thicker_slices_further_apart_are_a_protocol_and_no_gap() -> None:
    places = depths(4, 4, 4, 4, 1.08, 7, 7, 7, 7)
    assert not missing(places, np.array([4.0] * 5 + [7.0] * 5)).any()
    assert not missing(places, thickness(UNKNOWN, places)).any()


def test_a_slice_missing_among_the_thicker_ones_is_found() -> None:
    places = depths(4, 4, 4, 4, 5.5, 7, 7, 14, 7)
    assert np.flatnonzero(missing(places, np.array([4.0] * 5 + [7.0] * 5))).tolist() == [7]


def test_slices_with_regular_space_between_them_miss_nothing() -> None:
    places = depths(*[5.0] * 10)
    assert not missing(places, thickness(3.0, places)).any()
    assert not uncovered(places, thickness(3.0, places)).any()


def test_the_limit_of_a_gap_is_10_mm_unseen_or_twice_the_thickness() -> None:
    for gap, mm, refused in ((12.9, 3.0, False), (13.1, 3.0, True), (29, 10.0, False), (31, 10.0, True)):
        places = depths(mm, mm, mm, gap, mm, mm)
        assert uncovered(places, thickness(mm, places)).any() == refused
        assert uncovered(places, thickness(UNKNOWN, places)).any() == refused


def test_the_even_grid_takes_the_finer_spacing_and_not_the_exception() -> None:
    head = depths(*[4.0] * 13, 1.08, *[7.0] * 13)
    grid = even_grid(head, np.zeros(27, bool))
    assert grid[1] - grid[0] == pytest.approx(4.0, abs=0.05)
    assert (grid[0], grid[-1]) == (head[0], head[-1])


def test_the_even_grid_meets_all_slices_where_others_are_missing() -> None:
    places = np.delete(np.arange(20) * 2.5, [4, 5, 11])
    grid = even_grid(places, missing(places, thickness(UNKNOWN, places)))
    assert np.allclose(grid, np.arange(20) * 2.5)


def test_slices_that_nearly_coincide_do_not_multiply_the_planes() -> None:
    places = depths(0.02, 5, 0.02, 5, 0.02, 5, 0.02, 5)
    assert len(even_grid(places, np.zeros(8, bool))) <= 4 * 8 + 1


def test_two_slices_expect_the_distance_they_have() -> None:
    assert expected_distances(depths(7.0), np.array([UNKNOWN] * 2)).tolist() == [7.0]
