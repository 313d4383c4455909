"""Networks by name: from plain data and weights to a ``torch.nn.Module``. Importing this imports torch."""

from .assemble import network_from_weights
from .meshnet import MeshNet
from .registry import build_network, network_names
from .slicewise import for_volumes

__all__ = ["MeshNet", "build_network", "for_volumes", "network_from_weights", "network_names"]
