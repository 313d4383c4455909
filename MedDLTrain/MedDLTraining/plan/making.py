"""From the data's fingerprint and a person's budget to a plan that ends in time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelPackage
from MedDLCore.spec import Channel, Grid, Inference, ModelSpec, Network

from ..check.facts import CaseFacts
from ..data import DataSet
from .architecture import WIDTHS, Architecture, architecture_for, first_patch
from .fingerprint import Fingerprint, fingerprint, modality_of
from .flips import flips
from .head import with_channels, with_inputs
from .plan import Augmentation, Listening, Optimiser, Plan, Schedule, Start, Validation

ENOUGH = 3000
"""Iterations below which a smaller network learns more in the same time."""

MOST_ITERATIONS = 250_000
"""nnU-Net's length of a training; more has not been seen to help."""

MOST_EPOCHS = 100
FEWEST_EPOCHS = 10
FEWEST_PER_EPOCH = 10

FOR_CHECKPOINTS = 0.05
"""The part of the time that may go into writing them, one after each epoch."""

DISK = 100e6
"""Bytes per second that reach a slow disk, digested and safe."""

FOR_VALIDATION = 0.1
"""The part of the time that may go into validation."""

LOOKS = 10
"""Validations that a training should have, at least."""

FEWEST_WATCHED = 4
"""Cases whose mean Dice says something."""

MARGIN = 0.9
"""The part of the time that is planned with: a machine is not equally fast all the time."""

LONG = 20_000
"""From so many iterations on, SGD with momentum ends at a better place than Adam (nnU-Net's setting)."""

TRIED = 40**3
"""Voxels of the patch on which the machine's speed is measured: neither so small that overheads count, nor slow."""

SMALLEST_PART = 0.3
"""Of the largest patch that fits: what a smaller one saves, it loses in what the network sees around a voxel."""

SHORT = Optimiser("adamw", 5e-3, weight_decay=1e-2)
"""For fewer. On 400 iterations it comes as far as with a rate of 1e-3 on 730 (hippocampus, held-out cases)."""

BATCH = 2
"""Patches of an iteration, as nnU-Net has them on large patches; more where more processes share them."""

RADIUS = 2
"""Voxels from a click's centre to its rim."""

DEEP = 3
"""Resolutions below the full one that learn as well."""


@dataclass(frozen=True)
class Budget:
    """What a person gives.

    Attributes:
        minutes: of wall time, for one training.
        memory: bytes, at the peak, on the device.
        device: torch's name.
        processes: that train together, each with a device and this memory; they divide the batch.
    """

    minutes: float
    memory: int
    device: str = "cpu"
    processes: int = 1

    @property
    def batch(self) -> int:
        """Patches of one process: two in all, or one in each."""
        return math.ceil(BATCH / self.processes)


def make_plan(
    facts: Sequence[CaseFacts],
    data_set: DataSet,
    budget: Budget,
    name: str,
    held_out: int = 1,
    interactive: bool = False,
) -> Plan:
    """Plans a training that ends within the budget. A few iterations are run, to time them.

    Args:
        facts: of the cases that are learnt from.
        data_set: their labels and channels.
        budget: time and memory.
        name: of the model.
        held_out: cases for validation.
        interactive: it listens to clicks.

    Raises:
        MedDLError: DATA_INVALID; NO_MEMORY where the smallest patch does not fit.
    """
    seen = fingerprint(facts, data_set)
    outputs = len(data_set.labels) + (not seen.overlapping)
    padding = 0.0 if interactive else seen.padding  # channels of clicks are padded with it, too
    plan = Plan(
        name=name,
        labels=tuple(replace(label, layer=0) for label in data_set.labels),
        network=Network("StagedUNet"),
        inference=Inference(patch=seen.shape, windows="stepped", weighting="monai", padding_value=padding),
        channels=seen.channels,
        grid=seen.grid,
        overlapping=seen.overlapping,
        batch=budget.batch,
        augmentation=Augmentation(flips=seen.flips),
        listening=listening_on(seen.grid) if interactive else None,
    )
    fitting = _fitting(plan, seen, budget, plan.spec.input_channels, outputs)
    return within_budget(fitting, seen.shape, budget, held_out)


def plan_from_model(
    package: ModelPackage,
    data_set: DataSet,
    budget: Budget,
    name: str,
    fixed: float = 0.0,
    held_out: int = 1,
    interactive: bool = False,
    facts: Sequence[CaseFacts] = (),
) -> Plan:
    """A plan that begins with another model's weights: on its grid, with its preprocessing and its network.

    Args:
        package: the model; of an ensemble, the first member.
        data_set: the labels to learn.
        budget: time and memory.
        name: of the model that comes out.
        fixed: as in ``Start``.
        held_out: cases for validation.
        interactive: it listens to clicks, as a model that does goes on to do.
        facts: of the cases that are learnt from.

    Raises:
        MedDLError: CHANNELS_MISMATCH where the data have other channels, or in another order; WRONG_MODALITY;
            MODEL_INVALID for a model without a patch, in parts, or with code of its own; PLAN_INVALID where its grid is
            too coarse for a label.
    """
    spec = package.spec
    if package.parts or package.previous or package.trusted or spec.inference.patch is None or spec.foreground:
        raise MedDLError(
            Code.MODEL_INVALID,
            f"A training cannot begin with {spec.name}: it is not one network that works patch by patch.",
            "Take one of its parts, or another model.",
        )
    if len(spec.channels) != len(data_set.channels):
        raise MedDLError(
            Code.CHANNELS_MISMATCH,
            f"{spec.name} takes {len(spec.channels)} channel(s); the data have {len(data_set.channels)}.",
        )
    check_order(data_set.channels, spec.channels, spec.name)
    _check_modality(facts, data_set, spec)
    _check_seen(facts, spec)
    overlapping = not data_set.exclusive or any(case.overlap for case in facts)
    outputs = len(data_set.labels) + (not overlapping)
    listening, inference = _listening_after(spec, interactive), replace(spec.inference, mirror_axes=())
    if listening is not None:
        inference = replace(inference, padding="constant", padding_value=0.0)
    plan = Plan(
        name=name,
        labels=tuple(replace(label, layer=0) for label in data_set.labels),
        network=with_channels(spec.network, outputs),
        inference=inference,
        channels=tuple(Channel(c.name, c.modality, spec.intensity_of(n)) for n, c in enumerate(spec.channels)),
        grid=spec.grid,
        statistics=spec.statistics,
        steps_on_scan=spec.steps_on_scan,
        overlapping=overlapping,
        batch=budget.batch,
        augmentation=Augmentation(flips=flips(data_set.labels, spec.grid.orientation, facts)),
        start=Start(str(package.folder), package.sha256, fixed),
        listening=listening,
    )
    if plan.spec.input_channels != spec.input_channels:
        plan = replace(plan, network=with_inputs(plan.network, plan.spec.input_channels))
    return within_budget(plan, spec.inference.patch, budget, held_out)


def _check_modality(facts: Sequence[CaseFacts], data_set: DataSet, spec: ModelSpec) -> None:
    """Refuses scans that the model that comes out, with this one's inputs and intensities, would refuse itself."""
    for n, (own, wanted) in enumerate(zip(data_set.channels, spec.channels, strict=True)):
        modality = modality_of(n, own, facts)
        if None not in (modality, wanted.modality) and modality != wanted.modality:
            raise MedDLError(
                Code.WRONG_MODALITY,
                f"{spec.name} is for {wanted.modality}; the scans of the channel {own.name!r} are {modality}.",
                "Begin with a model for this modality, or without --from.",
            )


def _check_seen(facts: Sequence[CaseFacts], spec: ModelSpec) -> None:
    """Refuses a grid on whose voxels a structure is not to be seen: its Dice would be 0.

    Raises:
        MedDLError: PLAN_INVALID.
    """
    spacing = spec.grid.spacing or (0.0, 0.0, 0.0)
    for name in dict.fromkeys(name for case in facts for name in case.labels):
        volumes = [its.volume for case in facts if (its := case.labels.get(name)) is not None and its.voxels]
        if volumes and median(volumes) < math.prod(spacing):
            mm = " x ".join(f"{each:g}" for each in spacing)
            raise MedDLError(
                Code.PLAN_INVALID,
                f"{name} is smaller than one voxel of {spec.name}, whose grid has {mm} mm: it could not be learnt.",
                "Begin with a model of a finer grid, or without --from.",
            )


def check_order(offered: Sequence[Channel], wanted: Sequence[Channel], name: str) -> None:
    """Refuses the same channels in another order: each would be taken for another one.

    Raises:
        MedDLError: CHANNELS_MISMATCH.
    """
    have, want = ([channel.name.casefold() for channel in its] for its in (offered, wanted))
    if sorted(have) == sorted(want) and have != want:
        raise MedDLError(
            Code.CHANNELS_MISMATCH,
            f"{name} takes {', '.join(c.name for c in wanted)}; the data have {', '.join(c.name for c in offered)}.",
            "Give the data's channels in that order: with --channel, or in dataset.json and the numbers of the files.",
        )


def listening_on(grid: Grid) -> Listening:
    """Balls that reach two voxels far along the finest axis."""
    finest = min((mm for mm in grid.spacing or () if mm > 0), default=1.0)
    return Listening(radius=round(RADIUS * finest, 3))


def _listening_after(spec: ModelSpec, interactive: bool) -> Listening | None:
    if spec.clicks is not None:
        return Listening(spec.clicks.radius)
    return listening_on(spec.grid) if interactive else None


def _fitting(plan: Plan, seen: Fingerprint, budget: Budget, inputs: int, outputs: int) -> Plan:
    """The widest network with the largest patch that fits the memory and gives enough iterations in the time."""
    from ..loop.probe import demand, speed_of

    patches = list(_from_large_to_small(architecture_for(first_patch(seen.shape), seen.spacing)))
    usual = min(patches, key=lambda architecture: abs(math.prod(architecture.patch) - TRIED))
    speed = speed_of(_with(plan, usual, WIDTHS[2], inputs, outputs), budget.device)
    operations_in_time = speed * MARGIN * 60 * budget.minutes / ENOUGH

    def fits(candidate: Plan) -> tuple[bool, bool]:
        memory, operations = demand(candidate)
        return memory <= budget.memory, operations <= operations_in_time

    largest: Architecture | None = None
    best: Plan | None = None
    for architecture in patches:
        narrowest = _with(plan, architecture, WIDTHS[-1], inputs, outputs)
        in_memory, in_time = fits(narrowest)
        if not in_memory:
            continue
        largest = largest or architecture
        if math.prod(architecture.patch) < SMALLEST_PART * math.prod(largest.patch):
            break
        best = narrowest
        if in_time:
            wider = (_with(plan, architecture, width, inputs, outputs) for width in WIDTHS[:-1])
            return next((candidate for candidate in wider if all(fits(candidate))), narrowest)
    if best is None:
        raise MedDLError(
            Code.NO_MEMORY,
            f"{budget.memory / 1e9:.1f} GB do not hold a training on the smallest patch.",
            "Give more with --memory.",
        )
    return best


def _from_large_to_small(first: Architecture) -> Iterator[Architecture]:
    architecture: Architecture | None = first
    while architecture is not None:
        yield architecture
        architecture = architecture.smaller


def _with(plan: Plan, architecture: Architecture, width: int, inputs: int, outputs: int) -> Plan:
    return replace(
        plan,
        network=architecture.network(width, inputs, outputs),
        inference=replace(plan.inference, patch=architecture.patch),
        deep_supervision=min(DEEP, max(0, len(architecture.strides) - 2)),
    )


def within_budget(plan: Plan, shape: Sequence[int], budget: Budget, held_out: int) -> Plan:
    """The plan with as many iterations as the time allows, by timing a few of them.

    Args:
        plan: with its network, patch, and the batch of one process.
        shape: voxels of a usual case on the network's grid.
        budget: time and memory.
        held_out: cases for validation.
    """
    from MedDLCore.inference import window_starts

    from ..loop.probe import seconds_of, size_of_checkpoint

    step, forward = seconds_of(plan, budget.device)
    windows = math.prod(
        len(window_starts(max(n, p), p, plan.inference.overlap, plan.inference.windows))
        for n, p in zip(shape, plan.patch, strict=True)
    )
    whole = MARGIN * 60 * budget.minutes
    look = windows * forward / budget.processes  # at one case
    seconds = max(whole - held_out * look, 0.5 * whole)  # in the end, all held-out cases are looked at
    iterations = max(FEWEST_PER_EPOCH, min(MOST_ITERATIONS, int(seconds * (1 - FOR_VALIDATION) / step)))
    affordable = int(FOR_CHECKPOINTS * whole * DISK / size_of_checkpoint(plan))
    epochs = max(1, min(MOST_EPOCHS, max(FEWEST_EPOCHS, affordable), iterations // FEWEST_PER_EPOCH))
    looks = max(1, int(seconds * FOR_VALIDATION / look))
    cases = min(held_out, max(FEWEST_WATCHED, looks // LOOKS))
    every = math.ceil(epochs * cases / looks)
    iterations_per_epoch = iterations // epochs
    return replace(
        plan,
        batch=plan.batch * budget.processes,
        iterations=iterations_per_epoch,
        epochs=epochs,
        optimiser=Optimiser() if iterations >= LONG else SHORT,
        schedule=Schedule() if iterations >= LONG else Schedule("cosine", warm_up=0.05),
        validation=Validation(min(every, epochs), None if cases >= held_out else cases),
        notes={
            "planned_minutes": budget.minutes,
            "device": budget.device,
            "seconds_per_iteration": round(step, 4),
            "seconds_per_window": round(forward, 4),
        },
    )
