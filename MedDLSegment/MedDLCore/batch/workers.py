"""Workers on one machine: how many it carries, and each as a site of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from ..machine_memory import free_memory
from ..models import ModelPackage
from ..worker import Job as WorkerJob
from .foresight import Foresight
from .segmenters import WorkerSegmenter
from .site import LocalSite

SHARE_OF_MEMORY = 0.8
"""Of what is free now; the rest is for the scans that are read ahead and for everybody else."""

CORES_EACH = 4
"""A network on the CPU gains little from further cores before it has so many."""

ON_A_DEVICE = 2
"""Workers of one graphics card: while one computes, the other prepares its scan and writes its result."""


def workers_that_fit(needs: Foresight) -> int:
    """Workers at once on this machine; the largest scan counts for every one of them."""
    from ..inference.devices import usable_cores  # here: it imports torch

    by_memory = int(free_memory() * SHARE_OF_MEMORY // max(needs.memory, 1))
    by_cores = ON_A_DEVICE if needs.on_device else usable_cores() // CORES_EACH
    return max(1, min(by_memory, by_cores, needs.scans))


def fair_threads(workers: int) -> int | None:
    """CPU threads of each of several workers; None for one alone, which takes what the library likes best."""
    from ..inference.devices import usable_cores

    return None if workers == 1 else max(1, usable_cores() // workers)


@contextmanager
def local_sites(count: int, package: ModelPackage, worker: WorkerJob, log: Path) -> Iterator[Sequence[LocalSite]]:
    """So many workers, each with its part of the cores unless the job says how many threads it has.

    Args:
        count: of workers; none starts before it has a scan.
        package: the model.
        worker: see ``WorkerSegmenter``.
        log: where what they print is appended.
    """
    each = replace(worker, threads=worker.threads or fair_threads(count))
    with ExitStack() as stack:
        segmenters = [stack.enter_context(WorkerSegmenter(package, each, log)) for _ in range(count)]
        yield [stack.enter_context(LocalSite(segmenter)) for segmenter in segmenters]
