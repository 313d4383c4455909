"""``meddl segment``: scans in, segmentations out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..case import CaseResult, Outputs, run_case
from ..errors import Code, Exit, MedDLError
from ..models import open_model
from ..pipeline import Model, Options, load
from ..writers import FORMATS
from .pictures import draw
from .reading import Case, group_inputs, read_cases
from .reporter import Reporter
from .scenes import require_scenes, write_scene
from .settings import read_options, run_options, scan_options

OF_ONE_SCAN = (Code.NO_MEMORY, Code.NETWORK_NONFINITE)
"""Refusals that say nothing about the next scan, though their exit status is that of a machine or a model."""


@click.command()
@scan_options
@click.option(
    "--out", "-o", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the results."
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice([*FORMATS, "mrb"]),
    default=("nrrd",),
    show_default=True,
    help="What to write. Repeatable.",
)
@click.option("--picture/--no-picture", default=True, show_default=True, help="Draw planes and surfaces.")
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier run.")
@click.option("--anonymous", is_flag=True, help="Name the results by the scan's content, not by its file name.")
def segment(
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
    out: Path,
    formats: tuple[str, ...],
    picture: bool,
    overwrite: bool,
    anonymous: bool,
) -> int:
    """Segment a scan with a model.

    INPUT is a DICOM folder or its files, a NIfTI, NRRD or MetaImage file, or a Slicer scene. Several INPUTs are the
    channels of a model with several channels, in its order, and separate scans for any other model.
    """
    beside = (*((".png",) if picture else ()), *((".mrb",) if "mrb" in formats else ()))
    outputs = Outputs(out, tuple(f for f in formats if f in FORMATS), overwrite, anonymous, beside)
    options = run_options(structures, region, allow)
    reading = read_options(series, frame, modality, allow)
    done = 0
    failures: list[MedDLError] = []

    with Reporter(as_json) as reporter:

        def refused(error: MedDLError) -> None:
            """One scan that is refused does not stop the rest; a model or a machine that fails does."""
            if error.exit not in (Exit.INPUT, Exit.OUTPUT) and error.code not in OF_ONE_SCAN:
                raise error
            failures.append(error)
            reporter.error(error)

        if "mrb" in formats:
            require_scenes()
        package = open_model(model)
        channels = len(package.spec.channels)
        ready: Model | None = None
        for paths in group_inputs(inputs, channels):
            reporter.case(_names(paths), _absent(picture, loaded=ready is not None))
            reporter.progress("read", 0, 1)
            try:
                cases = read_cases(paths, channels, reading)
            except MedDLError as error:
                refused(error)
                continue
            for number, case in enumerate(cases):
                if number:
                    reporter.case(
                        f"{_names(paths)} {number + 1}/{len(cases)}", _absent(picture, loaded=True, read=True)
                    )
                if ready is None:
                    reporter.progress("load", 0, 1)
                    ready = load(package, device, threads)
                try:
                    written = _run(case, ready, outputs, options, reporter)
                    outputs = replace(outputs, kept=outputs.kept.union(written))
                    done += 1
                except MedDLError as error:
                    refused(error)
    if failures and not done:
        return int(failures[0].exit)
    return int(Exit.SOME_FAILED if failures else Exit.OK)


def _absent(picture: bool, loaded: bool, read: bool = False) -> tuple[str, ...]:
    """The stages that a case does not have."""
    absent = {"picture": not picture, "load": loaded, "read": read}
    return tuple(stage for stage, is_absent in absent.items() if is_absent)


def _names(inputs: tuple[Path, ...]) -> str:
    return inputs[0].name + (f" (+{len(inputs) - 1})" if len(inputs) > 1 else "")


def _run(case: Case, ready: Model, outputs: Outputs, options: Options, reporter: Reporter) -> tuple[Path, ...]:
    result = run_case(case, ready, outputs, options, reporter.progress)
    files = dict(result.files)
    if ".mrb" in outputs.beside:
        files["mrb"] = write_scene(case[0], result, outputs)
    if ".png" in outputs.beside:
        reporter.progress("picture", 0, 1)
        files |= draw(case[0], result, outputs)
    reporter.notices(result.notices)
    reporter.result(
        _summary(result, files),
        files={kind: str(path) for kind, path in files.items()},
        structures={row.name: round(row.volume_mL, 3) for row in result.statistics},
        seconds=result.segmentation.seconds,
        device=result.segmentation.device,
    )
    return tuple(files.values())


def _summary(result: CaseResult, files: dict[str, Path]) -> str:
    width = max(len(row.name) for row in result.statistics)
    volumes = [f"  {row.name:{width}}  {row.volume_mL:10.1f} mL" for row in result.statistics]
    written = [f"  {path}" for path in files.values()]
    seconds = sum(result.segmentation.seconds.values())
    return "\n".join([f"Done in {seconds:.0f} s on {result.segmentation.device}.", *volumes, "Written:", *written])
