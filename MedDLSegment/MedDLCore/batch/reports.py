"""The tables and the page of a batch, made from its ledger: one of all scans, one of all segments.

Scans and studies are called by hashes, as their files are. Who may see patients asks for their identity, which then
stands in columns of its own.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic import atomic_path
from ..errors import EXPLANATIONS, Code
from ..writers.statistics import COLUMNS, spreadsheet_cell
from .centres import COLUMNS as CENTRE
from .job import Job
from .ledger import Entry
from .outliers import outliers
from .page import names_of, write_page
from .scan import Scan

CASES, SEGMENTS, REPORT, PAGE = "cases.csv", "segments.csv", "report.json", "report.html"

IDENTITY = ("patient", "study_uid", "series_uid", "name")


def write_reports(
    folder: Path, job: Job, entries: Mapping[str, Entry], scans: Sequence[Scan] = (), identify: bool = False
) -> None:
    """Writes ``report.html``, ``cases.csv``, ``segments.csv`` and ``report.json`` into the folder of results.

    Args:
        folder: of results.
        job: what was done.
        entries: of the ledger, by scan.
        scans: of the source: their order, and who they are of.
        identify: PatientID, UIDs and file names stand in the tables.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    place = {scan.key: n for n, scan in enumerate(scans)}
    ordered = sorted(entries.values(), key=lambda entry: place.get(entry.scan, len(place)))
    odd = outliers(ordered)
    known = {scan.key: scan for scan in scans} if identify else {}
    who = IDENTITY if identify else ()
    cases = [_case(entry, job) | _identity(known.get(entry.scan), who) for entry in ordered]
    columns = ("study", "scan", *who, "state", "code", "why", "notices", "seconds", "device", "model", "model_sha256")
    _write_csv(folder / CASES, columns, cases)
    rows = [
        {"study": entry.study, "scan": entry.scan, **_identity(known.get(entry.scan), who), "model": job.model_name}
        | dict(segment)
        | {"look_at": "; ".join(each.why for each in odd.get(entry.scan, ()) if each.segment == segment["name"])}
        for entry in ordered
        for segment in entry.segments
    ]
    _write_csv(folder / SEGMENTS, ("study", "scan", *who, "part", "model", *COLUMNS, *CENTRE, "look_at"), rows)
    report = {
        "model": {"name": job.model_name, "version": job.model_version, "sha256": job.model_sha256},
        "settings": json.loads(job.settings),
        "cases": cases,
    }
    write_page(folder / PAGE, folder, job, ordered, names_of(cases) if identify else None)
    with atomic_path(folder / REPORT) as temporary:
        temporary.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _case(entry: Entry, job: Job) -> dict[str, Any]:
    explained = entry.code in Code.__members__
    return {
        "study": entry.study,
        "scan": entry.scan,
        "state": entry.state.value,
        "code": entry.code,
        "why": EXPLANATIONS[Code(entry.code)].meaning if explained else "",
        "notices": " ".join(entry.notices),
        "seconds": entry.seconds,
        "device": entry.device,
        "model": job.model_name,
        "model_sha256": job.model_sha256,
        "outputs": [{"kind": output["kind"], "path": output["path"]} for output in entry.outputs],
    }


def _identity(scan: Scan | None, who: Iterable[str]) -> dict[str, str]:
    return {name: "" if scan is None else getattr(scan, name) for name in who}


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """UTF-8, RFC 4180; what a spreadsheet would run as a formula is quoted, numbers have a point."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row.get(column)) for column in columns])


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    return spreadsheet_cell(value) if isinstance(value, str) else value
