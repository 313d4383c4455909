"""Networks by name: each on the list is rebuilt from its description and weights, and gives the same result."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fixtures.packages import layer, threshold_spec, threshold_weights
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import load_networks, write_package
from MedDLCore.models.networks import build_network, meshnet, network_from_weights, network_names, registry
from MedDLCore.models.weights import read_state_dict
from MedDLCore.spec import Inference, Network

IN_OUT = {"in_channels": 1, "out_channels": 2}
IN_3D = {**IN_OUT, "spatial_dims": 3}
DYN = {**IN_3D, "kernel_size": [3, 3, 3, 3], "strides": [1, 2, 2, 2], "upsample_kernel_size": [2, 2, 2]}

EXAMPLES: dict[str, dict[str, Any]] = {
    "MeshNet": {
        "layers": [layer(1, 4, 3), layer(4, 4, 3, dilation=2), layer(4, 2)],
        "activation": "elu",
        "bnorm": True,
        "dropout_p": 0.1,
    },
    "DiNTS": {
        "in_channels": 1,
        "num_classes": 2,
        "arch_code": [[[1, 1, 1, 1], [1, 1, 1, 1]], [[0, 1, 2, 3], [4, 0, 1, 0]]],
        "node_a": [[1, 1], [1, 1], [1, 1]],
        "channel_mul": 0.25,
        "num_blocks": 2,
        "num_depths": 2,
        "norm_name": ["instance", {"affine": True}],
    },
    "AttentionUnet": {**IN_3D, "channels": [4, 8, 8], "strides": [2, 2]},
    "BasicUNet": {**IN_3D, "features": [4, 4, 8, 8, 8, 4]},
    "DynUNet": {**DYN, "filters": [4, 8, 8, 8], "deep_supervision": True, "deep_supr_num": 2},
    "FlexibleUNet": {**IN_3D, "backbone": "efficientnet-b0"},
    "HighResNet": IN_3D,
    "MedNeXt": {**IN_3D, "init_filters": 4},
    "SegResNet": {**IN_3D, "init_filters": 8},
    "SegResNetDS": {**IN_3D, "init_filters": 8, "dsdepth": 1},
    "StagedUNet": {
        "inputs": 1,
        "outputs": 2,
        "features": [4, 6, 8],
        "kernels": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
        "blocks": [1, 2, 1],
        "decoder_blocks": [1, 2],
        "residual": True,
        "norm": "batch",
    },
    "SwinUNETR": {**IN_3D, "feature_size": 12, "depths": [1, 1, 1, 1], "norm_name": "batch"},
    "UNETR": {**IN_3D, "img_size": [32, 32, 32], "feature_size": 8, "hidden_size": 48, "mlp_dim": 64, "num_heads": 4},
    "UNet": {
        **IN_3D,
        "channels": [4, 8, 16],
        "strides": [2, 2],
        "num_res_units": 1,
        "norm": ["batch", {"affine": True}],
    },
    "VNet": IN_3D,
}


def refused(code: Code, network: Network, state: Mapping[str, torch.Tensor] | None = None, channels: int = 1) -> str:
    with pytest.raises(MedDLError) as caught:
        if state is None:
            build_network(network)
        else:
            network_from_weights(network, state, channels)
    assert caught.value.code is code, caught.value
    return caught.value.message


def trained(network: nn.Module) -> nn.Module:
    """Running statistics as if it had been trained."""
    for key, tensor in network.state_dict().items():
        if key.endswith("running_mean"):
            tensor.uniform_(-0.1, 0.1)
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return network.eval()


def test_every_network_on_the_list_has_an_example() -> None:
    assert set(EXAMPLES) == set(network_names())


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_network_comes_back_from_disk_with_the_same_result(name: str, tmp_path: Path) -> None:
    network = Network(name, EXAMPLES[name])
    original = trained(build_network(network))
    spec = threshold_spec(network=network, inference=Inference(patch=(32, 32, 32)))
    package = write_package(spec, original.state_dict(), tmp_path / name)
    (loaded,) = load_networks(package)
    image = torch.rand(1, 1, 32, 32, 32)
    with torch.inference_mode():
        wanted, got = original(image), loaded(image)
    assert isinstance(got, torch.Tensor) and got.shape == (1, 2, 32, 32, 32) and got.dtype == torch.float32
    assert torch.isfinite(wanted).all() and wanted.std() > 0
    assert torch.allclose(got, wanted, rtol=0, atol=1e-6)  # the tensors lie elsewhere in memory: sums may round
    assert all(torch.equal(tensor, loaded.state_dict()[key]) for key, tensor in original.state_dict().items())
    assert not any(p.is_meta or p.requires_grad for p in loaded.parameters())


def test_a_network_whose_package_is_missing_says_so() -> None:
    def construct() -> nn.Module:
        return importlib.import_module("a_package_that_is_missing").Network()

    with pytest.raises(MedDLError) as caught:
        registry._construct("UNETR", construct, {}, "meta", 1)
    assert caught.value.code is Code.EXTRA_MISSING
    assert "a_package_that_is_missing" in caught.value.message


def test_tensors_that_a_network_shares_are_written_once(tmp_path: Path) -> None:
    network = Network("DynUNet", EXAMPLES["DynUNet"])
    original = build_network(network)
    package = write_package(threshold_spec(network=network), original.state_dict(), tmp_path / "m")
    size = (package.folder / package.spec.weights[0].file).stat().st_size
    assert size < 1.05 * sum(4 * p.numel() for p in original.parameters()) + 20_000


def test_weights_of_half_precision_become_float32() -> None:
    half = {key: tensor.half() for key, tensor in threshold_weights(64).items()}
    network = network_from_weights(threshold_spec().network, half, 1)
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_weights_that_do_not_fit_are_named() -> None:
    network = threshold_spec().network
    good = threshold_weights()
    without = {"model.0.weight": good["model.0.weight"]}
    assert "1 missing (model.0.bias)" in refused(Code.MODEL_INVALID, network, without)
    more = good | {f"head.{n}": torch.zeros(1) for n in range(5)}
    assert "5 unexpected (head.0, head.1, head.2, ...)" in refused(Code.MODEL_INVALID, network, more)
    wide = good | {"model.0.bias": torch.zeros(3)}
    assert "model.0.bias (3,) for (2,)" in refused(Code.MODEL_INVALID, network, wide)


def test_a_network_for_another_number_of_inputs_than_the_description_is_refused() -> None:
    assert "takes 1 channel(s)" in refused(Code.MODEL_INVALID, threshold_spec().network, threshold_weights(), 2)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"stride": 2}, "size"),
        ({"padding": 1}, "size"),
        ({"kernel_size": 2}, "size"),
        ({"dilation": 0, "padding": 0}, "below 1"),
        ({"out_channels": 0}, "below 1"),
        ({"groups": 2}, "nothing else"),
        ({"dilation": True}, "whole numbers"),
        ({"in_channels": 3}, "the one before"),
    ],
)
def test_a_meshnet_that_would_not_keep_the_size_is_refused(change: dict[str, Any], problem: str) -> None:
    layers = [layer(1, 2, 3), {**layer(2, 2), **change}]
    assert problem in refused(Code.MODEL_INVALID, Network("MeshNet", {"layers": layers}))


def test_an_unknown_activation_is_refused() -> None:
    network = Network("MeshNet", {"layers": [layer(1, 2)], "activation": "sine"})
    assert "relu, elu, gelu" in refused(Code.MODEL_INVALID, network)


@pytest.mark.parametrize("thickness", [1, 3, 16])
def test_a_convolution_too_large_for_one_call_is_done_in_slabs(thickness: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """50 channels of 256^3 voxels crashed the process in oneDNN's 1x1x1 kernel."""
    layers = [
        {"in_channels": 1, "out_channels": 4, "kernel_size": 3, "padding": 4, "stride": 1, "dilation": 4},
        {"in_channels": 4, "out_channels": 5, "kernel_size": 1, "padding": 0, "stride": 1, "dilation": 1},
    ]
    network = build_network(Network("MeshNet", {"layers": layers})).eval()
    image = torch.randn(1, 1, 17, 9, 8)
    with torch.inference_mode():
        expected = network(image)
        monkeypatch.setattr(meshnet, "LARGEST_OUTPUT", 4 * 5 * 9 * 8 * thickness)
        found = network(image)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_network_for_slices_is_given_the_slices_of_a_volume(axis: int, tmp_path: Path) -> None:
    network = Network("UNet", {**EXAMPLES["UNet"], "spatial_dims": 2})
    original = trained(build_network(network))
    patch = tuple(1 if n == axis else 16 for n in range(3))
    spec = threshold_spec(network=network, inference=Inference(patch=patch))
    (loaded,) = load_networks(write_package(spec, original.state_dict(), tmp_path / "m"))
    patches = torch.rand(2, 1, *patch)
    with torch.inference_mode():
        expected = original(patches.squeeze(axis + 2)).unsqueeze(axis + 2)
        assert torch.allclose(loaded(patches), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("patch", [None, (16, 16, 16), (1, 1, 16)])
def test_a_network_for_slices_without_an_axis_of_slices_is_refused(patch: Any, tmp_path: Path) -> None:
    network = Network("UNet", {**EXAMPLES["UNet"], "spatial_dims": 2})
    spec = threshold_spec(network=network, inference=Inference(patch=patch))
    package = write_package(spec, build_network(network).state_dict(), tmp_path / "m")
    with pytest.raises(MedDLError, match="for slices"):
        load_networks(package)


@pytest.mark.parametrize(
    "change",
    [
        {"arch_code": [[[1, 1], [1, 1]], [[0, 0], [0, 0]]]},
        {"arch_code": [[[1, 1, 1, 1]] * 2]},
        {"arch_code": [[[1, 1, 2, 1]] * 2, [[0, 0, 0, 0]] * 2]},
        {"node_a": [[1, 0.5], [1, 1], [1, 1]]},
        {"num_blocks": 10**6},
        {"num_depths": 60},
    ],
)
def test_a_searched_topology_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    assert "topology" in refused(Code.MODEL_INVALID, Network("DiNTS", {**EXAMPLES["DiNTS"], **change}))


@pytest.mark.parametrize(
    ("changed", "said"),
    [(lambda t: t.to(torch.int32), "of another kind"), (lambda t: t.to("meta"), "no data")],
    ids=["whole numbers", "no data"],
)
def test_weights_of_a_right_shape_and_a_wrong_kind_are_refused(changed: Any, said: str, tmp_path: Path) -> None:
    """torch's own error, one line for each parameter, ended in "an error of its own"."""
    network = Network("UNet", EXAMPLES["UNet"])
    torch.save({k: changed(t) for k, t in build_network(network).state_dict().items()}, tmp_path / "model.pt")
    with pytest.raises(MedDLError, match=said) as refusal:
        network_from_weights(network, read_state_dict(tmp_path / "model.pt"), 1)
    assert refusal.value.code is Code.MODEL_INVALID
    assert len(refusal.value.message) < 500
