"""Products along the axes give what ITK's resampling gives, whatever the layout, the type and the order."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fixtures.balls import turned
from fixtures.models import spec
from MedDLCore.preprocess import prepare, route
from MedDLCore.preprocess.grid import network_axes, network_grid
from MedDLCore.preprocess.intensity import Line, apply_intensity
from MedDLCore.preprocess.moving import Toned, change_for, moved
from MedDLCore.resample import resample
from MedDLCore.spec import Foreground, Grid, Percentiles, ZScore
from MedDLCore.stretch import lone_axis, stretch
from MedDLCore.volume import Geometry, Volume

SCAN = Geometry.from_parts((19, 34, 31), (0.8, 0.9, 2.1), turned(0), (5, -7, 11))
AIR = -1000.0
NEAR = 2e-6
"""Of the range of values."""


@pytest.fixture(params=["at once", "plane by plane"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan of a few thousand voxels is read in one piece, or in as many as a large one."""
    if request.param == "plane by plane":
        for name in ("BATCH", "WINDOW"):
            monkeypatch.setattr(route, name, 3000)


def an_array(dtype: str = "int16") -> np.ndarray:
    values = np.random.default_rng(0).integers(-1000, 1000, SCAN.shape)
    return (np.abs(values) % 256 if dtype == "uint8" else np.abs(values) if dtype[0] == "u" else values).astype(dtype)


def gathered(channel: Toned, first: Geometry, grid: Grid) -> np.ndarray:
    result = np.full(network_grid(first, grid).shape, np.nan)
    for where, values in moved(channel, first, grid, AIR):
        assert np.isnan(result[where]).all()
        result[where] = values.numpy()
    return result


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.abs(found - expected).max() <= NEAR * (expected.max() - expected.min()))


@pytest.mark.parametrize("rule", ["centred", "first_voxel"])
@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SPL", "AIR", None])
@pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (0.5, 2.0, 1.1), (0, 0, 5.0)])
def test_a_scan_comes_onto_the_networks_grid_as_itk_brings_it(
    rule: Any, interpolation: Any, orientation: str | None, spacing: Any, pieces: None
) -> None:
    grid = Grid(orientation, spacing=spacing, rule=rule, interpolation=interpolation)
    array, target = an_array(), network_grid(SCAN, grid)
    expected = resample(array, SCAN, target, interpolation, None if rule == "first_voxel" else AIR)
    assert change_for(SCAN, SCAN, grid, AIR) is not None
    assert same(gathered(Toned(Volume(array, SCAN)), SCAN, grid), expected)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("apart", [None, 0.0, 2.0])
@pytest.mark.parametrize("transpose", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (0.5, 2.0, 1.1), (2.1, 0.7, 0.7)])
def test_a_scan_is_stretched_as_nnunet_stretches_it(
    interpolation: Any, apart: float | None, transpose: Any, spacing: Any, pieces: None
) -> None:
    grid = Grid("LAS", transpose, spacing, rule="extent", interpolation=interpolation, apart=apart)
    placed, array = network_axes(SCAN, grid), an_array()
    alone = lone_axis(placed.spacing[::-1].tolist(), spacing, apart)
    straight = resample(array, SCAN, placed, "nearest")
    expected = stretch(straight, network_grid(SCAN, grid).shape, interpolation, alone)
    found = gathered(Toned(Volume(array, SCAN)), SCAN, grid)
    assert same(found, expected)
    assert found.min() >= array.min()
    assert found.max() <= array.max()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float16", "float32", "float64", ">i2", ">f4"])
@pytest.mark.parametrize("layout", ["C", "F", "flipped", "read-only"])
def test_neither_type_nor_layout_of_a_scan_matters(dtype: str, layout: str, pieces: None) -> None:
    array = an_array("int16" if dtype.startswith(">") else dtype).astype(dtype)
    expected = resample(array.astype(np.float32), SCAN, network_grid(SCAN, Grid(spacing=(2, 2, 2))), "cubic", AIR)
    if layout == "flipped":
        array = np.ascontiguousarray(array[::-1, :, ::-1])[::-1, :, ::-1]
    elif layout == "F":
        array = np.asfortranarray(array)
    array.flags.writeable = layout != "read-only"
    kept = array.copy()
    grid = Grid(spacing=(2, 2, 2), interpolation="cubic")
    assert same(gathered(Toned(Volume(array, SCAN)), SCAN, grid), expected)
    assert np.array_equal(array, kept)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [None, (26, 25, 17)])
def test_voxels_that_only_change_places_keep_their_values(dtype: str, shape: Any, pieces: None) -> None:
    array, grid = an_array(dtype), Grid("PSR", shape=shape, interpolation="cubic")
    expected = resample(array, SCAN, network_grid(SCAN, grid), "cubic", AIR)
    assert np.array_equal(gathered(Toned(Volume(array, SCAN)), SCAN, grid), expected)


def test_steps_that_come_before_are_applied_where_they_belong(pieces: None) -> None:
    lines = (Line(-500, 500, 0.01, 2.0), Line(keep_zero=True, factor=2.0, offset=1.0))
    array, grid = an_array(), Grid(spacing=(1.5, 1.5, 1.5), interpolation="cubic", rule="extent")
    for within in (None, np.random.default_rng(1).random(SCAN.shape) > 0.5):
        toned = apply_intensity(lines, array)
        if within is not None:
            toned = np.where(within, toned, array).astype(np.float32)
        channel = Toned(Volume(array, SCAN), lines, within)
        low, high = channel.ends(1)
        assert np.allclose(low, toned.min(axis=(0, 2)))
        assert np.allclose(high, toned.max(axis=(0, 2)))
        assert same(gathered(channel, SCAN, grid), gathered(Toned(Volume(toned, SCAN)), SCAN, grid))


@pytest.mark.parametrize("rule", ["centred", "first_voxel"])
def test_grids_that_are_not_parallel_go_through_itk(rule: Any, pieces: None) -> None:
    oblique = Geometry.from_parts(SCAN.shape, (0.8, 0.9, 2.1), turned(20, 1), (5, -7, 11))
    grid = Grid(spacing=(2, 2, 2), straight=True, rule=rule)
    array = an_array()
    fill = None if rule == "first_voxel" else AIR
    assert change_for(oblique, oblique, grid, AIR) is None
    expected = resample(array, oblique, network_grid(oblique, grid), "linear", fill)
    assert np.array_equal(gathered(Toned(Volume(array, oblique)), oblique, grid), expected)


def test_what_is_yielded_is_the_callers_to_change(pieces: None) -> None:
    array = an_array("float32")
    kept = array.copy()
    for grid in (Grid(None), Grid(None, spacing=(0, 0, 1.0)), Grid(None, spacing=(1.0, 0, 0))):
        expected = gathered(Toned(Volume(array, SCAN)), SCAN, grid)
        result = torch.empty(expected.shape)
        for where, values in moved(Toned(Volume(array, SCAN)), SCAN, grid, AIR):
            result[where] = values.add_(7)
        assert np.array_equal(array, kept)
        np.testing.assert_allclose(result.numpy() - 7, expected, atol=1e-3)


def test_the_way_through_the_axes_begins_with_what_shrinks_most() -> None:
    grid = Grid(None, spacing=(2.0, 4.0, 0.4), interpolation="cubic")
    change = change_for(SCAN, SCAN, grid, AIR)
    assert change is not None
    way = route.Route.of(an_array(), change)
    assert (way.before, way.after) == ((1,), (2,))
    assert route.Route.of(an_array(), replace(change, source=(0, 1, 2))).most_numbers > 0


@pytest.mark.parametrize("statistics", ["scan", "grid"])
@pytest.mark.parametrize("dtype", ["int16", "float64"])
def test_on_a_device_the_result_stays_there_and_is_the_same(statistics: Any, dtype: str) -> None:
    """``cpu:0`` is a device like any other: what it is given comes back as a tensor."""
    scan = Volume(an_array(dtype), SCAN, "CT")
    model = spec(
        grid=Grid(spacing=(2, 2, 2), interpolation="cubic"),
        intensity=(Percentiles(1, 99), ZScore()),
        statistics=statistics,
        foreground=Foreground(above=0.5, steps=1),
    )
    there, here = prepare([scan], model, device="cpu:0"), prepare([scan], model)
    assert isinstance(there.array, torch.Tensor)
    assert isinstance(here.array, np.ndarray)
    assert there.cut == here.cut
    np.testing.assert_array_equal(there.array.numpy(), here.array)
