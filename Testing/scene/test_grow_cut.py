"""Structures that grow from clicks, without a model."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.balls import ball, ball_mask
from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, Volume
from MedDLScene.grow_cut import INSIDE, OUTSIDE, growCut, grownAroundClicks

TURNED = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
PLACE = Geometry.from_parts((24, 30, 40), (1.0, 1.5, 2.0), TURNED, origin=(-20, 10, 5))
CENTRE, AWAY = PLACE.index_to_ras((20, 15, 12)), PLACE.index_to_ras((2, 3, 21))


def click(point: np.ndarray, structure: str = "Organ", positive: bool = True) -> Click:
    r, a, s = point.tolist()
    return Click((r, a, s), structure, positive)


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def test_seeds_stay_what_they_are() -> None:
    r, a, s = CENTRE.tolist()
    volume = ball(PLACE, (r, a, s), 8)
    seeds = np.zeros(PLACE.shape, np.uint8)
    seeds[12, 15, 20], seeds[12, 15, 21:23], seeds[0] = 1, 2, 3
    grown = growCut(volume, seeds)
    assert np.array_equal(grown[seeds > 0], seeds[seeds > 0]) and (grown > 0).all()


def test_one_click_finds_a_ball_that_is_brighter_than_what_is_around_it() -> None:
    r, a, s = CENTRE.tolist()
    volume, nothing = ball(PLACE, (r, a, s), 8), np.zeros(PLACE.shape, np.uint8)
    for reach in (12.0, 100.0):  # a box within the volume, and all of it
        found, place = grownAroundClicks(volume, [click(CENTRE)], nothing, 2.0, reach)
        assert overlap(found, ball_mask(place, (r, a, s), 8)) > 0.97


def test_a_structure_may_reach_the_end_of_the_volume_where_the_box_does() -> None:
    """A cylinder through all slices, whose first and last slice are faces of the box, but not within the volume."""
    at = np.indices(PLACE.shape)
    inside = np.hypot((at[1] - 15) * 1.5, at[2] - 20) < 7
    volume, nothing = Volume(np.where(inside, 300, 0).astype(np.int16), PLACE), np.zeros(PLACE.shape, np.uint8)
    found, place = grownAroundClicks(volume, [click(CENTRE)], nothing, 2.0, 12.0)
    assert place.shape[0] < PLACE.shape[0] and not found[0].any()
    found, place = grownAroundClicks(
        volume, [click(CENTRE), click(PLACE.index_to_ras((20, 15, 1)))], nothing, 2.0, 12.0
    )
    assert place.shape[1] < PLACE.shape[1] and found[0].sum() == inside[0].sum()


def test_a_picture_of_one_slice_grows_within_it() -> None:
    flat = Geometry.from_parts((1, 30, 40), (1.0, 1.0, 1.0))
    at = np.indices(flat.shape)
    inside = np.hypot(at[1] - 15, at[2] - 20) < 7
    volume, nothing = Volume(np.where(inside, 300, 0).astype(np.int16), flat), np.zeros(flat.shape, np.uint8)
    found, _place = grownAroundClicks(volume, [click(np.array([20.0, 15.0, 0.0]))], nothing, 2.0, 100.0)
    assert np.array_equal(found, inside)


def test_seeds_of_one_kind_and_clicks_that_say_only_what_is_outside_are_refused() -> None:
    volume, nothing = ball(PLACE, (5, 30, 15), 8), np.zeros(PLACE.shape, np.uint8)
    seeds = nothing.copy()
    seeds[12, 15, 20] = INSIDE
    for refused in (
        lambda: growCut(volume, seeds),
        lambda: grownAroundClicks(volume, [click(CENTRE, positive=False)], nothing, 2.0, 6.0),
    ):
        with pytest.raises(MedDLError) as caught:
            refused()
        assert caught.value.code is Code.CLICKS_MISMATCH


def test_one_structure_grows_in_a_box_around_its_clicks_and_strokes() -> None:
    r, a, s = CENTRE.tolist()
    volume, nothing = ball(PLACE, (r, a, s), 8), np.zeros(PLACE.shape, np.uint8)
    beside = CENTRE + np.array([0.0, 0.0, 12.0])
    found, place = grownAroundClicks(volume, [click(CENTRE), click(beside, positive=False)], nothing, 2.0, 6.0)
    truth = ball_mask(place, (r, a, s), 8)
    assert np.prod(place.shape) < np.prod(PLACE.shape) and overlap(found, truth) > 0.9
    stroke = nothing.copy()
    stroke[12, 15, 18:23], stroke[0] = INSIDE, OUTSIDE
    found, place = grownAroundClicks(volume, [click(beside, positive=False)], stroke, 2.0, 100.0)
    assert place.same_as(PLACE) and found[12, 15, 20] and not found[0].any()
    truth = ball_mask(place, (r, a, s), 8)
    assert overlap(found, truth) > 0.97


def test_only_what_is_around_the_clicks_grows_anew() -> None:
    """A click on a segment of a whole organ grew all of it anew, on the surface, for minutes."""
    long = Geometry.from_parts((20, 20, 200), (1.0, 1.0, 1.0))
    at = np.indices(long.shape)
    rod = np.hypot(at[0] - 10, at[1] - 10) < 5
    volume = Volume(np.where(rod, 300, 0).astype(np.int16), long)
    now, drawn = rod.copy(), np.zeros(long.shape, np.uint8)
    now[:, :, 95:105], now[0, 0, 30], now[0, 0, 101], drawn[10, 10, 180:] = False, True, True, INSIDE
    found, place = grownAroundClicks(volume, [click(np.array([100.0, 10.0, 10.0]))], drawn, reach=12.0, now=now)
    assert place.shape == (20, 20, 25) and place.origin[0] == 88
    assert np.array_equal(found, rod[:, :, 88:113]), "the gap is closed, the speck in the box is gone"


def test_a_structure_larger_than_a_click_reaches_grows_between_its_clicks() -> None:
    """Only what was around the last click grew: a tumour of 10 cm stayed a few cubes after ten clicks."""
    wide = Geometry.from_parts((20, 20, 120), (1.0, 1.0, 1.0))
    at = np.indices(wide.shape)
    rod = (np.hypot(at[0] - 10, at[1] - 10) < 5) & (abs(at[2] - 60) < 40)
    volume, nothing = Volume(np.where(rod, 300, 0).astype(np.int16), wide), np.zeros(wide.shape, np.uint8)
    clicks = [click(np.array([x, 10.0, 10.0])) for x in (30.0, 90.0)]
    first, place = grownAroundClicks(volume, clicks[:1], nothing, reach=15.0, now=rod & False)
    now = np.zeros(wide.shape, bool)
    low = int(place.origin[0])
    now[:, :, low : low + place.shape[2]] = first
    found, place = grownAroundClicks(volume, clicks, nothing, reach=15.0, now=now)
    low = int(place.origin[0])
    assert np.array_equal(found, rod[:, :, low : low + place.shape[2]]) and found.sum() == rod.sum()


def test_in_small_voxels_a_person_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("MedDLScene.grow_cut.MOST_VOXELS", 1000)
    small = Geometry.from_parts((40, 40, 40), (0.1, 0.1, 0.1))
    volume, nothing = ball(small, (2.0, 2.0, 2.0), 0.4), np.zeros(small.shape, np.uint8)
    clicks = [click(np.array([2.0, 2.0, 2.0]))]
    found, place = grownAroundClicks(volume, clicks, nothing, 0.2, now=nothing > 0)
    assert place.shape == (11, 11, 11) and found[5, 5, 5] and not found[0].any()


def test_a_click_on_a_leak_far_from_the_structure_takes_it_away_and_one_deep_inside_changes_nothing() -> None:
    at = np.indices(PLACE.shape)
    now = (at[2] < 4) | (np.hypot(at[1] - 15, at[2] - 30) < 2)
    volume, drawn = ball(PLACE, (5, 30, 15), 8), np.zeros(PLACE.shape, np.uint8)
    drawn[:, :, :4] = INSIDE
    now[:8], now[16:] = at[2][:8] < 4, at[2][16:] < 4
    leak = click(PLACE.index_to_ras((30, 15, 12)), positive=False)
    found, place = grownAroundClicks(volume, [leak], drawn, reach=10.0, now=now)
    assert not found.any() and place.shape == (11, 15, 20)
    everywhere = np.ones(PLACE.shape, bool)
    found, _ = grownAroundClicks(volume, [click(CENTRE)], drawn, reach=6.0, now=everywhere)
    assert found.all()


@pytest.mark.parametrize("where", [PLACE.index_to_ras((-3, 3, 3)), np.array([np.nan, 10.0, 5.0])])
def test_a_click_beside_the_volume_or_nowhere_is_refused(where: np.ndarray) -> None:
    nothing = np.zeros(PLACE.shape, np.uint8)
    with pytest.raises(MedDLError) as caught:
        grownAroundClicks(ball(PLACE, (5, 30, 15), 8), [click(where)], nothing, 2.0, 6.0)
    assert caught.value.code is Code.REGION_OUTSIDE
