"""Runs the engines of a case one after the other, each in its process, and compares their label maps."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from MedDLCore.inference import free_memory

from .cases import FLOOR, JUDGE, PEERS, Case
from .child import FIGURES, LABELS, write_job
from .engines import Job
from .figures import Figures
from .forecast import forecast
from .guarded import LEFT, run_guarded
from .model import write_models
from .scan import make_scan

SAME_NETWORK = ("meddl", JUDGE, *PEERS)
"""Engines that run the network by torch in single precision, as the floor does."""

PROGRAM = Path(__file__).with_name("__main__.py")


@dataclass(frozen=True)
class Limits:
    """What an engine may take.

    Attributes:
        threads: CPU threads.
        memory: bytes.
        seconds: of wall time.
    """

    threads: int
    memory: float
    seconds: float


def run_case(
    case: Case, engines: Sequence[str], limits: Limits, scratch: Path, floor: Figures | None = None
) -> dict[str, Any]:
    """Runs a case.

    Args:
        case: the case.
        engines: by name, in order.
        limits: of each.
        scratch: an empty folder.
        floor: what an earlier case with the same network has of it, in place of running it again.

    Returns:
        ``shape``, the scan's, and ``engines``: the figures of each.

    Raises:
        ScanMissingError: as ``make_scan``.
    """
    scan, voxel = make_scan(case)
    np.save(scratch / "scan.npy", scan)
    shape = scan.shape
    del scan
    by_default, by_torch = write_models(case, scratch, limits.threads)
    figures: dict[str, Any] = {} if floor is None else {FLOOR: floor}
    for engine in engines:
        if engine in figures:
            continue
        into = scratch / engine
        into.mkdir()
        job = Job(case, engine, by_default, by_torch, scratch / "scan.npy", voxel, limits.threads, into)
        figures[engine] = _run(job, shape, limits)
    for engine, found in figures.items():
        if engine != FLOOR and found["status"] == "ran":
            labels = scratch / engine / LABELS
            others = [other for other in (JUDGE, "nnunet", "meddl") if figures.get(other, {}).get("status") == "ran"]
            found["agreement"] = {
                other: _agreement(labels, scratch / other / LABELS) for other in others if other != engine
            }
            found["classes"], found["background"] = _content(labels)
    if case.network == "unet":
        figures = with_quickest_forward(figures)
    return {"shape": list(shape), "engines": figures}


def with_quickest_forward(figures: Mapping[str, Figures]) -> dict[str, Figures]:
    """Figures of a case whose engines ran the model's own network, with the floor that they show.

    The network cannot take longer alone than within an engine: where it seems to, something else slowed the machine.
    """
    floor = figures.get(FLOOR)
    if floor is None or floor["status"] != "ran":
        return dict(figures)
    within = [f["seconds"]["network"] / f["passes"] for e, f in figures.items() if e in SAME_NETWORK and "passes" in f]
    return {**figures, FLOOR: {**floor, "forward": min(floor["forward"], *within)}}


def _run(job: Job, shape: Sequence[int], limits: Limits) -> dict[str, Any]:
    allowed = min(limits.memory, free_memory() - LEFT)
    foreseen = forecast(job.engine, job.case, shape, job.voxel)
    if job.engine != FLOOR and foreseen.total > allowed:
        why = (
            f"its arrays take {foreseen.total / 1e9:.1f} GB at least, {foreseen.what} {foreseen.largest / 1e9:.1f} GB; "
            f"{allowed / 1e9:.1f} GB are allowed"
        )
        return {"status": "refused", "why": why}
    command = [sys.executable, str(PROGRAM), "--child", str(write_job(job))]
    why = run_guarded(command, limits.threads, allowed, limits.seconds)
    if why:
        return {"status": "failed", "why": why}
    figures: dict[str, Any] = json.loads((job.into / FIGURES).read_text(encoding="utf-8"))
    return figures


def _agreement(path: Path, other: Path) -> float:
    """The part of the voxels with the same label."""
    one, two = (np.load(file, mmap_mode="r") for file in (path, other))
    if one.shape != two.shape:
        return 0.0
    return sum(int(np.count_nonzero(a == b)) for a, b in zip(one, two, strict=True)) / one.size


def _content(path: Path) -> tuple[int, float]:
    """How many classes a label map shows, and the part of it that is background: two empty ones agree too easily."""
    counts = sum(np.bincount(plane.ravel(), minlength=256) for plane in np.load(path, mmap_mode="r"))
    return int(np.count_nonzero(counts)), float(counts[0] / counts.sum())
