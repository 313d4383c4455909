"""MedDL as ``meddl train --minutes`` and ``meddl segment`` run it, with a clock of CPU-seconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from MedDLCore.models import open_model
from MedDLCore.models.colours import colour
from MedDLCore.pipeline import load, segment
from MedDLCore.readers import read
from MedDLCore.volume import Label
from MedDLCore.writers import write_nifti
from MedDLTraining import check as checking
from MedDLTraining.data import DataSet, LabelTable, Split, open_folder
from MedDLTraining.events import Epoch, Step
from MedDLTraining.loop import fitting  # noqa: F401  no stage is to pay for its imports
from MedDLTraining.plan import Budget, Plan, read_plan, write_plan
from MedDLTraining.plan.plan_file import plan_to_plain
from MedDLTraining.training import MODEL, plan_training
from MedDLTraining.training import train as run

from .jobs import Job
from .ledger import Ledger
from .pace import counting_cpu_seconds
from .place import Place

MEMORY = 4e9
"""What ``meddl train`` takes if nothing is said."""

WHOLE = "Hippocampus"
TRAINING = "training"


def train(job: Job, place: Place, raw: Path, ledger: Ledger) -> dict[str, Any]:
    """Trains, or goes on from the last checkpoint; returns what was planned."""
    data_set = _data_set(job, raw)
    plan = replace(_planned(job, place, data_set, ledger), seed=job.seed)
    folder = place.job(job) / TRAINING
    ledger.enter("prepare")

    def on_prepared(done: int, of: int) -> None:
        if done == of:
            ledger.enter("train")

    def on_event(event: Step | Epoch) -> None:
        if isinstance(event, Epoch):
            ledger.keep()

    run(data_set, plan, folder, resume=True, on_event=on_event, on_prepared=on_prepared)
    ledger.keep()
    return plan_to_plain(plan)


def predict(job: Job, place: Place, cases: Sequence[str], ledger: Ledger) -> None:
    """Segments cases as a user does."""
    model = load(open_model(_model(place, job.name)), "cpu", 1)
    ledger.enter("predict")
    for case in cases:
        into = place.prediction(job, case)
        if into.is_file():
            continue
        found = segment(read(place.scan(case)), model)
        write_nifti(found.label_map, into)
        ledger.keep()


def _data_set(job: Job, raw: Path) -> DataSet:
    """The cases that the job may see, and no others."""
    split = Split((("train", job.learnt), ("val", job.watched)))
    data_set = open_folder(raw, splits=(split,))
    others = {case.name for case in data_set.cases} - {*job.learnt, *job.watched}
    data_set = replace(data_set.without(others), declared=None)
    return data_set.with_table(_merged(data_set.table)) if job.merged else data_set


def _merged(table: LabelTable) -> LabelTable:
    rows = tuple(replace(row, label=WHOLE) for row in table.rows)
    return LabelTable((Label(1, WHOLE, colour(1)),), rows)


def _planned(job: Job, place: Place, data_set: DataSet, ledger: Ledger) -> Plan:
    """The plan is the same for all seeds: iterations are timed once for cases and budget."""
    of = json.dumps([job.minutes, job.learnt, job.watched, job.start, job.merged])
    path = place.root / "plans" / f"meddl_{job.minutes:g}_{hashlib.sha256(of.encode()).hexdigest()[:8]}.json"
    if not path.is_file():
        ledger.enter("plan")
        facts = checking.check(data_set).facts
        start = str(_model(place, job.start)) if job.start else None
        with counting_cpu_seconds():
            budget = Budget(job.minutes, round(MEMORY))
            plan = plan_training(facts, data_set, budget, "hippocampus", start, folds=0)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_plan(plan, path)
        ledger.keep()
    return read_plan(path)


def _model(place: Place, name: str) -> Path:
    return place.named(name) / TRAINING / MODEL
