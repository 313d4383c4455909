"""What was found in boxes around points becomes one label map: whole structures, from the box that sees them best."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from MedDLCore.errors import Code
from MedDLCore.postprocess import join
from MedDLCore.volume import Geometry, Label, LabelMap

SCAN = Geometry.from_parts((12, 20, 40), (1.0, 1.0, 1.0), np.diag([-1.0, 1, 1]), (5, -3, 2))
HEAD, TAIL = Label(1, "head", (200, 0, 0)), Label(2, "tail", (0, 200, 0))
BOTH = (HEAD, TAIL)


def at(i: float) -> tuple[float, float, float]:
    """A point in the middle of the scan along j and k."""
    r, a, s = (float(mm) for mm in SCAN.index_to_ras([i, 9.5, 5.5]))
    return r, a, s


def box(start: int, stop: int, *drawn: tuple[Any, int], layers: int = 1) -> LabelMap:
    """Columns ``start`` to ``stop`` of the scan, with values drawn at places of the scan."""
    array = np.zeros((layers, *SCAN.shape), np.uint8)
    for place, value in drawn:
        array[value - 1 if layers > 1 else 0][place] = value
    part = array[..., start:stop]
    geometry = SCAN.cropped((0, 0, start), (12, 20, stop))
    labels = tuple(Label(x.value, x.name, x.color, layer=n if layers > 1 else 0) for n, x in enumerate(BOTH))
    return LabelMap(part if layers > 1 else part[0], geometry, labels)


def whole(*drawn: tuple[Any, int]) -> NDArray[np.uint8]:
    return box(0, 40, *drawn).array


def cube(i: int, size: int = 4) -> Any:
    return np.s_[4:8, 8:12, i : i + size]


def test_boxes_lie_where_they_were_cut_and_nothing_is_outside() -> None:
    joined, notices = join([box(2, 14, (cube(6), 1)), box(24, 36, (cube(28), 2))], [at(8), at(30)], SCAN, BOTH, False)
    assert joined.geometry is SCAN
    assert np.array_equal(joined.array, whole((cube(6), 1), (cube(28), 2)))
    assert notices == ()


def test_a_piece_of_what_is_around_the_next_point_does_not_count() -> None:
    """The first box sees a corner of the second structure and takes it for another one."""
    first = box(0, 20, (cube(6), 1), (cube(16), 1))
    second = box(12, 32, (cube(20), 2))
    joined, notices = join([first, second], [at(8), at(22)], SCAN, BOTH, False)
    assert np.array_equal(joined.array, whole((cube(6), 1), (cube(20), 2)))
    assert notices == ()


def test_a_structure_is_not_cut_half_way_between_two_points() -> None:
    """It reaches past the middle, and the other box knows nothing of it there."""
    long = np.s_[4:8, 8:12, 4:18]
    joined, _ = join([box(0, 20, (long, 1)), box(12, 32, (cube(22), 1))], [at(8), at(22)], SCAN, BOTH, False)
    assert np.array_equal(joined.array, whole((long, 1), (cube(22), 1)))


def test_where_two_structures_meet_the_nearer_point_decides_whatever_the_order() -> None:
    mine, theirs = np.s_[4:8, 8:12, 2:18], np.s_[4:8, 8:12, 14:30]
    boxes, points = [box(0, 20, (mine, 1)), box(12, 32, (theirs, 2))], [at(9), at(22)]
    expected = whole((mine, 1), (theirs, 2))
    expected[4:8, 8:12, 14:16] = 1  # half-way between 9 and 22 is 15.5
    for order in itertools.permutations(range(2)):
        joined, _ = join([boxes[n] for n in order], [points[n] for n in order], SCAN, BOTH, False)
        assert np.array_equal(joined.array, expected)


def test_one_structure_named_twice_is_one() -> None:
    rod = np.s_[4:8, 8:12, 4:28]
    joined, notices = join([box(0, 20, (rod, 1)), box(12, 32, (rod, 1))], [at(10), at(22)], SCAN, BOTH, False)
    assert np.array_equal(joined.array, whole((rod, 1)))
    assert notices == ()  # each box ends within it, where the other goes on


def test_structures_that_may_overlap_keep_their_layers() -> None:
    under, over = np.s_[4:8, 8:12, 4:12], np.s_[4:8, 8:12, 8:16]
    first = box(0, 20, (under, 1), (over, 2), layers=2)
    second = box(22, 38, (cube(26), 1), layers=2)
    joined, _ = join([first, second], [at(10), at(28)], SCAN, BOTH, True)
    head, tail = (joined.mask(label) for label in joined.labels)
    assert np.array_equal(head, whole((under, 1), (cube(26), 1)) == 1)
    assert np.array_equal(tail, whole((over, 2)) == 2)


@pytest.mark.parametrize(
    ("reaching", "cut"),
    [
        (np.s_[4:8, 8:12, 10:14], True),
        (np.s_[4:8, 8:12, 10:13], False),
        (np.s_[4:8, 8:12, 0:4], False),  # there the scan ends
        (np.s_[0:3, 8:12, 4:8], False),
    ],
)
def test_what_reaches_the_border_of_its_box_within_the_scan_is_a_warning(reaching: Any, cut: bool) -> None:
    _, notices = join([box(0, 14, (reaching, 2))], [at(7)], SCAN, BOTH, False)
    assert [notice.code for notice in notices] == [Code.GRID_CUTS] * cut
    assert not cut or "tail" in notices[0].message


def test_of_structures_that_nobody_asked_for_nothing_is_said() -> None:
    reaching = np.s_[4:8, 8:12, 10:14]
    head, notices = join([box(0, 14, (cube(5), 1), (reaching, 2))], [at(7)], SCAN, (HEAD,), False)
    assert np.array_equal(head.array, whole((cube(5), 1)))
    assert head.labels == (HEAD,)
    assert notices == ()
    _, notices = join([box(0, 14, (reaching, 2))], [at(7)], SCAN, (HEAD,), False)
    assert [notice.code for notice in notices] == [Code.EMPTY_RESULT]


def test_a_box_without_anything_is_named() -> None:
    _, notices = join([box(0, 14, (cube(6), 1)), box(20, 34)], [at(7), at(27)], SCAN, BOTH, False)
    (notice,) = notices
    assert notice.code is Code.EMPTY_RESULT
    assert str(at(27)) in notice.message
