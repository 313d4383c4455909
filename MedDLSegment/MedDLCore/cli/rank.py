"""``meddl rank``: which scans to correct next."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from ..admission import Options
from ..atomic import atomic_path, check_folder
from ..errors import MedDLError
from ..models import open_model
from ..text import printable
from ..uncertainty import Uncertainty, measure
from ..writers import content_hash, output_path, output_stem, safe_name
from ..writers.nifti import write_nifti_scan
from ..writers.statistics import spreadsheet_cell
from .reading import Case, Tally, each_case
from .reporter import Reporter
from .settings import FilePath, Request, scan_options

if TYPE_CHECKING:
    from ..inference.disagreeing import Way

COLUMNS = ("rank", "scan", "disagreement", "entropy", "found_mL", "passes")


@dataclass(frozen=True)
class Ranked:
    """A scan, by the names of the screen and of files, and how sure the model is of it."""

    shown: str
    stem: str
    its: Uncertainty


@click.command()
@scan_options
@click.option("--csv", "table", type=FilePath(dir_okay=False), help="Write the table into this file.")
@click.option("--maps", type=FilePath(file_okay=False), help="Write the disagreement of each voxel into this folder.")
@click.option(
    "--by",
    type=click.Choice(("disagreement", "entropy")),
    default="disagreement",
    show_default=True,
    help="Disagreement leaves out what nobody could draw more clearly, such as a blurred border.",
)
@click.option(
    "--passes",
    "way",
    type=click.Choice(("ensemble", "dropout", "perturbed")),
    help="How the passes differ, over each scan. By default the first of these that the model allows.",
)
def rank(request: Request, table: Path | None, maps: Path | None, by: str, way: Way | None) -> int:
    """Say which scans to correct next: those of which a model is least sure.

    The model runs several times over each INPUT: as the networks of its ensemble, with dropout, or on a noisier,
    brighter, mirrored scan. Where its passes disagree, it would learn most from a correction. Those scans come first.
    For a model with several channels, INPUTs are those of one case after the other, in its order.
    """
    if replace(request.options, allow=frozenset()) != Options():
        raise click.UsageError("Whole scans are ranked: leave --structure, --roi, --at and --crop-body away.")
    ranked: list[Ranked] = []
    with Reporter(request.as_json) as reporter:
        for place in (maps, table and table.parent):
            if place is not None:
                check_folder(place)
        package = open_model(request.model)
        counts = Counter(path.name for path in {path.absolute() for path in request.inputs})
        twice = {name for name, count in counts.items() if count > 1}
        tally = Tally(reporter)
        try:
            for case, model in each_case(request, package, reporter, tally, ("write", "picture"), several=True):
                try:
                    its = measure(case, model, way, request.options, reporter.progress, maps is not None)
                except MedDLError as error:
                    tally.refused(error)
                    continue
                names = _names_of(case, twice, [one.stem for one in ranked])
                ranked.append(_ranked(case, its, maps, names))
                tally.succeeded(its.notices)
                reporter.notices(its.notices, ranked[-1].shown)
                reporter.event("ranked", scan=ranked[-1].stem, disagreement=its.disagreement, entropy=its.entropy)
        finally:  # an hour's figures are not lost with what ends the run
            ranked.sort(key=lambda one: getattr(one.its, by), reverse=True)
            if ranked:
                _give(ranked, table, reporter)
    return int(tally.status)


def _give(ranked: list[Ranked], table: Path | None, reporter: Reporter) -> None:
    """The order, as a file and on the screen."""
    if table is not None:
        _write(ranked, table)
    order = [one.stem for one in ranked]
    reporter.result(_in_words(ranked), ranking=order, csv=None if table is None else str(table))


def _ranked(case: Case, its: Uncertainty, maps: Path | None, names: tuple[str, str]) -> Ranked:
    """Without the map, which is on the disk then: many scans are ranked."""
    shown, stem = names
    if maps is not None and its.map is not None:
        path = output_path(maps, f"{stem}_disagreement", ".nii.gz")
        write_nifti_scan(its.map, case[0].geometry, path, is_map=True)
    return Ranked(shown, stem, replace(its, map=None))


def _names_of(case: Case, twice: Collection[str], taken: Collection[str]) -> tuple[str, str]:
    """On the screen, and of files and in tables: with the folder, where that is what tells scans apart.

    Args:
        case: to be named.
        twice: names that several INPUTs have, as ``t1.nii.gz`` of every patient.
        taken: stems of the cases before.
    """
    source, digest = case[0].source, content_hash(case[0])
    shown = stem = output_stem(source, content_sha256=digest)
    if source.files:
        file = source.files[0].absolute()
        within = file.name in twice or source.format == "DICOM"
        shown = printable(f"{file.parent.name}/{file.name}" if within else file.name)
        shown = f"{shown} {printable(source.part)}".strip()
        if file.name in twice and source.format != "DICOM":
            stem = safe_name(f"{file.parent.name}_{stem}")
    return shown, safe_name(f"{stem}_{digest[:8]}") if stem in taken else stem


def _rows(ranked: list[Ranked]) -> list[tuple[str, ...]]:
    return [
        (
            str(n),
            one.stem,
            f"{one.its.disagreement:.5f}",
            f"{one.its.entropy:.5f}",
            f"{one.its.found:.2f}",
            one.its.way,
        )
        for n, one in enumerate(ranked, start=1)
    ]


def _write(ranked: list[Ranked], path: Path) -> None:
    stream = io.StringIO()
    rows = [tuple(spreadsheet_cell(cell) for cell in row) for row in _rows(ranked)]
    csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
    with atomic_path(path) as unfinished:
        unfinished.write_text(stream.getvalue(), encoding="utf-8")


def _in_words(ranked: list[Ranked]) -> str:
    shown = Table(box=None, pad_edge=False)
    for n, name in enumerate(COLUMNS):
        shown.add_column(name, justify="left" if n in (1, 5) else "right", overflow="fold")
    for row, one in zip(_rows(ranked), ranked, strict=True):
        shown.add_row(row[0], one.shown, *row[2:])
    words = io.StringIO()
    Console(file=words, width=100, highlight=False).print(shown)
    return words.getvalue().rstrip()
