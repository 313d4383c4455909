"""Clicks as channels of a network that listens."""

from __future__ import annotations

import numpy as np

from MedDLCore.preprocess import Clicked, click_channels, mask_channels
from MedDLCore.spec import Clicks

CLICKS = Clicks(labels=(1, 3), radius=2.0)


def test_a_click_is_a_ball_in_mm_in_the_channel_of_its_label() -> None:
    channels = click_channels([Clicked((5, 5, 5), 3)], (11, 11, 11), (1.0, 2.0, 4.0), CLICKS)
    assert channels.shape == (4, 11, 11, 11) and channels.dtype == np.float32
    assert np.argwhere(channels.any(axis=(1, 2, 3))).ravel().tolist() == [1]
    a, b, c = np.indices((11, 11, 11)) - 5
    assert np.array_equal(channels[1] > 0, a**2 + (2 * b) ** 2 + (4 * c) ** 2 <= 4)


def test_the_voxel_of_a_click_is_marked_however_large_voxels_are() -> None:
    channels = click_channels([Clicked((1, 2, 3), 1, False)], (5, 5, 5), (9.0, 9.0, 9.0), CLICKS)
    assert np.argwhere(channels).tolist() == [[2, 1, 2, 3]]


def test_the_ball_of_a_click_outside_reaches_in_and_one_far_away_does_not() -> None:
    near = click_channels([Clicked((-1, 2, 2), 1)], (5, 5, 5), (1.0, 1.0, 1.0), CLICKS)
    far = click_channels([Clicked((-9, 2, 2), 1), Clicked((2, 2, 90), 1)], (5, 5, 5), (1.0, 1.0, 1.0), CLICKS)
    assert np.argwhere(near[0])[:, 0].max() == 1 and near[0, 1, 2, 2] == 1 and near[0].sum() == 9 + 1
    assert not far.any()


def test_of_two_clicks_that_say_opposite_things_the_later_counts() -> None:
    there = Clicked((2, 2, 2), 1)
    clicked = [there, there._replace(positive=False)]
    one, other = (click_channels(c, (5, 5, 5), (1.0, 1.0, 1.0), CLICKS) for c in (clicked, clicked[::-1]))
    assert not one[0].any() and one[2, 2, 2, 2] == 1
    assert not other[2].any() and other[0, 2, 2, 2] == 1


def test_what_was_found_has_a_channel_for_each_label_that_can_be_clicked() -> None:
    values = np.array([0, 1, 2, 3], np.uint8).reshape(1, 1, 1, 4)
    assert mask_channels(values, CLICKS, overlapping=False).reshape(2, 4).tolist() == [[0, 1, 0, 0], [0, 0, 0, 1]]
    masks = np.array([[1, 1], [0, 1], [0, 1]], np.uint8).reshape(3, 1, 1, 2)
    assert mask_channels(masks, CLICKS, overlapping=True).reshape(2, 2).tolist() == [[1, 1], [0, 1]]
