"""A run that is measured in a process of its own, which does not outlast who asked for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from fixtures.packages import threshold_package
from MedDLTraining.publish import measuring

LONG = 60.0
"""Seconds."""


def endless(*_: Any) -> None:
    """In the place of a run that takes an hour."""
    time.sleep(LONG)


@pytest.mark.skipif(os.name == "nt", reason="no SIGALRM")
def test_a_run_that_is_cancelled_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM, or a window that is closed, reaches the first process alone: it waited for the other one's end."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "_run", endless)
    before = signal.signal(signal.SIGALRM, interrupt)
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            measuring.measured_on([], Path())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < LONG / 2 and not multiprocessing.active_children()


def test_an_error_of_the_run_is_not_taken_for_a_kill(tmp_path: Path) -> None:
    """It was told as a lack of memory."""
    model = threshold_package(tmp_path / "model").folder
    with pytest.raises(RuntimeError, match="IndexError"):
        measuring.measured_on([], model)
