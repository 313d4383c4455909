"""The patient is found in the air around, whole, and hardly with the couch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from fixtures.balls import ball, positions, turned
from fixtures.models import spec
from MedDLCore.inference import window_starts
from MedDLCore.preprocess import NOTHING_CUT, inner, network_grid, prepare
from MedDLCore.preprocess.patient import patient_corners, patient_cut, why_not_cropped
from MedDLCore.resample import resample
from MedDLCore.spec import Channel, Foreground, Grid, Inference, ZScore
from MedDLCore.volume import Geometry, Volume

GRID = Geometry.from_parts((60, 110, 120), (1.7, 1.7, 4.0), np.eye(3), (-100, -90, -110))
AIR, SOFT = -1000.0, 40.0


def a_scan(*parts: np.ndarray, noise: float = 60.0, geometry: Geometry = GRID) -> Volume:
    body = np.logical_or.reduce(parts) if parts else np.zeros(geometry.shape, np.bool_)
    values = np.where(body, SOFT, AIR) + np.random.default_rng(0).normal(0, noise, geometry.shape)
    return Volume(values.astype(np.int16), geometry, "CT")


def cylinder(x: float, y: float, radius: float, low: float = -300, high: float = 300) -> np.ndarray:
    r, a, s = np.moveaxis(positions(GRID), -1, 0)
    return ((r - x) ** 2 + (a - y) ** 2 <= radius**2) & (s > low) & (s < high)


def block(low: tuple[float, ...], high: tuple[float, ...]) -> np.ndarray:
    at = positions(GRID)
    return ((at >= low) & (at <= high)).all(axis=-1)


def holds(found: np.ndarray | None, part: np.ndarray, geometry: Geometry = GRID) -> bool:
    assert found is not None
    faces = geometry.ras_to_index(found)
    at = np.argwhere(part)[:, ::-1]
    return bool((at.min(axis=0) >= faces.min(axis=0)).all() and (at.max(axis=0) <= faces.max(axis=0)).all())


def test_the_box_holds_the_body_and_little_more() -> None:
    body = cylinder(-20, 10, 45, -60, 80)
    found = patient_corners(a_scan(body), is_ct=True)
    assert holds(found, body)
    assert found is not None
    np.testing.assert_allclose(found.min(axis=0), (-65, -35, -60), atol=7)
    np.testing.assert_allclose(found.max(axis=0), (25, 55, 80), atol=7)


def test_both_legs_an_arm_and_an_ear_are_of_the_patient() -> None:
    legs = (cylinder(-50, 0, 25), cylinder(30, 0, 30))
    arm = cylinder(80, 20, 11)
    ear = block((-90, -3, 20), (-74, 3, 45))
    for part in (*legs, arm, ear):
        assert holds(patient_corners(a_scan(*legs, arm, ear), is_ct=True), part)


def test_a_couch_and_its_frame_hardly_count() -> None:
    body = cylinder(0, 30, 45)
    shell = block((-95, -52, -300), (95, -50, 300)) | block((-95, -80, -300), (95, -78, 300))
    wire = block((70, 60, -300), (72, 62, 300))
    alone, with_couch = (patient_corners(a_scan(*parts), is_ct=True) for parts in ((body,), (body, shell, wire)))
    assert alone is not None
    assert with_couch is not None
    np.testing.assert_allclose(with_couch.min(axis=0), alone.min(axis=0), atol=0.1)
    np.testing.assert_allclose(with_couch.max(axis=0), alone.max(axis=0), atol=0.1)


@pytest.mark.parametrize("noise", [0.0, 60.0])
def test_nobody_is_found_in_air(noise: float) -> None:
    assert patient_corners(a_scan(noise=noise), is_ct=True) is None
    empty = Volume(np.zeros(GRID.shape, np.float32), GRID, "MR")
    assert patient_corners(empty, is_ct=False) is None


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_a_body_stands_out_of_the_noise_of_an_mr_even_where_it_is_dim(scale: float) -> None:
    """Half of it has a tenth of the other half's signal, as far from a coil."""
    bright, dim = cylinder(-20, 10, 45, -60, 20), cylinder(-20, 10, 45, 20, 80)
    signal = np.where(bright, 1000.0, np.where(dim, 100.0, 0.0))
    noise = np.random.default_rng(0).normal(0, 15, (2, *GRID.shape))
    values = np.hypot(signal + noise[0], noise[1]) * scale
    found = patient_corners(Volume(values.astype(np.float32), GRID, "MR"), is_ct=False)
    assert holds(found, bright | dim)
    assert found is not None
    assert np.prod(np.ptp(found, axis=0)) < 0.6 * GRID.voxel_volume * np.prod(GRID.shape)


@pytest.mark.parametrize("shape", [(1, 80, 80), (2, 80, 80), (80, 3, 80)])
def test_a_scan_of_few_slices_is_searched_as_well(shape: tuple[int, int, int]) -> None:
    geometry = Geometry.from_parts(shape, (1, 1, 1))
    scan = ball(geometry, geometry.index_to_ras((np.array(shape[::-1]) - 1) / 2).tolist(), 25)
    for is_ct in (True, False):
        found = patient_corners(scan, is_ct)
        assert holds(found, scan.array > 0, geometry)


def windows(axis: int, size: int, patch: int = 16) -> int:
    return len(window_starts(max(size, patch), patch, 0.5))


def test_along_each_axis_as_few_patches_are_kept_as_hold_the_body_and_all_that_they_cover() -> None:
    """Of 200 voxels of 1 mm, a body of 90 and 5 mm on each side: one patch of 104, which covers 104 of them."""
    geometry = Geometry.from_parts((200, 200, 200), (1, 1, 1))
    at = positions(geometry)
    body = (np.abs(at - (60, 99.5, 99.5)) < 45).all(axis=-1)
    scan = a_scan(body, geometry=geometry)
    for patch, kept in ((104, 104), (96, 144), (256, 200)):
        cut = patient_cut([scan], geometry, spec(grid=Grid("RAS")), partial(windows, patch=patch))
        shape = network_grid(geometry, Grid("RAS")).shape
        parts = inner(cut, shape)
        assert [part.stop - part.start for part in parts] == [kept] * 3
        left = resample(body, geometry, network_grid(geometry, Grid("RAS")), "nearest")[parts]
        assert left.sum() == body.sum()


@pytest.mark.parametrize("rule", ["centred", "first_voxel", "extent"])
@pytest.mark.parametrize("direction", [np.eye(3), turned(25, 0) @ turned(20, 2)], ids=["plain", "oblique"])
def test_what_is_left_is_what_the_whole_grid_has_there(rule: Any, direction: np.ndarray) -> None:
    geometry = Geometry.from_parts((60, 90, 100), (1.1, 1.2, 2.0), direction, (-80, -60, -90))
    scan = ball(geometry, geometry.index_to_ras((30, 50, 20)).tolist(), 20)
    for interpolation in ("linear", "cubic"):
        grid = Grid("SPR", spacing=(1.7, 1.4, 2.2), rule=rule, interpolation=interpolation)  # type: ignore[arg-type]
        model = spec(grid=grid, inference=Inference(patch=(16, 16, 16)), intensity=(ZScore(),))
        cut = patient_cut([scan], geometry, model, windows)
        assert np.prod(cut, axis=0).max() >= 0
        assert sum(map(sum, cut)) > 20
        whole, part = prepare([scan], model), prepare([scan], model, cut=cut)
        assert part.cut == cut
        np.testing.assert_allclose(part.array, whole.array[(slice(None), *inner(cut, whole.geometry.shape))], atol=1e-5)
        on_grid = replace(model, statistics="grid")
        whole, part = prepare([scan], on_grid), prepare([scan], on_grid, cut=cut)
        np.testing.assert_allclose(part.array, whole.array[(slice(None), *inner(cut, whole.geometry.shape))], atol=1e-5)


def test_nothing_is_cut_where_that_would_spare_no_patch_or_where_nobody_is() -> None:
    full = a_scan(np.ones(GRID.shape, np.bool_))
    assert patient_cut([full], GRID, spec(), windows) == NOTHING_CUT
    assert patient_cut([a_scan()], GRID, spec(), windows) == NOTHING_CUT
    assert patient_cut([a_scan(cylinder(0, 0, 30))], GRID, spec(), partial(windows, patch=300)) == NOTHING_CUT
    in_the_air = GRID.cropped((0, 0, 0), (20, 20, 20))
    assert patient_cut([a_scan(cylinder(60, 60, 20, low=100))], in_the_air, spec(), windows) == NOTHING_CUT


def test_the_ct_among_several_channels_says_where_the_patient_is() -> None:
    model = spec(channels=(Channel("PET", "PT"), Channel("CT", "CT")))
    body = cylinder(-20, 10, 45, -60, 80)
    ct, pet = a_scan(body), Volume(np.ones(GRID.shape, np.float32), GRID, "PT")
    assert patient_cut([pet, ct], GRID, model, windows) == patient_cut([ct], GRID, spec(), windows) != NOTHING_CUT


def test_an_oblique_scan_loses_nothing_of_the_body() -> None:
    geometry = Geometry.from_parts((60, 90, 100), (1.7, 1.7, 3.0), turned(25, 0) @ turned(20, 2), (-80, -60, -90))
    scan = ball(geometry, (0, 10, 5), 40)
    assert holds(patient_corners(scan, is_ct=True), scan.array > 0, geometry)


def test_models_that_cannot_be_given_a_part_are_not() -> None:
    assert why_not_cropped(spec()) is None
    assert why_not_cropped(spec(inference=Inference(patch=None)))
    assert why_not_cropped(spec(grid=Grid("RAS", shape=(32, 32, 32))))
    assert why_not_cropped(spec(foreground=Foreground()))
