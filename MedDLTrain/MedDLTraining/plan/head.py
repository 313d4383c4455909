"""A network's description with another number of outputs, for other labels, or of inputs, for clicks."""

from __future__ import annotations

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
    arguments = dict(network.arguments)
    for name in OUTPUTS:
        if name in arguments:
            return replace(network, arguments={**arguments, name: outputs})
    if network.name == "MeshNet":
        *before, last = arguments["layers"]
        return replace(network, arguments={**arguments, "layers": [*before, {**last, "out_channels": outputs}]})
    raise MedDLError(Code.MODEL_INVALID, f"How many outputs this {network.name} has, its description does not say.")


def with_inputs(network: Network, inputs: int) -> Network:
    """The same network with another number of inputs.

    Raises:
        MedDLError: MODEL_INVALID where its arguments do not say it.
    """
    arguments = dict(network.arguments)
    for name in INPUTS:
        if name in arguments:
            return replace(network, arguments={**arguments, name: inputs})
    raise MedDLError(Code.MODEL_INVALID, f"How many inputs this {network.name} has, its description does not say.")
