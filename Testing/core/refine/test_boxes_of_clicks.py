"""A model of crops in a scan that is larger: clicks say where it looks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from fixtures.listening import RADIUS, listening, listening_spec
from fixtures.models import BALL
from MedDLCore.admission import Options
from MedDLCore.errors import Code, MedDLError
from MedDLCore.pipeline import Model, segment
from MedDLCore.refine import Click, Refinement, segment_with_clicks
from MedDLCore.refine.found import found_memory, nothing
from MedDLCore.refine.memory import needed_alone, needed_with
from MedDLCore.spec import Clicks, Crops, Output
from MedDLCore.volume import Geometry, LabelMap, Volume

GRID = Geometry.from_parts((40, 50, 80), (1.0, 1.0, 1.0), np.diag([-1.0, -1.0, 1.0]), (30.0, 20.0, -10.0))
SHAPES = ((20, 30, 30), (60, 200, 200))
CROPS = Crops((20.0, 20.0, 20.0), (22.0, 22.0, 22.0))


def of_crops(labels: int = 1, **changes: object) -> Model:
    return listening(labels, crops=CROPS, **changes)


def scan() -> Volume:
    """Two blocks far from each other, and a bright wall."""
    array = np.zeros(GRID.shape, np.int16)
    array[18:22, 18:22, 10:14] = array[18:22, 18:22, 60:64] = 200
    array[:, 45:] = 200
    return Volume(array, GRID, "CT")


def at(k: int, j: int, i: int, positive: bool = True, structure: str = "ball") -> Click:
    r, a, s = GRID.index_to_ras((i, j, k)).tolist()
    return Click((r, a, s), structure, positive)


def ball(*voxel: int) -> np.ndarray:
    return np.asarray(np.linalg.norm(np.indices(GRID.shape) - np.reshape(voxel, (3, 1, 1, 1)), axis=0) <= RADIUS)


def test_the_first_click_on_a_structure_is_where_the_network_looks_and_a_click_too() -> None:
    volume, listens = scan(), of_crops()
    refinement = Refinement([volume], listens)
    assert not refinement.label_map.array.any() and refinement.notices == ()
    click = at(20, 20, 16)
    refinement.add(click)
    alone = segment([volume], listens, Options(points=(click.point,))).label_map.array
    assert alone.sum() == 4**3
    assert np.array_equal(refinement.label_map.array > 0, (alone > 0) | ball(20, 20, 16))
    assert refinement.undo().array.any() == False  # noqa: E712
    assert not refinement.label_map.array.any()


def test_a_click_elsewhere_opens_another_box_and_leaves_the_first_as_it_is() -> None:
    volume = scan()
    refinement = Refinement([volume], of_crops())
    refinement.add(at(20, 20, 12))
    first = refinement.label_map.array
    change = refinement.add(at(20, 20, 62))
    now = refinement.label_map.array
    assert change.box[2].start > 40
    assert np.array_equal(now[..., :40], first[..., :40]) and now[20, 20, 62] and not now[:, 45:].any()
    refinement.add(at(20, 20, 12, positive=False))
    assert not refinement.label_map.array[20, 20, 12] and refinement.label_map.array[20, 20, 62]
    for _ in range(2):
        refinement.undo()
    assert np.array_equal(refinement.label_map.array, first)


def test_a_click_that_denies_begins_with_what_there_is_and_finds_nothing_by_itself() -> None:
    volume = scan()
    refinement = Refinement([volume], of_crops())
    assert refinement.add(at(30, 20, 40, positive=False)).is_nothing
    refinement.add(at(10, 20, 20))
    assert refinement.notices == (), "that its box was empty says nothing"
    drawn = np.zeros(GRID.shape, np.uint8)
    drawn[28:36, 18:24, 36:44] = 1
    given = Refinement([volume], of_crops(2), LabelMap(drawn, GRID, (BALL,)))
    given.add(at(30, 20, 40, structure="other"))
    found = given.label_map.array
    assert found[30, 20, 40] == 2 and set(np.unique(found[drawn == 0])) <= {0, 2}


def test_where_boxes_share_voxels_each_click_counts_for_both_and_what_the_other_found_stays() -> None:
    volume = scan()
    refinement = Refinement([volume], of_crops())
    clicks = [at(20, 20, 12), at(20, 20, 23), at(20, 20, 14, positive=False), at(20, 20, 26)]
    states = [refinement.label_map.array]
    for click in clicks:
        refinement.add(click)
        states.append(refinement.label_map.array)
    assert states[-1][20, 20, 26] and not states[-1][20, 20, 14] and states[-1][20, 20, 20]
    for state in states[-2::-1]:
        refinement.undo()
        assert np.array_equal(refinement.label_map.array, state)
    assert np.array_equal(segment_with_clicks([volume], of_crops(), clicks).label_map.array, states[-1])


def test_what_fails_while_a_box_is_opened_changes_nothing() -> None:
    refinement = Refinement([scan()], of_crops())

    def tell(stage: str, done: int, of: int) -> None:
        if stage == "network" and done > of // 2:  # the second run: that of the click
            raise MedDLError(Code.CANCELLED, "Enough.")

    with pytest.raises(MedDLError, match="Enough"):
        refinement.add(at(20, 20, 12), tell)
    assert refinement.clicks == () and not refinement.label_map.array.any()
    refinement.add(at(20, 20, 12))
    assert refinement.label_map.array[20, 20, 12]


def test_a_scan_that_is_a_crop_is_seen_whole() -> None:
    volume = Volume(scan().array[10:30, 10:30, 4:24], GRID.cropped((10, 10, 4), (30, 30, 24)), "CT")
    assert Refinement([volume], of_crops()).label_map.array.sum() == 4**3


def test_without_clicks_such_a_scan_is_refused_with_a_word_about_clicks() -> None:
    with pytest.raises(MedDLError, match="trained on crops") as caught:
        segment([scan()], of_crops())
    assert caught.value.code is Code.POINTS_MISMATCH and "--click" in caught.value.hint


def test_what_does_not_fit_into_memory_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing runs yet: the scan is prepared and a patch will run."""
    volume, drawn = scan(), LabelMap(np.zeros(GRID.shape, np.uint8), GRID, (BALL,))
    free = {"bytes": 0}
    monkeypatch.setattr("MedDLCore.inference.free_memory", lambda: free["bytes"])
    for start in (None, drawn):
        with pytest.raises(MedDLError) as caught:
            Refinement([volume], listening(), start)
        assert caught.value.code is Code.NO_MEMORY
        Refinement([volume], listening(), start, Options(allow=frozenset({Code.NO_MEMORY})))
    with pytest.raises(MedDLError) as caught:
        Refinement([volume], of_crops(), drawn).add(at(20, 20, 12, positive=False))
    assert caught.value.code is Code.NO_MEMORY
    free["bytes"] = 10**12
    assert Refinement([volume], listening(), drawn).notices == ()


def test_a_notice_that_a_click_brought_goes_when_the_click_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, allow = LabelMap(np.zeros(GRID.shape, np.uint8), GRID, (BALL,)), Options(allow=frozenset({Code.NO_MEMORY}))
    refinement = Refinement([scan()], of_crops(), drawn, allow)
    refinement.add(at(20, 20, 12, positive=False))
    assert refinement.notices == ()
    monkeypatch.setattr("MedDLCore.inference.free_memory", lambda: 0)
    refinement.add(at(20, 20, 62, positive=False))
    assert [notice.code for notice in refinement.notices] == [Code.MEMORY_TIGHT]
    refinement.add(at(20, 20, 61))
    assert len(refinement.notices) == 1
    refinement.undo()
    assert len(refinement.notices) == 1, "of the click before"
    refinement.undo()
    assert refinement.notices == ()


def test_the_forecast_for_what_there_is_lies_below_that_of_a_run_over_the_whole_scan_and_grows_with_the_scan() -> None:
    small, large = (Volume(np.zeros(shape, np.int16), Geometry.from_parts(shape, (1, 1, 1)), "CT") for shape in SHAPES)
    listens = listening()
    assert needed_with([large], listens).memory < needed_alone([large], listens, Options()).memory
    more = needed_with([large], listens).memory - needed_with([small], listens).memory
    assert more >= (4 + 2) * (math.prod(SHAPES[1]) - math.prod(SHAPES[0])), "the image, and labels on both grids"


@pytest.mark.parametrize(("output", "values"), [("softmax", (1, 2)), ("softmax", (1, 300)), ("sigmoid", (1, 7))])
def test_labels_with_high_or_sparse_values_count_as_the_bytes_that_they_take(
    output: Literal["softmax", "sigmoid"], values: tuple[int, int]
) -> None:
    labels = tuple(replace(BALL, name=f"structure {value}", value=value) for value in values)
    described = replace(listening_spec(2), labels=labels, clicks=Clicks(values, RADIUS), output=Output(output))
    assert found_memory(described, GRID) == nothing(described, GRID).nbytes
