"""Variations of a case beside each other, for slice views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.data_sets import NAMES
from fixtures.trainings import STILL, data_in_memory, overlapping_in_memory, tiny_plan
from MedDLTraining.cases import prepare_cases
from MedDLTraining.loop.mosaic import COLUMNS, ROWS, mosaic
from MedDLTraining.loop.variations import variations


def test_the_first_patch_is_the_case_itself_and_the_others_are_varied(tmp_path: Path) -> None:
    data_set = data_in_memory(1)
    still, plan = tiny_plan(data_set, augmentation=STILL), tiny_plan(data_set)
    (case,) = prepare_cases(data_set, plan.spec, tmp_path)
    image, labels = mosaic(case, plan)
    a, b, c = plan.patch  # of equal spacings, the last axis is looked along
    assert image.array.shape == labels.array.shape == (ROWS * a, COLUMNS * b, c)
    assert image.geometry.same_as(labels.geometry) and {label.name for label in labels.labels} == set(NAMES)
    (patch, _), (drawn, _) = (values[:2] for values in variations(case, plan, 2))
    assert np.array_equal(image.array[:a, :b], patch[0]) and np.array_equal(labels.array[:a, :b], drawn[0])
    assert labels.array[:a, :b].any()
    assert not np.array_equal(image.array[:a, b : 2 * b], patch[0])
    unvaried, _ = mosaic(case, still)
    assert all(np.array_equal(unvaried.array[y : y + a, x : x + b], patch[0]) for y in (0, a) for x in (0, b, 2 * b))


def test_segments_that_overlap_have_a_layer_each(tmp_path: Path) -> None:
    data_set = overlapping_in_memory(1)
    plan = tiny_plan(data_set, overlapping=True)
    (case,) = prepare_cases(data_set, plan.spec, tmp_path)
    _, labels = mosaic(case, plan)
    liver, kidney = labels.labels[:2]
    a, b, _ = plan.patch
    both = labels.mask(liver)[:a, :b] & labels.mask(kidney)[:a, :b]
    assert both.any() and labels.layers == len(NAMES)


@pytest.mark.parametrize(
    ("orientation", "transpose", "directions"),
    [("RAS", (0, 1, 2), "SAR"), ("LPS", (2, 1, 0), "LPS"), (None, (0, 1, 2), "LPS")],
)
def test_it_lies_as_the_plans_grid_does(
    orientation: str | None, transpose: tuple[int, int, int], directions: str, tmp_path: Path
) -> None:
    """``directions``: of i, j, k, which are the axes 2, 1, 0 of a patch."""
    data_set = data_in_memory(1)
    plan = tiny_plan(data_set)
    (case,) = prepare_cases(data_set, plan.spec, tmp_path)
    turned = replace(plan, grid=replace(plan.grid, orientation=orientation, transpose=transpose, spacing=(1, 2, 3)))
    image, _ = mosaic(case, turned)
    assert np.allclose(image.geometry.spacing, (3, 2, 1))
    world = {"R": (1, 0, 0), "L": (-1, 0, 0), "A": (0, 1, 0), "P": (0, -1, 0), "S": (0, 0, 1)}
    assert np.allclose(image.geometry.direction.T, [world[letter] for letter in directions])
