"""What a person, or a program, sees of long work: bars with the time left, or a line of JSON for each event."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ..errors import MedDLError, Notice
from ..plain_data import without_nan
from ..text import printable
from .reporter import duration

PAUSE = 0.5
"""Seconds between two lines of progress."""

SURE = 2.0
"""Seconds of a stage after which its pace says how long it will take."""

Own = TypeVar("Own", bound="Teller")


class Teller:
    """Tells of the stages of some work. A context manager: an error of MedDL within it is told to programs, too."""

    def __init__(self, as_json: bool, stages: Mapping[str, str]) -> None:
        """Tells nothing yet.

        Args:
            as_json: to a program, on standard output; else to a person, on standard error.
            stages: in words, by name.
        """
        self.console = Console(stderr=True, highlight=False)
        self._json = as_json
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        silent = as_json or not self.console.is_terminal
        self._progress = Progress(*columns, console=self.console, transient=True, disable=silent)
        self._stages = stages
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, tuple[float, int]] = {}
        self._told = 0.0

    def __enter__(self: Own) -> Own:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._progress.stop()
        if isinstance(error, MedDLError):
            self.line("error", code=error.code.value, message=error.message, hint=error.hint)

    def stage(self, stage: str, done: int, of: int, seconds_left: float | None = None) -> None:
        """How far a stage is; the time left is that of its pace so far, where it is not given."""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(self._stages[stage], left="")
        seconds = self._by_pace(stage, done, of) if seconds_left is None else seconds_left
        left = "" if seconds is None else f"about {duration(seconds)} left"
        self._progress.update(self._tasks[stage], completed=done, total=of, visible=done < of, left=left)
        if done >= of or time.monotonic() - self._told > PAUSE:
            self._told = time.monotonic()
            self.line("progress", stage=stage, done=done, of=of, seconds_left=seconds)

    def notices(self, notices: Iterable[Notice]) -> None:
        """Named warnings."""
        for notice in notices:
            self.line("warning", code=notice.code.value, message=notice.message)
            self.say(f"[yellow]Warning[/yellow] {escape(str(notice))}")

    def result(self, text: str, **data: Any) -> None:
        """The result: for a person in words, for a program as data."""
        self.line("result", **data)
        if not self._json:
            self._progress.stop()
            click.echo(printable(text))

    def say(self, markup: str) -> None:
        """Something for a person, in rich's markup."""
        if not self._json:
            self._progress.console.print(markup, soft_wrap=True)

    def line(self, kind: str, **data: Any) -> None:
        """An event for a program."""
        if self._json:
            click.echo(json.dumps(without_nan({"event": kind, **data})))

    def _by_pace(self, stage: str, done: int, of: int) -> float | None:
        """Since the first call, which what was done earlier comes before."""
        now = time.monotonic()
        since, at = self._begun.setdefault(stage, (now, done))
        return round((now - since) * (of - done) / (done - at), 1) if done > at and now - since > SURE else None
