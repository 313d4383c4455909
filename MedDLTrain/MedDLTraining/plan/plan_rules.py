"""What a plan must be: settings that go together, and numbers within their bounds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec_rules import MOST_CLICKED

from .plan import Effect, Plan

MOST = 10_000_000
"""Iterations, epochs and the like."""

MOST_CLICKS = 100
"""On one patch, each after a run of the network."""

POSITIVE = {"scaling", "gamma", "low_resolution", "brightness", "contrast"}
"""Effects whose strength is a factor or an exponent."""


def check_plan(plan: Plan) -> None:
    """Refuses a plan that no training could follow.

    Raises:
        MedDLError: PLAN_INVALID, naming the setting.
    """
    for where, problem in _problems(plan):
        raise MedDLError(Code.PLAN_INVALID, f"plan.{where}: {problem}.")
    plan.spec  # noqa: B018  what is wrong with the model is refused there


def _problems(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.inference.patch is None:
        yield "inference.patch", "a training needs a patch"
    for name, low in (("batch", 1), ("iterations", 1), ("epochs", 1), ("deep_supervision", 0), ("folds", 0)):
        if not low <= getattr(plan, name) <= MOST:
            yield name, f"must be at least {low}"
    if plan.folds == 1 or plan.fold < 0 or 0 < plan.folds <= plan.fold:
        yield "fold", "folds are at least 2, or 0 for those that a split names, and fold, from 0, is one of them"
    if not 0 <= plan.seed < 2**32:
        yield "seed", "must lie between 0 and 2**32 - 1"
    if not 0 <= plan.foreground <= 1:
        yield "foreground", "is a part, 0 to 1"
    if sorted(label.value for label in plan.labels) != list(range(1, len(plan.labels) + 1)):
        yield "labels", "values are 1, 2, 3 ..."
    if plan.listening is not None and len(plan.labels) > MOST_CLICKED:
        few = f"a network listens to clicks on at most {MOST_CLICKED} structures; there are {len(plan.labels)}"
        yield "listening", f"{few}. Merge some, or leave some out, with a table of labels, or train without clicks"
    if plan.listening is not None and not 0 <= plan.listening.silent <= 1:
        yield "listening.silent", "is a part, 0 to 1"
    if plan.listening is not None and not 1 <= plan.listening.most <= MOST_CLICKS:
        yield "listening.most", f"must lie between 1 and {MOST_CLICKS}"
    if plan.listening is not None and not 0 <= plan.listening.weight < math.inf:
        yield "listening.weight", "must be 0 or more"
    yield from _of_learning(plan)
    yield from _of_augmentation(plan)


def _of_learning(plan: Plan) -> Iterator[tuple[str, str]]:
    optimiser, schedule, validation = plan.optimiser, plan.schedule, plan.validation
    if not 0 < optimiser.rate < 100:
        yield "optimiser.rate", "must be above 0"
    if not 0 <= optimiser.momentum < 1:
        yield "optimiser.momentum", "must lie in [0, 1)"
    if not 0 <= optimiser.weight_decay < 1:
        yield "optimiser.weight_decay", "must lie in [0, 1)"
    if optimiser.clip is not None and not optimiser.clip > 0:
        yield "optimiser.clip", "must be above 0"
    if optimiser.average is not None and not 0 < optimiser.average < 1:
        yield "optimiser.average", "must lie between 0 and 1"
    if not 0 < schedule.power < 100:
        yield "schedule.power", "must be above 0"
    if not 0 <= schedule.warm_up < 1:
        yield "schedule.warm_up", "must lie in [0, 1)"
    if not 1 <= validation.every <= MOST:
        yield "validation.every", "must be at least 1"
    for name in ("cases", "patience"):
        value = getattr(validation, name)
        if value is not None and not 1 <= value <= MOST:
            yield f"validation.{name}", "must be at least 1, or null"
    for f in dataclasses.fields(plan.loss):
        value = getattr(plan.loss, f.name)
        if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
            yield f"loss.{f.name}", "must be at least 0"
    if plan.start is not None and not 0 <= plan.start.fixed <= 1:
        yield "start.fixed", "is a part, 0 to 1"


def _of_augmentation(plan: Plan) -> Iterator[tuple[str, str]]:
    augmentation = plan.augmentation
    if len({0, 1, 2} & set(augmentation.flips)) != len(augmentation.flips):
        yield "augmentation.flips", "axes are 0, 1, 2, each once"
    for f in dataclasses.fields(augmentation):
        effect = getattr(augmentation, f.name)
        if not isinstance(effect, Effect):
            continue
        where = f"augmentation.{f.name}"
        if not 0 <= effect.probability <= 1:
            yield f"{where}.probability", "must lie between 0 and 1"
        if not -1e6 < effect.low <= effect.high < 1e6:
            yield where, "low is at most high"
        if f.name != "rotation" and effect.low < (1e-2 if f.name in POSITIVE else 0):
            yield f"{where}.low", "is too small"
    if augmentation.low_resolution.high > 1:
        yield "augmentation.low_resolution.high", "is a part of the resolution, at most 1"
