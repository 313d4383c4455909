"""How long one patch takes on this machine: a few small runs, scaled by the number of operations."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch
from torch import nn

from ..meta import NOT_TAKEN
from ..out_of_memory import is_out_of_memory, release
from .devices import Device
from .head import Head, without
from .memory import peak_memory

EDGES = (64, 96, 128, 160)
"""Edges of the cubes that are timed, in voxels, as far as the patch reaches. Multiples of 32 suit networks that halve
the grid up to five times. Smaller ones mislead severalfold: they fit a cache, or meet a slow kernel."""

WORTH = 3e10
"""Operations that a first cube is worth: a second on one core, more or less."""

LONGEST = 2.0
"""Seconds that a further, larger cube may take by what the last one took."""


def seconds_per_pass(
    network: nn.Module,
    channels: int,
    patch: Sequence[int],
    operations: float,
    device: Device,
    head: Head | None = None,
) -> float | None:
    """Estimates the time of one pass over one patch.

    Cubes of growing size are run, the first of them twice because what comes first pays for the libraries' set-up,
    until the patch itself was run or the next cube would take long. The largest counts.

    Args:
        network: it is moved to the device.
        channels: of its input.
        patch: voxels along axes 0, 1, 2; for a network that takes a scan at once, the scan's.
        operations: of one patch.
        device: where it runs; cubes that need more than half of its free memory are left out.
        head: what is left to later.

    Returns:
        Seconds, or None where not even the smallest cube had the memory.
    """
    operations = max(operations, 1)  # where the head makes all of them
    cubes = _cubes(network, channels, patch, round(operations), device, head)
    first = max((n for n, (_, worth) in enumerate(cubes) if worth <= WORTH), default=0)
    seconds: float | None = None
    counted = 1
    try:
        for shape, worth in cubes[first:]:
            if seconds is not None and seconds * worth / counted > LONGEST:
                break
            with without(head):
                seconds = _timed(network, (1, channels, *shape), device.name, seconds is None)
            counted = max(worth, 1)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        release(device.name)
    return None if seconds is None else seconds * operations / counted


def _cubes(
    network: nn.Module, channels: int, patch: Sequence[int], operations: int, device: Device, head: Head | None
) -> list[tuple[tuple[int, ...], int]]:
    """Shapes that the network takes and the memory holds, with their operations."""
    cubes: list[tuple[tuple[int, ...], int]] = []
    takes_any = False
    for shape in dict.fromkeys(tuple(min(n, edge) for n in patch) for edge in EDGES):
        try:
            forward = peak_memory(network, (1, channels, *shape), device.name == "cpu", head)
        except NOT_TAKEN:
            continue
        takes_any = True
        if 2 * forward.memory <= device.free_memory:
            cubes.append((shape, forward.operations))
    return cubes if takes_any else [(tuple(patch), operations)]  # a network that takes its own patch only


def _timed(network: nn.Module, shape: tuple[int, ...], device: str, is_first: bool) -> float:
    """Seconds of a forward pass: of the fastest of two or three where it is the first or a short one."""
    network.to(device)
    best = math.inf
    with torch.inference_mode():
        image = torch.zeros(shape, device=device)
        for run in range(3):
            started = time.perf_counter()
            float(network(image).sum())  # a number on the host: waits for the device
            taken = time.perf_counter() - started
            best = min(best, taken)
            if taken > (LONGEST if is_first and run == 0 else LONGEST / 4):
                break
    return best
