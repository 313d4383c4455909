"""What the child process does for each job: the same functions as the command line's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...case import result_stem
from ...errors import Code, MedDLError
from ...models import ModelPackage
from ...pictures import PICTURE
from ...readers import read
from ...readers.seg_nrrd import read_seg_nrrd
from ...worker import Job as WorkerJob
from ...worker import give_volume
from ...worker.arrays import give_label_map
from ...writers import FORMATS
from ..choosing import Choice, choose
from ..control import Control
from ..driver import is_done, run_batch
from ..foresight import Foresight, foresee
from ..job import Job
from ..ledger import Entry, Ledger, claimed_for_a_batch
from ..ranking import Figures, KeptFigures, rank_scans
from ..reports import PAGE, SEGMENTS, write_reports
from ..rules import Rules
from ..scan import Scan
from ..segmenters import WorkerSegmenter, open_for_a_batch
from ..sources import open_source
from ..workers import local_sites, workers_that_fit
from .jobs import BatchJob, ShowJob
from .telling import Teller

LOG = "meddl-batch.log"

WRITTEN = ("dicomseg", "nrrd")
"""For the DICOM database, and for the scene."""


@dataclass
class Desk:
    """What is known of the scans that were told.

    Attributes:
        folder: of results.
        model: by which they are named.
        scans: by key.
        entries: of those that have ended, by key.
    """

    folder: Path = Path()
    model: str = ""
    scans: Mapping[str, Scan] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class _Opened:
    """A batch whose scans are chosen."""

    package: ModelPackage
    job: Job
    scans: Sequence[Scan]
    choices: Sequence[Choice]
    ledger: Ledger
    done: Mapping[str, Entry]

    @property
    def to_do(self) -> list[Scan]:
        return [choice.scan for choice in self.choices if choice.runs and choice.scan.key not in self.done]


def preview_task(job: BatchJob, desk: Desk, teller: Teller, _: Control) -> Mapping[str, Any]:
    """See ``BatchJob``."""
    with _opened(job, desk, teller) as opened:
        needs = _needs(job, opened)
        return {"to_do": len(opened.to_do), "needs": None if needs is None else asdict(needs)}


def run_task(job: BatchJob, desk: Desk, teller: Teller, control: Control) -> Mapping[str, Any]:
    """See ``BatchJob``."""
    out = Path(job.out)
    with _opened(job, desk, teller) as opened:

        def keep(entry: Entry) -> None:
            desk.entries[entry.scan] = entry
            _tell_stored(entry, out, teller)

        for entry in opened.done.values():
            _tell_stored(entry, out, teller)
        teller.on_entry = keep
        worker = _worker_job(job)
        beside = (PICTURE,) if job.pictures else ()
        with local_sites(_count(job, opened), opened.package, worker, out / LOG) as sites:
            entries = run_batch(opened.to_do, opened.job, sites, opened.ledger, teller, control, beside=beside)
        write_reports(out, opened.job, entries, opened.choices)
        counts = Counter(entries[choice.scan.key].state.value for choice in opened.choices if choice.runs)
    return {"counts": dict(counts), "report": str(out / PAGE), "segments": str(out / SEGMENTS)}


def rank_task(job: BatchJob, desk: Desk, teller: Teller, control: Control) -> Mapping[str, Any]:
    """See ``BatchJob``."""
    out = Path(job.out)

    def tell(scan: Scan, figures: Figures) -> None:
        teller.say("ranked", scan=scan.key, **figures)

    with _opened(job, desk, teller) as opened, WorkerSegmenter(opened.package, _worker_job(job), out / LOG) as measurer:
        chosen = [choice.scan for choice in opened.choices if choice.runs]
        kept = KeptFigures(out, opened.package.sha256)
        counts = rank_scans(chosen, measurer, kept, teller, control, tell)
    return {"counts": {state.value: count for state, count in counts.items() if count}}


def _worker_job(job: BatchJob) -> WorkerJob:
    path = Path(job.model)
    model = str(path.absolute()) if path.exists() else job.model
    return WorkerJob(model, device=job.device, threads=job.threads)


def _needs(job: BatchJob, opened: _Opened) -> Foresight | None:
    from ...pipeline import load

    if not opened.to_do:
        return None
    return foresee(opened.to_do, load(opened.package, job.device, job.threads), opened.job)


def _count(job: BatchJob, opened: _Opened) -> int:
    """How many scans run at once."""
    if job.workers:
        return max(1, min(job.workers, len(opened.to_do)))
    needs = _needs(job, opened)
    return 1 if needs is None else workers_that_fit(needs)


def show_task(job: ShowJob, desk: Desk, folder: Path) -> Mapping[str, Any]:
    """See ``ShowJob``."""
    scan, entry = desk.scans.get(job.scan), desk.entries.get(job.scan)
    if scan is not None and job.alone:
        volumes = read(scan.files)
        instances = list(scan.instances) if len(volumes) == 1 else []
        return {"parts": [{"scan": asdict(give_volume(volume, folder))} for volume in volumes], "instances": instances}
    if scan is None or entry is None or not entry.state.has_result:
        raise MedDLError(Code.FILE_NOT_FOUND, "This scan has no result.", "Start the batch: it makes what is missing.")
    files = {path.name: path for path in (desk.folder / output["path"] for output in entry.outputs)}
    parts = []
    for volume in read(scan.files):
        stem = result_stem(volume, desk.model)
        found, manifest = (files.get(stem + suffix) for suffix in (FORMATS["nrrd"].suffix, "_manifest.json"))
        if found is not None and manifest is not None:
            parts.append(
                {
                    "scan": asdict(give_volume(volume, folder)),
                    "found": give_label_map(read_seg_nrrd(found), folder),
                    "statistics": [dict(row) for row in entry.segments if row["part"] == volume.source.part],
                    "manifest": json.loads(manifest.read_text(encoding="utf-8")),
                }
            )
    return {"parts": parts, "instances": list(scan.instances) if len(parts) == 1 else []}


@contextmanager
def _opened(job: BatchJob, desk: Desk, teller: Teller) -> Iterator[_Opened]:
    """Chooses, and tells what was chosen; no other batch writes into the folder meanwhile."""
    rules = Rules.read(Path(job.rule_file)) if job.rule_file else Rules()
    rules = rules.and_also(Rules.parse(job.rules))
    out = Path(job.out)
    with claimed_for_a_batch(out):
        package = open_for_a_batch(job.model)
        spec = package.spec
        of_batch = Job(spec.name, spec.version, package.sha256, WRITTEN)
        scans = open_source(Path(job.source), out).scans(teller.look)
        if job.series:
            only = frozenset(job.series)
            scans = [scan for scan in scans if scan.series_uid in only]
        desk.folder, desk.model = out, spec.name
        desk.scans, desk.entries = {scan.key: scan for scan in scans}, {}
        choices = choose(scans, rules, spec)
        with Ledger(out, of_batch) as ledger:
            entries = ledger.entries()
            for choice in choices:
                entry = entries.get(choice.scan.key)
                if choice.runs and entry is not None and is_done(choice.scan, entry, out):
                    desk.entries[choice.scan.key] = entry
                teller.choice(choice, desk.entries.get(choice.scan.key))
            yield _Opened(package, of_batch, scans, choices, ledger, dict(desk.entries))


def _tell_stored(entry: Entry, out: Path, teller: Teller) -> None:
    """The files of a scan that has just ended, or whose files were found to be whole."""
    from pydicom import dcmread

    for output in entry.outputs:
        if output["kind"] == "dicomseg":
            path = out / output["path"]
            instance = str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
            teller.say("stored", scan=entry.scan, path=str(path), instance=instance)
