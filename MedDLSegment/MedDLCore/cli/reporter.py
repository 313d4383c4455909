"""What a person, or a program, sees while a command runs.

For people: a bar with the stage, the part done and the time left, on standard error; results on standard output.
With ``--json``: one JSON object per line on standard output and nothing else there.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ..errors import Code, MedDLError, Notice
from ..progress import Whole

STAGES: Mapping[str, str] = {
    "read": "Reading the scan",
    "load": "Loading the model",
    "prepare": "Preparing",
    "network": "Network",
    "finish": "Back to the scan's grid",
    "write": "Writing",
    "picture": "Drawing the picture",
}
"""What a person reads of each stage."""

MOST_OF_A_KIND = 3
"""Warnings of one code that a person is shown."""


class Reporter:
    """Events of one command. Use as a context manager; ``case`` starts a new bar."""

    def __init__(self, as_json: bool) -> None:
        """Reports as JSON lines, or to people."""
        self._json = as_json
        self._out = sys.stdout
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=as_json or not self._console.is_terminal,
            transient=True,
            redirect_stdout=False,
        )
        self._task: TaskID | None = None
        self._case = ""
        self._whole = Whole()
        self._last = (0.0, -1.0)

    def __enter__(self) -> Reporter:
        if not self._json:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._json:
            self._progress.stop()
        if isinstance(error, KeyboardInterrupt):
            error = MedDLError(Code.CANCELLED, "Cancelled.")
        if isinstance(error, MedDLError):
            self._error_event(error)
        elif isinstance(error, Exception):
            self._internal_event(error)

    def case(self, name: str, without: tuple[str, ...] = ()) -> None:
        """Starts the progress of a case; ``without`` are stages that it does not have."""
        self._case = name
        self._whole, self._last = Whole(without), (0.0, -1.0)
        self._end_bar()
        self._task = self._progress.add_task(escape(name), total=1.0, left="")

    def progress(self, stage: str, done: int, of: int) -> None:
        """Tells how far a stage of the case is."""
        self._whole.tell(stage, done, of)
        fraction, left = self._whole.fraction, self._whole.seconds_left
        if self._task is not None:
            text = STAGES[stage] + (f" [dim]about {duration(left)} left[/dim]" if left is not None else "")
            self._progress.update(self._task, completed=fraction, left=text)
        if self._json and (time.monotonic() - self._last[0] > 0.2 or done >= of) and fraction > self._last[1]:
            self._last = (time.monotonic(), fraction)
            self.event(
                "progress",
                case=self._case,
                stage=stage,
                fraction=round(fraction, 4),
                seconds_left=None if left is None else round(left, 1),
            )

    def notices(self, notices: Sequence[Notice], of: str = "") -> None:
        """Named warnings; a person is shown the first few of each code. ``of``: see ``error``."""
        shown: Counter[Code] = Counter()
        for notice in notices:
            self.event("warning", case=of or self._case, code=notice.code.value, message=notice.message)
            shown[notice.code] += 1
            if shown[notice.code] <= MOST_OF_A_KIND:
                self._say(f"[yellow]Warning[/yellow] {_prefix(of)}{escape(str(notice))}")
        for code, count in shown.items():
            if count > MOST_OF_A_KIND:
                self._say(f"[yellow]Warning[/yellow] {_prefix(of)}{code.value}: and {count - MOST_OF_A_KIND} more.")

    def error(self, error: MedDLError, of: str = "") -> None:
        """A refusal, with what to do next. ``of``: the scan, where several are on their way."""
        self._error_event(error, of)
        self._say(f"{_prefix(of)}[red]{escape(error.code.value)}[/red]: {escape(error.message)}\n{escape(error.hint)}")

    def internal(self, error: Exception, of: str = "") -> None:
        """An error of MedDL itself, which ended one scan only. ``of``: see ``error``."""
        self._internal_event(error, of)
        text = f"{type(error).__name__}: {error}"
        self._say(f"{_prefix(of)}[red]MedDL met an error of its own[/red]: {escape(text)}")

    def result(self, text: str, **data: Any) -> None:
        """A result: ``text`` for people, ``data`` for programs. Ends the bar of the case."""
        self.event("result", case=self._case, **data)
        if not self._json:
            self._end_bar()
            print(text, file=self._out, flush=True)

    def event(self, kind: str, **data: Any) -> None:
        """One line of JSON, where JSON is wanted."""
        if self._json:
            print(json.dumps({"event": kind, **data}, ensure_ascii=True), file=self._out, flush=True)

    def _error_event(self, error: MedDLError, of: str = "") -> None:
        self.event("error", case=of or self._case, code=error.code.value, message=error.message, hint=error.hint)

    def _internal_event(self, error: Exception, of: str = "") -> None:
        message = f"{type(error).__name__}: {error}"
        self.event("error", case=of or self._case, code="INTERNAL", message=message, hint="")

    def _end_bar(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def _say(self, markup: str) -> None:
        if not self._json:
            self._progress.console.print(markup, soft_wrap=True)


def _prefix(of: str) -> str:
    return f"{escape(of)}: " if of else ""


def duration(seconds: float) -> str:
    """``40 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
