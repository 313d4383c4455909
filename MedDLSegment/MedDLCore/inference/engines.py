"""What computes the networks of a model on a device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from torch import nn

from ..errors import Code, MedDLError
from ..spec import ModelSpec
from ..text import shown
from .backends import Exported, openvino_version, versions
from .devices import Device
from .engine import Engine, Wanted
from .head import head_left_to_later
from .records import Records


def make_engines(
    networks: Sequence[nn.Module],
    spec: ModelSpec,
    device: Device,
    backend: Wanted = "auto",
    full_precision: bool = False,
    folders: Sequence[Path | None] | None = None,
) -> tuple[Engine, ...]:
    """An engine for each network.

    Args:
        networks: on the CPU.
        spec: their model.
        device: where they will run.
        backend: ``openvino`` is for CPUs, and for models with a patch: it compiles for one size of input.
        full_precision: float32 on every device.
        folders: of each network, for what is made or learnt of it; None: nothing is kept.

    Raises:
        MedDLError: EXTRA_MISSING where OpenVINO is asked for and not installed; DEVICE_MISSING where it is not for the
            device, or there is no such backend.
    """
    _check(backend, device)
    patch, output = spec.inference.patch, spec.output
    shape = None if patch is None else (spec.input_channels, *patch)
    is_for_openvino = backend != "torch" and device.name == "cpu" and openvino_version() is not None
    cut = None if output.activation == "softmax" else math.log(output.threshold / (1 - output.threshold))
    place = f"{device.name}, {device.description}, {shape or 'any shape'}, {versions()}"
    head = head_left_to_later(networks, spec.input_channels, spec.inference)
    return tuple(
        Engine(
            network,
            backend,
            full_precision,
            Exported(network, shape, folder, head) if is_for_openvino and shape is not None else None,
            Records(folder, place),
            cut,
            device.name,
            head,
        )
        for network, folder in zip(networks, folders or [None] * len(networks), strict=True)
    )


def _check(backend: str, device: Device) -> None:
    if backend not in get_args(Wanted):
        raise MedDLError(Code.DEVICE_MISSING, f"There is no backend {shown(backend)}.", "Leave out --backend.")
    if backend != "openvino":
        return
    if openvino_version() is None:
        raise MedDLError(
            Code.EXTRA_MISSING,
            "OpenVINO is not installed.",
            "Install it: pip install 'meddl[openvino]'; or leave out --backend.",
        )
    if device.name != "cpu":
        raise MedDLError(
            Code.DEVICE_MISSING,
            f"OpenVINO computes on the CPU here, not on {device.name}.",
            "Leave out --device or --backend.",
        )
