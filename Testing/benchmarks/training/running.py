"""One job from its data to its result; killed anywhere, it goes on."""

from __future__ import annotations

import importlib
import json
import resource
from dataclasses import asdict
from typing import Any

from MedDLCore.atomic import atomic_path, claimed

from .cases import LEARNT_FROM, names_of, write_data_set
from .jobs import Job
from .ledger import Ledger
from .place import Place
from .scoring import score

JOB, LEDGER = "job.json", "seconds.json"


class BegunError(Exception):
    """The job was begun before; the message says what can be done."""


def run_job(job: Job, place: Place, resume: bool = False) -> dict[str, Any]:
    """Trains, predicts, scores, and writes the result. One that is there already is only read.

    Raises:
        BegunError: the job was begun and ``resume`` is False, or with another budget or other cases.
    """
    folder = place.job(job)
    if not place.result(job).is_file():
        (folder / "predictions").mkdir(parents=True, exist_ok=True)
        place.result(job).parent.mkdir(exist_ok=True)
        with claimed(folder, job.name):
            _begin(job, place, resume)
            result = _run(job, place)
            with atomic_path(place.result(job)) as unfinished:
                unfinished.write_text(json.dumps(result, indent=1), encoding="utf-8")
    done: dict[str, Any] = json.loads(place.result(job).read_text(encoding="utf-8"))
    return done


def _begin(job: Job, place: Place, resume: bool) -> None:
    note = place.job(job) / JOB
    wanted = json.loads(json.dumps(asdict(job)))
    if note.is_file():
        if json.loads(note.read_text(encoding="utf-8")) != wanted:
            raise BegunError(f"{job.name} was begun with another budget or other cases: choose another folder")
        if not resume:
            raise BegunError(f"{job.name} was begun before: go on with --resume")
    note.write_text(json.dumps(wanted), encoding="utf-8")


def _run(job: Job, place: Place) -> dict[str, Any]:
    engine = importlib.import_module(f".{job.engine}", __package__)
    ledger = Ledger(place.job(job) / LEDGER)
    raw = write_data_set(place.data, names_of(place.data, LEARNT_FROM), place.root / "raw")
    plan = engine.train(job, place, raw, ledger)
    engine.predict(job, place, job.scored, ledger)
    return {
        "job": asdict(job),
        "plan": plan,
        "seconds": ledger.seconds,
        "memory": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "scores": {case: score(place.truth(case), place.prediction(job, case)) for case in job.scored},
    }
