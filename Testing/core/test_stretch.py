"""Another number of voxels between the same faces, against scikit-image and scipy, which nnU-Net uses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from skimage.transform import resize

from MedDLCore.stretch import lone_axis, stretch, stretch_labels

SHAPES = [
    ((14, 44, 40), (20, 40, 44)),
    ((14, 44, 40), (9, 31, 25)),
    ((3, 44, 40), (9, 31, 25)),
    ((30, 31, 32), (61, 62, 63)),
    ((1, 44, 40), (1, 50, 60)),
    ((20, 21, 22), (1, 2, 3)),
]


def an_image(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("old", "new"), SHAPES)
@pytest.mark.parametrize(("interpolation", "order"), [("linear", 1), ("cubic", 3)])
def test_values_are_those_of_scikit_image(old, new, interpolation, order) -> None:
    image = an_image(old)
    expected = resize(image.astype(float), new, order, mode="edge", anti_aliasing=False)
    found = stretch(image, new, interpolation)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("alone", [0, 1, 2])
def test_an_axis_on_its_own_takes_the_nearest_slice(alone: int) -> None:
    image = an_image((12, 14, 15))
    new = (17, 9, 20)
    within = [n for axis, n in enumerate(new) if axis != alone]
    slices = [
        resize(part.astype(float), within, 3, mode="edge", anti_aliasing=False) for part in np.rollaxis(image, alone)
    ]
    between = np.stack(slices, axis=alone)
    scale = [a / b for a, b in zip(between.shape, new, strict=True)]
    at = [s * (index + 0.5) - 0.5 for s, index in zip(scale, np.mgrid[: new[0], : new[1], : new[2]], strict=True)]
    expected = map_coordinates(between, at, order=0, mode="nearest")
    assert np.abs(stretch(image, new, "cubic", alone) - expected).max() < 1e-6


def test_nothing_changes_where_the_number_of_voxels_stays() -> None:
    image = an_image((5, 6, 7))
    for alone in (None, 0):
        assert np.array_equal(stretch(image, (5, 6, 7), "cubic", alone), image)


def test_a_spline_stays_within_the_range_of_its_slice() -> None:
    edge = np.zeros((2, 30, 30), np.float32)
    edge[1, :, 15:] = 1000
    found = stretch(edge, (2, 47, 47), "cubic", alone=0)
    assert not found[0].any()
    assert found.min() == 0
    assert found.max() == 1000


def test_labels_keep_their_values_and_the_larger_part_wins() -> None:
    labels = np.kron(np.random.default_rng(1).integers(0, 5, (4, 5, 6)), np.ones((5, 5, 5))).astype(np.uint8)
    found = stretch_labels(labels, (13, 21, 37))
    scores = [resize((labels == n).astype(float), found.shape, 1, mode="edge", anti_aliasing=False) for n in range(5)]
    best = np.max(scores, axis=0)
    won = np.take_along_axis(np.array(scores), found[None].astype(int), axis=0)[0]
    assert (won > best - 1e-4).all()
    assert found.dtype == np.uint8


def test_the_axis_that_stands_out_is_alone() -> None:
    assert lone_axis((5, 1, 1), (1, 1, 1), 3) == 0
    assert lone_axis((1, 1, 1), (1, 5, 1), 3) == 1
    assert lone_axis((2, 1, 1), (1, 1, 7), 3) == 2
    assert lone_axis((3, 1, 1), (1, 1, 1), 3) is None
    assert lone_axis((5, 1, 1), (1, 1, 1), None) is None
    assert lone_axis((2, 1, 1), (1, 1, 1), 0) == 0


def test_two_axes_that_share_the_largest_spacing_are_not_alone() -> None:
    """Nor does the last bit of a header's 32 make a difference."""
    assert lone_axis((1.0, 5.0, np.float32(5.0000001)), (1, 1, 1), 3) is None
    assert lone_axis((3.0000001, 1.0, 1.0), (1, 1, 1), 3) is None
