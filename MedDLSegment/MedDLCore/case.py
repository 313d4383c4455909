"""One case from volumes to files: what ``meddl segment`` and ``meddl batch`` do for each scan.

Nothing is written before the network is done. The files are then made under a temporary name and appear together, the
manifest, which vouches for the others, last: a cancel or a full disk leaves none of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .admission import Options, chosen_labels
from .atomic import atomic_group, check_folder, claimed
from .click import Click
from .clock import OnProgress
from .errors import Code, MedDLError, Notice
from .models import ModelPackage
from .pipeline import Model, Segmentation, segment
from .terminology import label_notices
from .volume import LabelMap, Volume
from .writers import (
    FORMATS,
    Algorithm,
    InputRecord,
    Manifest,
    OutputRecord,
    SegmentStatistics,
    check_nifti,
    content_hash,
    output_path,
    output_stem,
    segment_statistics,
    sidecar_path,
    write_manifest,
    write_statistics,
)

EVERY_SUFFIX = (*(form.suffix for form in FORMATS.values()), ".labels.json", ".png", ".mrb")
"""How the names of a case's files can end, beside its table and manifest."""


@dataclass(frozen=True)
class Beside:
    """A file that the caller makes beside the result's own: a picture, a scene.

    Attributes:
        kind: what it is called in the manifest.
        suffix: how its name ends.
        stage: what the making is called where progress is told.
        write: makes it of the scan and the label map, under the path that it is given.
    """

    kind: str
    suffix: str
    stage: str
    write: Callable[[Volume, LabelMap, Path], None]


@dataclass(frozen=True)
class Outputs:
    """What a person wants written, and where.

    Attributes:
        folder: made if it is not there.
        formats: of ``FORMATS``.
        overwrite: replace results of an earlier run.
        anonymous: name the files by the scan's content, not by its file name.
        beside: further files.
        kept: files of other scans of this run, which are never replaced.
    """

    folder: Path
    formats: tuple[str, ...] = ("nrrd",)
    overwrite: bool = False
    anonymous: bool = False
    beside: tuple[Beside, ...] = ()
    kept: frozenset[Path] = frozenset()


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What one case gave.

    Attributes:
        segmentation: the result in memory.
        statistics: one row for each structure.
        files: what was written, by kind: the formats, ``statistics``, what the caller makes, ``manifest``. A format
            that has nothing to write (DICOM SEG of an empty result) is absent.
        notices: everything that the person should know.
    """

    segmentation: Segmentation
    statistics: tuple[SegmentStatistics, ...]
    files: Mapping[str, Path]
    notices: tuple[Notice, ...]


def run_case(
    volumes: Sequence[Volume],
    model: Model,
    outputs: Outputs,
    options: Options = Options(),
    on_progress: OnProgress | None = None,
) -> CaseResult:
    """Segments one case and writes the result.

    Args:
        volumes: one for each channel of the model.
        model: from ``pipeline.load``.
        outputs: what is written, and where.
        options: what the person chose for the run.
        on_progress: told of progress; what it raises ends the run, and no file of it is left.

    Raises:
        MedDLError: what ``segment`` and the writers refuse; OUTPUT_EXISTS, OUTPUT_UNWRITABLE, NOT_DICOM and
            LABELS_OVERLAP before the network runs.
    """

    def run(tell: OnProgress) -> Segmentation:
        return segment(volumes, model, options, tell)

    return carry_out(volumes, model.package, run, outputs, options, on_progress)


def carry_out(
    volumes: Sequence[Volume],
    package: ModelPackage,
    run: Callable[[OnProgress], Segmentation],
    outputs: Outputs,
    options: Options = Options(),
    on_progress: OnProgress | None = None,
    job_date: datetime | None = None,
    clicks: Sequence[Click] = (),
) -> CaseResult:
    """As ``run_case``, for a network that runs anywhere: in a worker, on another machine.

    Args:
        volumes: one for each channel of the model.
        package: the model.
        run: segments the volumes; called once everything that can be refused before has been looked at.
        outputs: what is written, and where.
        options: what the person chose for the run.
        on_progress: told of progress; what it raises ends the run, and no file of it is left.
        job_date: the date that results carry; None: when they are written.
        clicks: that correct the result: the manifest has them.
    """
    tell = on_progress or _to_nobody
    _check_formats(volumes[0], package, outputs, options)
    check_folder(outputs.folder, volumes[0].array.nbytes // 8)
    stem = result_stem(volumes[0], package.spec.name, outputs.anonymous)
    paths = _paths(outputs, stem)
    with claimed(outputs.folder, stem):
        _check_free(outputs, tuple(paths.values()))
        result = run(tell)
        earlier = [paths["manifest"], *(output_path(outputs.folder, stem, suffix) for suffix in EVERY_SUFFIX)]
        with atomic_group(outputs.folder, paths["manifest"].name, earlier if outputs.overwrite else ()) as staging:
            staged = {kind: staging / path.name for kind, path in paths.items()}
            settings = {**options.settings, **({"clicks": [asdict(click) for click in clicks]} if clicks else {})}
            written = _write(volumes, package, outputs, settings, result, staged, tell, job_date or datetime.now())
            files = {kind: path for kind, path in paths.items() if staged[kind].exists()}
    return CaseResult(result, written.statistics, files, written.notices)


def _to_nobody(stage: str, done: int, of: int) -> None:
    """Progress that nobody asked for."""


def result_stem(volume: Volume, model: str, anonymous: bool = False) -> str:
    """How the names of the scan's files begin. Its content is hashed only where it has no other name."""
    source = volume.source
    nameless = anonymous or not (source.series_uid or (source.files and source.format != "DICOM"))
    stem = output_stem(source, content_sha256=content_hash(volume) if nameless else "", anonymous=anonymous)
    return f"{stem}_{model}"


def _paths(outputs: Outputs, stem: str) -> dict[str, Path]:
    """Every file that the case may write, by kind."""
    paths = {name: output_path(outputs.folder, stem, FORMATS[name].suffix) for name in outputs.formats}
    if "nifti" in paths:
        paths["nifti labels"] = sidecar_path(paths["nifti"])
    paths["statistics"] = output_path(outputs.folder, stem, "_statistics.csv")
    paths |= {item.kind: output_path(outputs.folder, stem, item.suffix) for item in outputs.beside}
    paths["manifest"] = output_path(outputs.folder, stem, "_manifest.json")
    return paths


def _check_formats(volume: Volume, package: ModelPackage, outputs: Outputs, options: Options) -> None:
    if "dicomseg" in outputs.formats:
        from .writers.dicom_seg import check_dicom_seg

        check_dicom_seg(volume)
    if "nifti" in outputs.formats:
        check_nifti(volume.geometry)
        _check_one_layer(package, options)


def _check_one_layer(package: ModelPackage, options: Options) -> None:
    """Whether structures do overlap is known after the network: too late for a refusal."""
    if package.spec.output.activation == "sigmoid" and len(chosen_labels(package.spec, options.structures)) > 1:
        raise MedDLError(
            Code.LABELS_OVERLAP,
            f"The structures of {package.spec.name} may overlap; NIfTI holds one structure per voxel.",
            "Write .seg.nrrd or DICOM SEG instead, or choose one structure with --structure.",
        )


def _check_free(outputs: Outputs, paths: Sequence[Path]) -> None:
    there = [path for path in paths if path.exists()]
    if folders := [path.name for path in there if path.is_dir()]:
        raise MedDLError(Code.OUTPUT_UNWRITABLE, f"{folders[0]} is a folder; a result would have this name.")
    if not outputs.kept.isdisjoint(there):
        raise MedDLError(
            Code.OUTPUT_EXISTS,
            f"{there[0].name} is the result of another scan of this run.",
            "Segment scans whose files have the same name into different folders.",
        )
    if there and not outputs.overwrite:
        raise MedDLError(Code.OUTPUT_EXISTS, f"{there[0].name} is in the output folder already.")


@dataclass(frozen=True)
class _Written:
    statistics: tuple[SegmentStatistics, ...]
    notices: tuple[Notice, ...]


def _write(
    volumes: Sequence[Volume],
    package: ModelPackage,
    outputs: Outputs,
    settings: Mapping[str, Any],
    result: Segmentation,
    paths: Mapping[str, Path],
    tell: OnProgress,
    job_date: datetime,
) -> _Written:
    """Writes every file of the case under ``paths``."""
    tell("write", 0, 1)
    started = time.monotonic()
    notices = [*package.notices, *result.notices, *label_notices(result.label_map)]
    algorithm = Algorithm(package.spec.name, package.spec.version, package.sha256, "clicks" in settings)
    for name in outputs.formats:
        notices += FORMATS[name].write(result.label_map, volumes[0], paths[name], algorithm, job_date)
    statistics = result.statistics or segment_statistics(result.label_map, volumes[0])
    write_statistics(statistics, paths["statistics"])
    result.seconds["write"] = round(time.monotonic() - started, 3)
    tell("write", 1, 1)
    for item in outputs.beside:
        tell(item.stage, 0, 1)
        started = time.monotonic()
        item.write(volumes[0], result.label_map, paths[item.kind])
        result.seconds[item.kind] = round(time.monotonic() - started, 3)
        tell(item.stage, 1, 1)
    manifest = Manifest(
        inputs=tuple(InputRecord.of(volume) for volume in volumes),
        model_name=package.spec.name,
        model_version=package.spec.version,
        model_sha256=package.sha256,
        device=result.device,
        seconds=result.seconds,
        notices=tuple(dict.fromkeys(notices)),
        outputs=tuple(OutputRecord.of(kind, path) for kind, path in paths.items() if path.exists()),
        settings=settings,
        backends=result.backends,
    )
    write_manifest(manifest, paths["manifest"])
    return _Written(statistics, manifest.notices)
