"""From a package to networks that run."""

from __future__ import annotations

import gc
import importlib.util
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
            the network is not known, the weights are not those of the network, or its outputs do not hold the labels.
    """
    from .networks import check_outputs, for_volumes, network_from_weights

    spec = package.spec
    networks = [
        for_volumes(
            network_from_weights(spec.network, read_state_dict(path), spec.input_channels), spec.inference.patch
        )
        for path in verify_weights(package)
    ]
    check_outputs(networks[0], spec)  # the others are built alike
    return [network.to(device) for network in networks]


def check_networks(package: ModelPackage) -> None:
    """Makes sure that ``load_networks`` succeeds. Where torch is not installed, only the weights' SHA-256 are compared.

    Raises:
        MedDLError: as ``load_networks``.
    """
    if importlib.util.find_spec("torch") is None:
        verify_weights(package)
        return
    for part in package.parts or (package,):
        load_networks(part)
        if part.previous is not None:
            load_networks(part.previous)
    gc.collect()  # Windows renames no folder while a file in it is mapped into memory
