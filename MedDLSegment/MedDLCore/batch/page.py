"""The report of a batch as one HTML page that needs nothing else: no script, no other file, pictures within it."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from ..atomic import atomic_path
from ..errors import EXPLANATIONS, Code
from ..html_page import html_page
from .choosing import LEFT_OUT
from .job import Job
from .ledger import Entry, State
from .outliers import Outlier, outliers

PICTURES = 300
"""In the page, the first cases'; of the others it names the file."""

LISTED = 100
"""Scans that were left out and are named; where there are more, they are counted by their reasons."""

WIDTH = 640
"""Pixels of a picture."""

_QUALITY = 80

STYLE = ".text th,td.text{text-align:left}"


def write_page(
    path: Path,
    folder: Path,
    job: Job,
    entries: Sequence[Entry],
    left_out: Sequence[Mapping[str, Any]] = (),
    names: Mapping[str, str] | None = None,
) -> None:
    """Writes the page.

    Args:
        path: of the page.
        folder: of the results, which the entries' paths are relative to.
        job: what was done.
        entries: in the order in which they are shown, but that outliers come first.
        left_out: ``scan``, ``state``, ``code`` and ``why`` of each scan that did not run.
        names: what a scan is called; where it has no name here, its hash.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    title = f"Batch: {job.model_name} {job.model_version}".strip()
    text = "".join(html_page(title, STYLE, _page(folder, entries, left_out, names or {}), f"Model {job.model_sha256}"))
    with atomic_path(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _page(
    folder: Path, entries: Sequence[Entry], left_out: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> Iterator[str]:
    counts = Counter([*(entry.state.value for entry in entries), *(row["state"] for row in left_out)])
    states = (*(state.value for state in State), LEFT_OUT)
    told = ", ".join(f"{counts[state]} {state}" for state in states if counts[state])
    yield f"<p>{counts.total()} scans: {escape(told)}. For research, not for clinical use.</p>"
    yield from _without_result([entry for entry in entries if not entry.state.has_result], left_out, names)
    odd = outliers(entries)
    with_result = [entry for entry in entries if entry.state.has_result]
    with_result.sort(key=lambda entry: -max((each.weight for each in odd.get(entry.scan, ())), default=0.0))
    if with_result:
        yield f"<h2>Results</h2><p>{_summary(len(odd))}</p>"
    for number, entry in enumerate(with_result):
        yield from _case(folder, entry, odd.get(entry.scan, ()), names, within=number < PICTURES)


def _summary(odd: int) -> str:
    if not odd:
        return "No volume stands out."
    return f"{odd} scans stand out and come first. That they do does not say that they are wrong."


def _without_result(
    entries: Sequence[Entry], left_out: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> Iterator[str]:
    if not entries and not left_out:
        return
    yield "<h2>Without a result</h2><div class=wide><table class=text>"
    yield "<thead><tr><th>scan<th>state<th>code<th>why</tr></thead>"
    order = [State.FAILED, State.STARTED, State.REFUSED, State.SKIPPED]
    for entry in sorted(entries, key=lambda entry: order.index(entry.state)):
        why = EXPLANATIONS[Code(entry.code)].meaning if entry.code in Code.__members__ else ""
        yield _row(names.get(entry.scan, entry.scan), entry.state.value, entry.code, why)
    if len(left_out) <= LISTED:
        for row in left_out:
            yield _row(names.get(row["scan"], row["scan"]), row["state"], row["code"], row["why"])
    else:
        for reason, count in Counter((row["state"], row["code"], row["why"]) for row in left_out).most_common():
            yield _row(f"{count} scans" if count > 1 else "1 scan", *reason)
    yield "</table></div>"
    if len(left_out) > LISTED:
        yield "<p>Each scan that was left out stands in <code>cases.csv</code>.</p>"


def _row(name: str, *cells: str) -> str:
    return f"<tr><th>{escape(name)}{''.join(f'<td class=text>{escape(cell)}' for cell in cells)}</tr>"


def _case(folder: Path, entry: Entry, odd: Sequence[Outlier], names: Mapping[str, str], within: bool) -> Iterator[str]:
    yield f"<section><h3>{_name(entry, names)}</h3>"
    for each in odd:
        yield f"<div class=warning><b>{escape(each.segment)}</b> {escape(each.why)}</div>"
    told_of = [code for code in entry.notices if code in Code.__members__ and code != Code.LABEL_UNCODED]
    if told_of:
        told = " ".join(f"{code}: {EXPLANATIONS[Code(code)].meaning}" for code in told_of)
        yield f"<p><small>{escape(told)}</small></p>"
    for output in entry.outputs:
        if output["kind"] == "picture":
            yield _picture(folder / output["path"], within)
    yield "<div class=wide><table><thead><tr><th>segment<th>mL<th>mean<th>touches the edge</tr></thead>"
    for row in entry.segments:
        mean = "" if row["mean"] is None else f"{row['mean']:.4g}"
        name = f"{row['name']} ({row['part']})" if row["part"] else row["name"]
        edge = "yes" if row["touches_edge"] else ""
        yield f"<tr><th>{escape(name)}<td>{row['volume_mL']:.4g}<td>{mean}<td>{edge}</tr>"
    yield "</table></div></section>"


def _name(entry: Entry, names: Mapping[str, str]) -> str:
    return escape(names.get(entry.scan, entry.scan))


def _picture(path: Path, within: bool) -> str:
    """The picture, small and within the page; where there is none any more, or it is one of too many, its name."""
    from PIL import Image, UnidentifiedImageError

    if not within:
        return f"<p><small>{escape(path.name)}</small></p>"
    small = BytesIO()
    try:
        with Image.open(path) as image:
            image.thumbnail((WIDTH, WIDTH * 4))
            image.convert("RGB").save(small, "JPEG", quality=_QUALITY)
    except (OSError, UnidentifiedImageError):
        return f"<p><small>{escape(path.name)} could not be read.</small></p>"
    return f'<p><img alt="The result" src="data:image/jpeg;base64,{base64.b64encode(small.getvalue()).decode()}"></p>'


def names_of(cases: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What scans are called where they may be named: the patient, and the scan's own name or its hash."""
    return {case["scan"]: " ".join(filter(None, (case["patient"], case["name"] or case["scan"]))) for case in cases}
