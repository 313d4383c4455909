"""The loop: epochs of iterations, each followed by a look at the validation cases and a checkpoint.

Every epoch draws from random numbers of its own, made from the seed and the epoch's number. So a training that goes on
from a checkpoint has nothing to remember of them, and comes to the weights of one that was never interrupted.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.kept_memory import keeping_memory
from MedDLCore.models import ModelPackage
from MedDLCore.models.networks.slicewise import Slicewise
from MedDLCore.out_of_memory import is_out_of_memory

from ..cases import PreparedCase
from ..events import Control, Epoch, OnEvent, Step
from ..plan import Plan
from ..plan.plan_file import LATER, plan_to_plain
from .augmentation import Draws, augment
from .checkpoint import read_checkpoint, write_checkpoint
from .listening import loss_at_clicks, with_clicks
from .losses import loss_function
from .network import Learning, begin_with, hold_fixed, new_network
from .optimising import Average, optimiser_of, rate_at
from .probe import precision
from .processes import follow, joined
from .sampling import Batch, draw_batch
from .validating import validation_dice
from .weights import StateDict, copied


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a training came to.

    Attributes:
        weights: those with the best validation Dice, on the CPU, as the network's description wants them.
        dice: of these weights, by label, on all validation cases; empty where it was stopped.
        history: every epoch.
        finished: False: it was stopped; it can go on from its checkpoint.
        notices: what the person should know.
    """

    weights: StateDict
    dice: Mapping[str, float]
    history: tuple[Epoch, ...]
    finished: bool
    notices: tuple[Notice, ...] = ()


@dataclass
class _Best:
    epoch: int = 0
    dice: float = -1.0
    weights: StateDict = field(default_factory=dict)


def fit(
    plan: Plan,
    training: Sequence[PreparedCase],
    validation: Sequence[PreparedCase],
    checkpoints: Path,
    device: str = "cpu",
    start: ModelPackage | None = None,
    on_event: OnEvent | None = None,
    control: Control | None = None,
) -> Fitted:
    """Trains, or goes on from the newest whole checkpoint.

    On a CPU the same plan, cases and number of threads give the same weights, however often it was interrupted. Several
    processes come to those of one, but for rounding, where nothing is normalised over the batch and nothing dropped
    out. This is called in the first of them, ``fit_along`` in the others; both within ``processes.joining``.

    Args:
        plan: everything that decides the result.
        training: what is learnt from.
        validation: what the Dice is watched on.
        checkpoints: a folder of this training's own.
        device: torch's name.
        start: the model of ``plan.start``.
        on_event: told of each iteration and epoch.
        control: to pause and stop.

    Raises:
        MedDLError: PLAN_INVALID where the checkpoints are another plan's or other cases', or the batch cannot be
            shared; NETWORK_NONFINITE where the loss is no number; NO_MEMORY; NO_SPACE, OUTPUT_UNWRITABLE.
    """
    parts = [[replace(case) for case in part] for part in (training, validation)]  # without the arrays they have open
    processes = joined()
    processes.share(plan.batch)  # refused here, before the others begin
    processes.from_first((plan, *parts, start))
    with _deterministic(), keeping_memory(), _naming_lack_of_memory(plan, device):
        return _Loop(plan, training, validation, checkpoints, device, start, on_event, control or Control()).run()


def fit_along(device: str) -> None:
    """Takes its share in every training that the first process begins, until that one is done.

    Args:
        device: of this process.

    Raises:
        MedDLError: as ``fit``.
    """

    def along(plan: Plan, training: Sequence[PreparedCase], validation: Sequence[PreparedCase], start: Any) -> None:
        with _deterministic(), keeping_memory(), _naming_lack_of_memory(plan, device):
            _Loop(plan, training, validation, None, device, start, None, Control()).run()

    follow(along)


class _Loop:
    def __init__(
        self,
        plan: Plan,
        training: Sequence[PreparedCase],
        validation: Sequence[PreparedCase],
        checkpoints: Path | None,
        device: str,
        start: ModelPackage | None,
        on_event: OnEvent | None,
        control: Control,
    ) -> None:
        """``checkpoints``: None in processes that only follow."""
        self._plan, self._training, self._validation = plan, training, validation
        self._checkpoints, self._device, self._control = checkpoints, device, control
        self._tell: OnEvent = on_event or (lambda _: None)
        self._processes = joined()
        self._share = self._processes.share(plan.batch)
        network = new_network(plan)
        if start is not None and plan.start is not None:
            begin_with(network, start, plan)
        self._network = network.to(device)
        self._learning = self._processes.learning(Learning(self._network, plan.deep_supervision))
        self._optimiser = optimiser_of(self._network, plan.optimiser)
        self._average = Average(self._network, plan.optimiser.average) if plan.optimiser.average else None
        self._loss_of = loss_function(plan.loss, plan.overlapping, self._processes.total)
        self._best, self._history = _Best(), []  # type: tuple[_Best, list[Epoch]]
        self._made_of = _made_of(plan, training, validation)
        self._contents = _contents(training, validation)
        self._notices = self._go_on()
        self._started, self._done = time.monotonic(), 0

    def run(self) -> Fitted:
        finished = True
        for epoch in range(len(self._history), self._plan.epochs):
            if self._out_of_patience() or self._is_enough():
                break
            if not self._epoch(epoch):
                finished = False
                break
        dice = self._dice_of_best() if finished else {}
        return Fitted(self._best.weights, dice, tuple(self._history), finished, self._notices)

    def _epoch(self, epoch: int) -> bool:
        """False: it was stopped within the epoch."""
        plan = self._plan
        torch.manual_seed(_seed(plan.seed, epoch) + self._processes.rank)  # dropout
        self._network.train()
        hold_fixed(self._network)
        losses = []
        for n, batch in enumerate(_batches(self._training, plan, epoch, self._share)):
            if not self._processes.from_first(self._may_go_on()):
                return False
            iteration = epoch * plan.iterations + n
            losses.append(self._iteration(batch, iteration))
            self._done += 1
            left = self._seconds_left(iteration + 1)
            self._tell(Step(epoch + 1, plan.epochs, n + 1, plan.iterations, losses[-1], left))
        self._close(epoch, float(np.mean(losses)))
        return True

    def _may_go_on(self) -> bool:
        """Waits while there is a pause, which is none of the training's time."""
        waiting = time.monotonic()
        going = self._control.may_go_on()
        self._started += time.monotonic() - waiting
        return going

    def _iteration(self, batch: Batch, iteration: int) -> float:
        plan = self._plan
        images, truth = (torch.from_numpy(array).to(self._device) for array in batch)
        draws = Draws(_seed(plan.seed, iteration), self._device, self._share.start)
        images, truth = augment(images, truth.float(), plan, draws)
        with precision(plan, self._device):
            images = with_clicks(self._network, images, truth, plan, _seed(plan.seed, iteration), self._share.start)
        for group in self._optimiser.param_groups:
            group["lr"] = rate_at(plan, iteration)
        self._optimiser.zero_grad(set_to_none=True)
        with precision(plan, self._device):
            outputs = self._learning(images)
        loss = self._loss_of(outputs, truth)
        loss = loss + loss_at_clicks(images, outputs[0], truth, plan, self._processes.total)
        value = float(self._processes.total(loss.detach())) / self._processes.count
        if not math.isfinite(value):
            error = MedDLError(
                Code.NETWORK_NONFINITE,
                f"The loss of iteration {iteration + 1} is no number.",
                "Lower optimiser.rate in the plan, or look for odd values with meddl check.",
            )
            raise self._processes.said_once(error)
        loss.backward()  # type: ignore[no-untyped-call]
        if plan.optimiser.clip is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), plan.optimiser.clip)
        self._optimiser.step()
        if self._average is not None:
            self._average.follow(self._network)
        return value

    def _close(self, epoch: int, loss: float) -> None:
        """Validates where it is time to, and brings everything to the disk."""
        plan, done = self._plan, epoch + 1
        dice: Mapping[str, float] = {}
        if done % plan.validation.every == 0 or done == plan.epochs:
            dice = self._validate()
            mean = _mean(dice)
            if mean >= self._best.dice:
                self._best = _Best(done, mean, self._weights())
        seconds = time.monotonic() - self._started
        rate = rate_at(plan, done * plan.iterations - 1)
        mean_dice = _mean(dice) if dice else None
        best = self._best
        event = Epoch(done, plan.epochs, loss, rate, dice, mean_dice, best.epoch, best.dice, seconds)
        self._history.append(event)
        if self._checkpoints is not None:
            write_checkpoint(self._state(), self._checkpoints, done)
        self._tell(event)

    def _validate(self) -> Mapping[str, float]:
        self._network.eval()
        if self._average is None:
            return self._dice(self._plan.validation.cases)
        own = {key: value.clone() for key, value in self._network.state_dict().items()}
        self._network.load_state_dict(self._average.state)
        try:
            return self._dice(self._plan.validation.cases)
        finally:
            self._network.load_state_dict(own)

    def _dice(self, most: int | None) -> Mapping[str, float]:
        return validation_dice(self._network, self._validation, self._plan, self._device, most, self._processes)

    def _dice_of_best(self) -> Mapping[str, float]:
        """On all validation cases. The training is over: the network keeps these weights."""
        _bare(self._network).load_state_dict(self._best.weights)
        self._network.eval()
        return self._dice(None)

    def _weights(self) -> StateDict:
        """The weights as they would be published: without the wrapper of a network for slices."""
        own = self._network.state_dict()
        prefix = "network." if isinstance(self._network, Slicewise) else ""
        state = copied(own if self._average is None else self._average.state, own)
        return {key.removeprefix(prefix): value for key, value in state.items()}

    def _out_of_patience(self) -> bool:
        """Equally good is no progress, though the later weights are kept."""
        patience = self._plan.validation.patience
        looks = [event.mean_dice for event in self._history if event.mean_dice is not None]
        return patience is not None and bool(looks) and len(looks) - 1 - looks.index(max(looks)) >= patience

    def _is_enough(self) -> bool:
        """All processes hear the first one's answer."""
        return bool(self._best.epoch and self._processes.from_first(self._control.enough))

    def _seconds_left(self, iterations: int) -> float | None:
        elapsed = time.monotonic() - self._started
        left = self._plan.iterations * self._plan.epochs - iterations
        return elapsed / self._done * left if elapsed > 1 else None

    def _state(self) -> dict[str, Any]:
        return {
            "made_of": self._made_of,
            "contents": self._contents,
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "average": None if self._average is None else self._average.to_save(),
            "best": {"epoch": self._best.epoch, "dice": self._best.dice, "weights": self._best.weights},
            "history": [asdict(event) for event in self._history],
        }

    def _go_on(self) -> tuple[Notice, ...]:
        found = None if self._checkpoints is None else read_checkpoint(self._checkpoints)
        state, notices = self._processes.from_first(found) or (None, ())
        if state is None:
            return notices
        if state["made_of"] != self._made_of:
            raise MedDLError(
                Code.PLAN_INVALID,
                "The training in this folder has another plan, or other cases.",
                "Give the plan that it began with, or another folder.",
            )
        if state.get("contents", self._contents) != self._contents:  # older checkpoints do not say
            raise MedDLError(
                Code.PLAN_INVALID,
                "Scans or label maps have changed since the training in this folder began.",
                "Begin anew in another folder, or put back what it began with.",
            )
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        if self._average is not None:
            self._average.restore(state["average"])
        self._best = _Best(**state["best"])
        self._history = [Epoch(**event) for event in state["history"]]
        return notices


def _bare(network: nn.Module) -> nn.Module:
    """Without the wrapper of a network for slices."""
    return network.network if isinstance(network, Slicewise) else network


def _batches(cases: Sequence[PreparedCase], plan: Plan, epoch: int, share: range) -> Iterator[Batch]:
    """This process's share of the epoch's batches; the next one is read while the network works."""

    def draw(n: int) -> Batch:
        return draw_batch(cases, plan, (plan.seed, epoch, n), share)

    with ThreadPoolExecutor(1, "batches") as reader:
        following = reader.submit(draw, 0)
        for n in range(plan.iterations):
            batch = following.result()
            if n + 1 < plan.iterations:
                following = reader.submit(draw, n + 1)
            yield batch


def _seed(seed: int, n: int) -> int:
    """A seed of its own for the nth of something, below 2**62."""
    return int(np.random.SeedSequence([seed, n]).generate_state(1, np.uint64)[0] >> 2)


def _made_of(plan: Plan, training: Sequence[PreparedCase], validation: Sequence[PreparedCase]) -> str:
    """What a checkpoint belongs to. A key that plans did not always have counts only where it says something."""
    cases = [[case.id for case in part] for part in (training, validation)]
    settings = {key: value for key, value in plan_to_plain(plan).items() if key not in LATER or value is not None}
    return hashlib.sha256(json.dumps([settings, cases], sort_keys=True).encode()).hexdigest()


def _contents(training: Sequence[PreparedCase], validation: Sequence[PreparedCase]) -> str:
    """What the cases hold, of which ``_made_of`` knows the names."""
    cases = [[[*case.sha256, case.truth_sha256] for case in part] for part in (training, validation)]
    return hashlib.sha256(json.dumps(cases).encode()).hexdigest()


def _mean(dice: Mapping[str, float]) -> float:
    known = [value for value in dice.values() if not math.isnan(value)]
    return float(np.mean(known)) if known else 0.0


@contextmanager
def _naming_lack_of_memory(plan: Plan, device: str) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        patch = " x ".join(map(str, plan.patch))
        raise MedDLError(
            Code.NO_MEMORY,
            f"A batch of {plan.batch} patches of {patch} voxels does not fit the memory of {device}.",
            "Plan again with less --memory, or make batch or inference.patch smaller in a copy of plan.json: --plan.",
        ) from error


@contextmanager
def _deterministic() -> Iterator[None]:
    """The same numbers each time, as far as the device can; settings of the whole process, so they are put back."""
    settings: Any = torch.utils.deterministic
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled = settings.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    settings.fill_uninitialized_memory = False  # every new tensor would be filled, though nothing reads it unwritten
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        settings.fill_uninitialized_memory = filled
