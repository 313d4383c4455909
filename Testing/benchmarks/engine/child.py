"""One engine in its own process: does the job, writes the label map and the figures."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from MedDLCore.models import load_networks, open_model

from .cases import FLOOR, Case
from .engines import Job, RefusedError, ready
from .meter import Meter

LABELS, FIGURES, JOB = "labels.npy", "figures.json", "job.json"
BARE_PASSES = 2


def write_job(job: Job) -> Path:
    """Writes what ``run`` reads."""
    path = job.into / JOB
    path.write_text(json.dumps(asdict(job), default=str), encoding="utf-8")
    return path


def run(path: Path) -> None:
    """Does the job of a file, in this process."""
    job = _read(path)
    torch.set_num_threads(job.threads)
    figures: dict[str, Any]
    try:
        figures = _bare_forward(job) if job.engine == FLOOR else _segmented(job)
    except ImportError as error:
        figures = {"status": "missing", "why": f"{(error.name or str(error)).partition('.')[0]} is not installed"}
    except RefusedError as error:
        figures = {"status": "refused", "why": str(error)}
    (job.into / FIGURES).write_text(json.dumps(figures), encoding="utf-8")


def _segmented(job: Job) -> dict[str, Any]:
    meter = Meter()
    call = ready(job, meter)
    np.save(job.into / LABELS, meter(call))
    return {"status": "ran", **{name: getattr(meter, name) for name in ("seconds", "passes", "memory", "planned")}}


def _bare_forward(job: Job) -> dict[str, Any]:
    """The model's own network on one patch, and nothing else."""
    (network,) = load_networks(open_model(job.model))
    patch = torch.randn(1, 1, *(job.case.patch,) * 3, generator=torch.Generator().manual_seed(0))
    taken = []
    with torch.inference_mode():
        for _ in range(BARE_PASSES):
            started = time.process_time()
            network(patch)
            taken.append(time.process_time() - started)
    return {"status": "ran", "forward": min(taken), "forwards": taken}


def _read(path: Path) -> Job:
    plain = json.loads(path.read_text(encoding="utf-8"))
    case = Case(**{key: tuple(value) if isinstance(value, list) else value for key, value in plain.pop("case").items()})
    folders = {key: Path(plain.pop(key)) for key in ("model", "by_torch", "scan", "into")}
    return Job(case=case, voxel=tuple(plain.pop("voxel")), **folders, **plain)
