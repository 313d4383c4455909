"""Runs the engines of a case one after the other, each in its process, and compares their label maps."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from MedDLCore.inference import free_memory

from .cases import FLOOR, JUDGE, Case
from .child import FIGURES, LABELS, write_job
from .engines import Job
from .forecast import forecast
from .guarded import LEFT, run_guarded
from .model import write_models
from .scan import make_scan

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


def run_case(case: Case, engines: Sequence[str], limits: Limits, scratch: Path) -> dict[str, Any]:
    """Runs a case.

    Args:
        case: the case.
        engines: by name, in order.
        limits: of each.
        scratch: an empty folder.

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
    figures: dict[str, Any] = {}
    for engine in engines:
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
    return {"shape": list(shape), "engines": figures}


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
