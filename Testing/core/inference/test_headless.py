"""Networks that take a whole scan and end in a layer that works on each voxel alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fixtures.models import spec
from fixtures.slabs import joined
from MedDLCore.errors import Code, MedDLError
from MedDLCore.inference import Device, Predictor, make_plan, predict
from MedDLCore.models.networks.meshnet import MeshNet
from MedDLCore.spec import Inference
from MedDLCore.volume import Label


def a_meshnet(classes: int = 5) -> MeshNet:
    shape = {"stride": 1}
    rows = [(1, 4, 3, 1, 1), (4, 4, 3, 2, 2), (4, classes, 1, 0, 1)]
    names = ("in_channels", "out_channels", "kernel_size", "padding", "dilation")
    return MeshNet([dict(zip(names, row, strict=True)) | shape for row in rows]).eval()


@pytest.mark.parametrize("shape", [(40, 9, 8), (33, 8, 8), (16, 8, 8), (1, 8, 8)])
def test_the_logits_of_a_whole_scan_are_made_slab_by_slab(shape: tuple[int, int, int]) -> None:
    """Of 50 classes and 256^3 voxels they would be 3.4 GB."""
    network, image = a_meshnet(), np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(image)[None])[0].numpy()
    thickest: list[int] = []
    network.head.register_forward_hook(lambda _, given, __: thickest.append(given[0].shape[2]))
    found = joined(predict(image, Predictor([network], 5), Inference()))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert max(thickest) <= 17


def test_a_mean_over_passes_takes_the_logits_at_once() -> None:
    network, image = a_meshnet(), np.random.default_rng(0).normal(size=(1, 20, 8, 8)).astype(np.float32)
    mirrored = joined(predict(image, Predictor([network], 5, mirror_axes=(0,)), Inference(mirror_axes=(0,))))
    with torch.inference_mode():
        scan = torch.from_numpy(image)[None]
        wanted = (network(scan) + network(scan.flip(2)).flip(2)) / 2
    np.testing.assert_allclose(mirrored, wanted[0].numpy(), atol=1e-5)


@pytest.mark.parametrize(("value", "code"), [(float("nan"), Code.NETWORK_NONFINITE), (1.0, Code.MODEL_INVALID)])
def test_what_the_last_layer_makes_is_checked_too(value: float, code: Code) -> None:
    network, image = a_meshnet(), np.ones((1, 20, 8, 8), np.float32)
    network.head.bias.data.fill_(value)
    with pytest.raises(MedDLError) as refusal:
        joined(predict(image, Predictor([network], 5 if code is Code.NETWORK_NONFINITE else 6), Inference()))
    assert refusal.value.code is code
    assert network(torch.ones(1, 1, 8, 8, 8)).shape[1] == 5, "it has its head again"


def test_the_plan_of_a_whole_scan_does_not_count_all_of_its_logits() -> None:
    few, many = (
        make_plan(
            spec(labels=tuple(Label(n, str(n), (0, 0, 0)) for n in range(1, classes)), inference=Inference()),
            [a_meshnet(classes)],
            Device("cpu", "CPU", 10**12),
            10**12,
            (256, 64, 64),
        ).memory
        for classes in (2, 60)
    )
    assert many - few < 60 * 256 * 64 * 64 * 4 / 2
