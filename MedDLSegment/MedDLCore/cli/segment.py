"""``meddl segment``: scans in, segmentations out."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import click

from ..admission import Options
from ..atomic import check_place
from ..case import CaseResult, Outputs, carry_out, run_case
from ..click import Click
from ..clock import OnProgress
from ..errors import Code, MedDLError
from ..models import open_model
from ..pictures import PICTURE
from ..pipeline import Model, Segmentation
from ..preprocess import is_crop
from ..refine import check_listens, segment_with_clicks
from ..writers import FORMATS, add_to_training_set, check_training_set
from .reading import Case, Tally, each_case, group_inputs
from .reporter import Reporter
from .scenes import SCENE, require_scenes
from .settings import FilePath, Request, scan_options


def _clicks(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[Click, ...]:
    return tuple(_click_of(text) for text in texts)


def _click_of(text: str) -> Click:
    """``R,A,S=NAME``: it is there; ``R,A,S!=NAME``: it is not."""
    place, _, structure = text.partition("=")
    try:
        r, a, s = (float(number) for number in place.removesuffix("!").split(","))
    except ValueError:
        r, a, s = math.nan, math.nan, math.nan
    if not structure.strip() or not math.isfinite(r + a + s):
        raise click.BadParameter("give three numbers in mm and a structure: R,A,S=NAME, or R,A,S!=NAME")
    return Click((r, a, s), structure.strip(), positive=not place.endswith("!"))


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
@click.option(
    "--click",
    "clicks",
    multiple=True,
    callback=_clicks,
    metavar="R,A,S=NAME|R,A,S!=NAME",
    help="Correct the result: at this point, in mm, is this structure, or is not. Repeatable, in their order. For "
    "models that were trained to listen.",
)
@click.option(
    "--collect",
    type=FilePath(file_okay=False),
    help="With --click: keep the corrected case in this training set, too. See meddl collect.",
)
@click.option("--picture/--no-picture", default=True, show_default=True, help="Draw planes and surfaces.")
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier run.")
@click.option("--anonymous", is_flag=True, help="Name the results by the scan's content, not by its file name.")
def segment(
    request: Request,
    out: Path,
    formats: tuple[str, ...],
    clicks: tuple[Click, ...],
    collect: Path | None,
    picture: bool,
    overwrite: bool,
    anonymous: bool,
) -> int:
    """Segment a scan with a model.

    INPUT is a DICOM folder or its files, a NIfTI, NRRD or MetaImage file, or a Slicer scene. Several INPUTs are the
    channels of a model with several channels, in its order, and separate scans for any other model.
    """
    if clicks and replace(request.options, allow=frozenset()) != Options():
        raise click.UsageError("--click goes with the whole scan: leave --structure, --roi, --at and --crop-body away.")
    if collect is not None and not clicks:
        raise click.UsageError("--collect goes with --click: of what it found on its own, a network learns nothing.")
    beside = (*((SCENE,) if "mrb" in formats else ()), *((PICTURE,) if picture else ()))
    outputs = Outputs(out, tuple(f for f in formats if f in FORMATS), overwrite, anonymous, beside)
    with Reporter(request.as_json) as reporter:
        if "mrb" in formats:
            require_scenes()
        check_place(out)
        package = open_model(request.model)
        if clicks:
            check_listens(package.spec)
            _check_single(request, len(package.spec.channels))
        if collect is not None:
            check_training_set(collect, package.spec.channels, [label.name for label in package.spec.labels])
        tally = Tally(reporter)
        without = () if picture else ("picture",)
        for case, model in each_case(request, package, reporter, tally, without, single=bool(clicks)):
            try:
                if collect is not None:
                    _check_whole(case, model)
                result = _result(case, model, clicks, outputs, request.options, reporter.progress)
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
            if collect is not None:
                made_by = {"name": model.spec.name, "sha256": package.sha256}
                found = result.segmentation.label_map
                try:
                    add_to_training_set(collect, case, found, model.spec.channels, clicks, made_by)
                except MedDLError as error:
                    tally.refused(error)  # the result is there, and told: meddl collect takes it later
    return int(tally.status)


def _check_single(request: Request, channels: int) -> None:
    """Clicks are about what was found in one scan; in another one they would be mistakes that are learnt from.

    What one input holds is known when it is read. All volumes of a file are one scan to a model of several channels.
    """
    every = channels == 1 and "all" in (request.reading.series, request.reading.frame)
    if every or len(group_inputs(request.inputs, channels)) > 1:
        raise click.UsageError("--click corrects one scan: give the others, with their own clicks, one by one.")


def _check_whole(case: Case, model: Model) -> None:
    """Clicks correct a few boxes of a scan that is larger than crops; the rest of it was looked at by nobody.

    Raises:
        MedDLError: POINTS_MISMATCH.
    """
    spec = model.spec
    if spec.crops is not None and not is_crop(case[0].geometry, spec):
        raise MedDLError(
            Code.POINTS_MISMATCH,
            f"The model {spec.name} learns from crops of about {spec.crops}; the scan is larger.",
            "Cut the scan to what is to be found, then correct it (Crop Volume in Slicer), or leave --collect away.",
        )


def _result(
    case: Case, model: Model, clicks: tuple[Click, ...], outputs: Outputs, options: Options, on_progress: OnProgress
) -> CaseResult:
    if not clicks:
        return run_case(case, model, outputs, options, on_progress)

    def run(tell: OnProgress) -> Segmentation:
        return segment_with_clicks(case, model, clicks, options=options, on_progress=tell)

    return carry_out(case, model.package, run, outputs, options, on_progress, clicks=clicks)


def _summary(result: CaseResult) -> str:
    width = max(len(row.name) for row in result.statistics)
    volumes = [f"  {row.name:{width}}  {row.volume_mL:10.1f} mL" for row in result.statistics]
    written = [f"  {path}" for path in result.files.values()]
    seconds = sum(result.segmentation.seconds.values())
    return "\n".join([f"Done in {seconds:.0f} s on {result.segmentation.device}.", *volumes, "Written:", *written])
