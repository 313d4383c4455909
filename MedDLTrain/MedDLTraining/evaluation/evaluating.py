"""An evaluation: each case found, compared and drawn, one in memory at a time; then the report.

In the folder::

    report.html                     to be read: everything, in one file
    evaluation.json                 to be read by programs
    cases.csv summary.csv confusion.csv
    cases/case_0001.json .png       each case; what is there for the same scan, truth and model is not done again
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from MedDLCore.atomic import atomic_path, check_folder, claimed
from MedDLCore.clock import OnProgress
from MedDLCore.errors import Code, Exit, MedDLError, Notice
from MedDLCore.volume import LabelMap, Volume
from MedDLCore.writers import content_hash

from ..check.copies import NAME_THEM
from ..data import Case, DataSet, Loaded
from ..data.learnt import Learnt, learnt_by, trainings_of
from .histories import histories_of
from .one_case import CaseResult, compare
from .page import write_page
from .predictions import Predictions
from .structures import Structure, matched, recoloured
from .summary import FORMAT_VERSION, Evaluation, summarised
from .tables import write_tables

CASES, REPORT, EVALUATION = "cases", "report.html", "evaluation.json"

Draw = Callable[[Volume, LabelMap, LabelMap, Path], None]
"""Draws scan, truth and what was found."""

PARTS = {"prepare": (0.0, 0.05), "network": (0.05, 0.7), "finish": (0.75, 0.1)}
"""Of a case: where a stage of the model's run begins, and its share."""

STEPS = 1000
"""Of progress, in each case."""

NAMED = 5
"""Cases that are named with a warning."""

FATAL = {Exit.OUTPUT, Exit.CANCELLED}
"""Errors with these exit statuses are not of one case."""


@dataclass(frozen=True)
class Settings:
    """What a person chooses.

    Attributes:
        tolerance: of the surface Dice, mm.
        seed: of the bootstrap.
        overwrite: replace the evaluation of another model, or with another tolerance.
        training: folder of the training that made the model; None: looked for beside the model.
    """

    tolerance: float = 1.0
    seed: int = 0
    overwrite: bool = False
    training: Path | None = None


def evaluate(
    data_set: DataSet,
    cases: Sequence[Case],
    predictions: Predictions,
    folder: Path,
    settings: Settings = Settings(),
    draw: Draw | None = None,
    on_progress: OnProgress | None = None,
    on_case: Callable[[CaseResult | MedDLError, Case], None] | None = None,
) -> Evaluation:
    """Judges cases, and writes the report.

    Args:
        data_set: what holds the truth.
        cases: of it, those that are judged.
        predictions: what is judged.
        folder: for the report, made if it is not there.
        settings: what the person chose.
        draw: makes the picture of a case.
        on_progress: told ("evaluate", done, of); what it raises ends the run, and cases that are done stay.
        on_case: told of each case that is done, or has failed.

    Raises:
        MedDLError: OUTPUT_EXISTS where the folder has another evaluation, or another process works on it; LABEL_UNKNOWN
            where nothing can be compared; the first case's error where all failed; NO_SPACE, OUTPUT_UNWRITABLE.
    """
    structures, notices = matched(data_set.labels, predictions.labels)
    trainings = _trainings(predictions, settings)
    learnt = learnt_by(trainings, None if predictions.package is None else predictions.package.folder)
    judged = _judged(predictions)
    check_folder(folder)
    with claimed(folder, "evaluation"):
        _check_free(folder, judged, settings)
        check_folder(folder / CASES)
        run = _Run(data_set, predictions, structures, learnt, folder / CASES, settings, draw)
        results, failed = [], {}
        for n, case in enumerate(cases):
            told = _share(on_progress, n, len(cases))
            told("prepare", 0, 1)
            try:
                result = run.judge(case, told)
            except MedDLError as error:
                if error.exit in FATAL:
                    raise
                failed[case.id] = error
                if on_case is not None:
                    on_case(error, case)
            else:
                results.append(result)
                if on_case is not None:
                    on_case(result, case)
        if on_progress is not None:
            on_progress("evaluate", STEPS * len(cases), STEPS * len(cases))
        if not results:
            raise next(iter(failed.values()))
        evaluation = summarised(
            judged, structures, results, failed, settings.tolerance, settings.seed, predictions.uncalibrated
        )
        of_model = () if predictions.package is None else predictions.package.notices
        warnings = (*_of_learning(evaluation, learnt), *notices, *of_model, *_of_cases(results))
        evaluation = replace(evaluation, notices=warnings)
        write_tables(evaluation, folder)
        write_page(evaluation, folder / REPORT, folder / CASES, histories_of(trainings))
        _write(evaluation.to_json(), folder / EVALUATION)
    return evaluation


@dataclass(frozen=True, eq=False)
class _Run:
    data_set: DataSet
    predictions: Predictions
    structures: Sequence[Structure]
    learnt: Learnt | None
    folder: Path
    settings: Settings
    draw: Draw | None

    def judge(self, case: Case, tell: OnProgress) -> CaseResult:
        """One case: what is in the folder, where it is of the same; else it is done."""
        loaded = self.data_set.load(case)
        images = [content_hash(volume) for volume in loaded.volumes]
        if any(split.means_another(case.id, images) for split in self.data_set.splits):
            raise MedDLError(Code.DATA_INVALID, f"The split was written for another scan by {case.id}.", NAME_THEM)
        learnt = None if self.learnt is None else self.learnt.holds(case, images)
        made_of = self._made_of(case, loaded, images)
        path, picture = (self.folder / f"{case.id}{suffix}" for suffix in (".json", ".png"))
        if (known := _known(path, made_of)) is not None and (picture.exists() or self.draw is None):
            return replace(known, learnt=learnt)
        found = self.predictions.of(case, loaded, self.structures, tell)
        scores, confused = compare(loaded.truth, found.label_map, self.structures, self.settings.tolerance)
        result = CaseResult(case.id, scores, confused, found.reliability, found.notices, learnt)
        if self.draw is not None:
            sides = (loaded.truth, False), (found.label_map, True)
            shown = [recoloured(label_map, self.structures, as_found) for label_map, as_found in sides]
            self.draw(loaded.volumes[0], shown[0], shown[1], picture)
        _write({"made_of": made_of, **result.to_json()}, path)  # last: it vouches for the picture
        return result

    def _made_of(self, case: Case, loaded: Loaded, images: Sequence[str]) -> str:
        """A digest of everything that the result depends on."""
        truth = loaded.truth
        parts = (
            FORMAT_VERSION,
            self.predictions.identity(case),
            images,
            content_hash(Volume(truth.array, truth.geometry)),
            [(label.name, label.value, label.layer) for label in truth.labels],
            [(structure.name, structure.truth, structure.found) for structure in self.structures],
            self.settings.tolerance,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def _known(path: Path, made_of: str) -> CaseResult | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return CaseResult.from_json(content) if content["made_of"] == made_of else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # not there, or not ours: it is made anew
        return None


def _trainings(predictions: Predictions, settings: Settings) -> tuple[Path, ...]:
    if settings.training is not None:
        return trainings_of(settings.training / "model")
    return () if predictions.package is None else trainings_of(predictions.package.folder)


def _judged(predictions: Predictions) -> dict[str, str] | None:
    package = predictions.package
    if package is None:
        return None
    return {"name": package.spec.name, "version": package.spec.version, "sha256": package.sha256}


def _check_free(folder: Path, judged: dict[str, str] | None, settings: Settings) -> None:
    """An evaluation of something else is not replaced unless the person says so."""
    if settings.overwrite or not (folder / EVALUATION).exists():
        return
    try:
        known = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        same = (known["model"], known["tolerance_mm"]) == (judged, settings.tolerance)
    except (ValueError, LookupError, TypeError):
        same = False
    if not same:
        raise MedDLError(
            Code.OUTPUT_EXISTS,
            "The folder has the evaluation of another model, or one with another tolerance.",
            "Choose another folder, or replace it with --overwrite.",
        )


def _of_learning(evaluation: Evaluation, learnt: Learnt | None) -> list[Notice]:
    if not evaluation.learnt or learnt is None:
        return []
    count, of = len(evaluation.learnt), len(evaluation.cases)
    certain = "The model has" if learnt.is_certain else "If it was trained on this data set, the model has"
    message = f"{certain} learnt from {count} of the {of} cases: {', '.join(evaluation.learnt)}."
    return [Notice(Code.LEARNT_FROM, message)]


def _of_cases(results: Sequence[CaseResult]) -> list[Notice]:
    """What was warned of in single cases, each warning once."""
    cases: dict[Notice, list[str]] = {}
    for result in results:
        for notice in result.notices:
            cases.setdefault(notice, []).append(result.id)
    return [Notice(notice.code, f"{_listed(its)}: {notice.message}") for notice, its in cases.items()]


def _listed(cases: Sequence[str]) -> str:
    more = len(cases) - NAMED
    return ", ".join(cases[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _share(on_progress: OnProgress | None, n: int, of: int) -> OnProgress:
    reached = 0.0

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal reached
        start, share = PARTS.get(stage, (0.0, 0.0))
        reached = max(reached, start + share * min(1.0, done / max(total, 1)))
        if on_progress is not None:
            on_progress("evaluate", round(STEPS * (n + reached)), STEPS * of)

    return tell


def _write(content: Any, path: Path) -> None:
    with atomic_path(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")
