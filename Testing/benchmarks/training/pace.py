"""How long an iteration takes, measured in the same way for every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

from MedDLTraining.loop import probe
from MedDLTraining.plan.making import MARGIN

from .ledger import cpu_seconds

WARM, TIMED = 1, 5
"""Calls before the clock runs, and those that are timed."""


@dataclass(frozen=True)
class Pace:
    """CPU-seconds.

    Attributes:
        iteration: of one step of the optimiser, its batch and augmentation included.
        look: of one batch of held-out patches, or of one window.
    """

    iteration: float
    look: float


def planned_with(minutes: float) -> float:
    """Seconds of a budget that is planned with: the part that MedDL leaves free, for every engine."""
    return 60 * minutes * MARGIN


def seconds_each(iteration: Callable[[], object], look: Callable[[], object]) -> Pace:
    """Runs a few of each."""
    return Pace(least(iteration), least(look))


def least(work: Callable[[], object], device: str = "cpu") -> float:
    """CPU-seconds of the quickest of a few: whatever else a machine does can only slow it, CPU time too."""
    taken = []
    for _ in range(WARM + TIMED):
        begun = cpu_seconds()
        work()
        taken.append(cpu_seconds() - begun)
    return min(taken[WARM:])


@contextmanager
def counting_cpu_seconds() -> Iterator[None]:
    """MedDL's planner with this clock; its own is that on the wall."""
    with mock.patch.object(probe, "_median", least):
        yield
