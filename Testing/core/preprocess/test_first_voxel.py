"""The grid of MONAI's Spacing: the same voxels, and the same values in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Orientation, Spacing

from fixtures.balls import turned
from fixtures.models import spec
from MedDLCore.preprocess import network_grid, prepare
from MedDLCore.spec import Grid
from MedDLCore.volume import Geometry, Volume

SCANS = {
    "plain": ((21, 30, 26), (0.9, 0.9, 2.5), np.eye(3)),
    "halves": ((24, 26, 28), (1.0, 1.0, 1.0), np.eye(3)),
    "flipped": ((22, 31, 27), (0.8, 1.1, 3.0), np.diag([-1.0, -1.0, 1.0])),
    "coronal": ((18, 25, 33), (1.2, 0.7, 2.0), np.eye(3)[:, [0, 2, 1]]),
    "oblique": ((20, 24, 28), (0.9, 1.3, 2.1), turned(25, 0) @ turned(-12, 2)),
    "oblique, rounded": ((20, 24, 28), (0.9, 1.3, 2.1), (turned(25, 0) @ turned(-12, 2)).astype(np.float32)),
    "sheared": ((20, 24, 28), (0.9, 1.3, 2.1), np.eye(3) + np.outer((0.2, 0.1, 0), (0, 0, 1))),
    "nearly there": ((20, 24, 28), (1.4995, 1.5, 2.0), np.eye(3)),
    "one slice": ((1, 24, 28), (1.0, 1.0, 5.0), np.eye(3)),
}


def a_scan(name: str) -> Volume:
    shape, spacing, direction = SCANS[name]
    geometry = Geometry.from_parts(shape, spacing, direction, (12.0, -31.0, 7.5))
    array = np.random.default_rng(0).normal(0, 300, shape).astype(np.float32)
    return Volume(array, geometry, "CT")


def by_monai(scan: Volume, spacing: tuple[float, float, float]) -> MetaTensor:
    tensor = torch.from_numpy(np.ascontiguousarray(scan.array.transpose(2, 1, 0)))
    image = MetaTensor(tensor[None], affine=torch.from_numpy(scan.geometry.ijk_to_ras.copy()))
    return Compose([Orientation("RAS", labels=None), Spacing(spacing, mode="bilinear")])(image)  # type: ignore[no-any-return]


@pytest.mark.parametrize("spacing", [(1.5, 1.5, 2.0), (2.0, 2.0, 2.0), (0.7, 0.9, 1.1)])
@pytest.mark.parametrize("name", SCANS)
def test_the_first_voxel_rule_is_that_of_monai_s_spacing(name: str, spacing: tuple[float, float, float]) -> None:
    scan = a_scan(name)
    theirs = by_monai(scan, spacing)
    grid = Grid(orientation="RAS", spacing=spacing, rule="first_voxel")
    ours = network_grid(scan.geometry, grid)
    assert ours.shape == tuple(theirs.shape[1:])
    # Their first index is our K: the columns are reversed.
    assert np.allclose(ours.ijk_to_ras[:, [2, 1, 0, 3]], theirs.affine, atol=1e-6)
    prepared = prepare([scan], spec(grid=grid))
    assert np.allclose(prepared.array[0], theirs[0], atol=0.01)  # of values with a standard deviation of 300


def test_the_centred_rule_stays_the_default() -> None:
    scan = a_scan("plain").geometry
    default = network_grid(scan, Grid(orientation="RAS", spacing=(2.0, 2.0, 2.0)))
    assert default.same_as(
        network_grid(scan, Grid(orientation="RAS", spacing=(2.0, 2.0, 2.0), rule="centred")), tolerance=0
    )
    assert not default.same_as(network_grid(scan, Grid(orientation="RAS", spacing=(2.0, 2.0, 2.0), rule="first_voxel")))
