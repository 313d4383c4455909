"""Scores of masks that were counted by hand, and what is said where there is nothing to compare."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from fixtures.balls import ball_mask
from MedDLCore.metrics import Overlap, bounding_box, boxes_of_values, confusion, joined, overlap, score
from MedDLCore.volume import Geometry, Label, LabelMap

GRID = Geometry.from_parts((4, 5, 6), (1.0, 2.0, 5.0))


def mask(*voxels: tuple[int, int, int]) -> Any:
    array = np.zeros(GRID.shape, bool)
    for voxel in voxels:
        array[voxel] = True
    return array


def test_overlap_is_what_one_counts() -> None:
    truth, found = mask((0, 0, 0), (0, 0, 1), (0, 0, 2)), mask((0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 0, 4))
    counts = overlap(truth, found)
    assert counts == Overlap(2, 2, 1)
    assert (counts.dice, counts.iou, counts.precision, counts.recall) == (4 / 7, 2 / 5, 1 / 2, 2 / 3)
    precision, recall = counts.precision, counts.recall
    assert counts.dice == pytest.approx(2 * precision * recall / (precision + recall)), "Dice is the F1 score"
    with pytest.raises(ValueError, match="different shape"):
        overlap(truth, found[:2])


def test_volumes_are_in_millilitres_of_the_grids_voxels() -> None:
    scores = score(mask((0, 0, 0), (0, 0, 1)), mask((0, 0, 1), (1, 0, 1), (2, 0, 1)), GRID, 1.0)
    assert (scores.truth_volume, scores.found_volume) == pytest.approx((0.02, 0.03))
    assert (scores.volume_error, scores.volume_error_percent) == pytest.approx((0.01, 50.0))
    assert scores.f1 == scores.dice


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        (True, True, {"dice": 1, "precision": 1, "recall": 1, "hd95": 0, "surface_dice": 1, "volume_error": 0}),
        (
            True,
            False,
            {"dice": 0, "precision": None, "recall": 0, "hd95": None, "volume_error": -0.01},
        ),
        (
            False,
            True,
            {"dice": 0, "precision": 0, "recall": None, "hd95": None, "volume_error": 0.01},
        ),
        (False, False, {"dice": None, "precision": None, "recall": None, "surface_dice": None, "volume_error": 0}),
    ],
    ids=["both", "missed", "invented", "neither"],
)
def test_what_cannot_be_told_is_not_a_number(truth: bool, found: bool, expected: dict[str, float | None]) -> None:
    one, none = mask((1, 1, 1)), mask()
    scores = asdict(score(one if truth else none, one if found else none, GRID, 1.0))
    for name, value in expected.items():
        assert math.isnan(scores[name]) if value is None else scores[name] == pytest.approx(value), name
    assert math.isnan(scores["mean_surface_distance"]) == (not (truth and found))
    assert truth == found or scores["surface_dice"] == 0
    assert math.isnan(scores["volume_error_percent"]) == (not truth)


def test_a_structure_scores_the_same_in_its_box_as_in_the_whole_scan() -> None:
    geometry = Geometry.from_parts((30, 40, 50), (0.8, 1.0, 2.0))
    truth, found = ball_mask(geometry, (20, 18, 30), 7), ball_mask(geometry, (22, 18, 33), 8)
    box = bounding_box(truth | found)
    assert box is not None
    part = geometry.cropped([side.start for side in box], [side.stop for side in box])
    assert asdict(score(truth, found, geometry, 1)) == pytest.approx(asdict(score(truth[box], found[box], part, 1)))


def test_the_boxes_of_all_values_are_those_of_each() -> None:
    labels = np.random.default_rng(1).choice([0, 0, 0, 0, 1, 7, 300], size=(5, 6, 7)).astype(np.uint16)
    labels[:, 4:] = 0
    boxes = boxes_of_values(labels)
    assert boxes == {value: bounding_box(labels == value) for value in (1, 7, 300)}
    assert joined(list(boxes.values())) == bounding_box(labels > 0)
    assert bounding_box(labels == 9) is None and joined([]) is None and boxes_of_values(labels * 0) == {}


def labels(*values: int, layers: tuple[int, ...] = ()) -> list[Label]:
    return [
        Label(value, f"structure {n}", (n, n, n), None, layers[n] if layers else 0) for n, value in enumerate(values)
    ]


def test_the_confusion_of_structures_has_the_truth_in_its_rows_whatever_the_values_are() -> None:
    truth, found = np.zeros((2, *GRID.shape), np.uint8)
    truth[0, 0, :4] = 1
    truth[0, 1, :2] = 2
    found[0, 0, 1:5] = 9  # what the truth calls 1
    found[0, 1, 1] = 4  # 2
    found[0, 0, 0] = 4
    found[3, 3, 3] = 77  # none of the pairs: background
    pairs = list(zip(labels(1, 2), labels(9, 4), strict=True))
    counts = confusion(LabelMap(truth, GRID, ()), LabelMap(found, GRID, ()), pairs)
    assert counts.tolist() == [[4 * 5 * 6 - 7, 1, 0], [0, 3, 1], [1, 0, 1]]
    assert counts.sum() == truth.size


def test_where_structures_overlap_a_voxel_counts_for_each_pair_and_background_once() -> None:
    truth = np.zeros((2, *GRID.shape), np.uint8)
    truth[0, 0, 0, :3] = 1
    truth[1, 0, 0, 2:4] = 2
    found = np.zeros(GRID.shape, np.uint8)
    found[0, 0, 1:5] = 1
    pairs = list(zip(labels(1, 2, layers=(0, 1)), labels(1, 2), strict=True))
    counts = confusion(LabelMap(truth, GRID, ()), LabelMap(found, GRID, ()), pairs)
    assert counts.tolist() == [[4 * 5 * 6 - 5, 1, 0], [1, 2, 0], [0, 2, 0]]
    with pytest.raises(ValueError, match="one grid"):
        elsewhere = Geometry.from_parts(GRID.shape, (1.0, 2.0, 5.0), origin=(9, 0, 0))
        confusion(LabelMap(truth, GRID, ()), LabelMap(found, elsewhere, ()), pairs)
