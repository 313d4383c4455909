"""Structures that grow from clicks, without a model."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.balls import ball, ball_mask
from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, Label
from MedDLScene.grow_cut import INSIDE, OUTSIDE, growCut, grownAroundClicks, grownFromClicks

TURNED = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
PLACE = Geometry.from_parts((24, 30, 40), (1.0, 1.5, 2.0), TURNED, origin=(-20, 10, 5))
CENTRE, AWAY = PLACE.index_to_ras((20, 15, 12)), PLACE.index_to_ras((2, 3, 21))
ORGAN, OTHER = Label(1, "organ", (1, 1, 1)), Label(4, "other", (2, 2, 2))


def click(point: np.ndarray, structure: str = "Organ", positive: bool = True) -> Click:
    r, a, s = point.tolist()
    return Click((r, a, s), structure, positive)


def test_two_clicks_find_a_ball_that_is_brighter_than_what_is_around_it() -> None:
    r, a, s = CENTRE.tolist()
    volume = ball(PLACE, (r, a, s), 8)
    found = grownFromClicks(volume, [click(CENTRE), click(AWAY, positive=False)], [ORGAN, OTHER], 2.0)
    truth = ball_mask(PLACE, (r, a, s), 8)
    assert found.geometry is volume.geometry and set(np.unique(found.array)) == {0, 1}
    assert 2 * (found.mask(ORGAN) & truth).sum() / (found.mask(ORGAN).sum() + truth.sum()) > 0.97


def test_structures_compete_for_voxels_and_of_overlapping_clicks_the_later_counts() -> None:
    r, a, s = CENTRE.tolist()
    volume = ball(PLACE, (r, a, s), 8)
    found = grownFromClicks(volume, [click(CENTRE, "other"), click(AWAY, "organ")], [ORGAN, OTHER], 2.0)
    assert set(np.unique(found.array)) == {1, 4} and found.array[12, 15, 20] == 4
    clicks = [click(CENTRE, "other"), click(CENTRE), click(AWAY, positive=False)]
    assert grownFromClicks(volume, clicks, [ORGAN, OTHER], 2.0).array[12, 15, 20] == 1


def test_seeds_stay_what_they_are() -> None:
    r, a, s = CENTRE.tolist()
    volume = ball(PLACE, (r, a, s), 8)
    seeds = np.zeros(PLACE.shape, np.uint8)
    seeds[12, 15, 20], seeds[12, 15, 21:23], seeds[0] = 1, 2, 3
    grown = growCut(volume, seeds)
    assert np.array_equal(grown[seeds > 0], seeds[seeds > 0]) and (grown > 0).all()


@pytest.mark.parametrize("clicks", [[], [click(CENTRE)], [click(CENTRE), click(AWAY, "stranger", False)]])
def test_clicks_that_lead_to_nothing_are_refused(clicks: list[Click]) -> None:
    with pytest.raises(MedDLError) as caught:
        grownFromClicks(ball(PLACE, (5, 30, 15), 8), clicks, [ORGAN], 2.0)
    assert caught.value.code is Code.CLICKS_MISMATCH


def test_one_structure_grows_in_a_box_around_its_clicks_and_strokes() -> None:
    r, a, s = CENTRE.tolist()
    volume, nothing = ball(PLACE, (r, a, s), 8), np.zeros(PLACE.shape, np.uint8)
    beside = CENTRE + np.array([0.0, 0.0, 12.0])
    found, place = grownAroundClicks(volume, [click(CENTRE), click(beside, positive=False)], nothing, 2.0, 6.0)
    truth = ball_mask(place, (r, a, s), 8)
    assert np.prod(place.shape) < np.prod(PLACE.shape) and 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9
    stroke = nothing.copy()
    stroke[12, 15, 18:23], stroke[0] = INSIDE, OUTSIDE
    found, place = grownAroundClicks(volume, [click(beside, positive=False)], stroke, 2.0, 100.0)
    assert place.same_as(PLACE) and found[12, 15, 20] and not found[0].any()
    truth = ball_mask(place, (r, a, s), 8)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.97


@pytest.mark.parametrize("where", [PLACE.index_to_ras((-3, 3, 3)), np.array([np.nan, 10.0, 5.0])])
def test_a_click_beside_the_volume_or_nowhere_is_refused_and_not_left_out(where: np.ndarray) -> None:
    nothing, volume = np.zeros(PLACE.shape, np.uint8), ball(PLACE, (5, 30, 15), 8)
    with pytest.raises(MedDLError) as caught:
        grownAroundClicks(volume, [click(where)], nothing, 2.0, 6.0)
    assert caught.value.code is Code.REGION_OUTSIDE
    with pytest.raises(MedDLError) as caught:
        grownFromClicks(volume, [click(CENTRE), click(AWAY, positive=False), click(where)], [ORGAN], 2.0)
    assert caught.value.code is Code.REGION_OUTSIDE
