"""Every fold trained in turn, and their networks together as one model: an ensemble whose outputs are averaged.

In the folder, ``fold_0``, ``fold_1`` ... are trainings of their own, each with its model; ``model`` is the ensemble.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from MedDLCore.atomic import check_folder
from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.models import ModelPackage, write_package
from MedDLCore.models.package import open_folder, weights_path
from MedDLCore.models.weights import read_state_dict

from .cases import divisions, named_folds
from .data import DataSet
from .data.split import DIGESTS, SPLIT
from .events import Control, Epoch, Step
from .plan import Plan
from .training import CACHE, CHECKPOINTS, HISTORY, MODEL, PLAN, OnPrepared, Trained, check_begun, train

OF_ONE = (SPLIT, HISTORY, CHECKPOINTS)
"""What a training leaves in its own folder: there is one of a single network, whose model is no ensemble."""


def cross_validate(
    data_set: DataSet,
    plan: Plan,
    folder: Path,
    device: str = "cpu",
    resume: bool = False,
    on_event: Callable[[int, Step | Epoch], None] | None = None,
    on_prepared: OnPrepared | None = None,
    control: Control | None = None,
) -> Trained:
    """Trains a network for each fold. Together, the folds' validation cases are all cases, each seen by one network.

    Args:
        data_set: as for ``train``.
        plan: of each fold; its ``fold`` does not count. Without ``folds``: those that the data set's split names. There
            are never more than patients.
        folder: of the cross-validation.
        device: torch's name.
        resume: go on with what is in the folder; folds that are done are kept.
        on_event: told of the fold, from 0, and the event.
        on_prepared: told how many cases are prepared.
        control: to pause and stop.

    Returns:
        The ensemble, with the mean of the folds' validation Dice. Of the ensemble itself nothing can be measured on
        these cases: all but one of its networks have learnt from each.

    Raises:
        MedDLError: PLAN_INVALID for a plan without folds, or a single patient; see ``train``.
    """
    folds = divisions(data_set, plan.folds) if plan.folds else named_folds(data_set)
    if folds < 2:
        raise MedDLError(Code.PLAN_INVALID, "A cross-validation needs at least 2 folds, and as many patients.")
    check_folder(folder)
    check_begun(folder, [folder / name for name in OF_ONE], is_training=False, resume=False)
    check_begun(folder, [folder / CACHE, folder / MODEL], (folder / "fold_0" / PLAN).is_file(), resume)
    if (folder / MODEL).is_dir() and resume:
        package = open_folder(folder / MODEL)
        shutil.rmtree(folder / CACHE, ignore_errors=True)  # of a run that was killed in its last moment
        return Trained(package, dict(package.spec.measured.get("validation_dice", {})))
    packages: list[ModelPackage] = []
    notices: list[Notice] = []
    for fold in range(folds):
        tell = None if on_event is None else (lambda event, fold=fold: on_event(fold, event))
        of_fold = folder / f"fold_{fold}"
        trained = train(
            data_set, replace(plan, fold=fold), of_fold, device, resume, tell, on_prepared, control, folder / CACHE
        )
        notices += trained.notices
        if trained.package is None:
            return Trained(None, {}, tuple(dict.fromkeys(notices)))
        packages.append(trained.package)
    package = ensemble(packages, folder / MODEL)
    shutil.rmtree(folder / CACHE)
    return Trained(package, dict(package.spec.measured["validation_dice"]), tuple(dict.fromkeys(notices)))


def ensemble(packages: list[ModelPackage], folder: Path) -> ModelPackage:
    """Writes the networks of models that were trained by one plan as one model.

    Args:
        packages: models of one network each, alike but for their weights.
        folder: of the model; must not exist.

    Raises:
        MedDLError: MODEL_EXISTS, NO_SPACE, OUTPUT_UNWRITABLE.
    """
    first = packages[0].spec
    states = [read_state_dict(weights_path(package.folder, package.spec.weights[0])) for package in packages]
    dices = [package.spec.measured.get("validation_dice", {}) for package in packages]
    known = {label.name: [dice[label.name] for dice in dices if label.name in dice] for label in first.labels}
    mean = {name: round(float(np.mean(values)), 4) for name, values in known.items() if values}
    measured = {
        "validation_dice": mean,
        "validation_dice_of_folds": list(dices),
        "validation_cases": sum(package.spec.measured["validation_cases"] for package in packages),
        DIGESTS: packages[0].spec.measured.get(DIGESTS, ""),
        "networks": len(packages),
    }
    if "began_with" in first.measured:
        measured["began_with"] = first.measured["began_with"]
    description = f"{first.description} {len(packages)} networks of a cross-validation, averaged."
    return write_package(replace(first, measured=measured, description=description), states, folder)
