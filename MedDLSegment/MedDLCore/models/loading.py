"""From a package to networks that run."""

from __future__ import annotations

import gc
import importlib.util
from typing import TYPE_CHECKING

from ..errors import Code, MedDLError
from .digests import identity
from .package import ModelPackage, verify_weights, weights_path
from .weights import read_state_dict

if TYPE_CHECKING:
    from torch import nn


def load_networks(package: ModelPackage, device: str = "cpu") -> list[nn.Module]:
    """Loads the networks of a model, one for each weights file.

    The files are compared with their SHA-256 first (see ``digests``), and must not change until they are read. The data
    of safetensors stay in the file, memory-mapped, as long as the network is on the CPU.

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
    files = [weights_path(package.folder, weights) for weights in spec.weights]
    before = [identity(path) for path in files]
    verify_weights(package)
    networks = [
        for_volumes(
            network_from_weights(spec.network, read_state_dict(path), spec.input_channels), spec.inference.patch
        )
        for path in files
    ]
    if [identity(path) for path in files] != before:
        raise MedDLError(Code.MODEL_CORRUPT, f"The weights of {spec.name} changed while they were read.")
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
