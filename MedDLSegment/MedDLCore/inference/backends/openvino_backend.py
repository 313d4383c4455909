"""Networks computed by OpenVINO, on the CPU, in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .openvino_library import openvino

ALONE = {
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,
}
"""One patch at a time, in float32 where bfloat16 would be faster. Pinned threads would put every process of a batch on
the same cores."""


class OpenVINOBackend:
    """Computes an exported network.

    Attributes:
        name: ``openvino``.
    """

    name = "openvino"

    def __init__(self, model: Any, threads: int) -> None:
        """Compiles a model.

        Args:
            model: an ``openvino.Model``, or the path of one; its input is ``(1, C, d0, d1, d2)`` float32.
            threads: CPU threads.

        Raises:
            RuntimeError: what OpenVINO raises.
        """
        self._library = openvino()
        source = str(model) if isinstance(model, Path) else model
        self._compiled = self._library.Core().compile_model(source, "CPU", {**ALONE, "INFERENCE_NUM_THREADS": threads})
        self._shape = tuple(self._compiled.output(0).shape)
        self._request: Any = None

    def __call__(self, patches: Tensor) -> Tensor:
        """See ``Backend``. Patches are computed one after the other: together they would be no faster on a CPU.

        Raises:
            RuntimeError: what OpenVINO raises, for want of memory too.
        """
        self._request = self._request or self._compiled.create_infer_request()
        logits = torch.empty(len(patches), *self._shape[1:])
        for n in range(len(patches)):
            self._request.set_input_tensor(0, self._shared(patches[n : n + 1].contiguous()))
            self._request.set_output_tensor(0, self._shared(logits[n : n + 1]))
            self._request.infer()
        return logits

    def release(self) -> None:
        """Gives the memory of the activations back; the next call takes it again."""
        self._request = None
        self._compiled.release_memory()

    def _shared(self, tensor: Tensor) -> Any:
        return self._library.Tensor(tensor.numpy(), shared_memory=True)
