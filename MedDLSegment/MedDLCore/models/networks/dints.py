"""MONAI's DiNTS with a searched topology, which is plain numbers here (He et al. 2021, arXiv:2103.15954)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

MOST_BLOCKS, MOST_DEPTHS = 64, 8

Table = Sequence[Sequence[float]]


def dints(
    in_channels: int,
    num_classes: int,
    arch_code: Sequence[Table],
    node_a: Table,
    channel_mul: float = 1.0,
    num_blocks: int = 6,
    num_depths: int = 3,
    use_downsample: bool = True,
    spatial_dims: int = 3,
    act_name: str | Sequence[Any] = "RELU",
    norm_name: str | Sequence[Any] = ("INSTANCE", {"affine": True}),
) -> nn.Module:
    """Builds the network of a finished search.

    Args:
        in_channels: input volumes.
        num_classes: channels of the output.
        arch_code: two tables of ``num_blocks`` x ``3 * num_depths - 2``: which paths are there (0 or 1), and the
            operation on each (its number).
        node_a: ``num_blocks + 1`` x ``num_depths``: which nodes are there (0 or 1).
        channel_mul: factor of the number of features.
        num_blocks: blocks of the topology.
        num_depths: resolutions of the topology.
        use_downsample: the first layer halves the resolution.
        spatial_dims: 3.
        act_name: activation.
        norm_name: normalisation.

    Raises:
        ValueError: where the tables do not fit.
    """
    from monai.networks.nets import DiNTS, TopologyInstance

    if not 1 <= num_blocks <= MOST_BLOCKS or not 1 <= num_depths <= MOST_DEPTHS or len(arch_code) != 2:
        raise ValueError("the topology is larger than any in use, or incomplete")
    paths = (num_blocks, 3 * num_depths - 2)
    present = _table(arch_code[0], paths, 1)
    operations = _table(arch_code[1], paths, MOST_BLOCKS)
    nodes = _table(node_a, (num_blocks + 1, num_depths), 1)
    layers = {"act_name": _layer(act_name), "norm_name": _layer(norm_name), "spatial_dims": spatial_dims}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints advice
        space = TopologyInstance(
            arch_code=[present, operations],
            channel_mul=channel_mul,
            num_blocks=num_blocks,
            num_depths=num_depths,
            use_downsample=use_downsample,
            device="cpu",
            **layers,
        )
    network: nn.Module = DiNTS(
        dints_space=space,
        in_channels=in_channels,
        num_classes=num_classes,
        use_downsample=use_downsample,
        node_a=torch.from_numpy(nodes),
        **layers,
    )
    return network


def _table(values: Table, shape: tuple[int, int], highest: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    table = np.array(values, dtype=np.float64)
    if table.shape != shape or not ((table == np.round(table)) & (table >= 0) & (table <= highest)).all():
        raise ValueError(f"a table of the topology is not {shape[0]} x {shape[1]} whole numbers from 0 to {highest}")
    return table.astype(np.int64)


def _layer(name: str | Sequence[Any]) -> str | tuple[Any, ...]:
    return name if isinstance(name, str) else tuple(name)
