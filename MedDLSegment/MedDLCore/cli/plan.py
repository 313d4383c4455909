"""``meddl plan``: what a run will need, before it runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..errors import Exit, MedDLError
from ..models import open_model
from ..pipeline import plan as make_plan
from .reading import Tally, each_case
from .reporter import Reporter, duration
from .settings import Request, scan_options

if TYPE_CHECKING:
    from ..inference import Plan


@click.command()
@scan_options
def plan(request: Request) -> int:
    """Say what a run will need: patches, memory, time.

    Reads the scan and runs a small patch to learn this machine's speed; writes nothing. Ends with status 5 where the
    run would not fit into the memory.
    """
    fits = True
    with Reporter(request.as_json) as reporter:
        package = open_model(request.model)
        tally = Tally(reporter)
        stages = ("prepare", "network", "finish", "write", "picture")
        for case, model in each_case(request, package, reporter, tally, stages):
            try:
                foreseen = make_plan(case, model, request.options)
            except MedDLError as error:
                tally.refused(error)
                continue
            tally.succeeded(foreseen.notices)
            reporter.notices((*package.notices, *foreseen.notices))
            reporter.result(_in_words(foreseen), fits=foreseen.fits, **_figures(foreseen))
            fits &= foreseen.fits
    return int(tally.status if fits else Exit.RESOURCES)


def _figures(plan: Plan) -> dict[str, Any]:
    """What programs are told; warnings are events of their own."""
    figures = asdict(plan)
    del figures["notices"]
    return figures


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
        lines.append(f"It does not fit. {plan.remedy}")
    return "\n".join(lines)
