"""The stages of a run: how long they take, how far they are, and what becomes of a memory that runs out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from .errors import Code, MedDLError
from .out_of_memory import is_out_of_memory

Item = TypeVar("Item")

OnProgress = Callable[[str, int, int], None]
"""Called with (stage, done, of). What it raises ends the run: that is how a run is cancelled."""


@dataclass
class Clock:
    """Times the stages and passes progress on. Running out of memory within a stage becomes an answer."""

    on_progress: OnProgress | None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage, without the time that ``time_of`` gives to another."""
        started, others = time.monotonic(), sum(self.seconds.values())
        self.progress(name)(0, 1)
        with memory_for(name):
            yield
        within = sum(self.seconds.values()) - others
        self._add(name, time.monotonic() - started - within)

    def time_of(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """Gives the time that the items take to make to the stage ``name``."""
        iterator = iter(items)
        while True:
            started = time.monotonic()
            try:
                with memory_for(name):
                    item = next(iterator)
            except StopIteration:
                return
            finally:
                self._add(name, time.monotonic() - started)
            yield item

    def progress(self, name: str) -> Callable[[int, int], None]:
        """The function that a stage tells its progress."""

        def tell(done: int, of: int) -> None:
            if self.on_progress is not None:
                self.on_progress(name, done, of)

        return tell

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] = round(self.seconds.get(name, 0.0) + seconds, 3)


@contextmanager
def memory_for(stage: str) -> Iterator[None]:
    """Running out of memory within becomes an answer.

    Raises:
        MedDLError: NO_MEMORY.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise MedDLError(Code.NO_MEMORY, f"The machine's memory ran out in the stage {stage!r}.") from error


def share(on_progress: OnProgress | None, n: int, of: int) -> OnProgress | None:
    """The progress of one of several runs, as a part of the whole."""
    if on_progress is None:
        return None
    told = on_progress
    return lambda stage, done, total: told(stage, n * total + done, of * total)
