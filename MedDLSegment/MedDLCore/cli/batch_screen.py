"""What a person, or a program, sees while a batch runs, and before it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..batch import Choice, Entry, Scan, State
from ..batch.choosing import LEFT_OUT
from ..batch.foresight import Foresight
from ..batch.reports import CASES, PAGE, REPORT, SEGMENTS
from ..errors import Exit, MedDLError, Notice
from ..text import one_line
from ..writers import FORMATS
from .reporter import Reporter, duration

_LONGEST = 60
"""Characters of a cell."""

_WIDE = 200
"""Characters of a line where no terminal limits it."""


class Screen:
    """Tells how a batch goes. Of several scans that run at once, the bar shows the one that was begun last.

    Programs are told ``begins`` and ``result`` of every scan; how far it is, of the one that was begun last, and of the
    others which ``stage`` they are in.
    """

    def __init__(self, reporter: Reporter, at_once: int = 1) -> None:
        """Takes where to tell it, and how many scans run at once."""
        self._reporter = reporter
        self._at_once = at_once
        self._seconds: list[float] = []
        self._left = 0
        self._shown = ""
        self._stages: dict[str, str] = {}

    def begins(self, scan: Scan, number: int, of: int) -> None:
        """See ``Watcher``."""
        self._shown = scan.key
        self._left = of - number + 1
        left = ""
        if self._seconds:
            mean = sum(self._seconds) / len(self._seconds)
            left = f", about {duration(mean * self._left / self._at_once)} left"
        self._reporter.event("begins", scan=scan.key, number=number, of=of)
        self._reporter.case(f"{number}/{of} {scan.name or scan.key}{left}")

    def progress(self, scan: Scan, stage: str, done: int, of: int) -> None:
        """See ``Watcher``."""
        if scan.key == self._shown:
            self._reporter.progress(stage, done, of)
        elif self._stages.get(scan.key) != stage:
            self._stages[scan.key] = stage
            self._reporter.event("stage", scan=scan.key, stage=stage)

    def ended(self, scan: Scan, entry: Entry, notices: Sequence[Notice], error: Exception | None) -> None:
        """See ``Watcher``."""
        self._seconds.append(entry.seconds)
        self._stages.pop(scan.key, None)
        name = scan.name or scan.key
        if isinstance(error, MedDLError):
            if entry.state is not State.SKIPPED:
                self._reporter.error(error, name)
        elif error is not None:
            self._reporter.internal(error, name)
        self._reporter.notices(notices, name)
        names = [Path(output["path"]).name for output in entry.outputs if output["kind"] in FORMATS]
        code = f" {entry.code}" if entry.code else ""
        self._reporter.result(
            f"{name}: {entry.state.value}{code} {', '.join(names)}".rstrip(),
            scan=entry.scan,
            state=entry.state.value,
            code=entry.code,
            seconds=entry.seconds,
            outputs=[output["path"] for output in entry.outputs],
        )


def concluded(
    choices: Sequence[Choice],
    entries: Mapping[str, Entry],
    out: Path,
    refused: Mapping[str, MedDLError],
    reporter: Reporter,
) -> Exit:
    """Says how many scans ended how, and what a server did not take; the exit status."""
    chosen = [entries[choice.scan.key] for choice in choices if choice.runs]
    counts = Counter(entry.state.value for entry in chosen)
    counts[LEFT_OUT] = len(choices) - len(chosen)
    if refused:
        counts["not stored"] = len(refused)
        reporter.error(next(iter(refused.values())))
    text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    if choices and not chosen:
        text += f"; {PAGE} says why"
    made = [str(out / name) for name in (PAGE, CASES, SEGMENTS, REPORT)]
    reporter.result("\n".join([f"Batch: {text or 'no scans'}.", *(f"  {path}" for path in made)]), counts=counts)
    failed = refused or any(entry.state in (State.REFUSED, State.FAILED) for entry in chosen)
    return Exit.SOME_FAILED if failed else Exit.OK


def preview(
    choices: Sequence[Choice],
    done: Collection[str],
    entries: Mapping[str, Entry],
    needs: Foresight | None,
    reporter: Reporter,
    as_json: bool,
) -> None:
    """What would run, what would not and why, and what it will need."""
    rows = [(choice.scan, _what(choice, done, entries)) for choice in choices]
    for scan, what in rows:
        reporter.event("choice", scan=scan.key, study=scan.folder, modality=scan.modality, what=what)
    if not as_json:
        _print_table(rows)
    to_do = sum(what == RUNS for _, what in rows)
    reporter.result(_in_words(to_do, needs), to_do=to_do, **({} if needs is None else asdict(needs)))


RUNS = "runs"


def _what(choice: Choice, done: Collection[str], entries: Mapping[str, Entry]) -> str:
    if choice.scan.key in done:
        entry = entries[choice.scan.key]
        return f"already {entry.state.value} {entry.code}".strip()
    if choice.runs:
        return RUNS
    return f"{LEFT_OUT}: {choice.reason}" + (f" ({choice.code.value})" if choice.code else "")


def _print_table(rows: Sequence[tuple[Scan, str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("scan", "modality", "description", "slices", "mm", "what"):
        table.add_column(column, overflow="fold")
    for scan, what in rows:
        known = bool(scan.files) or (scan.remote is not None and what == RUNS)  # a server is not asked for nothing
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
    if not console.is_terminal:  # a file, or another program: no lines folded at 80 columns
        console = Console(highlight=False, width=_WIDE)
    console.print(table)


def _in_words(to_do: int, needs: Foresight | None) -> str:
    if needs is None:
        return "Nothing is to be done."
    time = "" if needs.seconds is None else f", network about {duration(needs.seconds)}"
    known = f" ({needs.unknown} could not be foreseen)" if needs.unknown else ""
    return f"{to_do} to run{time}; memory {needs.memory / 1e9:.1f} GB, results about {needs.disk / 1e6:.0f} MB{known}."
