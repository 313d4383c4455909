"""What a run will need, before it runs: patches, memory, time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from torch import nn

from ..errors import EXPLANATIONS, Code, MedDLError, Notice
from ..kept_memory import LARGEST, is_possible, keeping_memory
from ..meta import NOT_TAKEN
from ..spec import ModelSpec
from .devices import Device
from .head import head_left_to_later
from .memory import peak_memory
from .running import BYTES, running_memory
from .sliding import SLICES, padded_shape
from .speed import seconds_per_pass
from .windows import window_starts

LIBRARIES = 45_000_000
"""Bytes that torch, SimpleITK and this package take when they first run: code, kernels made to measure, threads."""


IN_PIECES, MOST_IN_PIECES = 0.1, 2 * LARGEST
"""Part of the memory of a pass over a patch, and bytes at the most, that it takes more because what is kept is broken
into pieces (see ``kept_memory``; measured between 0 and 0.6)."""

SLACK = 1.1
"""Over the bytes of the arrays: an allocator keeps gaps between those of a few megabytes."""


@dataclass(frozen=True)
class Plan:
    """What one case will need.

    Attributes:
        network_shape: voxels along network axes 0, 1, 2, padding included.
        patches: patches that go through the network.
        passes: forward passes per patch (ensemble x mirroring).
        memory: bytes at the peak in the machine's memory, beyond what the process holds now.
        device_memory: bytes at the peak on the device, where it is not the CPU; else 0.
        free_memory: bytes free in the machine now.
        free_device_memory: bytes free on the device now.
        operations: floating-point operations of the network, all patches and passes.
        seconds: estimated time of the network, or None where it was not asked for or the probe had no memory.
        device: what it will run on, for people.
        patch: voxels of the model's patch; None where it takes a scan at once.
        patch_memory: bytes of ``memory`` that one patch needs, however small the scan is.
        notices: what the person should know before the run.
    """

    network_shape: tuple[int, int, int]
    patches: int
    passes: int
    memory: int
    device_memory: int
    free_memory: int
    free_device_memory: int
    operations: int
    seconds: float | None
    device: str
    patch: tuple[int, int, int] | None
    patch_memory: int
    notices: tuple[Notice, ...] = ()

    @property
    def fits(self) -> bool:
        """The machine's memory suffices. A device that is too small is stepped down from, so it does not count."""
        return self.memory <= self.free_memory

    @property
    def remedy(self) -> str:
        """What to do where it does not fit."""
        if self.patch is None:
            return (
                "The model takes the whole scan at once: --roi does not help. Close other programs or use another one."
            )
        if self.patch_memory > self.free_memory:
            size = "x".join(map(str, self.patch))
            return (
                f"The model's patch of {size} voxels needs it, not the scan: close other programs or use another model."
            )
        return EXPLANATIONS[Code.NO_MEMORY].remedy


def make_plan(
    spec: ModelSpec,
    networks: Sequence[nn.Module],
    device: Device,
    free_memory: int,
    network_shape: Sequence[int],
    preparing: int = 0,
    result: int = 0,
    piece: int = 0,
    cleaning: int = 0,
    timed: bool = False,
    measured: float | None = None,
) -> Plan:
    """Plans one case.

    Args:
        spec: the model.
        networks: the loaded network(s).
        device: where they run.
        free_memory: bytes free in the machine.
        network_shape: voxels of the prepared scan along network axes 0, 1, 2.
        preparing: bytes at the peak of the station before the network, the prepared array included.
        result: bytes of the labels, which the station after it makes.
        piece: bytes of what it decides at a time, beside the logits: on their device.
        cleaning: bytes that it takes beside the result once the logits are gone.
        timed: estimate the time by running a small patch, where it is not known.
        measured: seconds of a pass over a voxel, where earlier runs have measured it.

    Raises:
        MedDLError: MODEL_INVALID where the network cannot take the model's patch.
    """
    inference = spec.inference
    shape = padded_shape(network_shape, inference)
    patch = inference.patch or shape
    patches = math.prod(
        len(window_starts(n, p, inference.overlap, inference.windows)) for n, p in zip(shape, patch, strict=True)
    )
    batch = min(inference.batch, patches)
    channels = spec.input_channels
    on_cpu = device.name == "cpu"
    passes = len(networks) * 2 ** len(inference.mirror_axes)
    head = head_left_to_later(networks, channels, inference)
    try:
        forward = peak_memory(networks[0], (batch, channels, *patch), on_cpu, head)
    except NOT_TAKEN as error:
        size = "x".join(map(str, patch))
        reason = str(error).partition("\n")[0]
        raise MedDLError(Code.MODEL_INVALID, f"The network cannot take a patch of {size} voxels: {reason}.") from error
    if on_cpu and inference.patch is not None and is_possible():
        forward = forward._replace(memory=forward.memory + round(min(IN_PIECES * forward.memory, MOST_IN_PIECES)))
    running = running_memory(forward, network_shape, shape, channels, passes, batch, inference)
    smallest = running_memory(forward, (1, 1, 1), patch, channels, passes, batch, inference)
    weights = sum(tensor.nbytes for network in networks for tensor in network.parameters())
    prepared = math.prod(network_shape) * channels * BYTES
    slab = 2 * (SLICES + 1) * shape[1] * shape[2] * head.outputs * BYTES if head is not None else 0
    on_device = running.peak(slab + piece)
    within = running.padded + result + (on_device - running.shared if on_cpu else 0)
    held = LIBRARIES + (weights if on_cpu else 0)
    operations = forward.operations / batch
    seconds = None if measured is None else measured * math.prod(patch)
    if seconds is None and timed and forward.outputs:
        with keeping_memory() if on_cpu else nullcontext():  # as in a run
            seconds = seconds_per_pass(networks[0], channels, patch, operations, device, head)
    return Plan(
        network_shape=shape,
        patches=patches,
        passes=passes,
        memory=held + round(SLACK * max(preparing, prepared + max(within, result + cleaning))),
        device_memory=0 if on_cpu else on_device + weights,
        free_memory=free_memory,
        free_device_memory=device.free_memory,
        operations=forward.operations * math.ceil(patches / batch) * passes,
        seconds=None if seconds is None else seconds * patches * passes,
        device=device.description,
        patch=inference.patch,
        patch_memory=held + (round(SLACK * smallest.peak(0)) if on_cpu else 0),
    )


def together(plans: Sequence[Plan]) -> Plan:
    """What several models need that run one after the other."""
    times = [plan.seconds for plan in plans if plan.seconds is not None]
    largest = max(plans, key=lambda plan: plan.memory)
    return replace(
        largest,
        patches=sum(plan.patches for plan in plans),
        passes=max(plan.passes for plan in plans),
        device_memory=max(plan.device_memory for plan in plans),
        operations=sum(plan.operations for plan in plans),
        seconds=sum(times) if len(times) == len(plans) else None,
        notices=tuple(dict.fromkeys(notice for plan in plans for notice in plan.notices)),
    )
