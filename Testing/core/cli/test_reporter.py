"""The bar that a person watches, and the fractions that a program is told."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from MedDLCore.cli.reporter import Reporter
from MedDLCore.clock import Clock, OnProgress, share


def a_run(tell: OnProgress | None) -> None:
    """What one network tells."""
    clock = Clock(tell)
    for stage in ("prepare", "network", "finish"):
        with clock.stage(stage):
            for done in range(4):
                clock.progress(stage)(done + 1, 4)


def fractions(runs: int, capsys: pytest.CaptureFixture[str]) -> list[float]:
    ends = []
    with Reporter(as_json=True) as reporter:
        reporter.case("a scan")
        reporter.progress("read", 0, 1)
        reporter.progress("load", 0, 1)
        for n in range(runs):
            a_run(share(reporter.progress, n, runs))
            events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
            ends.append(max(event["fraction"] for event in events if event["event"] == "progress"))
    return ends


def test_after_one_of_five_networks_a_fifth_of_the_way_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a bar that stood at 90 % after the first of five."""
    seconds = itertools.count(1)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    one, *_, last = fractions(5, capsys)
    assert 0.2 < one < 0.3
    assert last == fractions(1, capsys)[0] == pytest.approx(0.95, abs=0.02)
