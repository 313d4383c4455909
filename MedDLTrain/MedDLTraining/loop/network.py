"""The network that a plan names, with the weights that it begins with, and its outputs while it learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from MedDLCore.errors import Code, MedDLError
from MedDLCore.inference.backends import SinglePatch
from MedDLCore.models import ModelPackage, load_networks
from MedDLCore.models.networks import build_network, for_volumes
from MedDLCore.models.networks.registry import OWN_NETWORKS
from MedDLCore.models.networks.slicewise import Slicewise
from MedDLCore.models.networks.unets import StagedUNet
from MedDLCore.spec import Network

from ..plan import Plan
from ..plan.head import with_channels, with_inputs

SLOPE = 1e-2
"""Of the leaky ReLU that nnU-Net's initial weights are made for (He et al. 2015)."""

_Convolution = torch.nn.modules.conv._ConvNd


def new_network(plan: Plan) -> nn.Module:
    """Builds the plan's network with initial weights from its seed, on the CPU, in training mode."""
    torch.manual_seed(plan.seed)
    network = for_volumes(build_network(plan.network), plan.patch)
    if plan.network.name in OWN_NETWORKS:
        for part in network.modules():
            if isinstance(part, _Convolution):
                nn.init.kaiming_normal_(part.weight, a=SLOPE)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
    return network.train()


def begin_with(network: nn.Module, package: ModelPackage, plan: Plan) -> tuple[str, ...]:
    """Gives a network the weights of a model; its head, the layers whose size follows the labels, stays new.

    A model that has the very labels of the plan, in their order, gives its head too. Where the plan's network listens
    to clicks and the model does not, the weights of the clicks are 0: it begins with exactly the model's outputs.

    Args:
        network: from ``new_network``; changed. ``plan.start.fixed`` of the weights that it is given, counted from the
            input, will not be trained; the head always is.
        package: the model; of an ensemble, the first member.
        plan: whose network it is.

    Returns:
        The names of the weights that are new.

    Raises:
        MedDLError: MODEL_INVALID where less than half of the weights fit: it is another network.
    """
    given, own, head = load_networks(package)[0].state_dict(), network.state_dict(), head_of(plan)
    same_labels = [label.name for label in package.spec.labels] == [label.name for label in plan.labels]
    listens = same_labels and package.spec.clicks is not None and plan.spec.clicks == package.spec.clicks
    entries = frozenset() if listens else entries_of(plan)
    given |= {key: _of_scan_alone(given[key], own[key], plan) for key in entries & given.keys()}
    fitting = {
        key: value
        for key, value in given.items()
        if key in own and own[key].shape == value.shape and (same_labels or key not in head)
    }
    if 2 * len(fitting) < len(own):
        raise MedDLError(
            Code.MODEL_INVALID, f"Only {len(fitting)} of {len(own)} weights of {package.spec.name} fit the network."
        )
    network.load_state_dict(fitting, strict=False)
    names = [name for name, _ in network.named_parameters() if name in fitting and name not in head | entries]
    fixed = plan.start.fixed if plan.start is not None else 0.0
    for name in names[: round(fixed * len(names))]:
        network.get_parameter(name).requires_grad_(False)
    return tuple(key for key in own if key not in fitting)


def head_of(plan: Plan) -> frozenset[str]:
    """The names of the weights whose shapes follow the number of outputs."""
    outputs = plan.spec.output_channels
    return _differing(plan, *(with_channels(plan.network, n) for n in (outputs, outputs + 1)))


def entries_of(plan: Plan) -> frozenset[str]:
    """The names of the weights whose shapes follow the number of inputs, where a network listens; else none."""
    inputs = plan.spec.input_channels
    if plan.spec.clicks is None:
        return frozenset()
    return _differing(plan, *(with_inputs(plan.network, n) for n in (inputs, inputs + 1)))


def _differing(plan: Plan, *networks: Network) -> frozenset[str]:
    one, other = (for_volumes(build_network(network, "meta"), plan.patch).state_dict() for network in networks)
    return frozenset(key for key in one if one[key].shape != other[key].shape)


def _of_scan_alone(given: Tensor, own: Tensor, plan: Plan) -> Tensor:
    """Weights ``(outputs, inputs, ...)`` that take the scan's channels as given, and are 0 for all others.

    Weights in which the channels stand otherwise, as those of a transformer's linear patches, stay as they are given.
    """
    scan, inputs = len(plan.channels), plan.spec.input_channels
    if (given.shape[0], inputs, given.shape[2:]) != (own.shape[0], own.shape[1], own.shape[2:]):
        return given
    widened = torch.zeros_like(own)
    widened[:, :scan] = given[:, :scan]
    return widened


def hold_fixed(network: nn.Module) -> None:
    """Normalisations and dropout of fixed parts stay as they are at inference. To be called after ``train()``."""
    for part in network.modules():
        inside = list(part.parameters())
        if inside and not any(parameter.requires_grad for parameter in inside):
            part.eval()


class Learning(nn.Module):
    """A network as it learns. It has no weights of its own."""

    def __init__(self, network: nn.Module, resolutions: int) -> None:
        """``resolutions``: as in ``outputs_of``."""
        super().__init__()
        self.network, self._resolutions = network, resolutions

    def forward(self, images: Tensor) -> list[Tensor]:
        """``(B, C, d0, d1, d2)`` to the logits that learn, see ``outputs_of``."""
        return outputs_of(self.network, images, self._resolutions)


def outputs_of(network: nn.Module, images: Tensor, resolutions: int) -> list[Tensor]:
    """The logits that learn: of the full resolution first, then of coarser ones (deep supervision).

    Args:
        network: in training mode.
        images: ``(B, C, d0, d1, d2)``.
        resolutions: coarser outputs that are wanted, where the network has them. MONAI's networks that are built with
            deep supervision always give theirs.
    """
    if isinstance(network, Slicewise):
        of_slices = outputs_of(network.network, images.squeeze(network.dim), resolutions)
        return [logits.unsqueeze(network.dim) for logits in of_slices]
    with SinglePatch():
        if resolutions and isinstance(network, StagedUNet):
            return _with_coarser(network, images, resolutions)
        outputs = network(images)
    if isinstance(outputs, (list, tuple)):
        return list(outputs)
    return list(outputs.unbind(1)) if outputs.ndim > images.ndim else [outputs]


def _with_coarser(network: StagedUNet, images: Tensor, resolutions: int) -> list[Tensor]:
    """A StagedUNet has an output layer for each stage on the way up and uses only the last; here the others are too."""
    coarser: list[Tensor] = []

    def keep(head: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return stages[head].register_forward_hook(lambda *arguments: coarser.append(head(arguments[-1])))

    decoder = network.decoder
    stages = dict(zip(decoder.seg_layers, decoder.stages, strict=True))
    hooks = [keep(head) for head in list(stages)[:-1][-resolutions:]]
    try:
        full = network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return [full, *reversed(coarser)]
