"""Smooth bounds of the values, and spacings that are near enough."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.models import spec
from MedDLCore.errors import Code, MedDLError
from MedDLCore.preprocess import apply_intensity, fit_intensity, network_grid
from MedDLCore.spec import FromMinimum, Grid, ModelSpec, Percentiles, Squash
from MedDLCore.volume import Geometry

VALUES = np.linspace(-600, 600, 60).reshape(3, 4, 5)


def test_the_logistic_function_and_the_hyperbolic_tangent_bound_values() -> None:
    for function, formula in (("logistic", lambda x: 1 / (1 + np.exp(-x))), ("tanh3", lambda x: 3 * np.tanh(x / 3))):
        steps = (Squash(function),)
        for values in (VALUES, VALUES / 100):
            np.testing.assert_allclose(
                apply_intensity(fit_intensity(steps, values), values), formula(values), atol=1e-7
            )


def test_deviations_are_counted_from_the_minimum() -> None:
    got = apply_intensity(fit_intensity((FromMinimum(),), VALUES), VALUES)
    np.testing.assert_allclose(got, (VALUES + 600) / VALUES.std(ddof=1), rtol=1e-6)
    flat = np.full((2, 3, 4), 7.0)
    assert not apply_intensity(fit_intensity((FromMinimum(),), flat), flat).any()


def test_a_step_after_a_bound_is_fitted_to_what_the_bound_gives() -> None:
    steps = (Squash("tanh3"), Percentiles(0, 100), FromMinimum())
    got = apply_intensity(fit_intensity(steps, VALUES), VALUES)
    assert got.min() == 0 and np.isclose(got.std(ddof=1), 1, rtol=1e-6)


@pytest.mark.parametrize("rule", ["centred", "first_voxel"])
def test_an_axis_whose_spacing_is_near_enough_keeps_it(rule: str) -> None:
    scan = Geometry.from_parts((10, 20, 30), (0.8, 1.25, 2.0))
    wanted = Grid("RAS", spacing=(1.0, 1.0, 1.0), tolerance=0.25, rule=rule)  # type: ignore[arg-type]
    got = network_grid(scan, wanted)
    np.testing.assert_allclose(got.spacing[::-1], (0.8, 1.25, 1.0))
    assert got.shape[:2] == (30, 20)
    np.testing.assert_allclose(network_grid(scan, Grid("RAS", spacing=(1.0, 1.0, 1.0))).spacing, 1)


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, float("nan")])
def test_a_tolerance_that_cannot_be_is_refused(tolerance: float) -> None:
    with pytest.raises(MedDLError) as caught:
        spec(grid=Grid(tolerance=tolerance))
    assert caught.value.code is Code.MODEL_INVALID


def test_new_steps_survive_the_way_to_json_and_back() -> None:
    described = spec(intensity=(FromMinimum(), Squash("logistic")))
    assert ModelSpec.from_json(described.to_json()) == described
