"""The figures of a report: intervals, calibration, and charts."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch

from fixtures.data_sets import labels_of
from fixtures.packages import threshold_spec
from MedDLCore.inference import Slab
from MedDLCore.preprocess import prepare
from MedDLCore.spec import Grid, Inference, Output
from MedDLCore.volume import Geometry, LabelMap, Volume
from MedDLTraining.evaluation import interval, matched
from MedDLTraining.evaluation.charts import Line, chart
from MedDLTraining.evaluation.reliability import BINS, Reliability, Tally, why_not


@pytest.mark.parametrize("count", [6, 20, 60])
def test_the_interval_is_that_of_another_implementation(count: int) -> None:
    values = 1 - np.random.default_rng(count).exponential(0.1, count)  # skewed, as Dice is
    ours = interval([*values.tolist(), float("nan")])
    theirs = scipy.stats.bootstrap((values,), np.mean, method="BCa", n_resamples=9999, random_state=1)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.mean == pytest.approx(values.mean()) and ours.cases == count
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.06 * width)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.06 * width)
    assert interval(values.tolist()) == ours, "the same values give the same interval"
    assert interval(values.tolist(), seed=5) != ours


def test_of_one_case_or_none_no_interval_is_made_up() -> None:
    one, none, same = interval([0.8]), interval([float("nan")]), interval([0.5, 0.5, 0.5])
    assert (one.mean, one.cases) == (0.8, 1) and math.isnan(one.low) and math.isnan(one.high)
    assert math.isnan(none.mean) and none.cases == 0
    assert (same.low, same.mean, same.high) == (0.5, 0.5, 0.5)
    narrow, wide = interval([0.8, 0.9] * 50), interval([0.8, 0.9] * 2)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


GRID = Geometry.from_parts((40, 24, 24), (2.0, 2.0, 2.0))


def tallied(activation: Any, truth: np.ndarray, logits: torch.Tensor, depth: int = 7) -> dict[str, Reliability]:
    """The counts of slabs that overlap by a slice, as the sliding window makes them."""
    spec = threshold_spec(grid=Grid(orientation=None), output=Output(activation), inference=Inference(patch=(8, 8, 8)))
    label_map = LabelMap(truth, GRID, labels_of("ball"))
    structures, _ = matched(label_map.labels, spec.labels)
    prepared = prepare([Volume(np.zeros(GRID.shape, np.float32), GRID, "CT")], spec)
    tally = Tally(label_map, structures, spec)
    for start in range(0, GRID.shape[0], depth):
        first = max(0, start - 1)
        tally(prepared, Slab(first, logits[:, first : start + depth]))
    return tally.reliability


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_each_voxel_near_the_truth_counts_once_whatever_the_slabs(activation: str) -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros(GRID.shape, np.uint8)
    truth[18:22, 10:14, 10:14] = 1
    score = torch.from_numpy(rng.normal(0, 2, GRID.shape)).float()
    logits = torch.stack([torch.zeros_like(score), score]) if activation == "softmax" else score[None]
    (found,) = tallied(activation, truth, logits).values()
    box = slice(8, 32), slice(0, 24), slice(0, 24)  # 20 mm are 10 voxels
    probability = score.double().sigmoid().numpy()[box].ravel()
    true = truth[box].ravel() == 1
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    assert list(found.voxels) == np.bincount(bins, minlength=BINS).tolist()
    assert list(found.true) == np.bincount(bins, true, BINS).astype(int).tolist()
    assert list(found.confidence) == pytest.approx(np.bincount(bins, probability, BINS).tolist(), rel=1e-5)


def test_probabilities_that_are_true_have_no_calibration_error_and_boasted_ones_do() -> None:
    rng = np.random.default_rng(1)
    probability = rng.uniform(0.02, 0.98, GRID.shape)
    truth = (rng.uniform(size=GRID.shape) < probability).astype(np.uint8)
    logit = torch.from_numpy(np.log(probability / (1 - probability))).float()[None]
    (honest,) = tallied("sigmoid", truth, logit).values()
    (boasting,) = tallied("sigmoid", truth, 3 * logit).values()
    assert honest.error < 0.01 < 0.1 < boasting.error
    assert all(abs(said - true) < 0.05 for said, true in honest.curve) and len(honest.curve) == BINS
    assert (honest + boasting).voxels == tuple(a + b for a, b in zip(honest.voxels, boasting.voxels, strict=True))
    nothing = Reliability((0,) * BINS, (0.0,) * BINS, (0,) * BINS)
    assert math.isnan(nothing.error) and nothing.curve == ()


def test_without_anything_drawn_the_whole_grid_counts() -> None:
    (found,) = tallied("sigmoid", np.zeros(GRID.shape, np.uint8), torch.zeros(1, *GRID.shape)).values()
    assert sum(found.voxels) == math.prod(GRID.shape) and found.curve == ((0.5, 0.0),)


def test_why_probabilities_are_not_judged_is_said() -> None:
    spec = threshold_spec()
    regions: Any = SimpleNamespace(output=SimpleNamespace(activation="regions"))
    assert why_not(spec, True) is None
    assert "several models" in str(why_not(spec, False)) and "regions" in str(why_not(regions, True))


def test_a_chart_places_points_on_round_ticks_and_escapes_names() -> None:
    drawn = chart([Line("<b>&", [(0, 0.0), (7, 1.0), (8, float("nan"))], marked=True)], "x & y", "Dice", (0, 1))
    assert "<b>" not in drawn and "&lt;b&gt;&amp;" in drawn and "nan" not in drawn
    points = re.search(r'points="([^"]*)"', drawn)
    assert points is not None and len(points[1].split()) == 2
    ticks = [float(text) for text in re.findall(r'text-anchor="end">([\d.]+)<', drawn)]
    assert ticks == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert chart([Line("empty", [])], "x", "y") == ""
    flat = chart([Line("flat", [(1, 3.0)])], "x", "y")
    assert "<circle" in flat and "nan" not in flat
