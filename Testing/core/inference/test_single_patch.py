"""Convolutions of one patch by oneDNN: the same values, and never the slow way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from fixtures.trainings import staged_unet
from MedDLCore.inference.backends import SinglePatch, TorchBackend
from MedDLCore.models.networks import build_network

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")


def by_one_dnn(network: Callable[[torch.Tensor], object], image: torch.Tensor) -> int:
    """How many convolutions were its."""
    with profile(activities=[ProfilerActivity.CPU]) as seen, torch.inference_mode():
        network(image)
    return sum(event.count for event in seen.key_averages() if event.key == "aten::mkldnn_convolution")


def test_a_single_patch_is_convolved_as_several_are() -> None:
    """torch alone unfolds the image where there are few channels: it took six times as long."""
    torch.manual_seed(0)
    network = build_network(staged_unet(3)).eval()
    images = torch.randn(2, 1, 16, 16, 16)
    with torch.inference_mode():
        expected = network(images[:1])
    found = TorchBackend(network)(images[:1])
    assert torch.allclose(found, expected, atol=1e-5) and found.std() > 0
    wide = sum(isinstance(part, nn.Conv3d) and max(part.kernel_size) > 1 for part in network.modules())
    assert by_one_dnn(TorchBackend(network), images[:1]) == wide
    assert by_one_dnn(network, images[:1]) < wide, "torch no longer needs this"


@pytest.mark.parametrize(
    ("layer", "image"),
    [
        (nn.Conv3d(2, 3, 3, padding="same"), torch.randn(1, 2, 5, 6, 7)),
        (nn.Conv3d(2, 3, 3, padding=1, padding_mode="replicate"), torch.randn(1, 2, 5, 6, 7)),
        (nn.Conv3d(2, 4, 3, stride=2, dilation=2, groups=2, bias=False), torch.randn(1, 2, 9, 9, 9)),
        (nn.Conv3d(2, 3, 1), torch.randn(1, 2, 5, 6, 7)),
        (nn.Conv3d(2, 3, (1, 3, 3), padding=(0, 1, 1)), torch.randn(1, 2, 5, 6, 7).transpose(2, 3)),
        (nn.Conv3d(2, 3, 3).double(), torch.randn(1, 2, 5, 6, 7).double()),
        (nn.Conv3d(2, 3, 3), torch.randn(2, 5, 6, 7)),
        (nn.Conv2d(2, 3, 3), torch.randn(1, 2, 6, 7)),
    ],
)
def test_every_other_convolution_stays_what_it_is(layer: nn.Module, image: torch.Tensor) -> None:
    with torch.inference_mode():
        expected = layer(image)
    assert torch.allclose(TorchBackend(layer.eval())(image), expected, atol=1e-5)


def test_gradients_are_those_of_torch_alone() -> None:
    """A process that shares a batch of two with another one learns from one patch."""
    torch.manual_seed(0)
    network = build_network(staged_unet(3))
    image = torch.randn(1, 1, 16, 16, 16)

    def gradients() -> tuple[list[torch.Tensor], int]:
        network.zero_grad()
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            network(image).square().mean().backward()
        slow = sum(event.count for event in seen.key_averages() if event.key == "aten::slow_conv3d_forward")
        return [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None], slow

    expected, unfolded = gradients()
    with SinglePatch():
        found, still = gradients()
    assert unfolded > still
    assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(expected, found, strict=True))
