"""What the worker does for a job: the pipeline, on volumes of the private folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from ..admission import Options
from ..clock import OnProgress
from ..errors import Code, MedDLError, Notice
from ..pipeline import Model, plan, segment
from ..preprocess import Region
from ..readers.values import check_values
from ..terminology import label_notices
from ..uncertainty import least_sure, measure
from ..volume import Volume
from ..writers import InputRecord, Manifest, segment_statistics
from .arrays import give_array, give_label_map, take_volume
from .corrections import Corrections
from .messages import Correction, Job
from .warm import Warm

OnWarning = Callable[[Notice], None]

Answer = TypeVar("Answer")


def load_model(job: Job, warm: Warm, _: Path, tell: OnProgress, warn: OnWarning) -> dict[str, Any]:
    """Makes the model warm. The result: what it is, as ``meddl models info --json`` has it."""
    tell("load", 0, 1)
    model = warm.model(job)
    tell("load", 1, 1)
    for notice in model.package.notices:
        warn(notice)
    return {"spec": model.spec.to_json(), "sha256": model.package.sha256, "device": model.device.description}


def plan_job(job: Job, warm: Warm, folder: Path, tell: OnProgress, warn: OnWarning) -> dict[str, Any]:
    """Foresees memory and time. The result: the figures of ``inference.Plan``, and ``fits`` and ``remedy``."""
    tell("load", 0, 1)
    model = warm.model(job)
    tell("load", 1, 1)
    foreseen = plan(_volumes(job, folder), model, _options(job))
    for notice in (*model.package.notices, *foreseen.notices):
        warn(notice)
    figures = asdict(foreseen)
    del figures["notices"]
    return {**figures, "fits": foreseen.fits, "remedy": foreseen.remedy}


def segment_job(job: Job, warm: Warm, folder: Path, tell: OnProgress, warn: OnWarning) -> dict[str, Any]:
    """Segments. The result: ``label_map`` (see ``arrays``), ``statistics`` (a row for each label), ``manifest``."""
    tell("load", 0, 1)
    model, volumes, options = warm.model(job), _volumes(job, folder), _options(job)
    tell("load", 1, 1)
    found = _with_room(lambda: segment(volumes, model, options, tell), model, warm)
    tell("write", 0, 1)
    notices = tuple(dict.fromkeys((*model.package.notices, *found.notices, *label_notices(found.label_map))))
    for notice in notices:
        warn(notice)
    manifest = Manifest(
        inputs=tuple(InputRecord.of(volume) for volume in volumes),
        model_name=model.spec.name,
        model_version=model.spec.version,
        model_sha256=model.package.sha256,
        device=found.device,
        seconds=found.seconds,
        notices=notices,
        settings=options.settings,
        backends=found.backends,
    )
    result = {
        "label_map": give_label_map(found.label_map, folder),
        "statistics": [asdict(row) for row in segment_statistics(found.label_map, volumes[0])],
        "manifest": manifest.to_json(),
    }
    tell("write", 1, 1)
    return result


def refine_job(
    correction: Correction, kept: Corrections, warm: Warm, folder: Path, tell: OnProgress, warn: OnWarning
) -> Mapping[str, Any]:
    """Corrects. The result: see ``Corrections.answer``."""
    tell("load", 0, 1)
    job = correction.job
    model, options = warm.model(job), Options(allow=_options(job).allow)
    tell("load", 1, 1)

    def answer() -> Mapping[str, Any]:
        return kept.answer(correction, model, lambda: _volumes(job, folder), options, folder, tell)

    answered = _with_room(answer, model, warm)
    for notice in kept.notices:
        warn(notice)
    return answered


def uncertainty_job(job: Job, warm: Warm, folder: Path, tell: OnProgress, warn: OnWarning) -> dict[str, Any]:
    """Measures how sure a model is of a scan. Of the job's choices only ``allow`` and those of the machine count.

    The result: ``way``, ``disagreement``, ``entropy``, ``counted``, ``found`` as ``Uncertainty`` has them; ``sha256``
    of the model; and, unless only figures are wanted, ``array``, the disagreement of each voxel on the scan's grid,
    and ``place``, where the model is least sure, RAS mm, or None: it is sure of all.
    """
    tell("load", 0, 1)
    model, volumes, options = warm.model(job), _volumes(job, folder), Options(allow=_options(job).allow)
    tell("load", 1, 1)
    its = _with_room(lambda: measure(volumes, model, None, options, tell, not job.figures_only), model, warm)
    tell("write", 0, 1)
    for notice in dict.fromkeys((*model.package.notices, *its.notices)):
        warn(notice)
    told = {name: getattr(its, name) for name in ("way", "disagreement", "entropy", "counted", "found")}
    told["sha256"] = model.package.sha256
    if its.map is not None:
        told |= {"array": give_array(its.map, folder), "place": least_sure(its.map, volumes[0].geometry)}
    tell("write", 1, 1)
    return told


def _with_room(run: Callable[[], Answer], model: Model, warm: Warm) -> Answer:
    """Where the memory does not suffice, once more without the models that are only kept."""
    try:
        return run()
    except MedDLError as error:
        if error.code is not Code.NO_MEMORY or not warm.forget_others(model):
            raise
    return run()


def _volumes(job: Job, folder: Path) -> tuple[Volume, ...]:
    if not job.scans:
        raise MedDLError(Code.REQUEST_INVALID, "job.scans: there is none.")
    allow = _options(job).allow
    return tuple(_checked(take_volume(scan, folder), allow) for scan in job.scans)


def _checked(volume: Volume, allow: frozenset[Code]) -> Volume:
    """Their values, as those of files are."""
    array, notices = check_values(volume.array, volume.modality, allow)
    return replace(volume, array=array, notices=volume.notices + notices)


def _options(job: Job) -> Options:
    known = {code.value for code in Code}
    if strange := sorted(set(job.allow) - known):
        raise MedDLError(Code.REQUEST_INVALID, f"job.allow: there is no code {strange[0]!r}.")
    region = None if job.region is None else Region(job.region[:3], job.region[3:])
    allow = frozenset(map(Code, job.allow))
    return Options(job.structures, region, allow, crop_body=job.crop_body, points=job.points)
