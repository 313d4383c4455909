"""Batches that are killed, run out of disk, or meet one another: nothing is lost, doubled or half there."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fixtures import batch_process
from fixtures.batches import write_series
from MedDLCore.errors import Code, Exit

SCANS = 3
KILLS = 10


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    for number in range(1, SCANS + 1):
        write_series(folder / f"{number}", number, slices=4, FrameOfReferenceUID=f"1.2.3.{number}")
    return folder


def start(source: Path, out: Path, instant: int = 0, **environment: str) -> subprocess.Popen[str]:
    arguments = (batch_process.__file__, source, out, out.with_name(f"{out.name}-calls"), instant)
    environment = {**os.environ, "MEDDL_INDEX": str(source.parent / "index"), **environment}
    return subprocess.Popen([sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=environment)


def calls(out: Path) -> Counter[str]:
    path = out.with_name(f"{out.name}-calls")
    return Counter(path.read_text().split()) if path.exists() else Counter()


def results(out: Path) -> dict[str, bytes]:
    """Every file but the ledger; of manifests without times."""
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    assert not [name for name in files if ".meddl-" in name], "something unfinished was left"
    return {name: _timeless(path) for name, path in files.items() if not name.endswith(".sqlite")}


def _timeless(path: Path) -> bytes:
    if not path.name.endswith("_manifest.json"):
        return path.read_bytes()
    manifest: dict[str, Any] = json.loads(path.read_text())
    del manifest["seconds"]
    return json.dumps(manifest).encode()


def test_a_batch_that_is_killed_at_any_instant_ends_as_if_it_had_not_been(source: Path, tmp_path: Path) -> None:
    """The job's date is the first run's, so the interrupted runs must not begin a second later than the whole one.

    Each run has another clock: what is done does not depend on it, nor the dates that results carry.
    """
    first = start(source, tmp_path / "interrupted", 12)
    first.communicate()
    whole = tmp_path / "whole"
    whole.mkdir()
    ledger = tmp_path / "interrupted" / "meddl-batch.sqlite"
    if ledger.exists():
        (whole / ledger.name).write_bytes(ledger.read_bytes())
    said, _ = start(source, whole).communicate()
    instants = int(said)
    chosen = random.Random(7).sample(range(2, instants), KILLS - 1)
    killed = 1
    for n, instant in enumerate(chosen):
        run = start(source, tmp_path / "interrupted", instant, CLOCK_DAYS=str((-1, 0, 400)[n % 3]))
        run.communicate()
        killed += run.returncode < 0
    last = start(source, tmp_path / "interrupted")
    last.communicate()
    assert last.returncode == 0
    assert killed >= 3
    assert results(tmp_path / "interrupted") == results(whole)
    assert len(calls(whole)) == SCANS
    assert calls(tmp_path / "interrupted").total() <= SCANS + killed
    again = start(source, tmp_path / "interrupted")
    again.communicate()
    assert (again.returncode, calls(tmp_path / "interrupted").total() <= SCANS + killed) == (0, True)


def test_of_batches_that_start_at_once_one_works_and_nothing_is_doubled(source: Path, tmp_path: Path) -> None:
    for n in range(3):
        out = tmp_path / str(n)
        runs = [start(source, out), start(source, out)]
        said = [run.communicate()[0].strip() for run in runs]
        statuses = sorted(run.returncode for run in runs)
        assert statuses[0] == 0
        assert statuses[1] in (0, Exit.OUTPUT)
        if statuses[1]:
            assert Code.BATCH_RUNNING.value in said
        assert calls(out).total() == SCANS
        assert len([name for name in results(out) if name.endswith(".seg.dcm")]) == SCANS


LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not limit the size of files")
def test_a_full_disk_stops_the_batch_and_leaves_no_half_result(tmp_path: Path) -> None:
    """A limit on the size of files takes the part of the full disk. Without it the batch goes on.

    The disk fills up within the pixel data, where pydicom raises the system's error anew without its number.
    """
    write_series(tmp_path / "scans" / "1", 1, slices=4, FrameOfReferenceUID="1.2.3")
    big = {"Rows": 400, "Columns": 440, "PixelData": b"\xff\x0f" * (400 * 440)}
    write_series(tmp_path / "scans" / "2", 2, slices=6, FrameOfReferenceUID="1.2.4", **big)
    write_series(tmp_path / "scans" / "3", 3, slices=4, FrameOfReferenceUID="1.2.5")
    out = tmp_path / "out"
    arguments = (batch_process.__file__, tmp_path / "scans", out, tmp_path / "out-calls")
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.strip()) == (Exit.OUTPUT, Code.NO_SPACE.value), run.stderr
    assert len([name for name in results(out) if name.endswith(".seg.dcm")]) == 1
    freed = start(tmp_path / "scans", out)
    freed.communicate()
    assert freed.returncode == 0
    assert len([name for name in results(out) if name.endswith(".seg.dcm")]) == 3
    assert calls(out).total() == 4
