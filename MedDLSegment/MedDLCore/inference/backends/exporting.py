"""From a network of torch to a model of OpenVINO."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .exact_means import ExactMeans
from .openvino_library import openvino


class NotExportedError(RuntimeError):
    """A network that torch cannot export, or OpenVINO not convert."""


def export(network: nn.Module, shape: Sequence[int]) -> Any:
    """Converts a network for inputs of one shape.

    ``torch.export`` runs it on tensors without data: seconds, and no memory for activations, whatever the shape. (The
    converter itself would trace it by running it several times.)

    Args:
        network: on the CPU, in eval mode; its weights are shared, not copied.
        shape: ``(B, C, d0, d1, d2)`` of its input.

    Returns:
        An ``openvino.Model`` of float32.

    Raises:
        NotExportedError: with the reason.
    """
    library = openvino()
    image = torch.zeros(tuple(shape))
    try:
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad(), ExactMeans():
            warnings.simplefilter("ignore")  # of what these two libraries will change in each other
            program = torch.export.export(network, (image,), strict=False)
            return library.convert_model(program, input=[list(shape)])
    except MemoryError:
        raise
    except Exception as error:  # what the two raise has no base of its own
        raise NotExportedError(f"{type(error).__name__}: {last_line(error)}") from error


def last_line(error: BaseException) -> str:
    """Where OpenVINO's long messages say what was wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
