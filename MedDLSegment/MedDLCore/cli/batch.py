"""``meddl batch``: many scans, one model, one folder of results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from ..batch import (
    Control,
    Job,
    Ledger,
    Rules,
    Scan,
    Site,
    Source,
    choose,
    claimed_for_a_batch,
    is_done,
    open_for_a_batch,
    open_source,
    run_batch,
)
from ..batch.delivery import StoredOnServer
from ..batch.dicomweb import DicomWeb
from ..batch.dicomweb_source import DicomWebSource
from ..batch.foresight import Foresight, foresee
from ..batch.ray_sites import ray_sites
from ..batch.reports import write_reports
from ..batch.workers import local_sites, workers_that_fit
from ..models import ModelPackage
from ..pictures import PICTURE
from ..pipeline import load
from ..worker import Job as WorkerJob
from ..writers import FORMATS
from .batch_screen import Screen, concluded, preview
from .reporter import Reporter
from .settings import FilePath, Request, scan_options

LOG = "meddl-batch.log"

RULES = """\b
A rule is a field, a sign and a value:
  modality = CT        body part ~ chest|thorax     thickness = 1..3
  date >= 2020-01      description !~ scout|topo    slices > 30
  plane = axial        patient = 12345              study ~ lung
  keep = thinnest per study
Signs: = != < <= > >=, and ~ !~ for regular expressions."""

STATUSES = """\b
Exit status:
  0  every chosen scan has its result, or was skipped    5  memory, device or server missing
  2  a rule or an option is wrong                        6  the results could not be written
  3  the source could not be read                        8  some were refused or failed; the rest is done
  4  the model was refused                               130  cancelled"""


@click.command(epilog=f"{RULES}\n\n{STATUSES}")
@scan_options
@click.option("--out", "-o", required=True, type=FilePath(file_okay=False), help="Folder for the results.")
@click.option("--where", "wheres", multiple=True, metavar="RULE", help="Only scans of which this holds. Repeatable.")
@click.option("--rules", "rule_files", multiple=True, type=FilePath(), help="A file of such rules. Repeatable.")
@click.option("--preview", "only_preview", is_flag=True, help="Say what would run and what not, and what it will need.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice([*FORMATS]),
    help="What to write: by default DICOM SEG of a series, and .seg.nrrd of what can have none. Repeatable.",
)
@click.option("--workers", default="1", metavar="NUMBER|auto", help="Scans at once; auto: as memory and cores allow.")
@click.option("--ray", metavar="ADDRESS", help="Use the machines of a Ray cluster: machine:port of its head, or auto.")
@click.option("--store", is_flag=True, help="Store each DICOM SEG on the DICOMweb server that the scans come from.")
@click.option("--unencrypted", is_flag=True, help="Let scans travel by http, within a closed network.")
@click.option("--anonymous", is_flag=True, help="Name the results of files by the scan's content.")
@click.option("--identify", is_flag=True, help="Put PatientID, UIDs and file names into the tables.")
@click.option("--no-pictures", is_flag=True, help="A report without pictures.")
@click.option("--retry", is_flag=True, help="Try scans again that were refused.")
def batch(
    request: Request,
    out: Path,
    wheres: tuple[str, ...],
    rule_files: tuple[Path, ...],
    only_preview: bool,
    formats: tuple[str, ...],
    workers: str,
    ray: str | None,
    store: bool,
    unencrypted: bool,
    anonymous: bool,
    identify: bool,
    no_pictures: bool,
    retry: bool,
) -> int:
    """Segment the scans of a DICOM database, a folder or a DICOMweb server.

    INPUT is a DICOM database of Slicer (ctkDICOM.sql, or its folder); a folder with DICOM series, NIfTI, NRRD and
    MetaImage files anywhere below it; or the address of a server, https://machine/dicom-web, whose credentials the
    environment holds: MEDDL_DICOMWEB_TOKEN, or MEDDL_DICOMWEB_USER and MEDDL_DICOMWEB_PASSWORD. Started again, a batch
    goes on where it was; what is done is not done again.
    """
    _check_usage(request, workers)
    rules = _rules(wheres, rule_files)
    server = _server(request.inputs[0], unencrypted)
    if ray is not None and not (out.is_absolute() and (server is not None or request.inputs[0].is_absolute())):
        raise click.UsageError("--ray takes folders that every machine sees, by absolute paths.")
    if store and server is None:
        raise click.UsageError("--store needs a DICOMweb server as INPUT.")
    with Reporter(request.as_json) as reporter, claimed_for_a_batch(out):
        package = open_for_a_batch(request.model)
        spec = package.spec
        job = Job(spec.name, spec.version, package.sha256, formats, request.options, request.reading, anonymous)
        source: Source = open_source(request.inputs[0], out) if server is None else DicomWebSource(server, rules)
        scans = source.scans()
        choices = choose(scans, rules, spec, request.options.allow, request.reading.modality or "")
        with Ledger(out, job) as ledger:
            entries = ledger.entries()
            chosen = [choice.scan for choice in choices if choice.runs]
            asked = only_preview or workers == "auto" or ray is not None  # it reads every result, as the driver does
            done = {s.key for s in chosen if asked and is_done(s, entries.get(s.key), out, retry)}
            to_do = [scan for scan in chosen if scan.key not in done]
            if only_preview:
                preview(choices, done, entries, _needs(to_do, job, package, request), reporter, request.as_json)
                return 0
            control = Control()
            delivery = None if server is None or not store else StoredOnServer(server, ledger, control.check)
            with _sites(ray, workers, to_do, job, package, request, out) as sites:
                screen, beside = Screen(reporter, len(sites)), () if no_pictures else (PICTURE,)
                entries = run_batch(chosen, job, sites, ledger, screen, control, retry, beside, delivery)
        write_reports(out, job, entries, choices, identify)
        return int(concluded(choices, entries, out, {} if delivery is None else delivery.refused, reporter))


def _check_usage(request: Request, workers: str) -> None:
    if request.reading.series not in (None, "all"):
        raise click.UsageError("A batch takes its series by --where, not by --series.")
    if request.options.points:
        raise click.UsageError("A batch takes no --at: a point lies in one scan. Give meddl segment each with its own.")
    if len(request.inputs) != 1:
        raise click.UsageError("A batch takes one INPUT: a folder, a database or a server.")
    if workers != "auto" and not (workers.isdecimal() and int(workers) > 0):
        raise click.UsageError("--workers takes a number from 1, or auto.")


def _rules(wheres: Sequence[str], files: Sequence[Path]) -> Rules:
    rules = Rules()
    for path in files:
        rules = rules.and_also(Rules.read(path))
    return rules.and_also(Rules.parse(wheres))


def _server(given: Path, unencrypted: bool) -> DicomWeb | None:
    """The server whose address was given; of its two slashes a path has kept one."""
    found = re.fullmatch(r"(https?):[\\/]*(.*)", str(given), re.IGNORECASE)
    return None if found is None else DicomWeb(f"{found[1]}://{found[2]}".replace("\\", "/"), unencrypted)


def _needs(to_do: Sequence[Scan], job: Job, package: ModelPackage, request: Request) -> Foresight | None:
    if not to_do:
        return None
    model = load(package, request.device, request.threads, request.backend, request.full_precision)
    return foresee(to_do, model, job)


def _count(workers: str, to_do: Sequence[Scan], job: Job, package: ModelPackage, request: Request) -> int:
    """How many scans run at once."""
    if workers != "auto":
        return max(1, min(int(workers), len(to_do)))
    needs = _needs(to_do, job, package, request)
    return 1 if needs is None else workers_that_fit(needs)


@contextmanager
def _sites(
    ray: str | None,
    workers: str,
    to_do: Sequence[Scan],
    job: Job,
    package: ModelPackage,
    request: Request,
    out: Path,
) -> Iterator[Sequence[Site]]:
    """Where scans are segmented: on a cluster, or by workers on this machine, each with its part of the cores."""
    path = Path(request.model)
    worker = WorkerJob(
        str(path.absolute()) if path.exists() else request.model,
        device=request.device,
        threads=request.threads,
        backend=request.backend,
        full_precision=request.full_precision,
    )
    if ray is not None and to_do:
        count = int(workers) if workers.isdecimal() and int(workers) > 1 else None
        with ray_sites(ray, worker, package.sha256, count) as remote:
            yield remote
    else:
        count = _count(workers, to_do, job, package, request)
        with local_sites(count, package, worker, out / LOG) as local:
            yield local
