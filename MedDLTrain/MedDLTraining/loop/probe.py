"""What a training needs, before it starts: memory on paper, seconds by a few real iterations."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from MedDLCore.errors import Code, MedDLError
from MedDLCore.inference import Predictor, free_memory
from MedDLCore.kept_memory import keeping_memory
from MedDLCore.models.networks import build_network, for_volumes

from ..plan import Listening, Plan
from .augmentation import Draws, augment
from .listening import with_clicks
from .losses import loss_function
from .network import new_network, outputs_of
from .optimising import optimiser_of
from .sampling import source_shape

WARM = 1
TIMED = 3
"""Iterations before the clock runs, and those of which the median is taken."""

LIBRARIES = 750_000_000
"""Bytes of torch, MONAI and their kernels at work."""


def check_demand(plan: Plan, free: int) -> None:
    """Refuses, before a scan is prepared, a network that does not go with the plan or does not fit.

    Args:
        plan: with the batch of one process.
        free: bytes of the device's memory.

    Raises:
        MedDLError: PLAN_INVALID where the network does not take the plan's patches or has other outputs than its labels
            need; NO_MEMORY; MODEL_INVALID, EXTRA_MISSING.
    """
    patch = " x ".join(map(str, plan.patch))
    try:
        memory, _ = demand(plan)
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError) as error:
        message = str(error).partition("\n")[0]
        raise MedDLError(
            Code.PLAN_INVALID,
            f"{plan.network.name} does not take {plan.spec.input_channels} channel(s) of {patch} voxels: {message}",
            "Change inference.patch or the network's arguments in the plan.",
        ) from error
    if memory - LIBRARIES > free:
        raise MedDLError(
            Code.NO_MEMORY,
            f"A batch of {plan.batch} patches of {patch} voxels needs about {memory / 1e9:.1f} GB; "
            f"{free / 1e9:.1f} GB are free.",
            "Close other programs, plan again with less --memory, or make batch or inference.patch smaller there.",
        )


def free_on(device: str) -> int:
    """Bytes that are free where the network will be."""
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    return free_memory()


def size_of_checkpoint(plan: Plan) -> int:
    """Bytes, about: the weights, the best of them, and the optimiser's moments."""
    network = build_network(plan.network, "meta")
    return 4 * sum(parameter.nbytes for parameter in network.parameters())


def demand(plan: Plan) -> tuple[int, int]:
    """Bytes at the peak of one iteration, and floating-point operations; nothing is computed.

    What the backward pass needs is counted on torch's meta device, each storage once. To it come: the gradients of the
    largest layer and what a convolution works on, the weights four times (themselves, gradients, two states of the
    optimiser), the loss, and the batch with its surroundings.

    Raises:
        ValueError: the network's outputs are not those that the labels need. What a network raises passes.
    """
    network = for_volumes(build_network(plan.network, "meta"), plan.patch).train()
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor  # held: a freed storage gives its address to another
        return tensor

    images = torch.empty((plan.batch, plan.spec.input_channels, *plan.patch), device="meta")
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, FlopCounterMode(display=False) as forward:
        outputs = outputs_of(network, images, plan.deep_supervision)
    shape = tuple(outputs[0].shape[1:])
    if shape != (plan.spec.output_channels, *plan.patch):
        raise ValueError(f"it gives {shape}, channels first, where {plan.spec.output_channels} channels are needed")
    sizes = [tensor.untyped_storage().nbytes() for tensor in kept.values()]
    weights = sum(parameter.nbytes for parameter in network.parameters())
    of_loss = 6 * sum(output.nbytes for output in outputs)
    surroundings = math.prod(source_shape(plan.patch)) / math.prod(plan.patch)
    batch = round(4 * surroundings * images.nbytes)
    memory = LIBRARIES + sum(sizes) + 4 * max(sizes, default=0) + 4 * weights + of_loss + batch
    return memory, 3 * int(forward.get_total_flops())  # backward: by the input, and by the weights


def speed_of(plan: Plan, device: str) -> float:
    """Floating-point operations per second of a training iteration of this plan."""
    _, operations = demand(plan)
    return operations / seconds_of(plan, device)[0]


def seconds_of(plan: Plan, device: str) -> tuple[float, float]:
    """Seconds of an iteration, augmentation included, and of one window of inference: medians of a few.

    How many clicks a patch has is drawn, from none to many: an iteration counts with as many as there are on average.
    """
    network = new_network(plan).to(device)
    optimiser = optimiser_of(network, plan.optimiser)
    loss_of = loss_function(plan.loss, plan.overlapping)
    source = source_shape(plan.patch)
    rng = np.random.default_rng(plan.seed)
    images = torch.from_numpy(rng.standard_normal((plan.batch, len(plan.channels), *source), dtype=np.float32))
    layers = len(plan.labels) if plan.overlapping else 1
    truth = torch.zeros((plan.batch, layers, *source))
    truth[:, :, source[0] // 2 :] = 1

    def iteration(plan: Plan) -> None:
        varied = augment(images.to(device), truth.to(device), plan, Draws(plan.seed, device))
        optimiser.zero_grad()
        with precision(plan, device):
            heard = with_clicks(network, *varied, plan, plan.seed)
            outputs = outputs_of(network, heard, plan.deep_supervision)
        loss_of(outputs, varied[1]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    with keeping_memory():  # as the loop does
        listening = plan.listening
        step = _median(lambda: iteration(replace(plan, listening=_of_one_click(listening, silent=1.0))), device)
        if listening is not None:
            clicked = _median(lambda: iteration(replace(plan, listening=_of_one_click(listening, silent=0.0))), device)
            step += (1 - listening.silent) * (1 + listening.most) / 2 * max(0.0, clicked - step)
        predictor = Predictor([network.eval()], plan.spec.output_channels, device)
        window = torch.zeros((1, plan.spec.input_channels, *plan.patch))
        return step, _median(lambda: predictor(window), device)


def _of_one_click(listening: Listening | None, silent: float) -> Listening | None:
    """With one click on every patch that has any."""
    return None if listening is None else replace(listening, silent=silent, most=1)


def precision(plan: Plan, device: str) -> torch.autocast | nullcontext[None]:
    """bfloat16 where a graphics card computes it; it needs no scaling of the loss."""
    if plan.mixed_precision and device.startswith("cuda") and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def _median(work: Callable[[], object], device: str) -> float:
    seconds = []
    for _ in range(WARM + TIMED):
        started = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[WARM:]))
