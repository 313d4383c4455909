"""Networks and windows against nnU-Net's own, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from MedDLCore.errors import MedDLError
from MedDLCore.inference import window_starts
from MedDLCore.inference.windows import nnunet_gaussian
from MedDLCore.models.networks import network_from_weights
from MedDLCore.models.nnunet.architecture import network
from MedDLCore.models.nnunet.values import Table

PLAIN = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
RESIDUAL = "dynamic_network_architectures.architectures.residual_unet.ResidualEncoderUNet"

BASE: dict[str, Any] = {
    "n_stages": 3,
    "features_per_stage": [4, 6, 6],
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    "n_conv_per_stage": [2, 1, 2],
    "n_conv_per_stage_decoder": [1, 2],
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
IN_2D: dict[str, Any] = {
    "conv_op": "torch.nn.modules.conv.Conv2d",
    "kernel_sizes": [[3, 3], [3, 3], [3, 3]],
    "strides": [[1, 1], [2, 2], [2, 2]],
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": (PLAIN, {}),
    "plain in 2-D": (PLAIN, IN_2D),
    "plain without bias, with batch normalisation": (
        PLAIN,
        {"conv_bias": False, "norm_op": "torch.nn.modules.batchnorm.BatchNorm3d", "norm_op_kwargs": {}},
    ),
    "plain without normalisation": (PLAIN, {"norm_op": None, "norm_op_kwargs": None}),
    "plain with dropout": (PLAIN, {"dropout_op": "torch.nn.Dropout3d", "dropout_op_kwargs": {"p": 0.3}}),
    "plain, activation first": (PLAIN, {"nonlin_first": True}),
    "plain with another activation": (PLAIN, {"nonlin": "torch.nn.GELU", "nonlin_kwargs": {}}),
    "plain, one number for all stages": (PLAIN, {"n_conv_per_stage": 2, "n_conv_per_stage_decoder": 1}),
    "plain, one number for all axes": (PLAIN, {"kernel_sizes": [3, 3, 3], "strides": [1, 2, 2]}),
    "residual": (RESIDUAL, {"n_blocks_per_stage": [1, 2, 3]}),
    "residual in 2-D": (RESIDUAL, {**IN_2D, "n_blocks_per_stage": [1, 2, 1]}),
    "residual with a stem": (RESIDUAL, {"n_blocks_per_stage": [1, 1, 1], "stem_channels": 5}),
}


def located(arguments: dict[str, Any]) -> dict[str, Any]:
    """The classes themselves, as nnU-Net gives them to its networks."""
    names = {key: str(arguments[key]).rpartition(".")[2] for key in ("conv_op", "norm_op", "dropout_op", "nonlin")}
    return {**arguments, **{key: getattr(nn, name, None) for key, name in names.items()}}


@pytest.mark.parametrize("name", CASES)
def test_the_network_is_that_of_nnunets_library(name: str) -> None:
    path, changes = CASES[name]
    arguments = {**BASE, **changes}
    if path is RESIDUAL:
        arguments.pop("n_conv_per_stage")
    torch.manual_seed(0)
    theirs = (PlainConvUNet if path is PLAIN else ResidualEncoderUNet)(2, num_classes=3, **located(arguments)).eval()
    for key, tensor in theirs.state_dict().items():
        if "running" in key:
            tensor.uniform_(0.5, 1.5)
    flat = "Conv2d" in arguments["conv_op"]
    patch = [16, 16] if flat else [8, 16, 16]
    given = {"network_class_name": path, "arch_kwargs": arguments}
    spec = network(Table({"patch_size": patch, "architecture": given}, "plans.json"), 2, 3)
    ours = network_from_weights(spec, theirs.state_dict(), 2)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    image = torch.randn(2, 2, *patch)
    with torch.inference_mode():
        expected = theirs(image)
        found = ours(image)
    assert torch.equal(found, expected)


def test_a_bottleneck_block_is_refused_by_name() -> None:
    block = "dynamic_network_architectures.building_blocks.residual.BottleneckD"
    arguments = {**BASE, "n_blocks_per_stage": [1, 1, 1], "block": block}
    arguments.pop("n_conv_per_stage")
    given = {"network_class_name": RESIDUAL, "arch_kwargs": arguments}
    with pytest.raises(MedDLError, match="BottleneckD"):
        network(Table({"patch_size": [8, 16, 16], "architecture": given}, "plans.json"), 2, 3)


@pytest.mark.parametrize("patch", [(8, 24, 20), (5, 7, 9), (64, 96, 80), (24, 20)])
def test_the_gaussian_is_nnunets(patch: tuple[int, ...]) -> None:
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    theirs = compute_gaussian(patch, value_scaling_factor=10, device=torch.device("cpu")).float().numpy()
    ours = nnunet_gaussian(patch, 1 / 8)
    assert np.abs(ours / theirs - 1).max() < 2**-10  # a last bit of half precision
    assert np.mean(ours == theirs) > 0.999


def test_the_windows_are_nnunets() -> None:
    from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window

    for patch in (1, 5, 8, 20, 28, 64, 112):
        for size in range(patch, 6 * patch):
            (theirs,) = compute_steps_for_sliding_window((size,), (patch,), 0.5)
            ours = window_starts(size, patch, 0.5)
            assert list(ours) == (list(range(size)) if patch == 1 else theirs), (size, patch)
