"""The tables and the page of a batch, made from its ledger: one of all scans, one of all segments.

Scans and studies are called by hashes, as their files are. Who may see patients asks for their identity, which then
stands in columns of its own. What a scan was left out for depends on the rules of a run and not on its job: so it is no
entry of the ledger, and every run says it anew.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic import atomic_path
from ..errors import EXPLANATIONS, Code
from ..text import one_line, printable
from ..writers.statistics import COLUMNS, spreadsheet_cell
from .centres import COLUMNS as CENTRE
from .choosing import LEFT_OUT, Choice
from .job import Job
from .ledger import Entry, State
from .outliers import outliers
from .page import names_of, write_page
from .scan import Scan

CASES, SEGMENTS, REPORT, PAGE = "cases.csv", "segments.csv", "report.json", "report.html"

IDENTITY = ("patient", "study_uid", "series_uid", "name")

_LONGEST = 200
"""Characters of a reason, which can quote a header or a rule."""


def write_reports(
    folder: Path, job: Job, entries: Mapping[str, Entry], choices: Sequence[Choice] = (), identify: bool = False
) -> None:
    """Writes ``report.html``, ``cases.csv``, ``segments.csv`` and ``report.json`` into the folder of results.

    Args:
        folder: of results.
        job: what was done.
        entries: of the ledger, by scan.
        choices: of the scans of the source: their order, who they are of, and why some were left out. One that has
            ended before, when other rules held, stands there as it has ended.
        identify: PatientID, UIDs and file names stand in the tables.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    place = {choice.scan.key: n for n, choice in enumerate(choices)}
    left_out = {choice.scan.key: choice for choice in choices if _is_left_out(choice, entries)}
    ordered = [entry for entry in entries.values() if entry.scan not in left_out]
    ordered.sort(key=lambda entry: place.get(entry.scan, len(place)))
    odd = outliers(ordered)
    known = {choice.scan.key: choice.scan for choice in choices} if identify else {}
    who = IDENTITY if identify else ()
    without = [_case_left_out(choice, identify) for choice in left_out.values()]
    model = {"model": job.model_name, "model_sha256": job.model_sha256}
    cases = [*map(_case, ordered), *without]
    cases = [case | model | _identity(known.get(case["scan"]), who) for case in cases]
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
    write_page(folder / PAGE, folder, job, ordered, without, names_of(cases) if identify else None)
    with atomic_path(folder / REPORT) as temporary:
        temporary.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _is_left_out(choice: Choice, entries: Mapping[str, Entry]) -> bool:
    entry = entries.get(choice.scan.key)
    return not choice.runs and (entry is None or entry.state is State.STARTED)


def _case_left_out(choice: Choice, identify: bool) -> dict[str, Any]:
    return {
        "study": choice.scan.folder,
        "scan": choice.scan.key,
        "state": LEFT_OUT,
        "code": "" if choice.code is None else choice.code.value,
        "why": one_line(choice.reason if identify else choice.anonymous or choice.reason, _LONGEST),
        "notices": "",
        "seconds": 0.0,
        "device": "",
        "outputs": [],
    }


def _case(entry: Entry) -> dict[str, Any]:
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
        "outputs": [{"kind": output["kind"], "path": output["path"]} for output in entry.outputs],
    }


def _identity(scan: Scan | None, who: Iterable[str]) -> dict[str, str]:
    return {name: "" if scan is None else printable(getattr(scan, name)) for name in who}


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
