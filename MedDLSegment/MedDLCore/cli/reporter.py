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

STAGES: Mapping[str, tuple[float, str]] = {
    "read": (0.04, "Reading the scan"),
    "load": (0.04, "Loading the model"),
    "prepare": (0.05, "Preparing"),
    "network": (0.70, "Network"),
    "finish": (0.12, "Back to the scan's grid"),
    "write": (0.03, "Writing"),
    "picture": (0.02, "Drawing the picture"),
}
"""Each stage's expected part of the whole, and what a person reads."""

OF_A_RUN = ("prepare", "network", "finish")

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
        self._weights: dict[str, float] = {}
        self._started = time.monotonic()
        self._fraction = 0.0
        self._told: dict[str, float] = {}
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
            self.event("error", case=self._case, code="INTERNAL", message=f"{type(error).__name__}: {error}", hint="")

    def case(self, name: str, without: tuple[str, ...] = ()) -> None:
        """Starts the progress of a case; ``without`` are stages that it does not have."""
        self._case = name
        weights = {stage: weight for stage, (weight, _) in STAGES.items() if stage not in without}
        self._weights = {stage: weight / sum(weights.values()) for stage, weight in weights.items()}
        self._started, self._fraction, self._last = time.monotonic(), 0.0, (0.0, -1.0)
        self._told = {}
        self._end_bar()
        self._task = self._progress.add_task(escape(name), total=1.0, left="")

    def progress(self, stage: str, done: int, of: int) -> None:
        """Tells how far a stage of the case is."""
        self._told[stage] = min(1.0, done / max(of, 1))
        fraction = self._fraction = max(self._fraction, self._done_before_and_in(stage))
        elapsed = time.monotonic() - self._started
        left = elapsed * (1 - fraction) / fraction if fraction > 0.1 and elapsed > 1 else None
        if self._task is not None:
            text = STAGES[stage][1] + (f" [dim]about {duration(left)} left[/dim]" if left is not None else "")
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

    def _done_before_and_in(self, stage: str) -> float:
        """The stages of a run count as far as they told, for they overlap, and several networks each go through them.

        The others are over when the next one begins.
        """
        names = list(self._weights)
        over = {name for name in names[: names.index(stage)] if name not in OF_A_RUN} if stage in names else set()
        return sum(
            weight * (1.0 if name in over else self._told.get(name, 0.0)) for name, weight in self._weights.items()
        )

    def notices(self, notices: Sequence[Notice]) -> None:
        """Named warnings; a person is shown the first few of each code."""
        shown: Counter[Code] = Counter()
        for notice in notices:
            self.event("warning", case=self._case, code=notice.code.value, message=notice.message)
            shown[notice.code] += 1
            if shown[notice.code] <= MOST_OF_A_KIND:
                self._say(f"[yellow]Warning[/yellow] {escape(str(notice))}")
        for code, count in shown.items():
            if count > MOST_OF_A_KIND:
                self._say(f"[yellow]Warning[/yellow] {code.value}: and {count - MOST_OF_A_KIND} more.")

    def error(self, error: MedDLError) -> None:
        """A refusal, with what to do next."""
        self._error_event(error)
        self._say(f"[red]{escape(error.code.value)}[/red]: {escape(error.message)}\n{escape(error.hint)}")

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

    def _error_event(self, error: MedDLError) -> None:
        self.event("error", case=self._case, code=error.code.value, message=error.message, hint=error.hint)

    def _end_bar(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def _say(self, markup: str) -> None:
        if not self._json:
            self._progress.console.print(markup, soft_wrap=True)


def duration(seconds: float) -> str:
    """``40 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
