"""The nearest label is the one that MONAI takes, in the middle between two voxels too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Invertd, Spacingd

from MedDLCore.postprocess.nearest import nearest
from MedDLCore.volume import Geometry


@pytest.mark.parametrize("count", [17, 24, 33, 50, 128, 301])
@pytest.mark.parametrize(("own", "wanted"), [(0.75, 1.5), (0.9, 3.0), (0.5, 1.0), (0.6, 1.1), (2.0, 1.0)])
def test_it_is_monais(count: int, own: float, wanted: float) -> None:
    affine = np.diag([own, 1.1, 1.3, 1.0])
    spacing = Spacingd(keys="image", pixdim=(wanted, 2.2, 2.9), mode="bilinear", dtype=torch.float)
    data = spacing({"image": MetaTensor(torch.zeros(1, count, 20, 7), affine=affine)})
    shape = data["image"].shape[1:]
    numbers = torch.arange(int(np.prod(shape)), dtype=torch.float).reshape(1, *shape)
    data["pred"] = MetaTensor(numbers, meta=data["image"].meta, applied_operations=data["image"].applied_operations)
    back = Invertd(keys="pred", orig_keys="image", transform=spacing, nearest_interp=True)(data)["pred"]
    scan = Geometry.from_parts((7, 20, count), (own, 1.1, 1.3))
    network = Geometry.from_parts(shape[::-1], (wanted, 2.2, 2.9))
    got = nearest(numbers[0].numpy().transpose(2, 1, 0), network, scan, None)
    np.testing.assert_array_equal(got, back[0].numpy().transpose(2, 1, 0))


def test_axes_in_another_order_and_direction_and_the_outside() -> None:
    labels = np.arange(1, 25, dtype=np.uint8).reshape(2, 3, 4)
    network = Geometry.from_parts((2, 3, 4), (1, 1, 1))
    scan = Geometry.from_parts((2, 4, 3), (1, 1, 1), np.array([[0, -1.0, 0], [1, 0, 0], [0, 0, -1]]), (3, 0, 1))
    np.testing.assert_array_equal(nearest(labels, network, scan, 0), labels[::-1, :, ::-1].transpose(0, 2, 1))
    beyond = Geometry.from_parts((2, 3, 6), (1, 1, 1), origin=(-1, 0, 0))
    np.testing.assert_array_equal(
        nearest(labels, network, beyond, 9), np.pad(labels, ((0, 0), (0, 0), (1, 1)), constant_values=9)
    )
    np.testing.assert_array_equal(
        nearest(labels, network, beyond, None), np.pad(labels, ((0, 0), (0, 0), (1, 1)), "edge")
    )


def test_a_turned_grid_takes_the_nearest_too() -> None:
    angle = np.radians(30)
    turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    network = Geometry.from_parts((3, 9, 9), (1, 1, 1))
    scan = Geometry.from_parts((3, 9, 9), (1, 1, 1), turned, (3, -2, 0))
    labels = np.arange(243, dtype=np.uint8).reshape(3, 9, 9)
    at = np.round(network.ras_to_index(scan.index_to_ras((4, 4, 1)))).astype(int)
    assert nearest(labels, network, scan, 0)[1, 4, 4] == labels[at[2], at[1], at[0]]
