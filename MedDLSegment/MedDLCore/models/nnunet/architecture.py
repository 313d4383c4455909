"""The network of a configuration, by name and plain arguments."""

from __future__ import annotations

from typing import Any

from ...spec import Network
from ...text import shown
from .plans import PLANS_JSON
from .refusal import refused
from .values import Table

BLOCKS = {"PlainConvUNet": "n_conv_per_stage", "ResidualEncoderUNet": "n_blocks_per_stage"}
"""The networks that MedDL has, and what the plans call their stages' sizes."""

NORMS = {"InstanceNorm": "instance", "BatchNorm": "batch"}
ACTIVATIONS = ("LeakyReLU", "ReLU", "ELU", "GELU", "SiLU", "Mish")
TORCH = ("torch.nn.", "torch.nn.modules.")

TAKEN = {
    "n_stages",
    "features_per_stage",
    "conv_op",
    "kernel_sizes",
    "strides",
    "n_conv_per_stage_decoder",
    "conv_bias",
    "norm_op",
    "norm_op_kwargs",
    "dropout_op",
    "dropout_op_kwargs",
    "nonlin",
    "nonlin_kwargs",
    "deep_supervision",
}
"""Arguments that both networks have. Deep supervision and dropout change nothing after training."""

OF_ONE = {"PlainConvUNet": {"nonlin_first"}, "ResidualEncoderUNet": {"stem_channels", "block", "bottleneck_channels"}}


def network(configuration: Table, inputs: int, outputs: int) -> Network:
    """Translates the architecture.

    Args:
        configuration: in the new style.
        inputs: channels that the network takes.
        outputs: channels that it returns.

    Raises:
        MedDLError: MODEL_INVALID, naming the class or argument that is not known.
    """
    architecture = configuration.table("architecture")
    path = architecture.text("network_class_name")
    name = path.rpartition(".")[2]
    if name not in BLOCKS:
        raise refused(
            PLANS_JSON,
            f"the architecture {shown(path)} is not one that MedDL has",
            f"It has nnU-Net's {' and '.join(BLOCKS)}.",
        )
    given = architecture.table("arch_kwargs")
    for key in given.values:
        if key not in TAKEN | OF_ONE[name] | {BLOCKS[name]}:
            raise given.wrong(key, f"is not an argument of {name} that MedDL knows")
    dimensions = len(configuration.whole_numbers("patch_size"))
    kernels = _per_stage(given, "kernel_sizes", dimensions)
    if given.get("n_stages") != len(kernels):
        raise given.wrong("n_stages", f"is {shown(given.get('n_stages'))}; there are {len(kernels)} kernel sizes")
    if _torch_class(given, "conv_op") != f"Conv{dimensions}d":
        raise given.wrong("conv_op", f"is {shown(given.get('conv_op'))}, for a patch in {dimensions} dimensions")
    arguments: dict[str, Any] = {
        "inputs": inputs,
        "outputs": outputs,
        "features": given.get("features_per_stage"),
        "kernels": kernels,
        "strides": _per_stage(given, "strides", dimensions),
        "blocks": given.get(BLOCKS[name]),
        "decoder_blocks": given.get("n_conv_per_stage_decoder"),
        "bias": bool(given.get("conv_bias")),
        "norm": _norm(given, dimensions),
        "norm_arguments": dict(given.table("norm_op_kwargs").values) if "norm_op_kwargs" in given else {},
        "activation": _activation(given),
        "activation_arguments": dict(given.table("nonlin_kwargs").values) if "nonlin_kwargs" in given else {},
        "dropout": "dropout_op" in given,
    }
    if name == "PlainConvUNet":
        arguments["activation_first"] = bool(given.get("nonlin_first"))
    else:
        arguments |= {"residual": True, "stem": given.get("stem_channels")}
        if "bottleneck_channels" in given or not str(given.get("block") or "BasicBlockD").endswith("BasicBlockD"):
            raise given.wrong("block", f"is {shown(given.get('block'))}; MedDL has BasicBlockD")
    return Network("StagedUNet", arguments)


def check_patch(patch: list[int], strides: Any) -> None:
    """Refuses a patch that the strides do not divide.

    Raises:
        MedDLError: MODEL_INVALID.
    """
    for axis, size in enumerate(patch):
        divisor = 1
        for stride in strides:
            step = stride[axis]
            if not isinstance(step, int) or not 0 < step <= size:
                raise refused(PLANS_JSON, f"the stride {shown(stride)} does not fit a patch of {shown(patch)} voxels")
            divisor *= step
        if size % divisor:
            raise refused(PLANS_JSON, f"the strides halve a patch of {shown(patch)} voxels until it is not whole")


def _per_stage(given: Table, key: str, dimensions: int) -> list[list[Any]]:
    """A list of a list for each stage; a number stands for all axes."""
    value = given.get(key)
    if not isinstance(value, list) or not value:
        raise given.wrong(key, f"is {shown(value)}, not a list with one entry for each stage")
    stages = [[item] * dimensions if isinstance(item, int) else item for item in value]
    if not all(isinstance(stage, list) and len(stage) == dimensions for stage in stages):
        raise given.wrong(key, f"is {shown(value)}, for a patch in {dimensions} dimensions")
    return stages


def _torch_class(given: Table, key: str) -> str:
    """The name of a class of torch, which is compared and never imported."""
    path = given.text(key)
    if not path.startswith(TORCH):
        raise given.wrong(key, f"is {shown(path)}, which is not torch's")
    return path.rpartition(".")[2]


def _norm(given: Table, dimensions: int) -> str | None:
    if "norm_op" not in given:
        return None
    name = _torch_class(given, "norm_op")
    for ours, known in NORMS.items():
        if name == f"{ours}{dimensions}d":
            return known
    raise given.wrong("norm_op", f"is {shown(given.get('norm_op'))}; MedDL knows {' and '.join(NORMS)}")


def _activation(given: Table) -> str | None:
    if "nonlin" not in given:
        return None
    name = _torch_class(given, "nonlin")
    if name not in ACTIVATIONS:
        raise given.wrong("nonlin", f"is {shown(given.get('nonlin'))}; MedDL knows {', '.join(ACTIVATIONS)}")
    return name
