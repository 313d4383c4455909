"""Networks that end in a layer that works on each voxel alone: it is left to later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fixtures.models import spec
from fixtures.slabs import joined
from MedDLCore.errors import Code, MedDLError
from MedDLCore.inference import Device, Engine, Predictor, make_engines, make_plan, predict
from MedDLCore.inference.head import head_left_to_later
from MedDLCore.models.networks import build_network
from MedDLCore.models.networks.meshnet import MeshNet
from MedDLCore.spec import Inference, ModelSpec, Network
from MedDLCore.volume import Label

CPU = Device("cpu", "a CPU", 10**12)


def a_meshnet(classes: int = 5) -> MeshNet:
    shape = {"stride": 1}
    rows = [(1, 4, 3, 1, 1), (4, 4, 3, 2, 2), (4, classes, 1, 0, 1)]
    names = ("in_channels", "out_channels", "kernel_size", "padding", "dilation")
    return MeshNet([dict(zip(names, row, strict=True)) | shape for row in rows]).eval()


def a_model(classes: int, inference: Inference) -> ModelSpec:
    return spec(labels=tuple(Label(n, str(n), (0, 0, 0)) for n in range(1, classes)), inference=inference)


def a_predictor(network: nn.Module, classes: int, inference: Inference) -> Predictor:
    engines = make_engines([network], a_model(classes, inference), CPU, "torch")
    return Predictor(engines, classes, mirror_axes=inference.mirror_axes)


def an_image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(40, 9, 8), (33, 8, 8), (16, 8, 8), (1, 8, 8)])
@pytest.mark.parametrize("mirrored", [(), (0, 2)])
def test_the_logits_of_a_whole_scan_are_made_slab_by_slab(
    shape: tuple[int, int, int], mirrored: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 50 classes and 256^3 voxels they would be 3.4 GB."""
    network, image, inference = a_meshnet(), an_image(*shape), Inference(mirror_axes=mirrored)
    wanted = joined(predict(image, Predictor([network], 5, mirror_axes=mirrored), inference))
    thickest: list[int] = []
    made = Predictor.logits

    def watched(self: Predictor, features: Tensor) -> Tensor:
        thickest.append(features.shape[1])
        assert len(features) == 4
        return made(self, features)

    monkeypatch.setattr(Predictor, "logits", watched)
    found = joined(predict(image, a_predictor(network, 5, inference), inference))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert max(thickest) <= 17


@pytest.mark.parametrize("weighting", ["gaussian", "constant"])
@pytest.mark.parametrize("mirrored", [(), (1,)])
def test_the_window_sums_features_where_they_are_fewer_than_the_classes(
    weighting: str, mirrored: tuple[int, ...]
) -> None:
    inference = Inference(patch=(24, 16, 16), weighting=weighting, mirror_axes=mirrored)  # type: ignore[arg-type]
    network, image = a_meshnet(30), an_image(61, 27, 19)
    wanted = joined(predict(image, Predictor([network], 30, mirror_axes=mirrored), inference))
    predictor = a_predictor(network, 30, inference)
    assert predictor(torch.zeros(1, 1, 24, 16, 16)).shape[1] == 4
    found = joined(predict(image, predictor, inference))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert (found.argmax(0) == wanted.argmax(0)).mean() > 0.9999


def test_the_window_sums_logits_where_they_are_no_more_than_the_features() -> None:
    inference = Inference(patch=(16, 16, 16))
    assert a_predictor(a_meshnet(4), 4, inference)(torch.zeros(1, 1, 16, 16, 16)).shape[1] == 4
    assert head_left_to_later([a_meshnet(4)], 1, inference) is None
    assert head_left_to_later([a_meshnet(), a_meshnet()], 1, inference) is None, "several networks, several heads"


class Ending(nn.Module):
    """A network of 2 features and 6 logits, which ends in some way."""

    def __init__(self, end: Callable[[nn.Module, Tensor], object], **layer: int) -> None:
        super().__init__()
        given = {"kernel_size": 1} | layer
        self.body, self.last, self.end = nn.Conv3d(1, 2, 3, padding=1), nn.Conv3d(2, 6, **given), end

    def forward(self, image: Tensor) -> object:
        return self.end(self.last, self.body(image))


@pytest.mark.parametrize(
    ("network", "has_a_head"),
    [
        (Ending(lambda last, features: last(features)), True),
        (Ending(lambda last, features: last(features.relu_())), True),
        (Ending(lambda last, features: last(features).sigmoid()), False),
        (Ending(lambda last, features: last(features).sigmoid_()), False),
        (Ending(lambda last, features: functional.relu(last(features), inplace=True)), False),
        (Ending(lambda last, features: last(features) + features[:, :1]), False),
        (Ending(lambda last, features: [last(features)]), False),
        (Ending(lambda last, features: last(last(features)[:, :2])), False),
        (Ending(lambda last, features: last(features), groups=2), False),
        (Ending(lambda last, features: last(features), kernel_size=3, padding=1), False),
        (Ending(lambda last, features: last(features), stride=2), False),
        (Ending(lambda last, features: last(features)[:, :, :4]), False),
        (nn.Conv3d(1, 6, 1), False),
        (nn.Sequential(nn.Conv3d(1, 6, 1)), False),
    ],
)
def test_only_what_nothing_follows_is_left_to_later(network: nn.Module, has_a_head: bool) -> None:
    head = head_left_to_later([network.eval()], 1, Inference(patch=(8, 8, 8)))
    assert (head is not None) == has_a_head
    if head is not None:
        assert (head.features, head.outputs) == (2, 6)


@pytest.mark.parametrize(
    "described",
    [
        Network(
            "StagedUNet",
            {"inputs": 1, "outputs": 20, "features": [4, 8], "kernels": [[3] * 3] * 2, "strides": [[1] * 3, [2] * 3]}
            | {"blocks": 1, "decoder_blocks": 1, "norm_arguments": {"eps": 1e-5, "affine": True}},
        ),
        Network("SegResNet", {"spatial_dims": 3, "init_filters": 8, "in_channels": 1, "out_channels": 20}),
        Network("BasicUNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": 40, "features": [4, 4, 8, 8, 8, 4]}),
        Network(
            "DynUNet",
            {"spatial_dims": 3, "in_channels": 1, "out_channels": 20, "kernel_size": [3, 3, 3], "strides": [1, 2, 2]}
            | {"upsample_kernel_size": [2, 2], "filters": [4, 8, 8]},
        ),
        Network(
            "SwinUNETR",
            {"spatial_dims": 3, "in_channels": 1, "out_channels": 20, "feature_size": 12, "depths": [1, 1, 1, 1]},
        ),
    ],
    ids=lambda network: network.name,
)
def test_the_heads_of_the_usual_networks_are_found(described: Network) -> None:
    torch.manual_seed(0)
    network, shape = build_network(described).eval(), (64, 64, 64)
    head = head_left_to_later([network], 1, Inference(patch=shape))
    assert head is not None
    image = torch.randn(1, 1, *shape)
    with torch.inference_mode():
        wanted = network(image)
        with head.left_out():
            features = network(image)
    assert features.shape[1] == head.features < wanted.shape[1]
    torch.testing.assert_close(head.logits(features[0]), wanted[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("patch", [None, (16, 8, 8)])
@pytest.mark.parametrize(("value", "code"), [(float("nan"), Code.NETWORK_NONFINITE), (1.0, Code.MODEL_INVALID)])
def test_what_the_last_layer_makes_is_checked_too(value: float, code: Code, patch: tuple[int, int, int] | None) -> None:
    network, image, inference = a_meshnet(), an_image(20, 8, 8), Inference(patch=patch)
    network.model[-1].bias.data.fill_(value)
    predictor = a_predictor(network, 5 if code is Code.NETWORK_NONFINITE else 6, inference)
    with pytest.raises(MedDLError) as refusal:
        joined(predict(image, predictor, inference))
    assert refusal.value.code is code
    assert network(torch.ones(1, 1, 8, 8, 8)).shape[1] == 5, "it has its head again"


def test_a_network_that_fails_has_its_head_again() -> None:
    network, inference = a_meshnet(30), Inference(patch=(16, 16, 16))
    predictor = a_predictor(network, 30, inference)
    with pytest.raises(RuntimeError, match="channels"):
        predictor(torch.zeros(1, 2, 16, 16, 16))
    assert network(torch.zeros(1, 1, 16, 16, 16)).shape[1] == 30


def test_openvino_computes_the_features_too(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    network, inference = a_meshnet(30), Inference(patch=(16, 16, 16))
    image = an_image(30, 16, 16)
    wanted = joined(predict(image, Predictor([network], 30), inference))
    for _ in range(2):  # exported, and taken from the disk
        engines = make_engines([network], a_model(30, inference), CPU, "openvino", folders=[tmp_path])
        with Predictor(engines, 30) as predictor:
            found = joined(predict(image, predictor, inference))
        assert predictor.backends == {"openvino"} and not predictor.notices
        np.testing.assert_allclose(found, wanted, atol=1e-3)
    assert [path.name for path in tmp_path.glob("*.xml")] == ["openvino-features-1-16-16-16.xml"]


@pytest.mark.parametrize("patch", [None, (64, 64, 64)])
def test_the_plan_counts_a_few_slices_of_logits(patch: tuple[int, int, int] | None) -> None:
    inference = Inference(patch=patch)
    few, many = (
        make_plan(a_model(classes, inference), [a_meshnet(classes)], CPU, 10**12, (256, 64, 64)).memory
        for classes in (5, 60)
    )
    of_all = 55 * 256 * 64 * 64 * 4
    assert many - few < of_all / (2 if patch is None else 4)


def test_an_engine_without_a_head_gives_logits() -> None:
    assert Engine(a_meshnet(30))(torch.zeros(1, 1, 8, 8, 8)).shape[1] == 30
