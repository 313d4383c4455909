"""The model's networks in MONAI's terms: what a configuration says of them, and their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from MedDLCore.models.networks.registry import MONAI_NETWORKS, NOT_FROM_A_DESCRIPTION
from MedDLCore.spec import ModelSpec, Network

from .dyn_unet import dyn_unet_arguments, dyn_unet_state
from .refusal import NotInMonaiError

if TYPE_CHECKING:
    from torch import Tensor, nn

AS_EQUAL = 1e-4
"""Part of the range of the logits by which the two may differ: rounding of convolutions in another order."""


@dataclass(frozen=True, eq=False)
class RunnerNetworks:
    """The networks of a model.

    Attributes:
        definition: ``_target_`` and arguments, for each of the networks.
        count: how many there are.
        dimensions: 3, or 2 where they take slices.
        state: the state dict of the network, or of a ``ModuleList`` of them.
    """

    definition: Mapping[str, Any]
    count: int
    dimensions: int
    state: Mapping[str, Tensor]


def runner_networks(spec: ModelSpec, networks: Sequence[nn.Module]) -> RunnerNetworks:
    """Translates networks, and makes sure that they give the same logits for a patch of noise.

    Args:
        spec: the model.
        networks: from ``load_networks``.

    Raises:
        NotInMonaiError: for a network that MONAI does not have.
    """
    from MedDLCore.models.networks.slicewise import Slicewise

    name, arguments = _arguments(spec.network)
    states = []
    for network in networks:
        own = network.network if isinstance(network, Slicewise) else network
        translated = _built(name, arguments)
        state = own.state_dict()
        if spec.network.name == "StagedUNet":
            state = _with_shared(translated, dyn_unet_state(spec.network.arguments, state))
        translated.load_state_dict(state)
        _check_equal(own, translated, spec)
        states.append(translated.state_dict())
    dimensions = _dimensions(translated)
    definition = {"_target_": f"monai.networks.nets.{name}", **arguments}
    if len(states) == 1:
        return RunnerNetworks(definition, 1, dimensions, states[0])
    joined = {f"{n}.{key}": value for n, state in enumerate(states) for key, value in state.items()}
    return RunnerNetworks(definition, len(states), dimensions, joined)


def _arguments(network: Network) -> tuple[str, dict[str, Any]]:
    if network.name == "StagedUNet":
        return "DynUNet", dyn_unet_arguments(network.arguments)
    if network.name not in MONAI_NETWORKS:
        raise NotInMonaiError(f"MONAI has no network {network.name}")
    return network.name, {**network.arguments, **NOT_FROM_A_DESCRIPTION.get(network.name, {})}


def _built(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    import monai.networks.nets

    network: nn.Module = getattr(monai.networks.nets, name)(**arguments)
    return network.eval().requires_grad_(False)


def _with_shared(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All names of the network's tensors, of which several may share one."""
    tensors = network.state_dict(keep_vars=True)
    given = {id(tensors[key]): value for key, value in state.items()}
    return {key: given[id(tensor)] for key, tensor in tensors.items()}


def _check_equal(own: nn.Module, translated: nn.Module, spec: ModelSpec) -> None:
    import torch

    patch = spec.inference.patch or (32, 32, 32)
    size = [n for n in patch if n > 1] if _dimensions(translated) == 2 else list(patch)
    noise = torch.randn((1, spec.input_channels, *size), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours, theirs = own(noise), translated(noise)
    difference = (ours - theirs).abs().max() / (ours.max() - ours.min()).clamp(min=1e-6)
    if not float(difference) <= AS_EQUAL:
        raise NotInMonaiError(f"the network {spec.network.name} gives other logits in MONAI")


def _dimensions(network: nn.Module) -> int:
    import torch

    return 2 if any(isinstance(part, torch.nn.Conv2d) for part in network.modules()) else 3
