"""A network's description with another number of outputs, for other labels, or of inputs, for clicks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Network

OUTPUTS = ("out_channels", "outputs", "num_classes")
"""What constructors call their number of outputs."""

INPUTS = ("in_channels", "inputs")
"""And of inputs."""


def with_channels(network: Network, outputs: int) -> Network:
    """The same network with another number of outputs.

    Raises:
        MedDLError: MODEL_INVALID where its arguments do not say it.
    """
    if (changed := _with_count(network, OUTPUTS, outputs)) is not None:
        return changed
    if network.name == "MeshNet":
        arguments = network.arguments
        *before, last = arguments["layers"]
        return replace(network, arguments={**arguments, "layers": [*before, {**last, "out_channels": outputs}]})
    raise MedDLError(Code.MODEL_INVALID, f"How many outputs this {network.name} has, its description does not say.")


def with_inputs(network: Network, inputs: int) -> Network:
    """The same network with another number of inputs.

    Raises:
        MedDLError: MODEL_INVALID where its arguments do not say it.
    """
    if (changed := _with_count(network, INPUTS, inputs)) is not None:
        return changed
    if network.name == "MeshNet":
        first, *later = network.arguments["layers"]
        layers = [{**first, "in_channels": inputs}, *later]
        return replace(network, arguments={**network.arguments, "layers": layers})
    raise MedDLError(Code.MODEL_INVALID, f"How many inputs this {network.name} has, its description does not say.")


def _with_count(network: Network, names: Sequence[str], count: int) -> Network | None:
    """With another value of the first of these arguments that the network has; None where it has none of them."""
    for name in names:
        if name in network.arguments:
            return replace(network, arguments={**network.arguments, name: count})
    return None
