"""nnU-Net as it plans itself, its schedule shortened to end within the budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from fixtures.nnunet_predictor import open_predictor
from fixtures.nnunet_training import FOLDERS, in_this_process
from MedDLCore.atomic import atomic_path

from .cases import DATA_SET
from .jobs import Job
from .ledger import Ledger
from .pace import Pace, planned_with, seconds_each
from .place import Place
from .shortened import ShortenedTrainer

NUMBER = int(DATA_SET[7:10])
CONFIGURATION, PLANS = "3d_fullres", "nnUNetPlans"

FEWEST_PER_EPOCH = 5
"""Iterations for each of nnU-Net's looks at held-out patches: its own 250 for 50."""

MOST_EPOCHS, MOST_PER_EPOCH = 1000, 250
"""nnU-Net's own."""


@dataclass(frozen=True)
class Schedule:
    """A training of nnU-Net. The learning rate falls from epoch to epoch, to its end in the last one.

    Attributes:
        epochs: of all.
        iterations: of an epoch.
        looks: batches of held-out patches that its pseudo Dice is computed on after each epoch.
    """

    epochs: int
    iterations: int
    looks: int


def schedule_within(seconds: float, pace: Pace) -> Schedule:
    """As many iterations as the time allows, in as many epochs as nnU-Net has, or as there is a look for."""
    each = pace.iteration + pace.look / FEWEST_PER_EPOCH
    affordable = max(1, int(seconds / each))
    epochs = max(1, min(MOST_EPOCHS, affordable // FEWEST_PER_EPOCH))
    iterations = min(MOST_PER_EPOCH, affordable // epochs)
    return Schedule(epochs, iterations, max(1, iterations // FEWEST_PER_EPOCH))


def prepare(place: Place, raw: Path, ledger: Ledger) -> None:
    """Fingerprint, plans and arrays of the whole data set, once for all jobs."""
    made = place.root / "nnunet" / "prepared.json"
    if made.is_file():
        return
    (place.root / "nnunet" / "preprocessed").mkdir(parents=True, exist_ok=True)
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess_dataset,
    )

    ledger.enter("prepare")
    with _nnunet(place, raw, augmenters=1):  # the planner takes that many threads
        extract_fingerprints([NUMBER], num_processes=1, show_progress_bar=False)
        plan_experiments([NUMBER], "ExperimentPlanner")
        preprocess_dataset(NUMBER, PLANS, (CONFIGURATION,), (1,), show_progress_bar=False)
    ledger.keep()
    made.write_text(json.dumps({"seconds": ledger.seconds["prepare"]}), encoding="utf-8")


def train(job: Job, place: Place, raw: Path, ledger: Ledger) -> dict[str, Any]:
    """Trains, or goes on from the last whole epoch; returns what was planned."""
    prepare(place, raw, ledger)
    ledger.enter("plan")
    plan = _planned(job, place, raw)
    with _nnunet(place, raw, job):
        trainer = ShortenedTrainer.of(job, _plans(place), _description(place), ledger)
        ledger.enter("train")
        trainer.follow(**plan["schedule"])
    ledger.keep()
    return plan


def predict(job: Job, place: Place, cases: Sequence[str], ledger: Ledger) -> None:
    """Segments cases by nnU-Net's predictor with its defaults: its last weights, mirrored along all axes."""
    predictor = open_predictor(_model(job, place))
    ledger.enter("predict")
    for case in cases:
        into = place.prediction(job, case)
        if into.is_file():
            continue
        with in_this_process({}):
            image, facts = predictor.plans_manager.image_reader_writer_class().read_images([str(place.scan(case))])
            labels = sitk.GetImageFromArray(predictor.predict_single_npy_array(image, facts))
        labels.CopyInformation(sitk.ReadImage(str(place.scan(case))))
        with atomic_path(into) as unfinished:
            sitk.WriteImage(labels, str(unfinished))
        ledger.keep()


def _planned(job: Job, place: Place, raw: Path) -> dict[str, Any]:
    """The schedule is the same for all seeds: iterations are timed once for a budget."""
    path = place.root / "plans" / f"nnunet_{job.minutes:g}.json"
    if not path.is_file():
        with _nnunet(place, raw, job):
            trainer = ShortenedTrainer.of(job, _plans(place), _description(place))
            pace = seconds_each(trainer.one_iteration, trainer.one_look)
        schedule = schedule_within(planned_with(job.minutes), pace)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"pace": asdict(pace), "schedule": asdict(schedule)}, indent=1), encoding="utf-8")
    plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return plan


def _nnunet(place: Place, raw: Path, job: Job | None = None, augmenters: int = 0) -> AbstractContextManager[None]:
    results = place.root / "nnunet" if job is None else place.job(job)
    folders = (raw.parent, place.root / "nnunet" / "preprocessed", results)
    return in_this_process(dict(zip(FOLDERS, folders, strict=True)), augmenters)


def _plans(place: Place) -> dict[str, Any]:
    return _json(place.root / "nnunet" / "preprocessed" / DATA_SET / f"{PLANS}.json")


def _description(place: Place) -> dict[str, Any]:
    return _json(place.root / "nnunet" / "preprocessed" / DATA_SET / "dataset.json")


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _model(job: Job, place: Place) -> Path:
    return place.job(job) / DATA_SET / f"{ShortenedTrainer.__name__}__{PLANS}__{CONFIGURATION}"
