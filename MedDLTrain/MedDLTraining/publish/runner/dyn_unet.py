"""nnU-Net's plain U-Net as MONAI's ``DynUNet``: the same function with other names of the weights.

Three things differ. DynUNet's convolutions have no bias: a normalisation that follows takes it away again. On the way
up, its kernels are those of the stage below: a kernel is laid into a larger one, with zeros around it. And it has at
least three stages, with two convolutions in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .refusal import NotInMonaiError

if TYPE_CHECKING:
    from torch import Tensor

ACTIVATIONS = ("LeakyReLU", "ReLU", "ELU", "GELU")
"""What MONAI knows under the same name, with the same arguments."""

FEWEST_STAGES = 3


def dyn_unet_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of DynUNet for those of a ``StagedUNet``.

    Raises:
        NotInMonaiError: for a network that DynUNet cannot be.
    """
    kernels, strides = given["kernels"], given["strides"]
    stages, dims = len(kernels), len(kernels[0])
    features = given["features"] if isinstance(given["features"], (list, tuple)) else [given["features"]] * stages
    norm, activation = given.get("norm", "instance"), given.get("activation", "LeakyReLU")
    norm_arguments = dict(given.get("norm_arguments") or {})
    problems = {
        "has a residual encoder": given.get("residual", False),
        f"has {stages} stages, fewer than {FEWEST_STAGES}": stages < FEWEST_STAGES,
        "has not two convolutions in each stage": not _all_two(given["blocks"], given["decoder_blocks"]),
        "has no normalisation": norm is None,
        "keeps statistics of its instance normalisation": norm == "instance"
        and norm_arguments.get("track_running_stats", False),
        f"has the activation {activation}": activation not in ACTIVATIONS,
        "has its activation before the normalisation": given.get("activation_first", False),
        "has strides other than 1 and 2": any(n not in (1, 2) for stride in strides for n in _list(stride, dims)),
        "changes the resolution in its first stage": any(n != 1 for n in _list(strides[0], dims)),
    }
    if found := [problem for problem, there in problems.items() if there]:
        raise NotInMonaiError(f"the network StagedUNet {found[0]}, which MONAI's DynUNet cannot have")
    return {
        "spatial_dims": dims,
        "in_channels": given["inputs"],
        "out_channels": given["outputs"],
        "kernel_size": _kernels(kernels, dims),
        "strides": [_list(stride, dims) for stride in strides],
        "upsample_kernel_size": [_list(stride, dims) for stride in strides[1:]],
        "filters": list(features),
        "norm_name": [norm, norm_arguments],
        "act_name": [activation.lower(), dict(given.get("activation_arguments") or {})],
        "deep_supervision": False,
        "trans_bias": given.get("bias", True),
    }


def dyn_unet_state(given: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a ``StagedUNet`` under DynUNet's names, each once.

    Args:
        given: arguments of the StagedUNet.
        state: all its tensors.
    """
    arguments = dyn_unet_arguments(given)
    kernels, stages = arguments["kernel_size"], len(arguments["filters"])
    result: dict[str, Tensor] = {}
    for stage in range(stages):
        place = "input_block" if stage == 0 else f"downsamples.{stage - 1}" if stage < stages - 1 else "bottleneck"
        result |= _block(state, f"encoder.stages.{stage}.0", place, kernels[stage])
    for step in range(stages - 1):
        place, up = f"upsamples.{step}.conv_block", f"decoder.transpconvs.{step}"
        result |= _block(state, f"decoder.stages.{step}", place, kernels[stages - 1 - step])
        result |= {f"upsamples.{step}.transp_conv.conv.{key}": value for key, value in _under(state, up).items()}
    head = f"decoder.seg_layers.{stages - 2}"
    return result | {f"output_block.conv.conv.{key}": value for key, value in _under(state, head).items()}


def _block(state: Mapping[str, Tensor], ours: str, theirs: str, kernel: list[int]) -> dict[str, Tensor]:
    result = {}
    for n in (0, 1):
        unit = f"{ours}.convs.{n}"
        convolution, norm = _under(state, f"{unit}.conv"), _under(state, f"{unit}.norm")
        result[f"{theirs}.conv{n + 1}.conv.weight"] = _laid_into(convolution["weight"], kernel)
        if "running_mean" in norm and "bias" in convolution:
            norm["running_mean"] = norm["running_mean"] - convolution["bias"]
        result |= {f"{theirs}.norm{n + 1}.{key}": value for key, value in norm.items()}
    return result


def _under(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key[len(name) + 1 :]: value for key, value in state.items() if key.startswith(f"{name}.")}


def _kernels(kernels: Any, dims: int) -> list[list[int]]:
    """Of each stage: large enough for its own convolutions, and for those on the way up to the stage above it."""
    every = [_list(kernel, dims) for kernel in kernels]
    pairs = zip([every[0], *every], every, strict=False)
    return [[max(above, own) for above, own in zip(one, two, strict=True)] for one, two in pairs]


def _laid_into(weight: Tensor, kernel: list[int]) -> Tensor:
    """A kernel in the middle of a larger one, both of odd size; zeros around it."""
    from torch.nn.functional import pad

    margins = [(wanted - own) // 2 for own, wanted in zip(weight.shape[2:], kernel, strict=True)]
    return pad(weight, [margin for one in reversed(margins) for margin in (one, one)])


def _list(value: Any, dims: int) -> list[int]:
    return [value] * dims if isinstance(value, int) else list(value)


def _all_two(*blocks: Any) -> bool:
    return all(n == 2 for given in blocks for n in (given if isinstance(given, (list, tuple)) else [given]))
