"""Geometry, volumes and label maps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fixtures.balls import turned
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, Label, LabelMap, Volume


def an_oblique_geometry() -> Geometry:
    return Geometry.from_parts((5, 6, 7), (0.8, 1.1, 3.0), turned(25, 0) @ turned(-40, 2), (12.5, -30.0, 8.0))


def test_the_parts_of_a_geometry_are_what_it_was_built_from() -> None:
    geometry = an_oblique_geometry()
    assert np.allclose(geometry.spacing, (0.8, 1.1, 3.0))
    assert np.allclose(geometry.direction, turned(25, 0) @ turned(-40, 2))
    assert np.allclose(geometry.origin, (12.5, -30.0, 8.0))
    assert geometry.voxel_volume == pytest.approx(0.8 * 1.1 * 3.0)
    assert np.allclose(geometry.ras_to_index(geometry.index_to_ras([3.3, 2.0, 1.5])), [3.3, 2.0, 1.5])


@pytest.mark.parametrize("column", [0, 1, 2])
def test_axes_that_do_not_span_space_are_refused(column: int) -> None:
    matrix = np.eye(4)
    matrix[:3, column] = 0
    with pytest.raises(MedDLError) as refusal:
        Geometry((2, 2, 2), matrix)
    assert refusal.value.code is Code.GEOM_SINGULAR


def test_parallel_axes_and_axes_that_are_not_numbers_are_refused() -> None:
    parallel, nan = np.eye(4), np.eye(4)
    parallel[:3, 1] = parallel[:3, 0] + [0, 1e-8, 0]
    nan[0, 3] = np.nan
    for matrix in (parallel, nan):
        with pytest.raises(MedDLError) as refusal:
            Geometry((2, 2, 2), matrix)
        assert refusal.value.code is Code.GEOM_SINGULAR


def test_orientation_is_named_as_nibabel_names_it() -> None:
    nibabel = pytest.importorskip("nibabel")
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            matrix = np.eye(4)
            matrix[:3, :3] = turned(20, 1)[:, list(axes)] * signs * np.array([1, 2, 3])
            assert Geometry((3, 4, 5), matrix).orientation == "".join(nibabel.aff2axcodes(matrix))


def test_reorienting_moves_no_voxel_in_the_world() -> None:
    geometry = an_oblique_geometry()
    for letters in ("RAS", "LPS", "SAR", "PIR", "LIA"):
        other = geometry.reoriented(letters)
        assert other.orientation == letters
        assert np.allclose(sorted(other.corners().tolist()), sorted(geometry.corners().tolist()))
        assert other.reoriented(geometry.orientation).same_as(geometry)


def test_new_spacing_and_shape_keep_the_centre() -> None:
    geometry = an_oblique_geometry()
    centre = geometry.corners().mean(axis=0)
    for other in (geometry.with_spacing((1, 1, 1)), geometry.with_shape((9, 4, 30))):
        assert np.allclose(other.corners().mean(axis=0), centre)
        assert np.allclose(other.direction, geometry.direction)
    assert geometry.with_spacing((1, 1, 1)).shape == (15, 7, 6)
    assert geometry.with_spacing(geometry.spacing).same_as(geometry, tolerance=1e-9)


def test_a_small_angle_is_measured_in_millimetres_at_the_corners() -> None:
    """2.5 degrees look like nothing to a cosine and are 13 mm at the edge of a chest."""
    straight = Geometry.from_parts((300, 512, 512), (0.7, 0.7, 1.0))
    tilted = Geometry.from_parts((300, 512, 512), (0.7, 0.7, 1.0), turned(2.5, 0))
    assert not straight.same_as(tilted)
    assert straight.corner_distance(tilted) > 13


def test_sheared_axes_are_not_orthogonal() -> None:
    matrix = np.eye(4)
    matrix[1, 2] = 0.05
    assert not Geometry((50, 10, 10), matrix).is_orthogonal
    assert an_oblique_geometry().is_orthogonal


def test_arrays_must_fit_their_geometry() -> None:
    geometry = an_oblique_geometry()
    with pytest.raises(ValueError, match="does not fit"):
        Volume(np.zeros((7, 6, 5)), geometry)
    with pytest.raises(ValueError, match="uint8 or uint16"):
        LabelMap(np.zeros((5, 6, 7)), geometry, ())
    with pytest.raises(ValueError, match="different values"):
        LabelMap(np.zeros((5, 6, 7), np.uint8), geometry, (Label(1, "a", (0, 0, 0)), Label(1, "b", (0, 0, 0))))
    with pytest.raises(ValueError, match="layer"):
        LabelMap(np.zeros((5, 6, 7), np.uint8), geometry, (Label(1, "a", (0, 0, 0), layer=1),))
