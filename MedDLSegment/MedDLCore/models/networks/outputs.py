"""Whether a network gives what its description says, found without data and before any scan."""

from __future__ import annotations

from torch import Tensor, nn

from ...errors import Code, MedDLError
from ...meta import NOT_TAKEN, shapes_of, without_data
from ...spec import ModelSpec
from ...text import shown

EDGE = 64
"""At least so many voxels along each axis are tried where the description names no size."""


def check_outputs(network: nn.Module, spec: ModelSpec) -> None:
    """Compares what the network returns for the model's patch with what the labels need.

    The network runs on torch's meta device, where tensors have a shape and no data.

    Args:
        network: as ``network_from_weights`` gives it; not changed.
        spec: the model.

    Raises:
        MedDLError: MODEL_INVALID where the network cannot take the patch, returns something else than logits of its
            size, or fewer channels than the labels need. More of them are allowed.
    """
    size = _size(spec)
    voxels = "x".join(map(str, size))
    bare = without_data(network)
    try:
        logits = shapes_of(bare, (1, spec.input_channels, *size))
    except NOT_TAKEN as error:
        reason = str(error).partition("\n")[0][:300]
        raise MedDLError(
            Code.MODEL_INVALID, f"The network cannot take a patch of {voxels} voxels: {reason}."
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 5 or logits.shape[2:] != size:
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise MedDLError(
            Code.MODEL_INVALID, f"The network returns {got} for a patch of {voxels} voxels, not logits of its size."
        )
    if logits.shape[1] < spec.output_channels:
        highest = max(spec.labels, key=lambda label: label.value)
        raise MedDLError(
            Code.MODEL_INVALID,
            f"The network returns {logits.shape[1]} channels; with {spec.output.activation} the labels, up to "
            f"{highest.value} ({shown(highest.name)}), need {spec.output_channels}.",
        )


def _size(spec: ModelSpec) -> tuple[int, int, int]:
    """Voxels along axes 0, 1, 2 of what the network is given, or of one such size."""
    if spec.inference.patch is not None:
        return spec.inference.patch
    divisor = spec.inference.divisor
    a, b, c = (-(-n // divisor) * divisor for n in spec.grid.shape or (EDGE, EDGE, EDGE))
    return a, b, c
