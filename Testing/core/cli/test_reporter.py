"""The bar that a person watches, and the fractions that a program is told."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from MedDLCore.cli.reporter import Reporter
from MedDLCore.clock import Clock, OnProgress, share


def a_run(tell: OnProgress | None) -> None:
    """What one network tells. Its patches go through it while the last stage waits for them."""
    clock = Clock(tell)
    with clock.stage("prepare"):
        clock.progress("prepare")(1, 1)
    with clock.stage("network"):
        pass
    with clock.stage("finish"):
        for stage in ("network", "finish"):
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


def test_a_run_that_waits_for_its_network_is_not_told_to_be_nearly_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last stage has begun then: it takes the patches as they come."""
    seconds = itertools.count(1)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    with Reporter(as_json=True) as reporter:
        reporter.case("a scan")
        for stage, done in (("read", 0), ("load", 0), ("prepare", 4), ("network", 0), ("finish", 0), ("network", 1)):
            reporter.progress(stage, done, 4)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert 0.25 < max(event["fraction"] for event in told) < 0.35
