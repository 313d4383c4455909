"""``meddl plan``: what a run will need, before it runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..errors import Exit
from ..inference import Plan
from ..models import open_model
from ..pipeline import admit, load
from ..pipeline import plan as make_plan
from .reading import group_inputs, read_cases
from .reporter import Reporter, duration
from .settings import read_options, run_options, scan_options


@click.command()
@scan_options
def plan(
    inputs: tuple[Path, ...],
    model: str,
    structures: tuple[str, ...],
    region: Any,
    series: str | None,
    frame: Any,
    modality: str | None,
    allow: tuple[str, ...],
    device: str,
    threads: int | None,
    as_json: bool,
) -> int:
    """Say what a run will need: patches, memory, time.

    Reads the scan and runs a small patch to learn this machine's speed; writes nothing. Ends with status 5 where the
    run would not fit into the memory.
    """
    fits = True
    with Reporter(as_json) as reporter:
        package = open_model(model)
        channels = len(package.spec.channels)
        reporter.case(inputs[0].name, ("prepare", "network", "finish", "write", "picture"))
        reporter.progress("read", 0, 1)
        reading = read_options(series, frame, modality, allow)
        cases = [case for paths in group_inputs(inputs, channels) for case in read_cases(paths, channels, reading)]
        reporter.progress("load", 0, 1)
        ready = load(package, device, threads)
        options = run_options(structures, region, allow)
        for case in cases:
            foreseen = make_plan(case, ready, options)
            reporter.notices((*package.notices, *admit(case, package.spec, options)))
            reporter.result(_in_words(foreseen), fits=foreseen.fits, **asdict(foreseen))
            fits &= foreseen.fits
    return int(Exit.OK if fits else Exit.RESOURCES)


def _in_words(plan: Plan) -> str:
    size = "x".join(map(str, plan.network_shape))
    how = f"{plan.patches} patches" if plan.patches > 1 else "one piece"
    passes = f", {plan.passes} passes each" if plan.passes > 1 else ""
    lines = [
        f"{size} voxels for the network, in {how}{passes}, on {plan.device}",
        f"memory: {plan.memory / 1e9:.1f} GB needed, {plan.free_memory / 1e9:.1f} GB free",
    ]
    if plan.device_memory:
        lines.append(f"on the device: {plan.device_memory / 1e9:.1f} GB, {plan.free_device_memory / 1e9:.1f} GB free")
    if plan.seconds is not None:
        lines.append(f"network: about {duration(plan.seconds)}")
    if not plan.fits:
        lines.append("It does not fit. Close other programs, or restrict the run with --roi.")
    return "\n".join(lines)
