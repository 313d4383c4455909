"""``meddl check``: training data before a training."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..atomic import atomic_path, check_folder, check_place
from ..errors import Exit
from ..text import printable
from .scenes import SCENES
from .settings import FilePath
from .telling import Teller

if TYPE_CHECKING:
    from MedDLTraining.check import Report
    from MedDLTraining.data import Case, DataSet, Loaded
    from MedDLTraining.data.scenes import OpenScene

_STAGES = {
    "files": "Looking through the files",
    "labels": "Reading label maps",
    "cases": "Checking",
    "export": "Writing",
}


@click.command()
@click.argument("data", metavar="FOLDER", type=FilePath())
@click.option("--labels", type=FilePath(dir_okay=False), help="The table that says which segment becomes which label.")
@click.option("--write-labels", type=FilePath(dir_okay=False), help="Write that table, to be edited (.csv, .json).")
@click.option("--channel", "channels", multiple=True, metavar="NAME", help="As scans' names end in it. Repeatable.")
@click.option("--patient", default="", metavar="REGEX", help="Finds the patient in a case's name, as its first group.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    type=FilePath(dir_okay=False),
    help="How cases are divided: a JSON file (nnU-Net's splits_final.json), or a text file for each part. Repeatable.",
)
@click.option("--leave-out", multiple=True, metavar="NAME", help="A case that will not be used. Repeatable.")
@click.option("--pictures", type=FilePath(file_okay=False), help="Folder for a picture of each case.")
@click.option(
    "--export",
    "copy",
    type=FilePath(file_okay=False),
    help="Where no error was found, write the cases into this folder under pseudonyms, in nnU-Net's layout and without "
    "anything of a patient but the voxels. Structures that overlap are written as .seg.nrrd.",
)
@click.option("--key", type=FilePath(dir_okay=False), help="With --export: write which case is who, for you alone.")
@click.option(
    "--explain",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, wanted: _explain(ctx) if wanted else None,
    help="Print the page of all that it can find (Resources/CHECK.md).",
)
@click.option("--json", "report_file", type=FilePath(dir_okay=False), help="Write the report, without names of cases.")
def check(
    data: Path,
    labels: Path | None,
    write_labels: Path | None,
    channels: tuple[str, ...],
    patient: str,
    splits: tuple[Path, ...],
    leave_out: tuple[str, ...],
    pictures: Path | None,
    report_file: Path | None,
    copy: Path | None,
    key: Path | None,
) -> int:
    """Look through training data before a training: why would Dice be 0?

    FOLDER holds images and label maps (the layouts of the Decathlon and of nnU-Net, or names that pair them), volumes
    with .seg.nrrd, DICOM series with DICOM SEG, or Slicer scenes. Nothing in it is changed. The exit status is 3 where
    an error was found.
    """
    from MedDLTraining import check as checking
    from MedDLTraining.data import open_folder, read_splits, read_table, write_table

    if key is not None and copy is None:
        raise click.UsageError("--key goes with --export.")
    for place in (copy, key and key.parent):
        if place is not None:
            check_place(place)
    if pictures is not None:
        check_folder(pictures)
    with Teller(False, _STAGES) as teller:
        data_set = open_folder(
            data,
            channels=channels,
            patient=patient,
            splits=read_splits(splits),
            open_scene=_scene_opener(data),
            on_progress=teller.stage,
        ).without(leave_out)
        if labels is not None:
            data_set = data_set.with_table(read_table(labels, data_set.cases))
        if write_labels is not None:
            write_table(data_set.table, write_labels)
        draw = None if pictures is None else partial(_draw, pictures, data_set)
        report = checking.check(data_set, draw, partial(teller.stage, "cases"))
    if report_file is not None:
        with atomic_path(report_file) as unfinished:
            unfinished.write_text(json.dumps(checking.as_json(report), indent=1, ensure_ascii=False) + "\n", "utf-8")
    click.echo(printable(checking.as_text(report)))
    if copy is not None:
        _export(report, copy, key)
    return int(Exit.INPUT if report.of(checking.Severity.ERROR) else Exit.OK)


def _export(report: Report, folder: Path, key: Path | None) -> None:
    from MedDLTraining.data import export_data_set

    report.refuse_errors()
    data_set = report.data_set
    overlap = not data_set.exclusive or any(case.overlap for case in report.facts)
    with Teller(False, _STAGES) as teller:
        tell = partial(teller.stage, "export")
        export_data_set(data_set, folder, form="seg.nrrd" if overlap else "nifti", key_file=key, on_progress=tell)
    click.echo(f"Written: {folder}, {len(data_set.cases)} cases.")


def _explain(ctx: click.Context) -> None:
    from MedDLTraining.check import faults_page

    click.echo(faults_page(), nl=False)
    ctx.exit()


def _scene_opener(data: Path) -> OpenScene | None:
    """What opens scenes, where there are any; without Slicer's libraries that is a refusal, but only then."""
    files = data.rglob("*") if data.is_dir() else [data]
    if not any(file.suffix.lower() in SCENES for file in files):
        return None
    from MedDLScene.annotated import annotatedScansOfFile

    return annotatedScansOfFile


def _draw(folder: Path, data_set: DataSet, case: Case, loaded: Loaded) -> None:
    """A picture of the case, under its pseudonym. The colours of labels are those of the table."""
    from MedDLScene.pictures import renderPicture

    volume = replace(loaded.volumes[0], modality=loaded.volumes[0].modality or data_set.channels[0].modality)
    renderPicture(volume, loaded.truth, folder / f"{case.id}.png")
