"""What is cut away around a scan, and what counts as its body."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_fill_holes

from MedDLCore.preprocess.nonzero import body, cropped
from MedDLCore.spec import Grid
from MedDLCore.volume import Geometry, Volume

NONZERO = Grid(orientation=None, crop="nonzero")


def channel(array: np.ndarray, geometry: Geometry | None = None) -> Volume:
    return Volume(array, geometry or Geometry.from_parts(array.shape, (1.0, 2.0, 3.0), origin=(5, 6, 7)))


def test_the_box_holds_what_is_not_zero_in_some_channel_and_stays_in_its_place() -> None:
    first, second = np.zeros((2, 6, 7, 8), np.int16)
    first[2, 3, 4] = -5
    second[3, 1, 4] = 9
    one, two = cropped([channel(first), channel(second)], NONZERO)
    assert one.array.shape == two.array.shape == (2, 3, 1)
    assert one.array[0, 2, 0] == -5
    assert two.array[1, 0, 0] == 9
    assert np.allclose(one.geometry.origin, (5 + 4, 6 + 2, 7 + 6))
    assert cropped([channel(first)], Grid())[0].array is first


def test_a_channel_on_another_grid_is_brought_onto_the_first() -> None:
    first = np.ones((4, 6, 8), np.float32)
    other = channel(
        np.full((4, 3, 8), 7.0, np.float32), Geometry.from_parts((4, 3, 8), (1.0, 4.0, 3.0), origin=(5, 7, 7))
    )
    one, two = cropped([channel(first), other], NONZERO)
    assert one.geometry.same_as(two.geometry)
    assert (two.array == 7).all()


def test_the_holes_of_the_body_belong_to_it() -> None:
    rng = np.random.default_rng(0)
    for density in (0.2, 0.5, 0.8):
        array = (rng.random((9, 10, 11)) < density).astype(np.float32)
        assert np.array_equal(body([channel(array)]), binary_fill_holes(array != 0))
    assert body([channel(np.ones((3, 3, 3)))]).all()
    assert not body([channel(np.zeros((3, 3, 3)))]).any()
