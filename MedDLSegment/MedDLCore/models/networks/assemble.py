"""Puts weights into a network without copying them: built without data, it takes the tensors that were read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ...errors import Code, MedDLError
from ...spec import Network
from .registry import build_network

SLACK = 1_000_000
"""Elements that a constructor may make beyond twice the weights' (tables, temporary tensors)."""

NAMED = 3
"""How many of the tensors that do not fit a message names."""

LONGEST_KEY = 200
"""Characters of each."""


def network_from_weights(network: Network, state: Mapping[str, Tensor], channels: int) -> nn.Module:
    """Builds the network and gives it the weights.

    Args:
        network: name and arguments.
        state: the state dict; floating-point tensors become float32. Names that share one tensor in the network may be
            given once.
        channels: input volumes of the model.

    Returns:
        In eval mode, on the CPU, without gradients.

    Raises:
        MedDLError: MODEL_INVALID where names, shapes or the number of channels do not fit, naming the first few; see
            ``build_network``.
    """
    elements = sum(tensor.numel() for tensor in state.values())
    module = build_network(network, "meta", 2 * elements + SLACK)
    complete = _with_shared(module, state)
    _compare(network.name, module.state_dict(), complete)
    floats = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in complete.items()}
    module.load_state_dict(floats, strict=True, assign=True)
    if any(tensor.is_meta for tensor in itertools.chain(module.parameters(), module.buffers())):
        module = build_network(network, "cpu", 2 * elements + SLACK)  # it makes a table that the weights do not hold
        module.load_state_dict(floats, strict=True)
    _check_channels(network, module, channels)
    return module.eval().requires_grad_(False)


def _with_shared(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adds the names that share a tensor with one that is there."""
    names: dict[int, list[str]] = {}
    for key, tensor in module.state_dict(keep_vars=True).items():
        names.setdefault(id(tensor), []).append(key)
    complete = dict(state)
    for group in names.values():
        given = next((key for key in group if key in state), None)
        if given is not None:
            complete.update((key, state[given]) for key in group if key not in state)
    return complete


def _compare(name: str, wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    missing = [key for key in wanted if key not in given]
    unexpected = [key for key in given if key not in wanted]
    shapes = [
        f"{key} {tuple(given[key].shape)} for {tuple(wanted[key].shape)}"
        for key in wanted
        if key in given and given[key].shape != wanted[key].shape
    ]
    kinds = [
        f"{key} {given[key].dtype} for {wanted[key].dtype}"
        for key in wanted
        if key in given and given[key].is_floating_point() != wanted[key].is_floating_point()
    ]
    problems = [
        f"{len(items)} {what} ({_first(items)})"
        for what, items in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", shapes),
            ("of another kind", kinds),
        )
        if items
    ]
    if problems:
        raise MedDLError(Code.MODEL_INVALID, f"The weights are not those of this {name}: {'; '.join(problems)}.")


def _first(items: Sequence[str]) -> str:
    return ", ".join([*(item[:LONGEST_KEY] for item in items[:NAMED]), *(["..."] if len(items) > NAMED else [])])


def _check_channels(network: Network, module: nn.Module, channels: int) -> None:
    """It takes as many channels as the model has input volumes: as it says itself, or as its first convolution does."""
    convolutions = (part for part in module.modules() if isinstance(part, torch.nn.modules.conv._ConvNd))
    takes = network.arguments.get("in_channels", next((part.in_channels for part in convolutions), channels))
    if takes != channels:
        raise MedDLError(Code.MODEL_INVALID, f"The network takes {takes} channel(s); the description lists {channels}.")
