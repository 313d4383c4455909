"""Shapes without data: what MedDL answers itself is what torch would answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from fixtures.packages import layer
from MedDLCore.inference.memory import peak_memory
from MedDLCore.meta import answer, without_data
from MedDLCore.models.networks import build_network
from MedDLCore.spec import Network

IMAGE = (2, 4, 9, 10, 12)


class Compared(TorchDispatchMode):
    """Asks both, and counts what torch was not needed for."""

    own = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        torchs = func(*args, **(kwargs or {}))
        asked = Asked()
        with asked:
            ours = answer(func, args, kwargs or {})
        self.own += func not in asked.funcs
        for one, other in zip(_tensors(ours), _tensors(torchs), strict=True):
            assert (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device), func
            assert one.untyped_storage().nbytes() == other.untyped_storage().nbytes(), func
        assert (ours is args[0]) == (torchs is args[0]) if args else True, func
        return ours


class Asked(TorchDispatchMode):
    """Which operations reach torch."""

    def __init__(self) -> None:
        super().__init__()
        self.funcs: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.funcs.append(func)
        return func(*args, **(kwargs or {}))


def _tensors(result: Any) -> tuple[Tensor, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "a convolution": nn.Conv3d(4, 6, 3, padding=1, device="meta"),
    "one with strides": nn.Conv3d(4, 6, (1, 3, 3), (1, 2, 2), (0, 1, 1), device="meta"),
    "a dilated one": nn.Conv3d(4, 6, 3, dilation=2, padding=(0, 1, 2), bias=False, device="meta"),
    "one of groups": nn.Conv3d(4, 8, 3, groups=2, device="meta"),
    "a transposed one": nn.ConvTranspose3d(4, 6, 2, 2, device="meta"),
    "a transposed one that makes up for its stride": nn.ConvTranspose3d(4, 6, 3, 2, 1, 1, 2, device="meta"),
    "one of slices": lambda image: nn.Conv2d(4, 6, 3, 2, 1, device="meta")(image[:, :, 0]),
    "batch normalisation": nn.BatchNorm3d(4, device="meta").eval(),
    "instance normalisation": nn.InstanceNorm3d(4, affine=True, device="meta"),
    "instance normalisation without weights": nn.InstanceNorm3d(4, device="meta"),
    "pooling": nn.AvgPool3d((1, 2, 2), (1, 2, 2)),
    "leaky ReLU": nn.LeakyReLU(),
    "leaky ReLU in place": lambda image: F.leaky_relu_(image + image),
    "ReLU in place": lambda image: F.relu_(image * 2.0),
    "ELU": nn.ELU(),
    "GELU": nn.GELU(),
    "SiLU in place": lambda image: F.silu(image * image, inplace=True),
    "Mish": nn.Mish(),
    "a sum": lambda image: image + image,
    "channels together": lambda image: torch.cat([image, image], 1),
    "the last axis together": lambda image: torch.cat((image, image, image), -1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_the_shape_that_torch_gives_it(name: str) -> None:
    with torch.no_grad(), Compared() as compared:
        OPERATIONS[name](torch.empty(IMAGE, device="meta"))
    assert compared.own > 0


@pytest.mark.parametrize(
    "operation",
    [
        lambda image: nn.Conv3d(5, 6, 3, device="meta")(image),
        lambda image: nn.Conv3d(4, 6, 11, device="meta")(image),
        lambda image: torch.cat([image, image[:, :, 1:]], 1),
        lambda image: nn.AvgPool3d(16)(image),
    ],
    ids=["channels", "kernel", "parts", "pool"],
)
def test_what_torch_refuses_is_refused(operation: Callable[[Tensor], Tensor]) -> None:
    class Answered(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return answer(func, args, kwargs or {})

    image = torch.empty(IMAGE, device="meta")
    with pytest.raises((RuntimeError, ValueError)) as torchs, torch.no_grad():
        operation(image)
    with pytest.raises(type(torchs.value)) as ours, torch.no_grad(), Answered():
        operation(image)
    assert str(ours.value) == str(torchs.value)


@pytest.mark.parametrize(
    "odd",
    [
        lambda image: image + 1j,
        lambda image: image.int() + image.int(),
        lambda image: image + image.double(),
        lambda image: image + image[:, :1],
        lambda image: F.avg_pool3d(image, 3, 2, 1, ceil_mode=True),
        lambda image: F.avg_pool3d(image, 3, 2),
        lambda image: F.conv3d(image.half(), torch.empty(1, 4, 3, 3, 3, dtype=torch.half, device="meta")),
        lambda image: image[0, 0, 0, 0].repeat(3, 2),
    ],
)
def test_what_is_out_of_the_ordinary_has_torch_s_shape_too(odd: Callable[[Tensor], Tensor]) -> None:
    with torch.no_grad(), Compared():
        odd(torch.empty(IMAGE, device="meta"))


def staged(**changes: Any) -> Network:
    plain = {
        "inputs": 1,
        "outputs": 3,
        "features": [4, 6],
        "kernels": [[1, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [1, 2, 2]],
        "blocks": 1,
        "decoder_blocks": 1,
        "norm_arguments": {"eps": 1e-5, "affine": True},
    }
    return Network("StagedUNet", {**plain, **changes})


OWN_NETWORKS = {
    "MeshNet": Network("MeshNet", {"layers": [layer(1, 5, 3, 2), layer(5, 3)], "bnorm": True, "activation": "elu"}),
    "nnU-Net's plain U-Net": staged(),
    "nnU-Net's residual U-Net": staged(residual=True, stem=4),
    "with batch normalisation": staged(norm="batch"),
}


@pytest.mark.parametrize("name", OWN_NETWORKS)
def test_of_our_own_networks_no_operation_is_torch_s_to_answer(name: str) -> None:
    """The ones that are left make views and empty tensors, which torch answers without its compiler."""

    class Left(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            asked = Asked()
            with asked:
                result = answer(func, args, kwargs or {})
            left.update(str(f.overloadpacket) for f in asked.funcs)
            return result

    left: set[str] = set()
    network = without_data(build_network(OWN_NETWORKS[name]).eval())
    with torch.no_grad(), Left():
        network(torch.empty(1, 1, 8, 16, 16, device="meta"))
    assert left <= {"aten.view", "aten.empty", "aten.new_empty"}


@pytest.mark.parametrize("name", OWN_NETWORKS)
def test_operations_are_counted_as_torch_counts_them(name: str) -> None:
    network = build_network(OWN_NETWORKS[name]).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        network(torch.zeros(1, 1, 8, 16, 16))
    forward = peak_memory(network, (1, 1, 8, 16, 16))
    assert forward.operations == counted.get_total_flops() > 0


def test_a_copy_without_data_shares_what_the_network_shares() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    network.append(network[0])
    bare = without_data(network)
    assert bare[0].weight is bare[2].weight
    assert all(tensor.is_meta for tensor in (*bare.parameters(), *bare.buffers()))
    assert not any(tensor.is_meta for tensor in network.parameters())
