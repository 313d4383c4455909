"""A network for slices among networks for volumes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import Code, MedDLError


class Slicewise(nn.Module):
    """Gives a two-dimensional network patches of one slice, as MONAI's ``SliceInferer`` does."""

    def __init__(self, network: nn.Module, axis: int) -> None:
        """Takes the network and the network axis (0, 1, 2) along which patches have one voxel."""
        super().__init__()
        self.network = network
        self.dim = axis + 2
        """Of a batch of patches, the dimension of that axis."""

    def forward(self, patches: Tensor) -> Tensor:
        """``(B, C, d0, d1, d2)`` with one voxel along the axis -> the same with the network's channels."""
        logits: Tensor = self.network(patches.squeeze(self.dim))
        return logits.unsqueeze(self.dim)


def for_volumes(network: nn.Module, patch: tuple[int, int, int] | None) -> nn.Module:
    """The network itself, or a two-dimensional one that takes patches of one slice.

    Args:
        network: the network.
        patch: voxels of a patch along network axes 0, 1, 2.

    Raises:
        MedDLError: MODEL_INVALID for a two-dimensional network without an axis of one voxel.
    """
    first = next((m for m in network.modules() if isinstance(m, torch.nn.modules.conv._ConvNd)), None)
    if first is None or len(first.kernel_size) != 2:
        return network
    if patch is None or patch.count(1) != 1:
        raise MedDLError(Code.MODEL_INVALID, "The network is for slices, but its patch is not one slice.")
    return Slicewise(network, patch.index(1))
