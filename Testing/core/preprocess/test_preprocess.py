"""Grid, intensity, region: what the network sees."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from fixtures.balls import ball, centroid, turned
from MedDLCore.errors import Code, MedDLError
from MedDLCore.preprocess import (
    Region,
    apply_intensity,
    check_meets,
    cut_off,
    cut_out,
    fit_intensity,
    inside,
    network_grid,
    prepare,
    preparing_memory,
)
from MedDLCore.spec import (
    Channel,
    Clip,
    FixedZScore,
    Foreground,
    Grid,
    IntensityStep,
    ModelSpec,
    Network,
    Percentiles,
    Scale,
    Weights,
    Window,
    ZScore,
)
from MedDLCore.volume import Geometry, Label, Volume


def a_spec(**changes: Any) -> ModelSpec:
    plain = {"name": "m", "network": Network("n"), "weights": (Weights("w"),), "labels": (Label(1, "a", (0, 0, 0)),)}
    return ModelSpec(**{**plain, **changes})


def a_scan() -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1000, size=(9, 10, 11)).astype(np.int16)


def normalised(steps: tuple[IntensityStep, ...], scan: np.ndarray) -> np.ndarray:
    return apply_intensity(fit_intensity(steps, scan), scan)


def test_network_axis_0_runs_where_the_first_letter_says() -> None:
    scan = Geometry.from_parts((20, 30, 40), (1.0, 2.0, 3.0), turned(180, 2))  # i runs to L, j to P, k to S
    grid = network_grid(scan, Grid(orientation="RAS"))
    assert grid.shape == (40, 30, 20)
    first_axis_in_world = grid.index_to_ras([0, 0, 1]) - grid.index_to_ras([0, 0, 0])
    assert np.allclose(first_axis_in_world, [1, 0, 0])


def test_spacing_is_in_network_axis_order() -> None:
    scan = Geometry.from_parts((20, 30, 40), (1.0, 2.0, 3.0))
    grid = network_grid(scan, Grid(orientation="RAS", spacing=(2.0, 4.0, 6.0)))
    assert grid.shape == (20, 15, 10)
    assert np.allclose(grid.spacing[::-1], (2, 4, 6))


def test_without_an_orientation_the_axes_are_k_j_i() -> None:
    scan = Geometry.from_parts((20, 30, 40), (1.0, 2.0, 3.0), turned(90, 0))
    assert network_grid(scan, Grid(orientation=None)).same_as(scan)
    assert network_grid(scan, Grid(orientation=None, spacing=(3.0, 1.0, 1.0))).shape == (20, 60, 40)


def test_a_straight_grid_is_parallel_to_the_patient_and_holds_the_whole_scan() -> None:
    scan = Geometry.from_parts((20, 30, 40), (1.0, 1.5, 2.0), turned(15, 0) @ turned(20, 2), (7, 8, 9))
    grid = network_grid(scan, Grid(orientation="LIA", straight=True))
    assert np.allclose(np.abs(grid.direction).max(axis=0), 1)
    assert grid.orientation == "AIL"
    inner = grid.ras_to_index(scan.corners())
    assert (inner >= -0.5 - 1e-6).all()
    assert (inner <= np.array(grid.shape[::-1]) - 0.5 + 1e-6).all()


def test_a_conformed_volume_is_left_as_it_is() -> None:
    """A 256 mm cube at 1 mm in the network's own orientation: nothing may be interpolated."""
    direction = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    scan = Geometry.from_parts((256, 256, 256), (1, 1, 1), direction, (127.3, -130.1, 101.7))
    assert scan.orientation == "LIA"
    grid = network_grid(scan, Grid(orientation="LIA", spacing=(1.0, 1.0, 1.0), shape=(256, 256, 256), straight=True))
    assert grid.same_as(scan.reoriented("AIL"), tolerance=1e-6)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Clip(-100, 100), lambda v: np.clip(v, -100, 100)),
        (Window(-57, 164), lambda v: (np.clip(v, -57, 164) + 57) / 221),
        (Window(-1, 1, -1, 1), lambda v: np.clip(v, -1, 1)),
        (Scale(2, 3), lambda v: v * 2 + 3),
        (ZScore(), lambda v: (v - v.mean()) / v.std()),
        (FixedZScore(-900, 400, 12, 5), lambda v: (np.clip(v, -900, 400) - 12) / 5),
        (Percentiles(0, 100), lambda v: (v - v.min()) / (v.max() - v.min())),
        (
            Percentiles(5, 95, -1, 1),
            lambda v: np.interp(v, np.percentile(v, (5, 95)), (-1, 1)),
        ),
    ],
)
def test_each_intensity_step_is_its_formula(step: IntensityStep, expected: Any) -> None:
    scan = a_scan()
    found = normalised((step,), scan)
    assert found.dtype == np.float32
    assert np.abs(found - expected(scan.astype(np.float64))).max() < 1e-3


def test_statistics_of_non_zero_voxels_leave_zeros_at_zero() -> None:
    scan = a_scan()
    scan[:4] = 0
    found = normalised((ZScore(nonzero=True),), scan)
    assert (found[scan == 0] == 0).all()
    assert abs(found[scan != 0].mean()) < 1e-5
    assert found[scan != 0].std() == pytest.approx(1, abs=1e-5)


def test_a_later_step_is_fitted_to_what_the_earlier_one_made() -> None:
    scan = a_scan()
    found = normalised((Clip(-100, 100), ZScore()), scan)
    clipped = np.clip(scan.astype(np.float64), -100, 100)
    assert np.abs(found - (clipped - clipped.mean()) / clipped.std()).max() < 1e-4


@pytest.mark.parametrize("step", [Percentiles(0, 100), Percentiles(1, 99), ZScore(), ZScore(nonzero=True)])
@pytest.mark.parametrize("value", [0, 7, 1.7e6])
def test_a_constant_image_becomes_constant_and_finite(step: IntensityStep, value: float) -> None:
    found = normalised((step,), np.full((4, 4, 4), value))
    assert np.isfinite(found).all()
    assert found.std() == 0


def test_intensity_does_not_depend_on_the_region_or_the_grid() -> None:
    volume = ball(Geometry.from_parts((30, 30, 30), (2, 2, 2)), (30, 30, 30), 15)
    spec = a_spec(intensity=(Percentiles(0, 100),), grid=Grid(orientation="RAS", shape=(60, 60, 60)))
    padded = prepare([volume], spec).array
    part = prepare([volume], a_spec(intensity=(Percentiles(0, 100),)), Region((20, 20, 20), (40, 40, 40))).array
    assert padded.max() == 1
    assert padded.min() == 0
    assert part.shape[1:] == (11, 11, 11)
    assert part.max() == 1


def test_several_inputs_are_brought_onto_the_first_by_their_geometry() -> None:
    centre = (10.0, 5.0, -3.0)
    first = ball(Geometry.from_parts((40, 40, 40), (1, 1, 1), origin=(-10, -15, -23)), centre, 8)
    corner = np.array(centre) - turned(20, 1) @ (26.0, 24.0, 27.0)
    other = ball(Geometry.from_parts((60, 70, 65), (0.8, 0.7, 0.9), turned(20, 1), corner), centre, 8, "MR")
    prepared = prepare([first, other], a_spec(channels=(Channel("CT", "CT"), Channel("MR", "MR"))))
    for array in prepared.array:
        assert np.linalg.norm(centroid(array > -300, prepared.geometry) - centre) < 0.2
    four_d = Volume(np.stack([first.array, first.array]), first.geometry)
    assert prepare([four_d], a_spec(channels=(Channel("a"), Channel("b")))).array.shape[0] == 2


def test_a_wrong_number_of_inputs_is_refused() -> None:
    volume = ball(Geometry.from_parts((5, 5, 5), (1, 1, 1)), (2, 2, 2), 1)
    with pytest.raises(MedDLError) as refusal:
        prepare([volume, volume], a_spec())
    assert refusal.value.code is Code.CHANNELS_MISMATCH


def test_inputs_of_different_places_are_refused() -> None:
    here = ball(Geometry.from_parts((5, 5, 5), (1, 1, 1)), (2, 2, 2), 1)
    there = ball(Geometry.from_parts((5, 5, 5), (1, 1, 1), origin=(4, 0, 0)), (2, 2, 2), 1)
    with pytest.raises(MedDLError) as refusal:
        prepare([here, there], a_spec(channels=(Channel("a"), Channel("b"))))
    assert refusal.value.code is Code.CHANNELS_APART


def test_a_region_cuts_whole_voxels_and_knows_its_inside() -> None:
    geometry = Geometry.from_parts((20, 30, 40), (1.0, 1.5, 2.0), turned(30, 2), (3, 4, 5))
    volume = ball(geometry, geometry.index_to_ras([20, 15, 10]), 8)
    centre = geometry.index_to_ras([20, 15, 10])
    region = Region(tuple(centre - 5), tuple(centre + 5))
    part = cut_out([volume], region)[0]
    assert part.array.shape == part.geometry.shape
    at = geometry.ras_to_index(part.geometry.origin)
    assert np.allclose(at, np.round(at))
    assert part.array[0, 0, 0] == volume.array[tuple(np.round(at).astype(int)[::-1])]
    assert inside(geometry, region).sum() == inside(part.geometry, region).sum() > 0


@pytest.mark.parametrize("low", [(500.0, 0.0, 0.0), (0.0, 0.0, -900.0)])
def test_a_region_outside_the_scan_is_refused(low: tuple[float, float, float]) -> None:
    volume = ball(Geometry.from_parts((20, 30, 40), (1, 1, 1)), (5, 5, 5), 3)
    with pytest.raises(MedDLError) as refusal:
        check_meets(volume.geometry, Region(low, (low[0] + 5, low[1] + 5, low[2] + 5)))
    assert refusal.value.code is Code.REGION_OUTSIDE


def test_an_empty_region_is_refused() -> None:
    with pytest.raises(MedDLError) as refusal:
        Region((0, 0, 0), (1, 0, 1))
    assert refusal.value.code is Code.REGION_OUTSIDE


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_region_that_is_not_made_of_numbers_is_refused(bad: float) -> None:
    with pytest.raises(MedDLError) as refusal:
        Region((0, bad, 0), (1, 2, 3))
    assert refusal.value.code is Code.REGION_OUTSIDE
    assert "numbers" in refusal.value.message


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("huge", [1e4, 1e12, 1e30, 1e300, 1.7e308])
def test_a_huge_region_is_the_whole_scan(huge: float) -> None:
    """Its indices overflowed, and it did not meet the scan."""
    geometry = Geometry.from_parts((20, 30, 40), (1.0, 1.5, 2.0), turned(30, 2), (3, 4, 5))
    volume = ball(geometry, (5, 5, 5), 3)
    everything = Region((-huge,) * 3, (huge,) * 3)
    part = cut_out([volume], everything)[0]
    assert part.geometry.same_as(geometry, tolerance=0)
    assert np.array_equal(part.array, volume.array)
    assert inside(geometry, everything).all()
    half = cut_out([volume], Region((-huge, -huge, 15), (huge, huge, huge)))[0]
    assert half.array.shape[1:] == volume.array.shape[1:]
    with pytest.raises(MedDLError) as refusal:
        check_meets(geometry, Region((huge / 2,) * 3, (huge,) * 3))
    assert refusal.value.code is Code.REGION_OUTSIDE


def test_what_a_grid_of_fixed_shape_cuts_off_is_said_by_side_in_millimetres() -> None:
    scan = Geometry.from_parts((40, 60, 50), (2.0, 1.0, 1.0), np.diag([-1.0, 1.0, 1.0]), (7, 8, 9))
    for orientation in ("LIA", "RAS", None):
        grid = Grid(orientation=orientation, spacing=(1.0, 1.0, 1.0), shape=(50, 50, 50))
        cut = cut_off(scan, network_grid(scan, grid))
        assert cut == pytest.approx({"left": 25, "right": 25, "anterior": 5, "posterior": 5})
    holds = Grid(orientation="RAS", spacing=(1.0, 1.0, 1.0), shape=(100, 60, 40))
    assert cut_off(scan, network_grid(scan, holds)) == {}


def test_the_corners_of_a_turned_scan_do_not_count_as_cut_off() -> None:
    grid = Grid(orientation="LIA", spacing=(1.0, 1.0, 1.0), shape=(256, 256, 256), straight=True)
    scan = Geometry.from_parts((176, 256, 256), (1, 1, 1), turned(10, 0))
    assert cut_off(scan, network_grid(scan, grid)) == {}
    long = Geometry.from_parts((300, 256, 256), (1, 1, 1), turned(10, 0))
    assert set(cut_off(long, network_grid(long, grid))) == {"inferior", "superior"}


def test_half_a_voxel_that_rounding_takes_is_not_cut_off() -> None:
    scan = Geometry.from_parts((41, 41, 41), (1, 1, 1))
    for orientation in ("LIA", "RAS"):
        grid = Grid(orientation=orientation, shape=(40, 40, 40))
        assert cut_off(scan, network_grid(scan, grid)) == {}
        assert len(cut_off(scan, network_grid(scan, Grid(orientation=orientation, shape=(39, 40, 40))))) == 2


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("statistics", ["scan", "grid"])
@pytest.mark.parametrize("region", [None, Region((5, 5, 5), (40, 40, 40))], ids=["whole", "region"])
@pytest.mark.parametrize("spacing", [None, (1.1, 1.1, 1.1), (2.0, 2.0, 2.0)], ids=["copied", "as fine", "coarser"])
def test_preparing_never_takes_more_memory_than_planned(
    dtype: str, interpolation: str, statistics: str, region: Region | None, spacing: Any
) -> None:
    """Counted by Python, that is without what ITK holds."""
    volume = Volume(
        np.random.default_rng(0).normal(size=(60, 64, 62)).astype(dtype), Geometry.from_parts((60, 64, 62), (1, 1, 1))
    )
    spec = a_spec(
        intensity=(Clip(-1, 1), Percentiles(1, 99), ZScore()),
        statistics=statistics,
        grid=Grid(orientation="RAS", spacing=spacing, interpolation=interpolation),  # type: ignore[arg-type]
    )
    prepare([volume], spec, region)  # what it imports does not count
    tracemalloc.start()
    try:
        prepare([volume], spec, region)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= preparing_memory([volume], spec, region) + 200_000


NNUNET = Grid(
    orientation=None, rule="extent", crop="nonzero", interpolation="cubic", apart=3.0, spacing=(1.2, 1.2, 1.2)
)
AUTO3DSEG = Grid(orientation="RAS", rule="first_voxel", spacing=(1.5, 1.5, 1.5))
FOREIGN: dict[str, dict[str, Any]] = {
    "nnU-Net, CT": {"channels": (Channel("a", "CT", (FixedZScore(-1, 1, 0, 1),)),), "grid": NNUNET},
    "nnU-Net, MR": {"channels": tuple(Channel(name, None, (ZScore(body=True),)) for name in "abc"), "grid": NNUNET},
    "Auto3DSeg": {
        "intensity": (ZScore(nonzero=True),),
        "grid": AUTO3DSEG,
        "foreground": Foreground(steps=1, margin=10, grid="scan", axes="stored"),
    },
    "steps of its own": {
        "channels": (Channel("a", None, (Clip(-1, 1), Percentiles(1, 99), ZScore())),),
        "grid": Grid(orientation="RAS", spacing=(1.1, 1.1, 1.1)),
        "statistics": "grid",
        "steps_on_scan": 0,
    },
}


@pytest.mark.parametrize("name", FOREIGN)
def test_preparing_for_a_foreign_model_never_takes_more_memory_than_planned(name: str) -> None:
    spec = a_spec(**{"steps_on_scan": 1, **FOREIGN[name]})
    array = np.random.default_rng(0).normal(0, 100, (60, 64, 62)).astype(np.int16)
    array[:4] = 0
    volumes = [Volume(array.copy(), Geometry.from_parts(array.shape, (1, 1, 1))) for _ in spec.channels]
    prepare(volumes, spec)  # what it imports does not count
    tracemalloc.start()
    try:
        prepare(volumes, spec)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= preparing_memory(volumes, spec) + 100_000


def test_statistics_over_the_networks_grid_count_its_padding_and_not_the_region() -> None:
    volume = ball(Geometry.from_parts((30, 30, 30), (2, 2, 2)), (30, 30, 30), 25)
    spec = a_spec(intensity=(ZScore(),), statistics="grid", grid=Grid(orientation="RAS", shape=(60, 60, 60)))
    array = prepare([volume], spec).array
    assert abs(array.mean()) < 1e-4
    assert array.std() == pytest.approx(1, abs=1e-4)
    spec = a_spec(intensity=(ZScore(),), statistics="grid")
    whole, part = prepare([volume], spec), prepare([volume], spec, Region((20, 20, 20), (40, 40, 40)))
    assert part.array.max() == pytest.approx(whole.array.max(), rel=1e-5)


@pytest.mark.parametrize(
    "twin",
    [
        lambda scan: scan.astype(np.int32) + 2_000_000_000,
        lambda scan: scan.astype(np.float64) + 1e9,
        lambda scan: scan.astype(np.float64) * 1e299,
        lambda scan: scan.astype(np.float64) * 1e-12,
        lambda scan: scan.astype(np.float16),
        lambda scan: (scan + 1000).astype(np.uint16),
        lambda scan: np.asfortranarray(scan),
    ],
    ids=["int32 far from zero", "float64 far from zero", "huge", "tiny", "half", "unsigned", "other memory order"],
)
@pytest.mark.parametrize("step", [Percentiles(1, 99), Percentiles(0, 100), ZScore()])
@pytest.mark.parametrize("spacing", [None, (1.1, 0.9, 1.3)], ids=["copied", "interpolated"])
def test_values_far_from_one_are_normalised_as_their_int16_twin(
    twin: Any, step: IntensityStep, spacing: tuple[float, float, float] | None
) -> None:
    """N13. Float32 on the way rounded the contrast of the first two away, and squares of the third overflowed."""
    geometry = Geometry.from_parts((9, 10, 11), (1, 1, 1))
    spec = a_spec(intensity=(step,), grid=Grid(orientation="RAS", spacing=spacing))
    expected = prepare([Volume(a_scan(), geometry)], spec).array
    found = prepare([Volume(twin(a_scan()), geometry)], spec).array
    assert np.abs(found - expected).max() < 1e-5


def test_a_mean_of_non_zero_voxels_is_that_of_the_voxels_and_not_of_the_slices() -> None:
    scan = np.zeros((3, 4, 4), np.float32)
    scan[1, 0, :2], scan[2] = (10, 20), 30
    found = normalised((ZScore(nonzero=True),), scan)
    values = scan[scan != 0].astype(np.float64)
    assert np.abs(found[scan != 0] - (values - values.mean()) / values.std()).max() < 1e-5
