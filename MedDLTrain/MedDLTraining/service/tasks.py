"""What the child process does for each job: the same functions as the command line's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MedDLCore.atomic import atomic_path
from MedDLCore.errors import Code, MedDLError
from MedDLCore.inference import choose_device
from MedDLCore.inference.devices import usable_cores
from MedDLCore.models import ModelStore
from MedDLCore.plain_data import to_plain
from MedDLCore.spec_rules import plain_name
from MedDLCore.worker.arrays import give_label_map, give_volume

from .. import evaluation as evaluating
from ..cases import divide, divisions, prepare_cases
from ..check import Finding, Report
from ..cross_validation import cross_validate
from ..data import Case, DataSet, read_splits
from ..data.split import SPLIT
from ..loop.mosaic import mosaic
from ..loop.preview import contact_sheet
from ..loop.probe import demand
from ..plan import Budget, Plan
from ..plan.plan_file import plan_from_plain, plan_to_plain, read_plan
from ..publish import Statement, publish, source_of
from ..publish.evaluation import read_evaluation
from ..training import MODEL, plan_training, train
from .collecting import collect_task
from .desk import Desk
from .jobs import (
    MATERIAL,
    CheckJob,
    Data,
    EvaluateJob,
    PlanJob,
    PreviewJob,
    PublishJob,
    ShowJob,
    TrainJob,
    UseJob,
)
from .talk import Talk
from .telling import Teller, without_nan

Result = Mapping[str, Any]


def check_task(job: CheckJob, desk: Desk, talk: Talk) -> Result:
    """See ``CheckJob``."""
    report = desk.check(job.data, talk.tell)
    data_set = report.data_set
    return {
        "cases": [{"id": case.id, "name": case.name} for case in data_set.cases],
        "unusable": [{"id": item.id, "name": item.name, "message": item.error.message} for item in data_set.unusable],
        "labels": [{"name": label.name, "color": list(label.color)} for label in data_set.labels],
        "rows": [asdict(row) for row in data_set.table.rows],
        "findings": [_finding(finding) for finding in report.findings],
    }


def plan_task(job: PlanJob, desk: Desk, talk: Talk) -> Result:
    """See ``PlanJob``."""
    device = _device(job.device, job.threads)
    report = desk.sound(job.data, talk.tell)
    talk.tell("plan", 0, 1)
    plan = read_plan(Path(job.file)) if job.file else _planned(job, report, device)
    talk.tell("plan", 1, 1)
    division = divide(report.data_set, plan.folds, plan.fold, plan.seed)
    for notice in division.notices:
        talk.warn(notice)
    return {
        "plan": plan_to_plain(plan),
        "memory": demand(plan)[0],
        "training": len(division.training),
        "validation": len(division.validation),
        "minutes": None if job.file else job.minutes,
        "device": device,
    }


def _planned(job: PlanJob, report: Report, device: str) -> Plan:
    minutes = job.minutes / max(divisions(report.data_set, job.folds), 1) if job.all_folds else job.minutes
    return plan_training(
        report.facts,
        report.data_set,
        Budget(minutes, job.memory, device),
        plain_name(job.name, "model"),
        job.start or None,
        job.fixed,
        job.folds,
        seed=job.seed,
        network=job.network,
        interactive=job.interactive,
    )


def preview_task(job: PreviewJob, desk: Desk, talk: Talk) -> Result:
    """See ``PreviewJob``."""
    plan = plan_from_plain(job.plan)
    data_set = desk.data_set(job.data, talk.tell)
    case = _case(data_set, job.case) if job.case else data_set.cases[0]
    (ready,) = prepare_cases(data_set.ordered_as(plan.labels), plan.spec, talk.folder / "preview", (case,))
    name = f"augmentation-{talk.number}.png"
    contact_sheet(ready, plan, talk.folder / name)
    volume, labels = mosaic(ready, plan)
    return {
        "picture": name,
        "case": case.id,
        "name": case.name,
        "scan": to_plain(give_volume(volume, talk.folder)),
        "truth": give_label_map(labels, talk.folder),
    }


def train_task(job: TrainJob, desk: Desk, talk: Talk) -> Result:
    """See ``TrainJob``."""
    device = _device(job.device, job.threads)
    plan, folder = plan_from_plain(job.plan), Path(job.folder)
    data_set = desk.data_set(job.data, talk.tell) if job.resume else desk.sound(job.data, talk.tell).data_set
    teller = Teller(talk.number, talk.say)

    def prepared(done: int, of: int) -> None:
        _remember(job.data, folder)
        talk.tell("prepare", done, of)

    if job.all_folds:
        if job.resume:
            teller.earlier_of_folds(folder, plan.folds)
        found = cross_validate(data_set, plan, folder, device, job.resume, teller.of_fold, prepared, talk.control)
    else:
        if job.resume:
            teller.earlier(folder)
        found = train(data_set, plan, folder, device, job.resume, teller.event, prepared, talk.control)
    for notice in found.notices:
        talk.warn(notice)
    model = None if found.package is None else str(found.package.folder)
    return {"model": model, "dice": without_nan(found.dice)}


def evaluate_task(job: EvaluateJob, desk: Desk, talk: Talk) -> Result:
    """See ``EvaluateJob``."""
    data_set, training = desk.data_set(job.data, talk.tell), Path(job.training)
    model = desk.model(str(training / MODEL), job.device, job.threads)
    _itk_threads(job.threads)
    if job.held_out:
        data_set, cases = _held_out(data_set, training)
    else:
        cases = data_set.cases
    settings = evaluating.Settings(overwrite=True, training=training)
    judged = evaluating.ModelPredictions(model, data_set.channels)
    report = evaluating.evaluate(data_set, cases, judged, Path(job.folder), settings, None, talk.tell)
    for notice in report.notices:
        talk.warn(notice)
    content = report.to_json()
    return {
        "report": str(Path(job.folder) / evaluating.REPORT),
        **{key: content[key] for key in ("structures", "mean", "learnt_from", "failed")},
        "cases": [
            {"case": case.id, "dice": without_nan(case.dice), "scores": case.to_json()["scores"]}
            for case in report.cases
        ],
    }


def show_task(job: ShowJob, desk: Desk, talk: Talk) -> Result:
    """See ``ShowJob``."""
    data_set = desk.data_set(job.data, talk.tell)
    case = _case(data_set, job.case)
    loaded = data_set.load(case)
    shown: dict[str, Any] = {
        "name": case.name,
        "scans": [to_plain(give_volume(volume, talk.folder)) for volume in loaded.volumes],
        "truth": give_label_map(loaded.truth, talk.folder),
    }
    if job.model:
        model = desk.model(job.model, job.device, job.threads)
        judged = evaluating.ModelPredictions(model, data_set.channels)
        structures, _ = evaluating.matched(data_set.labels, judged.labels)
        found = judged.of(case, loaded, structures, talk.tell)
        shown["found"] = give_label_map(found.label_map, talk.folder)
    return shown


def publish_task(job: PublishJob, _: Desk, talk: Talk) -> Result:
    """See ``PublishJob``."""
    try:
        statement = Statement(**{key: str(text) for key, text in job.said.items()})
    except TypeError as error:
        raise MedDLError(Code.REQUEST_INVALID, f"job.said: {error}.") from error
    talk.tell("publish", 0, 1)
    source = source_of(job.training)
    figures = read_evaluation(Path(job.evaluation), source.package.sha256) if job.evaluation else None
    made = publish(source, Path(job.out), statement, figures, None, job.overwrite)
    for notice in made.notices:
        talk.warn(notice)
    talk.tell("publish", 1, 1)
    return {"path": str(made.path), "name": made.spec.name, "sha256": made.sha256}


def use_task(job: UseJob, _: Desk, talk: Talk) -> Result:
    """See ``UseJob``."""
    talk.tell("use", 0, 1)
    return {"name": ModelStore().add(Path(job.model), overwrite=job.overwrite).name}


TASKS: Mapping[str, Callable[[Any, Desk, Talk], Result]] = {
    "check": check_task,
    "collect": collect_task,
    "plan": plan_task,
    "preview": preview_task,
    "train": train_task,
    "evaluate": evaluate_task,
    "show": show_task,
    "publish": publish_task,
    "use": use_task,
}


def _finding(finding: Finding) -> dict[str, Any]:
    """For the screen: with the names that the person knows."""
    effect = finding.effect
    return {
        "fault": finding.fault.value,
        "severity": finding.severity.value,
        "cases": list(finding.cases),
        "message": finding.shown or finding.message,
        "consequence": effect.consequence,
        "remedy": finding.hint or effect.remedy,
        "ruins": effect.ruins,
    }


def _case(data_set: DataSet, name: str) -> Case:
    (case,) = evaluating.cases_named(data_set, {name})
    return case


def _held_out(data_set: DataSet, training: Path) -> tuple[DataSet, tuple[Case, ...]]:
    """Those that the training was watched with; all of them, where every fold was held out once.

    Returns:
        The data set with the training's split, which tells where a pseudonym is another case's now; and the cases.

    Raises:
        MedDLError: DATA_INVALID where the record of the split is not there, or names other cases.
    """
    if (training / "fold_0").is_dir():
        return data_set, data_set.cases
    try:
        data_set = replace(data_set, splits=read_splits([training / SPLIT]))
    except MedDLError as error:
        raise MedDLError(Code.DATA_INVALID, "The training has no record of its split.") from error
    return data_set, evaluating.cases_of_part(data_set, "validation")


def _device(wanted: str, threads: int | None) -> str:
    _itk_threads(threads)
    return choose_device(wanted, threads).name


def _itk_threads(threads: int | None) -> None:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads or usable_cores())


def _remember(data: Data, folder: Path) -> None:
    """Writes what the training learns from. It names a place on this machine: for the person alone."""
    if (folder / MATERIAL).exists():
        return
    with atomic_path(folder / MATERIAL) as unfinished:
        unfinished.write_text(json.dumps(to_plain(data), indent=1) + "\n", encoding="utf-8")
        unfinished.chmod(0o600)
