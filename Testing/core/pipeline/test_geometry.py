"""The whole pipeline against the oracle of geometry: a ball at a known place in the world (rules G1 and G2, N17)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from core.test_resample import all_orientations
from fixtures.balls import THRESHOLD, ball, ball_mask, centroid, turned
from fixtures.models import model, spec, threshold_network
from MedDLCore.admission import Options
from MedDLCore.metrics import dice
from MedDLCore.pipeline import segment
from MedDLCore.preprocess import Region
from MedDLCore.resample import resample
from MedDLCore.spec import Grid, Inference, Output
from MedDLCore.volume import Geometry, Volume

CENTRE, RADIUS = (31.0, -12.0, 45.0), 11.0


def a_scan(**parts: object) -> Geometry:
    settings = {"shape": (36, 40, 44), "spacing": (1.0, 1.1, 1.3), "direction": np.eye(3), **parts}
    geometry = Geometry.from_parts(settings["shape"], settings["spacing"], settings["direction"])  # type: ignore[arg-type]
    matrix = geometry.ijk_to_ras.copy()
    matrix[:3, 3] += np.add(CENTRE, (3.2, -2.1, 1.7)) - geometry.corners().mean(axis=0)
    return Geometry(geometry.shape, matrix)


@pytest.mark.parametrize(
    "grid",
    [
        Grid(orientation="RAS"),
        Grid(orientation=None),
        Grid(orientation="LIA", spacing=(1.5, 1.0, 2.0)),
        Grid(orientation="SPL", spacing=(1.0, 1.0, 1.0), interpolation="cubic"),
        Grid(orientation="RAS", spacing=(1.0, 1.0, 1.0), shape=(64, 64, 64), straight=True),
    ],
    ids=["reoriented", "as stored", "respaced", "cubic", "conformed"],
)
@pytest.mark.parametrize(
    "direction",
    [np.eye(3), turned(30, 0) @ turned(-20, 2), np.diag([1.0, -1.0, 1.0])],
    ids=["plain", "oblique", "left"],
)
def test_the_ball_is_found_where_it_is(grid: Grid, direction: np.ndarray) -> None:
    geometry = a_scan(direction=direction)
    found = segment([ball(geometry, CENTRE, RADIUS)], model(threshold_network(THRESHOLD), spec(grid=grid))).label_map
    assert found.geometry.same_as(geometry, tolerance=0)
    truth = ball_mask(geometry, CENTRE, RADIUS)
    assert dice(found.array == 1, truth) > 0.97
    # The oracle is a sampled ball: its own centroid is the yardstick, to a hundredth of a voxel.
    assert np.linalg.norm(centroid(found.array == 1, geometry) - centroid(truth, geometry)) < 0.05


def test_all_48_orientations_of_a_scan_give_the_same_mask_in_the_world() -> None:
    geometry = a_scan(direction=turned(12, 1))
    rng = np.random.default_rng(0)
    volume = ball(geometry, CENTRE, RADIUS)
    volume = Volume(volume.array + rng.normal(0, 250, geometry.shape).astype(np.float32), geometry, "CT")
    ready = model(threshold_network(THRESHOLD), spec(grid=Grid(orientation="RAS", spacing=(1.4, 1.2, 1.7))))
    reference = segment([volume], ready).label_map
    for letters in all_orientations():
        turned_geometry = geometry.reoriented(letters)
        array = resample(volume.array, geometry, turned_geometry, "nearest")
        found = segment([Volume(array, turned_geometry, "CT")], ready).label_map
        back = resample(found.array, turned_geometry, geometry, "nearest")
        assert dice(back == 1, reference.array == 1) > 0.9999, letters


def test_a_scan_turned_by_30_degrees_gives_the_same_mask_in_the_world() -> None:
    radius = 24.0  # comparing masks by nearest neighbour costs half a voxel at the surface: a ball of some size
    upright = a_scan(spacing=(1, 1, 1), shape=(64, 64, 64))
    oblique = a_scan(spacing=(0.9, 1.0, 1.1), shape=(70, 70, 74), direction=turned(30, 0) @ turned(30, 2))
    ready = model(threshold_network(THRESHOLD), spec(grid=Grid(orientation="RAS", spacing=(1.0, 1.0, 1.0))))
    reference = segment([ball(upright, CENTRE, radius)], ready).label_map
    found = segment([ball(oblique, CENTRE, radius)], ready).label_map
    back = resample(found.array, oblique, upright, "nearest")
    assert dice(back == 1, reference.array == 1) > 0.98


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("interpolate", ["logits", "probabilities", "labels"])
def test_every_way_back_puts_the_ball_where_it_is(activation: str, interpolate: str) -> None:
    geometry = a_scan()
    network = threshold_network(THRESHOLD)
    if activation == "sigmoid":
        network = _only_channel_1(network)
    settings = spec(
        grid=Grid(orientation="RAS", spacing=(1.5, 1.5, 1.5)),
        output=Output(activation=activation, interpolate=interpolate),  # type: ignore[arg-type]
    )
    found = segment([ball(geometry, CENTRE, RADIUS)], model(network, settings)).label_map
    assert dice(found.array == 1, ball_mask(geometry, CENTRE, RADIUS)) > 0.95


def test_a_region_of_interest_changes_nothing_inside_it_and_clears_the_rest() -> None:
    geometry = a_scan()
    volume = ball(geometry, CENTRE, RADIUS)
    ready = model(threshold_network(THRESHOLD), spec(inference=Inference(patch=(8, 8, 8))))
    whole = segment([volume], ready).label_map
    region = Region((20, -30, 40), (36, -8, 60))
    part = segment([volume], ready, Options(region=region)).label_map
    assert part.geometry.same_as(geometry, tolerance=0)
    k, j, i = np.indices(geometry.shape)
    ras = geometry.index_to_ras(np.stack([i, j, k], axis=-1))
    within = ((ras >= region.low) & (ras <= region.high)).all(axis=-1)
    assert np.array_equal(part.array, np.where(within, whole.array, 0))
    assert part.array.any()


def test_a_network_for_whole_scans_sees_the_whole_scan_whatever_the_region() -> None:
    """A head network that is given a piece of a head finds nothing right in it."""
    geometry = a_scan()
    volume = ball(geometry, CENTRE, RADIUS)
    seen = []

    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = threshold_network(THRESHOLD)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.device.type != "meta":
                seen.append(tuple(x.shape[2:]))
            return self.inner(x)

    ready = model(Looking(), spec(inference=Inference()))
    part = segment([volume], ready, Options(region=Region((20, -30, 40), (36, -8, 60)))).label_map
    assert seen == [geometry.shape[::-1]]
    assert 0 < part.array.sum() < segment([volume], ready).label_map.array.sum()


@pytest.mark.parametrize("shape", [(1, 40, 44), (2, 40, 44), (36, 1, 44), (36, 40, 1), (1, 1, 1)])
@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 1.0), (5.0, 5.0, 5.0)])
def test_thin_scans_run(shape: tuple[int, int, int], spacing: tuple[float, float, float] | None) -> None:
    """N14: one or two slices never crash in padding or resampling."""
    geometry = a_scan(shape=shape)
    volume = ball(geometry, geometry.corners().mean(axis=0), RADIUS)
    ready = model(threshold_network(THRESHOLD), spec(grid=Grid(orientation="RAS", spacing=spacing)))
    found = segment([volume], ready).label_map
    assert found.array.shape == shape
    assert found.array.any()


def _only_channel_1(network: object) -> object:
    single = nn.Conv3d(1, 1, 1)
    with torch.no_grad():
        single.weight.copy_(network.weight[1:])  # type: ignore[attr-defined]
        single.bias.copy_(network.bias[1:])  # type: ignore[attr-defined]
    return single.eval()
