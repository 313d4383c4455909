"""The command: which study, which of its jobs, or what they came to."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __doc__ as about
from .cases import default_data
from .jobs import ENGINES, STUDIES, Job, cross
from .place import Place
from .report import summary, table

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

ONE = ("--threads", 1)
"""Of ``meddl``."""


def main(given: Sequence[str] | None = None) -> None:
    """Runs the jobs of a study that are asked for, one after another, or sums up those that are done."""
    arguments = _arguments(given)
    place = Place(arguments.data.resolve(), arguments.into.resolve())
    jobs = _chosen(arguments)
    if arguments.list:
        for job in jobs:
            print(f"{job.name:32}{'done' if place.result(job).is_file() else ''}")
    elif arguments.summary:
        done = [json.loads(place.result(job).read_text("utf-8")) for job in jobs if place.result(job).is_file()]
        found = summary(done)
        (place.root / f"{arguments.study}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(f"{len(done)} of {len(jobs)} jobs are done\n{table(found)}")
    else:
        _run(jobs, place, arguments.resume)


def _run(jobs: Sequence[Job], place: Place, resume: bool) -> None:
    import SimpleITK as sitk
    import torch

    from .running import BegunError, run_job

    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    for job in jobs:
        try:
            result = run_job(job, place, resume)
        except BegunError as error:
            sys.exit(str(error))
        print(f"{job.name}\n{table(summary([result]))}\n", flush=True)


def _chosen(arguments: argparse.Namespace) -> list[Job]:
    seeds = {"seeds": tuple(arguments.seed)} if arguments.seed else {}
    study = STUDIES[arguments.study]
    if study is cross:
        engines = arguments.engine or ["meddl"]
        jobs = [job for engine in engines for job in cross(arguments.data, arguments.minutes, engine=engine, **seeds)]
    else:
        jobs = study(arguments.data, arguments.minutes, **seeds)
    names = [job.name for job in jobs]
    for name in set(arguments.job or ()) - set(names):
        sys.exit(f"there is no job {name}; see --list")
    return [
        job
        for job in jobs
        if (not arguments.engine or job.engine in arguments.engine) and (not arguments.job or job.name in arguments.job)
    ]


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "benchmarks.training", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--engine", action="append", choices=ENGINES, help="this one only; again for more")
    parser.add_argument("--seed", action="append", type=int, help="this one only; again for more")
    parser.add_argument("--job", action="append", metavar="NAME", help="this one only; again for more")
    parser.add_argument("--minutes", type=float, default=60, help="CPU-minutes of each training; 60 by default")
    parser.add_argument("--into", type=Path, default=Path("training-benchmark"), help="folder of everything")
    parser.add_argument("--data", type=Path, default=default_data(), help="folder of the scans")
    parser.add_argument("--resume", action="store_true", help="go on with jobs that were begun")
    parser.add_argument("--list", action="store_true", help="name the jobs")
    parser.add_argument("--summary", action="store_true", help="the table of the jobs that are done")
    return parser.parse_args(given)


def meddl(*words: object) -> None:
    """Does what ``meddl`` does with these words, and says them; where it fails, so does this program."""
    from MedDLCore.cli.main import run

    given = [str(word) for word in words]
    print(f"$ meddl {shlex.join(given)}", file=sys.stderr, flush=True)
    if (status := run(given)) != 0:
        sys.exit(status)


def one_thread() -> None:
    """Libraries ask the environment when they are imported."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
