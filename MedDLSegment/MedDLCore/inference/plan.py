"""What a run will need, before it runs: patches, memory, time."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..errors import Code, MedDLError
from ..spec import ModelSpec
from .devices import Device, is_out_of_memory, release
from .memory import peak_memory
from .sliding import padded_shape
from .windows import window_starts

BYTES = 4
"""Of a float32."""

PROBE = 64
"""Edge of the patch that is timed, in voxels, where the model's own patch is larger."""

NOT_TAKEN = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)
"""What networks raise for an input of a shape that they cannot take."""


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

    @property
    def fits(self) -> bool:
        """The machine's memory suffices. A device that is too small is stepped down from, so it does not count."""
        return self.memory <= self.free_memory


def make_plan(
    spec: ModelSpec,
    networks: Sequence[nn.Module],
    device: Device,
    free_memory: int,
    network_shape: Sequence[int],
    scan_voxels: int,
    timed: bool = False,
) -> Plan:
    """Plans one case.

    Args:
        spec: the model.
        networks: the loaded network(s).
        device: where they run.
        free_memory: bytes free in the machine.
        network_shape: voxels of the prepared scan along network axes 0, 1, 2.
        scan_voxels: voxels of the scan's own grid.
        timed: estimate the time by running a small patch.

    Raises:
        MedDLError: MODEL_INVALID where the network cannot take the model's patch.
    """
    inference = spec.inference
    shape = padded_shape(network_shape, inference)
    patch = inference.patch or shape
    patches = math.prod(len(window_starts(n, p, inference.overlap)) for n, p in zip(shape, patch, strict=True))
    batch = min(inference.batch, patches)
    channels = spec.input_channels
    on_cpu = device.name == "cpu"
    try:
        forward, operations = peak_memory(networks[0], (batch, channels, *patch), reordered=on_cpu)
    except NOT_TAKEN as error:
        size = "x".join(map(str, patch))
        reason = str(error).partition("\n")[0]
        raise MedDLError(Code.MODEL_INVALID, f"The network cannot take a patch of {size} voxels: {reason}.") from error
    passes = len(networks) * 2 ** len(inference.mirror_axes)

    prepared = math.prod(shape) * channels * BYTES
    logits = math.prod(shape) * spec.output_channels * BYTES
    patch_logits = math.prod(patch) * spec.output_channels * BYTES * batch
    network = forward + (2 * patch_logits if passes > 1 else 0)
    gathered = 0
    if inference.patch is not None:  # the weighted product, the sum of a slab and its mean; the slabs gathered
        network += patch_logits
        network += 2 * patch[0] * shape[1] * shape[2] * spec.output_channels * BYTES
        gathered = logits
    running = 2 * prepared + gathered + (network if on_cpu else logits)
    finishing = logits + scan_voxels * (3 * BYTES + 4)
    weights = sum(p.numel() * p.element_size() for network in networks for p in network.parameters())
    seconds = _seconds(networks[0], channels, patch, operations / batch, device) if timed else None
    resampled = 0
    if spec.intensity_on == "scan":  # its own values, the border that is added, a spline's coefficients
        resampled = scan_voxels * (channels + 1 + 4 * (spec.grid.interpolation == "cubic")) * BYTES + prepared
    return Plan(
        network_shape=shape,
        patches=patches,
        passes=passes,
        memory=max(resampled, running, finishing),
        device_memory=0 if on_cpu else network + weights,
        free_memory=free_memory,
        free_device_memory=device.free_memory,
        operations=operations * math.ceil(patches / batch) * passes,
        seconds=None if seconds is None else seconds * patches * passes,
        device=device.description,
    )


def together(plans: Sequence[Plan]) -> Plan:
    """What several models need that run one after the other."""
    times = [plan.seconds for plan in plans if plan.seconds is not None]
    return replace(
        plans[-1],
        patches=sum(plan.patches for plan in plans),
        passes=max(plan.passes for plan in plans),
        memory=max(plan.memory for plan in plans),
        device_memory=max(plan.device_memory for plan in plans),
        operations=sum(plan.operations for plan in plans),
        seconds=sum(times) if len(times) == len(plans) else None,
    )


def _seconds(
    network: nn.Module, channels: int, patch: Sequence[int], operations: float, device: Device
) -> float | None:
    """Time of one patch: measured on a smaller one, in proportion to the operations. None: no memory for it."""
    shape = (1, channels, *(min(n, PROBE) for n in patch))
    try:
        _, probed = peak_memory(network, shape)
    except NOT_TAKEN:  # a network that takes its own patch only
        shape, probed = (1, channels, *patch), round(operations)
    try:
        return _fastest(network, shape, device.name) * operations / max(probed, 1)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    release(device.name)
    return None


def _fastest(network: nn.Module, shape: tuple[int, ...], device: str) -> float:
    """Seconds of the faster of two forward passes."""
    network.to(device)
    best = math.inf
    with torch.inference_mode():
        probe = torch.zeros(shape, device=device)
        for _ in range(2):
            started = time.perf_counter()
            float(network(probe).sum())  # a number on the host: waits for the device
            best = min(best, time.perf_counter() - started)
    return best
