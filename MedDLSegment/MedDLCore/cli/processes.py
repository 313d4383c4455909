"""A command that trains, in several processes: started here, or by torchrun."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import click

from ..errors import Exit
from .main import GIVEN
from .reporter import Reporter

HELP = "So many train together, each on a graphics card of its own, or on its part of the processor."


def in_processes(command: Callable[..., int]) -> Callable[..., int]:
    """Adds ``--processes``. The command runs in the first of them; the others take their share of its trainings.

    It is called with the device and the threads of its own process. Without it, nothing is started or met.
    """

    @click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help=HELP)
    @functools.wraps(command)
    def requested(*arguments: Any, processes: int, device: str, threads: int | None, as_json: bool, **own: Any) -> int:
        from MedDLTraining.launching import launch, member

        def run(chosen: str, cores: int | None) -> int:
            return command(*arguments, device=chosen, threads=cores, as_json=as_json, **own)

        if member() is not None:
            return _as_one_of_several(run, device, threads)
        if processes == 1:
            return run(device, threads)
        with Reporter(as_json) if as_json else nullcontext():
            return launch(["-m", __package__, *click.get_current_context().meta[GIVEN]], processes)

    return requested


def _as_one_of_several(run: Callable[[str, int], int], device: str, threads: int | None) -> int:
    """The exit status. Who was interrupted, or left alone, says nothing: whoever started all of them does."""
    from MedDLTraining.launching import SILENT, end_with_launcher, neighbours
    from MedDLTraining.loop.fitting import fit_along
    from MedDLTraining.loop.processes import ProcessLostError, joining, own_device

    from ..inference import choose_device
    from ..inference.devices import usable_cores

    end_with_launcher()
    cores = threads or max(1, usable_cores() // neighbours())
    try:
        chosen = choose_device(own_device(device), cores).name
        with joining(chosen) as processes:
            if processes.rank == 0:
                return run(chosen, cores)
            fit_along(chosen)
    except (KeyboardInterrupt, ProcessLostError):
        return SILENT
    return int(Exit.OK)
