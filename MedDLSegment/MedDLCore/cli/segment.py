"""``meddl segment``: scans in, segmentations out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from ..atomic import check_place
from ..case import CaseResult, Outputs, run_case
from ..errors import MedDLError
from ..models import open_model
from ..pictures import PICTURE
from ..writers import FORMATS
from .reading import Tally, each_case
from .reporter import Reporter
from .scenes import SCENE, require_scenes
from .settings import FilePath, Request, scan_options


@click.command()
@scan_options
@click.option("--out", "-o", required=True, type=FilePath(file_okay=False), help="Folder for the results.")
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
    request: Request, out: Path, formats: tuple[str, ...], picture: bool, overwrite: bool, anonymous: bool
) -> int:
    """Segment a scan with a model.

    INPUT is a DICOM folder or its files, a NIfTI, NRRD or MetaImage file, or a Slicer scene. Several INPUTs are the
    channels of a model with several channels, in its order, and separate scans for any other model.
    """
    beside = (*((SCENE,) if "mrb" in formats else ()), *((PICTURE,) if picture else ()))
    outputs = Outputs(out, tuple(f for f in formats if f in FORMATS), overwrite, anonymous, beside)
    with Reporter(request.as_json) as reporter:
        if "mrb" in formats:
            require_scenes()
        check_place(out)
        package = open_model(request.model)
        tally = Tally(reporter)
        for case, model in each_case(request, package, reporter, tally, () if picture else ("picture",)):
            try:
                result = run_case(case, model, outputs, request.options, reporter.progress)
            except MedDLError as error:
                tally.refused(error)
                continue
            outputs = replace(outputs, kept=outputs.kept.union(result.files.values()))
            tally.succeeded(result.notices)
            reporter.notices(result.notices)
            reporter.result(
                _summary(result),
                files={kind: str(path) for kind, path in result.files.items()},
                structures={row.name: round(row.volume_mL, 3) for row in result.statistics},
                seconds=result.segmentation.seconds,
                device=result.segmentation.device,
                backends=result.segmentation.backends,
            )
    return int(tally.status)


def _summary(result: CaseResult) -> str:
    width = max(len(row.name) for row in result.statistics)
    volumes = [f"  {row.name:{width}}  {row.volume_mL:10.1f} mL" for row in result.statistics]
    written = [f"  {path}" for path in result.files.values()]
    seconds = sum(result.segmentation.seconds.values())
    return "\n".join([f"Done in {seconds:.0f} s on {result.segmentation.device}.", *volumes, "Written:", *written])
