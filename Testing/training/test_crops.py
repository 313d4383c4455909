"""Data that are crops make a model that says so, and that finds in a large scan what it learnt from crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.data_sets import drawn
from fixtures.trainings import STILL, data_in_memory, tiny_plan
from MedDLCore.admission import Options
from MedDLCore.metrics import dice
from MedDLCore.pipeline import load, segment
from MedDLCore.spec import Crops, Grid
from MedDLCore.volume import Geometry, Volume
from MedDLTraining.check.facts import CaseFacts, examine
from MedDLTraining.plan import Optimiser, Plan, crops_of, read_plan, write_plan
from MedDLTraining.training import train

GRID = Grid("RAS")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def facts_of(*geometries: Geometry) -> list[CaseFacts]:
    """Cases with scans on these grids."""
    data_set = data_in_memory(1)
    (case,) = (examine(case, data_set)[0] for case in data_set.cases)
    return [replace(case, images=(replace(case.images[0], geometry=geometry),)) for geometry in geometries]


def scan(r: float, a: float, s: float) -> Geometry:
    """Of so many mm, stored as sagittal slices."""
    return Geometry.from_parts((round(s), round(a), round(r)), (1, 1, 1)).reoriented("PSR")


def test_the_extent_of_crops_is_their_median_along_the_networks_axes() -> None:
    facts = facts_of(scan(30, 52, 36), scan(36, 50, 41), scan(40, 48, 30))
    assert crops_of(facts, GRID) == Crops((36, 50, 36), (40, 52, 41))
    assert crops_of(facts, Grid("SRA")) == Crops((36, 36, 50), (41, 40, 52))
    assert crops_of(facts, Grid("RAS", transpose=(1, 0, 2))) == Crops((50, 36, 36), (52, 40, 41))


def test_one_whole_scan_among_them_and_they_are_no_crops_unless_a_person_says_so() -> None:
    facts = facts_of(scan(30, 52, 36), scan(36, 50, 41), scan(160, 190, 100))
    assert crops_of(facts, GRID) is None
    assert crops_of(facts, GRID, declared=True) == Crops((36, 52, 41), (160, 190, 100))
    assert crops_of(facts[:2], GRID, declared=False) is None
    assert crops_of([replace(facts[0], images=())], GRID, declared=True) is None


def test_a_plan_keeps_what_is_said_of_crops(tmp_path: Path) -> None:
    plan = tiny_plan(data_in_memory(2), crops=Crops((36.0, 50.0, 36.0), (40.0, 52.0, 41.0)))
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    assert plan.spec.crops == plan.crops


def test_what_was_learnt_from_crops_is_found_around_a_point_of_a_large_scan(tmp_path: Path) -> None:
    data_set = data_in_memory(4)
    plan: Plan = tiny_plan(
        data_set,
        iterations=75,
        epochs=2,
        optimiser=Optimiser("adamw", 1e-2, weight_decay=1e-2),
        augmentation=STILL,
        crops=Crops((120.0, 120.0, 120.0), (120.0, 120.0, 120.0)),
    )
    package = train(data_set, plan, tmp_path / "run").package
    assert package is not None
    ready = load(package, "cpu", 1, "torch")

    unseen = drawn(77, 6.0)
    (k, j, i), margin = unseen.geometry.shape, 9
    array = np.full([n + 2 * margin for n in (k, j, i)], -1000, np.int16)
    place = np.s_[margin : margin + k, margin : margin + j, margin : margin + i]
    array[place], array[:5] = unseen.image, 3000
    large = Volume(array, unseen.geometry.cropped((-margin,) * 3, (k + margin, j + margin, i + margin)), "CT")
    middle = unseen.geometry.index_to_ras((np.array((i, j, k)) - 1) / 2)
    point = (float(middle[0]), float(middle[1]), float(middle[2]))

    found = segment([large], ready, Options(points=(point,))).label_map.array
    crop = segment([Volume(unseen.image, unseen.geometry, "CT")], ready).label_map.array
    assert np.array_equal(found[place], crop)
    assert np.count_nonzero(found) == np.count_nonzero(crop)
    assert dice(found[place] == 1, unseen.labels == 1) > 0.5
