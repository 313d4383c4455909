"""What a batch costs beyond its networks: ``python batch_throughput.py [CASES] [SIZE] [ROUNDS]``.

One run holds three ways to the same results, in turn and several times over, so that a machine that is busy for a while
slows them alike; the median round counts. Seconds of the clock say what overlaps, and need an idle machine; CPU-seconds
(of the worker, too) say what a batch adds:

  warm   one process that has the model: read, segment, write, one case after the other; the time of one times the cases
  batch  ``meddl batch`` with one worker, its pictures and pages left out, the worker's start taken off
  cold   a process for each case, as a loop in a shell starts them (three of them, times the cases)

Wanted: batch / warm at most 1.05. Nothing fails here: read the line.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import psutil  # noqa: E402

from fixtures.batches import write_series  # noqa: E402
from fixtures.packages import layer, threshold_spec  # noqa: E402
from MedDLCore.batch import (  # noqa: E402
    Job,
    Ledger,
    LocalSite,
    WorkerSegmenter,
    claimed_for_a_batch,
    open_source,
    run_batch,
)
from MedDLCore.case import Outputs, run_case  # noqa: E402
from MedDLCore.models import load_networks, open_model, write_package  # noqa: E402
from MedDLCore.pipeline import load  # noqa: E402
from MedDLCore.readers import read  # noqa: E402
from MedDLCore.spec import Network  # noqa: E402
from MedDLCore.worker import Job as WorkerJob  # noqa: E402

Seconds = tuple[float, float]
"""Of the clock, and of the CPU."""

COLD = 3
"""Cold processes that are timed; they differ little."""


def main(cases: int = 8, size: int = 96, rounds: int = 3) -> int:
    """Prints the ratios."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number in range(1, cases + 1):
            pixels = {"Rows": size, "Columns": size, "PixelData": b"\x00\x04" * (size * size)}
            write_series(folder / "scans" / f"{number:03}", number, slices=size, **pixels)
        model = _model(folder / "model")
        scans = open_source(folder / "scans", folder / "out").scans()
        warm, batch = [], []
        for n in range(rounds):
            warm.append(_warm(scans, model, folder / f"warm{n}"))
            batch.append(_batch(scans, model, folder / f"batch{n}"))
        cold = _cold(scans, model, folder / "cold")
        print(f"{cases} cases of {size}^3:")
        for n, kind in enumerate(("clock", "CPU")):
            ratios = [b[n] / w[n] for b, w in zip(batch, warm, strict=True)]
            print(
                f"  {kind}: batch / (cases x warm call) = {statistics.median(ratios):.3f}"
                f" (rounds {', '.join(f'{ratio:.3f}' for ratio in ratios)});"
                f" loop of cold processes / batch = {cold[n] / statistics.median(b[n] for b in batch):.1f}"
            )
    return 0


def _now(worker: int | None = None) -> Seconds:
    """Of the clock; of this process, of those that it has waited for, and of a worker that runs."""
    times = os.times()
    cpu = times.user + times.system + times.children_user + times.children_system
    if worker is not None:
        about = psutil.Process(worker).cpu_times()
        cpu += about.user + about.system
    return time.perf_counter(), cpu


def _since(before: Seconds, now: Seconds) -> Seconds:
    return now[0] - before[0], now[1] - before[1]


def _model(folder: Path) -> Path:
    """A network whose forward pass takes most of a case's time, as that of a real one does."""
    import torch

    layers = [layer(1, 16, 3), layer(16, 16, 3, 2), layer(16, 2)]
    spec = threshold_spec(network=Network("MeshNet", {"layers": layers}))
    generator = torch.Generator().manual_seed(1)
    state = {}
    for n, item in enumerate(layers):
        k = item["kernel_size"]
        shape = (item["out_channels"], item["in_channels"], k, k, k)
        state[f"model.{2 * n}.weight"] = torch.randn(shape, generator=generator) * 0.1
        state[f"model.{2 * n}.bias"] = torch.zeros(item["out_channels"])
    package = write_package(spec, state, folder)
    load_networks(package)
    return package.folder


def _warm(scans, model: Path, out: Path) -> Seconds:
    loaded = load(open_model(model), "cpu", 1, "torch")
    run_case(read(scans[0].files), loaded, Outputs(out / "first", ("dicomseg",)))
    started = _now()
    for scan in scans:
        run_case(read(scan.files), loaded, Outputs(out / scan.folder, ("dicomseg",)))
    return _since(started, _now())


def _batch(scans, model: Path, out: Path) -> Seconds:
    package = open_model(model)
    job = Job(package.spec.name, package.spec.version, package.sha256)
    request = WorkerJob(str(model), device="cpu", threads=1, backend="torch")
    with WorkerSegmenter(package, request) as segmenter, LocalSite(segmenter) as site:
        seconds = []
        for part, folder in ((scans[:1], out / "first"), (scans, out / "all")):
            with claimed_for_a_batch(folder), Ledger(folder, job) as ledger:
                pid = segmenter._worker.conversation.pid if seconds else None
                started = _now(pid)
                run_batch(part, job, [site], ledger)
                seconds.append(_since(started, _now(pid)))
        return seconds[1]


def _cold(scans, model: Path, out: Path) -> Seconds:
    options = ("--format", "dicomseg", "--no-picture", "--threads", "1", "--device", "cpu", "--backend", "torch")
    started = _now()
    for n, scan in enumerate(scans[:COLD]):
        given = ("segment", scan.files[0].parent, "-m", model, "-o", out / str(n), *options)
        subprocess.run([sys.executable, "-m", "MedDLCore.cli", *map(str, given)], check=True, capture_output=True)
    clock, cpu = _since(started, _now())
    return clock / COLD * len(scans), cpu / COLD * len(scans)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
