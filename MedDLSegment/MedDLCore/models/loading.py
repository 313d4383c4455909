"""From a package to networks that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .package import ModelPackage, verify_weights
from .weights import read_state_dict

if TYPE_CHECKING:
    from torch import nn


def load_networks(package: ModelPackage, device: str = "cpu") -> list[nn.Module]:
    """Loads the networks of a model, one for each weights file.

    The files are compared with their SHA-256 first. The tensors' data stay in the file, memory-mapped, as long as the
    network is on the CPU.

    Args:
        package: the model.
        device: torch's name of the device.

    Returns:
        In eval mode, float32, without gradients: ``(B, C, d0, d1, d2)`` -> ``(B, outputs, d0, d1, d2)`` logits.

    Raises:
        MedDLError: MODEL_CORRUPT for damaged weights; MODEL_UNSAFE for a file that may run code; MODEL_INVALID where
            the network is not known, or the weights are not those of the network.
    """
    from .networks import network_from_weights

    return [
        network_from_weights(package.spec.network, read_state_dict(path), package.spec.input_channels).to(device)
        for path in verify_weights(package)
    ]
