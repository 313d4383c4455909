"""The networks that a description can name: ours, and an allow-list of MONAI's.

A description is a stranger's data. It chooses from this list and gives arguments that the constructor knows, made of
JSON's types; it can name no other class, and cannot make the constructor take more memory than the weights justify.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ...errors import Code, MedDLError
from ...spec import Network
from ...text import shown
from .dints import dints
from .meshnet import MeshNet
from .unets import StagedUNet

OWN_NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "DiNTS": dints,
    "MeshNet": MeshNet,
    "StagedUNet": StagedUNet,
}
"""Networks that are built here, of our own layers or, as DiNTS, of MONAI's."""

MONAI_NETWORKS = (
    "AttentionUnet",
    "BasicUNet",
    "DynUNet",
    "FlexibleUNet",
    "HighResNet",
    "MedNeXt",
    "SegResNet",
    "SegResNetDS",
    "SwinUNETR",
    "UNETR",
    "UNet",
    "VNet",
)
"""Classes of ``monai.networks.nets`` that map an image to one tensor of logits of its size."""

NOT_FROM_A_DESCRIPTION: Mapping[str, Mapping[str, Any]] = {
    "FlexibleUNet": {"pretrained": False},  # would download
    "SegResNetDS": {"preprocess": None},  # takes code
}
"""Arguments that are ours to set."""

MOST_PARAMETERS = 2_000_000_000
MOST_TENSORS = 10_000
MOST_VALUES = 10_000
MOST_DEPTH = 6
LARGEST = 2**31
"""Bounds of what a description may ask for, far above any network in use."""

_CONSTRUCTOR_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def network_names() -> tuple[str, ...]:
    """The names that ``build_network`` knows."""
    return tuple(sorted((*OWN_NETWORKS, *MONAI_NETWORKS)))


def build_network(network: Network, device: str = "cpu", most_parameters: int = MOST_PARAMETERS) -> nn.Module:
    """Builds a network with its initial weights.

    It is built on torch's meta device first, where nothing is allocated, and counted.

    Args:
        network: name and arguments.
        device: ``meta`` for a network without data, to be given weights.
        most_parameters: elements of all its tensors, at most.

    Raises:
        MedDLError: MODEL_INVALID for a name that is not on the list, an argument that the constructor does not know or
            take, or a network that is too large; EXTRA_MISSING where an optional package of MONAI's is missing.
    """
    construct = _constructor(network.name)
    arguments = _checked_arguments(network, construct)
    bare = _construct(network.name, construct, arguments, "meta", most_parameters)
    return bare if device == "meta" else _construct(network.name, construct, arguments, device, most_parameters)


def _constructor(name: str) -> Callable[..., nn.Module]:
    if name in OWN_NETWORKS:
        return OWN_NETWORKS[name]
    if name not in MONAI_NETWORKS:
        raise MedDLError(
            Code.MODEL_INVALID,
            f"The network {shown(name)} is not one that MedDL knows.",
            f"It knows: {', '.join(network_names())}.",
        )
    nets = importlib.import_module("monai.networks.nets")
    constructor: Callable[..., nn.Module] = getattr(nets, name)
    return constructor


def _checked_arguments(network: Network, construct: Callable[..., nn.Module]) -> dict[str, Any]:
    known = inspect.signature(construct).parameters
    ours = NOT_FROM_A_DESCRIPTION.get(network.name, {})
    for name, value in network.arguments.items():
        where = f"network.arguments.{name}"
        if name not in known or name in ours:
            raise _invalid(f"{where}: {network.name} has no such argument for a description")
        _check_value(value, where)
    for name, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and name not in network.arguments:
            raise _invalid(f"network.arguments.{name}: {network.name} needs it")
    if "spatial_dims" in known and network.arguments.get("spatial_dims", known["spatial_dims"].default) not in (2, 3):
        raise _invalid(f"network.arguments.spatial_dims: {network.name} must work in three dimensions, or on slices")
    return {**network.arguments, **ours}


def _check_value(value: Any, where: str, depth: int = 0) -> int:
    """Refuses what JSON cannot hold, and sizes out of bounds; returns how many values there are."""
    if value is None or isinstance(value, (bool, str)):
        return 1
    if isinstance(value, (int, float)):
        if not (math.isfinite(value) and abs(value) < LARGEST):
            raise _invalid(f"{where}: {value!r} is out of bounds")
        return 1
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        items = list(value.values())
    elif isinstance(value, (list, tuple)):
        items = list(value)
    else:
        raise _invalid(f"{where}: {type(value).__name__} is not plain data")
    if depth == MOST_DEPTH or len(items) > MOST_VALUES:
        raise _invalid(f"{where} is too deep or too long")
    total = sum(_check_value(item, where, depth + 1) for item in items)
    if total > MOST_VALUES:
        raise _invalid(f"{where} is too long")
    return total


def _construct(
    name: str, construct: Callable[..., nn.Module], arguments: Mapping[str, Any], device: str, most_parameters: int
) -> nn.Module:
    try:
        with torch.device(device), _Budget(name, most_parameters):
            return construct(**arguments)
    except ImportError as error:  # MONAI's OptionalImportError
        first_line = str(error).splitlines()[0]
        raise MedDLError(
            Code.EXTRA_MISSING,
            f"{name} needs a package that is not installed: {first_line}",
            "Install that package beside MONAI.",
        ) from error
    except _CONSTRUCTOR_ERRORS as error:
        if isinstance(error, MedDLError):
            raise
        raise _invalid(f"{name} does not take these arguments: {error}") from error


class _Budget(TorchFunctionMode):
    """Counts the tensors that a constructor makes, and stops it when they are too many or too large.

    ``linspace`` stays on the CPU: transformers read its values while they are built, which the meta device cannot give.
    """

    def __init__(self, name: str, most_parameters: int) -> None:
        super().__init__()
        self._name = name
        self._left = most_parameters
        self._tensors = MOST_TENSORS

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.linspace:
            kwargs = {**kwargs, "device": "cpu"}
        result = func(*args, **kwargs)
        if func in _MAKERS:
            self._left -= result.numel()
            self._tensors -= 1
        if self._left < 0 or self._tensors < 0:
            raise _invalid(f"{self._name} with these arguments is larger than its weights, or than any network in use")
        return result


_MAKERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.tensor}


def _invalid(problem: str) -> MedDLError:
    return MedDLError(Code.MODEL_INVALID, f"{problem[:600]}.")
