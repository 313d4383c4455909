"""Intensity steps before the grid changes, and the cut to the foreground."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fixtures.models import model, spec, threshold_network
from MedDLCore.errors import Code, MedDLError
from MedDLCore.pipeline import segment
from MedDLCore.preprocess import prepare
from MedDLCore.spec import Channel, CleanUp, Clip, Foreground, Grid, Inference, Output, Percentiles, Scale
from MedDLCore.volume import Geometry, Volume


def volume(array: Any) -> Volume:
    array = np.asarray(array, dtype=np.float32)
    return Volume(array, Geometry.from_parts(array.shape, (1.0, 1.0, 1.0)), "CT")


def test_a_clip_before_the_grid_changes_is_not_the_same_as_one_after_it() -> None:
    scan = volume(np.tile([0.0, 100.0], (4, 4, 4)))
    fine = Grid(orientation="RAS", spacing=(0.5, 0.5, 0.5), rule="first_voxel")
    settings = spec(grid=fine, intensity=(Clip(0, 50), Scale(0.02)))
    after = prepare([scan], settings).array
    before = prepare([scan], replace(settings, steps_on_scan=1)).array
    assert np.unique(before[0, :, 1, 1]).tolist() == [0.0, 0.5, 1.0]  # halfway between 0 and 50
    assert np.unique(after[0, :, 1, 1]).tolist() == [0.0, 1.0]  # 50 is halfway between 0 and 100


def test_statistics_of_steps_before_the_grid_changes_are_the_scan_s() -> None:
    scan = volume(np.arange(1000.0).reshape(10, 10, 10))
    coarse = Grid(orientation="RAS", spacing=(4.0, 4.0, 4.0), rule="first_voxel")
    settings = spec(grid=coarse, intensity=(Percentiles(0, 100),), statistics="grid")
    assert prepare([scan], settings).array.max() == 1.0
    assert prepare([scan], replace(settings, steps_on_scan=1)).array.max() == pytest.approx(888 / 999)


def test_the_network_sees_the_box_of_the_foreground_and_the_rest_is_background() -> None:
    array = np.full((12, 13, 14), -900.0)
    array[3:7, 4:9, 5:11] = 200.0
    array[4, 5, 6] = -900.0
    scan = volume(array)
    settings = spec(grid=Grid(orientation="RAS"), intensity=(Scale(0.01),), foreground=Foreground(above=0, steps=1))
    prepared = prepare([scan], settings)
    assert prepared.array.shape == (1, 6, 5, 4)  # I, J, K
    assert prepared.cut == ((5, 3), (4, 4), (3, 5))
    assert prepared.geometry.shape == (14, 13, 12)
    everything = threshold_network(-1e6)  # class 1 everywhere
    found = segment([scan], model(everything, settings)).label_map.array
    assert found.sum() == 4 * 5 * 6 and found[3:7, 4:9, 5:11].all()


@pytest.mark.parametrize(("margin", "shape"), [(1, (8, 7, 6)), (3, (12, 11, 10)), (99, (14, 13, 12))])
def test_a_margin_goes_no_further_than_the_grid(margin: int, shape: tuple[int, int, int]) -> None:
    array = np.full((12, 13, 14), -900.0)
    array[3:7, 4:9, 5:11] = 200.0
    cut = spec(grid=Grid(orientation="RAS"), foreground=Foreground(above=0, margin=margin))
    assert prepare([volume(array)], cut).array.shape[1:] == shape


def test_any_channel_counts_as_foreground_and_without_any_nothing_is_cut() -> None:
    one, other = np.zeros((6, 6, 6)), np.zeros((6, 6, 6))
    one[1, 2, 3], other[4, 4, 4] = 5, 5
    channels = (Channel("a"), Channel("b"))
    settings = spec(channels=channels, grid=Grid(orientation="RAS"), foreground=Foreground())
    assert prepare([volume(one), volume(other)], settings).array.shape == (2, 2, 3, 4)
    assert prepare([volume(0 * one), volume(0 * other)], settings).array.shape == (2, 6, 6, 6)


def test_axes_in_another_order_are_the_same_voxels_in_the_world() -> None:
    array = np.random.default_rng(0).normal(size=(4, 5, 6))
    geometry = Geometry.from_parts(array.shape, (1.0, 2.0, 3.0), origin=(5, 6, 7))
    for axes in ((2, 1, 0), (1, 2, 0), (0, 2, 1)):
        grid = Grid(orientation=None, transpose=axes)
        prepared = prepare([Volume(array, geometry, "CT")], spec(grid=grid))
        assert np.allclose(prepared.array[0], array.transpose(axes))
        place = (1, 2, 3)
        moved = [place[axis] for axis in axes]
        assert np.allclose(prepared.geometry.index_to_ras(moved[::-1]), geometry.index_to_ras(place[::-1]))


def test_the_last_slices_of_a_scan_with_half_the_spacing_are_not_background() -> None:
    """The last centre lies exactly on the face of the network's last voxel."""
    scan = volume(np.full((10, 10, 10), 100.0))
    coarse = Grid(orientation="RAS", spacing=(2.0, 2.0, 2.0), rule="first_voxel")
    for interpolate in ("logits", "probabilities", "labels"):
        settings = spec(grid=coarse, output=Output(interpolate=interpolate))  # type: ignore[arg-type]
        assert segment([scan], model(threshold_network(0), settings)).label_map.array.all()


def test_clean_up_on_the_network_s_grid_comes_before_the_way_back() -> None:
    """Two pieces that the network's coarse grid joins are one component there."""
    array = np.full((1, 1, 12), -100.0)
    array[..., [0, 1, 3, 4, 8]] = 100.0
    scan = volume(np.tile(array, (4, 4, 1)))
    coarse = Grid(orientation="RAS", spacing=(3.0, 1.0, 1.0), rule="first_voxel")
    settings = spec(
        grid=coarse,
        inference=Inference(patch=(4, 4, 4)),
        output=Output(interpolate="labels"),
        clean_up=CleanUp(keep_largest=(1,), grid="network"),
    )
    row = segment([scan], model(threshold_network(0), settings)).label_map.array[0, 0]
    assert row.tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"steps_on_scan": 1}, "model.steps_on_scan"),
        ({"foreground": Foreground(steps=1)}, "model.foreground.steps"),
        ({"intensity": (Scale(),), "steps_on_scan": 1, "foreground": Foreground()}, "model.foreground.steps"),
        ({"foreground": Foreground(margin=-1)}, "model.foreground.margin"),
        ({"grid": Grid(transpose=(0, 0, 1))}, "model.grid.transpose"),
        ({"clean_up": CleanUp(keep_largest=(1,), grid="network")}, "model.clean_up.grid"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(MedDLError) as caught:
        spec(**changes)
    assert caught.value.code is Code.MODEL_INVALID and problem in caught.value.message
