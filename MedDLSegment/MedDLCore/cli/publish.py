"""``meddl publish``: a model that was trained becomes a bundle for others."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..errors import Exit
from ..text import printable
from .settings import FilePath


@click.command()
@click.argument("source", metavar="TRAINING_OR_MODEL")
@click.option("--out", "-o", required=True, type=FilePath(), help="A folder, or a .zip.")
@click.option("--licence", required=True, metavar="SPDX", help="Of the weights, e.g. CC-BY-SA-4.0.")
@click.option("--licence-file", type=FilePath(exists=True, dir_okay=False), help="Its text, for LICENSE.")
@click.option("--authors", default="", help="Who made the model.")
@click.option("--copyright", default="", help="e.g. '2026 A. Author'.")
@click.option("--description", default="", help="In place of the training's own.")
@click.option("--intended-use", default="", help="What the model is for.")
@click.option("--limits", default="", help="Where it must not be trusted.")
@click.option("--data-source", default="", help="Where the training data are from, and their licence.")
@click.option("--citation", default="", help="How to cite it.")
@click.option("--name", default="", help="Of the model; that of the training by default.")
@click.option("--title", default="", help="By which people know it, e.g. 'Liver on CT'; its name by default.")
@click.option("--version", default="", help="Of the model; 1.0.0 by default.")
@click.option(
    "--evaluation", type=FilePath(exists=True, file_okay=False), help="Folder of meddl evaluate, of this model."
)
@click.option(
    "--measure",
    "scans",
    multiple=True,
    type=FilePath(exists=True),
    help="Run this scan once, for time and memory. Repeatable, for a model of several inputs.",
)
@click.option("--for-meddl-alone", is_flag=True, help="Without MONAI's model.pt and inference.json: half the size.")
@click.option("--overwrite", is_flag=True, help="Replace a model that is there.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def publish(
    source: str,
    out: Path,
    licence_file: Path | None,
    evaluation: Path | None,
    scans: tuple[Path, ...],
    for_meddl_alone: bool,
    overwrite: bool,
    as_json: bool,
    **said: str,
) -> int:
    """Make a bundle for others of a model that was trained.

    TRAINING_OR_MODEL is the folder of meddl train, or a model. MedDL, and MONAI's own runner of bundles, run what is
    made. What you do not state stands in the model card as not stated. No name or path of a scan goes into it.
    """
    from MedDLTraining.publish import Statement, source_of
    from MedDLTraining.publish import publish as make
    from MedDLTraining.publish.evaluation import read_evaluation
    from MedDLTraining.publish.measuring import measured_on

    text = "" if licence_file is None else licence_file.read_text(encoding="utf-8")
    statement = Statement(licence_text=text, **said).checked()
    found = source_of(source)
    figures = None if evaluation is None else read_evaluation(evaluation, found.package.sha256)
    run = measured_on(scans, found.package.folder) if scans else None
    made = make(found, out, statement, figures, run, overwrite, not for_meddl_alone)
    if as_json:
        notices = [{"code": notice.code.value, "message": notice.message} for notice in made.notices]
        click.echo(
            json.dumps({"path": str(made.path), "name": made.spec.name, "sha256": made.sha256, "notices": notices})
        )
        return int(Exit.OK)
    for notice in made.notices:
        click.echo(f"Warning {notice}", err=True)
    lines = [f"Published {made.spec.name} {made.spec.version}: {made.path}", f"SHA-256 {made.sha256}"]
    click.echo(printable("\n".join([*lines, f"To use it: meddl models add {made.path}"])))
    return int(Exit.OK)
