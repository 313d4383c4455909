"""Grids whose axes are parallel are told from others, and where their centres lie."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fixtures.balls import turned
from MedDLCore.alignment import aligned
from MedDLCore.volume import Geometry

SCAN = Geometry.from_parts((11, 13, 17), (0.8, 0.9, 2.5), np.eye(3), (5.0, -7.0, 11.0))


@pytest.mark.parametrize("axes", itertools.permutations("RAS"))
@pytest.mark.parametrize("flips", itertools.product((0, 1), repeat=3))
def test_every_turn_by_right_angles_is_found_and_its_centres_lie_where_the_geometry_says(
    axes: tuple[str, ...], flips: tuple[int, ...]
) -> None:
    opposite = {"R": "L", "A": "P", "S": "I"}
    orientation = "".join(opposite[axis] if flip else axis for axis, flip in zip(axes, flips, strict=True))
    target = SCAN.reoriented(orientation).with_spacing((1.3, 0.7, 2.0))
    found = aligned(SCAN, target)
    assert found is not None
    corner = np.array([axis.size - 1 for axis in found])
    wanted = SCAN.ras_to_index(target.index_to_ras(corner[::-1]))[::-1]
    given = np.empty(3)
    for axis in found:
        given[axis.source] = axis.at[-1]
    np.testing.assert_allclose(given, wanted, atol=1e-9)


def test_a_turn_by_a_degree_is_not_parallel_and_one_that_moves_no_voxel_is() -> None:
    for degrees, parallel in ((1.0, False), (1e-4, True)):
        turn = np.eye(4)
        turn[:3, :3] = turned(degrees)
        oblique = Geometry(SCAN.shape, turn @ SCAN.ijk_to_ras)
        assert (aligned(SCAN, oblique) is not None) is parallel
