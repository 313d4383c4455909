"""How long an iteration takes, measured in the same way for every engine."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from unittest import mock

from MedDLTraining.loop import probe
from MedDLTraining.plan.making import MARGIN

from .ledger import cpu_seconds


@dataclass(frozen=True)
class Pace:
    """CPU-seconds.

    Attributes:
        iteration: of one step of the optimiser, its batch and augmentation included.
        look: of one batch of held-out patches, or of one window.
    """

    iteration: float
    look: float


def looked_at(minutes: float) -> float:
    """Seconds of a budget that is planned with: the part that MedDL leaves free, for every engine."""
    return 60 * minutes * MARGIN


def seconds_each(iteration: Callable[[], object], look: Callable[[], object]) -> Pace:
    """Runs a few of each, as many as MedDL's own planner does, and takes the medians."""
    return Pace(_median(iteration), _median(look))


@contextmanager
def counting_cpu_seconds() -> Iterator[None]:
    """MedDL's planner with a clock that does not count what other processes of the machine do."""
    with mock.patch.object(probe, "time", SimpleNamespace(perf_counter=cpu_seconds)):
        yield


def _median(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(probe.WARM + probe.TIMED):
        begun = cpu_seconds()
        work()
        taken.append(cpu_seconds() - begun)
    return statistics.median(taken[probe.WARM :])
