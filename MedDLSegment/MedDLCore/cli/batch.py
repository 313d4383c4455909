"""``meddl batch``: many scans, one model, one folder of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..batch import (
    Choice,
    Entry,
    Job,
    Ledger,
    Rules,
    Scan,
    State,
    WorkerSegmenter,
    choose,
    claimed_for_a_batch,
    is_done,
    open_source,
    run_batch,
)
from ..batch.foresight import Foresight, foresee
from ..batch.reports import CASES, REPORT, SEGMENTS, write_reports
from ..case import CaseResult
from ..errors import Code, Exit, MedDLError
from ..models import ModelPackage, open_model
from ..pipeline import load
from ..text import one_line
from ..worker import Job as WorkerJob
from ..writers import FORMATS
from .reporter import Reporter, duration
from .settings import FilePath, Request, scan_options

LOG = "meddl-batch.log"
_LONGEST = 60
"""Characters of a cell."""

_WIDE = 200
"""Characters of a line where no terminal limits it."""


RULES = """\b
A rule is a field, a sign and a value:
  modality = CT        body part ~ chest|thorax     thickness = 1..3
  date >= 2020-01      description !~ scout|topo    slices > 30
  plane = axial        patient = 12345              study ~ lung
  keep = thinnest per study
Signs: = != < <= > >=, and ~ !~ for regular expressions."""


@click.command(epilog=RULES)
@scan_options
@click.option("--out", "-o", required=True, type=FilePath(file_okay=False), help="Folder for the results.")
@click.option("--where", "wheres", multiple=True, metavar="RULE", help="Only scans of which this holds. Repeatable.")
@click.option("--rules", "rule_files", multiple=True, type=FilePath(), help="A file of such rules. Repeatable.")
@click.option("--preview", is_flag=True, help="Say what would run and what not, and what it will need.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice([*FORMATS]),
    help="What to write: DICOM SEG of a series and .seg.nrrd of a file by default. Repeatable.",
)
@click.option("--anonymous", is_flag=True, help="Name the results of files by the scan's content.")
@click.option("--identify", is_flag=True, help="Put PatientID, UIDs and file names into the tables.")
@click.option("--retry", is_flag=True, help="Try scans again that were refused.")
def batch(
    request: Request,
    out: Path,
    wheres: tuple[str, ...],
    rule_files: tuple[Path, ...],
    preview: bool,
    formats: tuple[str, ...],
    anonymous: bool,
    identify: bool,
    retry: bool,
) -> int:
    """Segment the scans of a DICOM database or a folder.

    INPUT is a DICOM database of Slicer (ctkDICOM.sql, or its folder), or a folder with DICOM series, NIfTI, NRRD and
    MetaImage files anywhere below it. Started again, a batch goes on where it was; what is done is not done again.
    """
    if request.reading.series not in (None, "all"):
        raise click.UsageError("A batch takes its series by --where, not by --series.")
    if len(request.inputs) != 1:
        raise click.UsageError("A batch takes one INPUT: a folder or a database.")
    rules = _rules(wheres, rule_files)
    with Reporter(request.as_json) as reporter, claimed_for_a_batch(out):
        package = open_model(request.model)
        if len(package.spec.channels) > 1:
            raise MedDLError(
                Code.CHANNELS_MISMATCH,
                f"A batch gives a model one scan at a time; {package.spec.name} takes {len(package.spec.channels)}.",
                "Run meddl segment on the scans of each patient.",
            )
        job = Job(
            package.spec.name,
            package.spec.version,
            package.sha256,
            formats,
            request.options,
            request.reading,
            anonymous,
        )
        scans = open_source(request.inputs[0], out).scans()
        choices = choose(scans, rules, package.spec, request.options.allow, request.reading.modality or "")
        with Ledger(out, job) as ledger:
            if preview:
                return _preview(choices, job, package, request, ledger, reporter)
            chosen = [choice.scan for choice in choices if choice.runs]
            with WorkerSegmenter(package, _worker_job(request), out / LOG) as segmenter:
                entries = run_batch(chosen, job, segmenter, ledger, _Screen(reporter), again=retry)
        write_reports(out, job, entries, scans, identify)
        return int(_concluded(choices, entries, out, reporter))


def _rules(wheres: Sequence[str], files: Sequence[Path]) -> Rules:
    rules = Rules()
    for path in files:
        rules = rules.and_also(Rules.read(path))
    return rules.and_also(Rules.parse(wheres))


def _worker_job(request: Request) -> WorkerJob:
    path = Path(request.model)
    return WorkerJob(
        str(path.absolute()) if path.exists() else request.model,
        device=request.device,
        threads=request.threads,
        backend=request.backend,
        full_precision=request.full_precision,
    )


class _Screen:
    """Tells a person, or a program, how a batch goes."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._seconds: list[float] = []
        self._left = 0

    def begins(self, scan: Scan, number: int, of: int) -> None:
        left = ""
        self._left = of - number + 1
        if self._seconds:
            left = f", about {duration(sum(self._seconds) / len(self._seconds) * self._left)} left"
        self._reporter.case(f"{number}/{of} {scan.name or scan.key}{left}", ("picture",))

    def progress(self, stage: str, done: int, of: int) -> None:
        self._reporter.progress(stage, done, of)

    def ended(self, scan: Scan, entry: Entry, results: Sequence[CaseResult], error: Exception | None) -> None:
        self._seconds.append(entry.seconds)
        if isinstance(error, MedDLError):
            if entry.state is not State.SKIPPED:
                self._reporter.error(error)
        elif error is not None:
            self._reporter.internal(error)
        self._reporter.notices([notice for result in results for notice in result.notices])
        names = [Path(output["path"]).name for output in entry.outputs if output["kind"] in FORMATS]
        code = f" {entry.code}" if entry.code else ""
        self._reporter.result(
            f"{scan.name or entry.scan}: {entry.state.value}{code} {', '.join(names)}".rstrip(),
            scan=entry.scan,
            state=entry.state.value,
            code=entry.code,
            seconds=entry.seconds,
            outputs=[output["path"] for output in entry.outputs],
        )


def _concluded(choices: Sequence[Choice], entries: Mapping[str, Entry], out: Path, reporter: Reporter) -> Exit:
    """Says how many scans ended how; the exit status."""
    chosen = [entries[choice.scan.key] for choice in choices if choice.runs]
    counts = Counter(entry.state.value for entry in chosen)
    counts["not chosen"] = len(choices) - len(chosen)
    text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    tables = [str(out / name) for name in (CASES, SEGMENTS, REPORT)]
    reporter.result("\n".join([f"Batch: {text or 'no scans'}.", *(f"  {path}" for path in tables)]), counts=counts)
    failed = any(entry.state in (State.REFUSED, State.FAILED) for entry in chosen)
    return Exit.SOME_FAILED if failed else Exit.OK


def _preview(
    choices: Sequence[Choice], job: Job, package: ModelPackage, request: Request, ledger: Ledger, reporter: Reporter
) -> int:
    """What would run, what would not and why, and what it will need."""
    entries = ledger.entries()
    done = {c.scan.key for c in choices if c.runs and is_done(c.scan, entries.get(c.scan.key), ledger.folder)}
    rows = [(choice.scan, _what(choice, done, entries)) for choice in choices]
    for scan, what in rows:
        reporter.event("choice", scan=scan.key, study=scan.folder, modality=scan.modality, what=what)
    to_do = [choice.scan for choice in choices if choice.runs and choice.scan.key not in done]
    needs = None
    if to_do:
        model = load(package, request.device, request.threads, request.backend, request.full_precision)
        formats = sorted({name for scan in to_do for name in job.formats_for(scan.is_dicom)})
        needs = foresee(to_do, model, request.options, formats)
    if not request.as_json:
        _print_table(rows)
    reporter.result(_in_words(len(to_do), needs), to_do=len(to_do), **({} if needs is None else asdict(needs)))
    return int(Exit.OK)


def _what(choice: Choice, done: Collection[str], entries: Mapping[str, Entry]) -> str:
    if choice.scan.key in done:
        entry = entries[choice.scan.key]
        return f"already {entry.state.value} {entry.code}".strip()
    if choice.runs:
        return "runs"
    return f"skipped: {choice.reason}" + (f" ({choice.code.value})" if choice.code else "")


def _print_table(rows: Sequence[tuple[Scan, str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("scan", "modality", "description", "slices", "mm", "what"):
        table.add_column(column, overflow="fold")
    for scan, what in rows:
        known = bool(scan.files)
        thickness = scan.header.thickness if known else None
        table.add_row(
            *(
                Text(one_line(text, _LONGEST))
                for text in (
                    scan.name or scan.key,
                    scan.modality,
                    scan.description,
                    str(scan.slices or "") if known else "",
                    "" if thickness is None else f"{thickness:.3g}",
                    what,
                )
            )
        )
    console = Console(highlight=False)
    console.print(table, width=console.width if console.is_terminal else _WIDE)


def _in_words(to_do: int, needs: Foresight | None) -> str:
    if needs is None:
        return "Nothing is to be done."
    time = "" if needs.seconds is None else f", network about {duration(needs.seconds)}"
    known = f" ({needs.unknown} could not be foreseen)" if needs.unknown else ""
    return f"{to_do} to run{time}; memory {needs.memory / 1e9:.1f} GB, results about {needs.disk / 1e6:.0f} MB{known}."
