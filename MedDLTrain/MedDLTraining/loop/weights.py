"""Copies of a state dict. nnU-Net's network has several names for most of its weights: copies share them, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

StateDict = dict[str, Tensor]


def copied(state: Mapping[str, Tensor], like: Mapping[str, Tensor] | None = None) -> StateDict:
    """A copy on the CPU, of which each tensor is there once.

    Args:
        state: a state dict.
        like: of the same names, whose tensors share memory where the copy's shall; None: ``state`` itself.
    """
    like = state if like is None else like
    copies: dict[Any, Tensor] = {}
    for key, tensor in like.items():
        if _place(tensor) not in copies:
            copies[_place(tensor)] = state[key].detach().cpu().clone(memory_format=torch.contiguous_format)
    return {key: copies[_place(tensor)] for key, tensor in like.items()}


def _place(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
