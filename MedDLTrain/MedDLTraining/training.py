"""A training from a data set to a model that MedDLSegment runs. Read this first; ``loop.fitting`` is its heart.

    check -> plan -> prepare (as inference does) -> fit -> package

A training has a folder of its own::

    plan.json     everything that decides the result; edit a copy and train again
    split.json    which cases were learnt from, by their pseudonyms, and the SHA-256 of their images' contents
    history.json  loss, Dice and learning rate of every epoch
    model/        the result: meddl segment SCAN --model DIR/model
    cache/, checkpoints/   private, while it is under way
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MedDLCore.atomic import atomic_path, check_folder, claimed
from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.models import ModelPackage, open_model, write_package
from MedDLCore.models.package import open_folder
from MedDLCore.plain_data import without_nan
from MedDLCore.spec import ModelSpec

from .cases import Division, PreparedCase, divide, divisions, prepare_cases
from .check.facts import CaseFacts
from .data import DataSet
from .data.learnt import learnt_by, trainings_of
from .data.split import DIGESTS, SPLIT
from .events import Control, OnEvent
from .launching import neighbours, together
from .plan import Budget, Plan, crops_of, make_plan, plan_from_model, read_plan, with_network, write_plan
from .plan.fingerprint import fingerprint
from .plan.making import check_order
from .plan.plan_file import same_plan

if TYPE_CHECKING:
    from .loop.fitting import Fitted

PLAN, HISTORY, MODEL, CACHE, CHECKPOINTS = "plan.json", "history.json", "model", "cache", "checkpoints"

BEGUN = (SPLIT, HISTORY, MODEL, CACHE, CHECKPOINTS)
"""One of these is in the folder of each training that has begun; the plan can be there before."""

OnPrepared = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training came to.

    Attributes:
        package: the model; None: it was stopped, and can go on.
        dice: of the model, by label, on all validation cases and the network's grid.
        notices: what the person should know.
    """

    package: ModelPackage | None
    dice: dict[str, float]
    notices: tuple[Notice, ...] = ()


def plan_training(
    facts: Sequence[CaseFacts],
    data_set: DataSet,
    budget: Budget,
    name: str,
    start: str | None = None,
    fixed: float = 0.0,
    folds: int = 5,
    fold: int = 0,
    seed: int = 0,
    crops: bool | None = None,
    network: str = "",
    interactive: bool = False,
) -> Plan:
    """Plans a training on what the check has measured.

    Args:
        facts: of every case of the data set.
        data_set: what is learnt from.
        budget: time and memory.
        name: of the model.
        start: a model to begin with.
        fixed: as in ``plan.Start``.
        folds: as in ``Plan``, but no more than patients.
        fold: as in ``Plan``.
        seed: as in ``Plan``.
        crops: whether the scans are crops around what is to be found; None: see ``crops_of``.
        network: one of ``plan.NAMED``, in place of the one that is chosen; empty: that one.
        interactive: the network listens to clicks, too.

    Raises:
        MedDLError: see ``make_plan``, ``plan_from_model`` and ``with_network``; PLAN_INVALID for a ``network`` beside a
            ``start``, which has its own; DATA_INVALID where no case that is learnt from has a label.
    """
    division = divide(data_set, folds, fold, seed)
    held_out = len(division.validation)
    learnt = {case.id for case in division.training}
    learnt_from = [case for case in facts if case.id in learnt]
    _check_there(learnt_from, data_set)
    if start is not None and network:
        raise MedDLError(Code.PLAN_INVALID, "A training that begins with a model has that model's network.")
    if start is not None:
        package = open_model(start)
        data_set = data_set.ordered_as(package.spec.labels)
        plan = plan_from_model(package, data_set, budget, name, fixed, held_out, interactive, learnt_from)
    else:
        plan = make_plan(learnt_from, data_set, budget, name, held_out, interactive)
    if network:
        plan = with_network(plan, network, fingerprint(learnt_from, data_set).shape, budget, held_out)
    if (count := divisions(data_set, folds)) > 1:
        folds = min(folds, count)
    return replace(plan, folds=folds, fold=fold, seed=seed, crops=crops_of(learnt_from, plan.grid, crops))


def _check_there(learnt_from: Sequence[CaseFacts], data_set: DataSet) -> None:
    """A structure that stands in the validation cases alone is refused before an hour is spent: its Dice would be 0."""
    there = {name for case in learnt_from for name, its in case.labels.items() if its.voxels}
    if never := [label.name for label in data_set.labels if label.name not in there]:
        raise MedDLError(
            Code.DATA_INVALID,
            f"No case that is learnt from has {', '.join(never)}: only cases kept apart for validation do.",
            "Divide the cases otherwise, with --seed, --fold or --split, or leave the label out of the table.",
        )


def train(
    data_set: DataSet,
    plan: Plan,
    folder: Path,
    device: str = "cpu",
    resume: bool = False,
    on_event: OnEvent | None = None,
    on_prepared: OnPrepared | None = None,
    control: Control | None = None,
    cache: Path | None = None,
) -> Trained:
    """Trains one network.

    Args:
        data_set: labels as in the plan, in any order.
        plan: from ``plan_training`` or a file.
        folder: of the training, made if it is not there.
        device: torch's name.
        resume: go on with the training that is in the folder.
        on_event: told of each iteration and epoch.
        on_prepared: told how many cases are prepared.
        control: to pause and stop.
        cache: where prepared cases are kept, and stay; None: in the training's folder, until it is done.

    Raises:
        MedDLError: OUTPUT_EXISTS where the folder holds a training, or another plan, and ``resume`` is False, or
            another process works on it; PLAN_INVALID where plan and data, plan and network, or plan and what is gone on
            with do not go together; DATA_INVALID for a data set in which something cannot be used; NO_MEMORY; see
            ``prepare_cases`` and ``loop.fitting.fit``.
    """
    data_set = data_set.ordered_as(plan.labels)
    _check(data_set, plan)
    check_folder(folder)
    with claimed(folder, "training"):
        check_begun(folder, [folder / name for name in BEGUN], (folder / PLAN).is_file(), resume)
        if (folder / MODEL).is_dir():
            package = open_folder(folder / MODEL)
            _clear(folder, cache)  # of a run that was killed in its last moment
            return Trained(package, dict(package.spec.measured.get("validation_dice", {})))
        _check_machine(plan, device)
        keep_plan(plan, folder, resume)
        division = divide(data_set, plan.folds, plan.fold, plan.seed)
        prepared = cache or folder / CACHE
        start = _start_of(plan)
        ready = _prepared(data_set, plan, division, prepared, on_prepared)
        _write(_named(division, ready), folder / SPLIT)
        fitted = _fit(plan, division, ready, folder / CHECKPOINTS, device, start, on_event, control)
        _write([asdict(epoch) for epoch in fitted.history], folder / HISTORY)
        notices = division.notices + _of_division(plan, division, ready, start) + fitted.notices
        if not fitted.finished:
            return Trained(None, {}, notices)
        spec = _finished_spec(plan, division, ready, fitted, start)
        package = write_package(spec, fitted.weights, folder / MODEL)
        _clear(folder, cache)
    return Trained(package, dict(spec.measured["validation_dice"]), notices)


def _clear(folder: Path, cache: Path | None) -> None:
    """Removes what only a training under way needs; prepared cases hold what scans show."""
    for path in (folder / CHECKPOINTS, *((folder / CACHE,) if cache is None else ())):
        if path.is_dir():
            shutil.rmtree(path)


def check_begun(folder: Path, traces: Iterable[Path], is_training: bool, resume: bool) -> None:
    """A training is gone on with where the person says so; what is none is never taken for one, and cleared in the end.

    Args:
        folder: that is to be used.
        traces: what a training that has begun leaves in it.
        is_training: it has a plan.
        resume: the training in it is gone on with.

    Raises:
        MedDLError: OUTPUT_EXISTS.
    """
    there = [path.name for path in traces if path.exists()]
    if there and not is_training:
        raise MedDLError(
            Code.OUTPUT_EXISTS, f"{folder.name} holds something else: {', '.join(there)}.", "Choose another folder."
        )
    if there and not resume:
        raise MedDLError(
            Code.OUTPUT_EXISTS,
            "There is a training in this folder already.",
            "Go on with it with --resume, or choose another folder.",
        )


def keep_plan(plan: Plan, folder: Path, resume: bool = False) -> None:
    """Writes the plan into a training's folder, where no other plan may be: it may have been edited or followed.

    Raises:
        MedDLError: OUTPUT_EXISTS, or PLAN_INVALID for what is gone on with; NO_SPACE, OUTPUT_UNWRITABLE.
    """
    check_folder(folder)
    path = folder / PLAN
    if not path.exists():
        write_plan(plan, path)
    elif not same_plan(read_plan(path), plan):
        raise MedDLError(
            Code.PLAN_INVALID if resume else Code.OUTPUT_EXISTS,
            f"There is another {PLAN} in this folder.",
            "Follow that one, with --plan and its path, or choose another folder.",
        )


def _check(data_set: DataSet, plan: Plan) -> None:
    if data_set.unusable:
        first = data_set.unusable[0]
        raise MedDLError(
            Code.DATA_INVALID,
            f"{len(data_set.unusable)} of what was found cannot be used, the first because: {first.error.message}",
            "See: meddl check FOLDER. What is to be left out, name with --leave-out.",
        )
    names, wanted = ([label.name for label in labels] for labels in (data_set.labels, plan.labels))
    if names != wanted or len(data_set.channels) != len(plan.channels):
        raise MedDLError(
            Code.PLAN_INVALID,
            f"The plan is for {', '.join(wanted)} ({len(plan.channels)} channels); the data have {', '.join(names)} "
            f"({len(data_set.channels)} channels).",
            "Plan anew, or give the table of labels that the plan was made with.",
        )
    check_order(data_set.channels, plan.channels, "The plan")


def _check_machine(plan: Plan, device: str) -> None:
    """A plan that cannot be followed here is refused before scans are prepared for it."""
    from .loop.probe import check_demand, free_on

    check_demand(replace(plan, batch=max(1, plan.batch // together())), free_on(device) // neighbours())


def _prepared(
    data_set: DataSet, plan: Plan, division: Division, cache: Path, on_prepared: OnPrepared | None
) -> dict[str, PreparedCase]:
    cases = {case.id: case for case in (*division.training, *division.validation)}
    ready = prepare_cases(data_set, plan.spec, cache, tuple(cases.values()), on_prepared)
    return {case.id: case for case in ready}


def _fit(
    plan: Plan,
    division: Division,
    ready: Mapping[str, PreparedCase],
    checkpoints: Path,
    device: str,
    start: ModelPackage | None,
    on_event: OnEvent | None,
    control: Control | None,
) -> Fitted:
    from .loop.fitting import fit

    training, validation = ([ready[case.id] for case in part] for part in (division.training, division.validation))
    return fit(plan, training, validation, checkpoints, device, start, on_event, control)


def _start_of(plan: Plan) -> ModelPackage | None:
    if plan.start is None:
        return None
    package = open_model(plan.start.model)
    if plan.start.sha256 not in (None, package.sha256):
        raise MedDLError(
            Code.PLAN_INVALID, f"The model {package.spec.name} is not the one that the plan was made with."
        )
    return package


def _finished_spec(
    plan: Plan, division: Division, ready: Mapping[str, PreparedCase], fitted: Fitted, start: ModelPackage | None
) -> ModelSpec:
    """The description of the model, with what was measured."""
    last = fitted.history[-1]
    measured: dict[str, Any] = {
        "validation_dice": {name: round(value, 4) for name, value in fitted.dice.items() if value == value},
        "validation_cases": len(set(division.validation) - set(division.training)),
        "training_cases": len(division.training),
        DIGESTS: _digest_of(ready.values()),
        "epochs": last.epoch,
        "best_epoch": last.best_epoch,
        "iterations": last.epoch * plan.iterations,
    }
    if start is not None:
        measured["began_with"] = {"name": start.spec.name, "licence": start.spec.licence, "sha256": start.sha256}
    names = ", ".join(label.name for label in plan.labels)
    return replace(
        plan.spec,
        title=plan.name,
        version="1.0.0",
        description=f"Finds {names}. Trained with MedDL on {len(division.training)} annotated scans.",
        measured=measured,
    )


def _digest_of(cases: Iterable[PreparedCase]) -> str:
    """Of the contents of all images, in whatever order: equal for equal data."""
    return hashlib.sha256("".join(sorted(one for case in cases for one in case.sha256)).encode()).hexdigest()


def _of_division(
    plan: Plan, division: Division, ready: Mapping[str, PreparedCase], start: ModelPackage | None
) -> tuple[Notice, ...]:
    """What nobody knew when the cases were divided: scans that stand on both sides, labels that stand on one."""
    training, validation = ([ready[case.id] for case in part] for part in (division.training, division.validation))
    notices = []
    learnt = {one for case in training for one in case.sha256}
    copies = [case.id for case in validation if case not in training and not learnt.isdisjoint(case.sha256)]
    if copies:
        message = f"Validation cases have scans that are learnt from, too: {', '.join(copies)}. The Dice is too high."
        notices.append(Notice(Code.LEARNT_FROM, message))
    earlier = None if start is None else learnt_by(trainings_of(start.folder), start.folder)
    known = [case.id for case in validation if earlier is not None and not earlier.images.isdisjoint(case.sha256)]
    if known:
        message = f"The model that it began with has learnt from validation cases: {', '.join(known)}."
        notices.append(Notice(Code.LEARNT_FROM, f"{message} The Dice is too high."))
    for part, consequence in ((training, "learnt from has {}: it cannot be found"), (validation, "kept apart has {}")):
        there = {value for case in part for value in case.places}
        if never := [label.name for label in plan.labels if label.value not in there]:
            notices.append(Notice(Code.DATA_SCARCE, f"No case that is {consequence.format(', '.join(never))}."))
    return tuple(notices)


def _named(division: Division, ready: Mapping[str, PreparedCase]) -> dict[str, Any]:
    return {
        "training": [case.id for case in division.training],
        "validation": [case.id for case in division.validation],
        DIGESTS: {name: list(case.sha256) for name, case in sorted(ready.items())},
    }


def _write(content: Any, path: Path) -> None:
    with atomic_path(path) as unfinished:
        unfinished.write_text(json.dumps(without_nan(content), indent=1) + "\n", encoding="utf-8")
