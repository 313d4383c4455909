"""One case from volumes to files: what ``meddl segment`` does for each scan.

Every file is written under a temporary name and renamed when it is whole; nothing is written before the network is
done, and the manifest, which vouches for the others, comes last.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .atomic import check_folder
from .errors import Code, MedDLError, Notice
from .pipeline import Model, OnProgress, Options, Segmentation, chosen_labels, segment
from .terminology import label_notices
from .volume import Volume
from .writers import (
    FORMATS,
    Algorithm,
    InputRecord,
    Manifest,
    OutputRecord,
    SegmentStatistics,
    check_dicom_seg,
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
class Outputs:
    """What a person wants written, and where.

    Attributes:
        folder: made if it is not there.
        formats: of ``FORMATS``.
        overwrite: replace results of an earlier run.
        anonymous: name the files by the scan's content, not by its file name.
        beside: how the names of files end that the caller writes beside them (``.png``, ``.mrb``): none may be there.
        kept: files of other scans of this run, which are never replaced.
    """

    folder: Path
    formats: tuple[str, ...] = ("nrrd",)
    overwrite: bool = False
    anonymous: bool = False
    beside: tuple[str, ...] = ()
    kept: frozenset[Path] = frozenset()


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What one case gave.

    Attributes:
        segmentation: the result in memory.
        statistics: one row for each structure.
        files: what was written, by kind: the formats, ``statistics``, ``manifest``. A format that has nothing to
            write (DICOM SEG of an empty result) is absent.
        notices: everything that the person should know.
        stem: how the files' names begin.
    """

    segmentation: Segmentation
    statistics: tuple[SegmentStatistics, ...]
    files: Mapping[str, Path]
    notices: tuple[Notice, ...]
    stem: str


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
        on_progress: told of progress; what it raises ends the run, and nothing is left of unfinished files.

    Raises:
        MedDLError: what ``segment`` and the writers refuse; OUTPUT_EXISTS, OUTPUT_UNWRITABLE, NOT_DICOM and
            LABELS_OVERLAP before the network runs.
    """
    tell = on_progress or _to_nobody
    inputs = tuple(InputRecord.of(volume) for volume in volumes)
    stem = output_stem(volumes[0].source, content_sha256=inputs[0].sha256, anonymous=outputs.anonymous)
    stem = f"{stem}_{model.spec.name}"
    paths = {name: output_path(outputs.folder, stem, FORMATS[name].suffix) for name in outputs.formats}
    if "nifti" in paths:
        paths["nifti labels"] = sidecar_path(paths["nifti"])
    paths["statistics"] = output_path(outputs.folder, stem, "_statistics.csv")
    paths["manifest"] = output_path(outputs.folder, stem, "_manifest.json")
    beside = {suffix: output_path(outputs.folder, stem, suffix) for suffix in outputs.beside}
    _check_before(volumes[0], outputs, {**paths, **beside})
    if "nifti" in outputs.formats:
        _check_one_layer(model, options)

    result = segment(volumes, model, options, tell)
    tell("write", 0, 1)
    started = time.monotonic()
    notices = [*model.package.notices, *result.notices, *label_notices(result.label_map)]
    algorithm = Algorithm(model.spec.name, model.spec.version, model.package.sha256)
    if outputs.overwrite:  # an earlier run's manifest does not vouch for what comes now, nor do its files belong to it
        for suffix in EVERY_SUFFIX:
            if (earlier := output_path(outputs.folder, stem, suffix)) not in paths.values():
                earlier.unlink(missing_ok=True)
    paths["manifest"].unlink(missing_ok=True)
    for name in outputs.formats:
        if name == "dicomseg":
            paths[name].unlink(missing_ok=True)  # of an empty result there is none, and an earlier one must not stay
        notices += FORMATS[name].write(result.label_map, volumes[0], paths[name], algorithm, datetime.now())
    statistics = segment_statistics(result.label_map, volumes[0])
    write_statistics(statistics, paths["statistics"])
    notices = list(dict.fromkeys(notices))
    result.seconds["write"] = round(time.monotonic() - started, 3)
    manifest = Manifest(
        inputs=inputs,
        model_name=model.spec.name,
        model_version=model.spec.version,
        model_sha256=model.package.sha256,
        device=result.device,
        seconds=result.seconds,
        notices=tuple(notices),
        outputs=tuple(OutputRecord.of(kind, path) for kind, path in paths.items() if _written(kind, path)),
        settings=_settings(options),
    )
    write_manifest(manifest, paths["manifest"])
    tell("write", 1, 1)
    files = {kind: path for kind, path in paths.items() if path.exists()}
    return CaseResult(result, statistics, files, tuple(notices), stem)


def _to_nobody(stage: str, done: int, of: int) -> None:
    """Progress that nobody asked for."""


def _check_before(volume: Volume, outputs: Outputs, paths: Mapping[str, Path]) -> None:
    if "dicomseg" in outputs.formats:
        check_dicom_seg(volume)
    check_folder(outputs.folder, volume.array.nbytes // 8)
    there = [path for path in paths.values() if path.exists()]
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


def _check_one_layer(model: Model, options: Options) -> None:
    """Whether structures do overlap is known after the network: too late for a refusal."""
    if model.spec.output.activation == "sigmoid" and len(chosen_labels(model.spec, options.structures)) > 1:
        raise MedDLError(
            Code.LABELS_OVERLAP,
            f"The structures of {model.spec.name} may overlap; NIfTI holds one structure per voxel.",
            "Write .seg.nrrd or DICOM SEG instead, or choose one structure with --structure.",
        )


def _written(kind: str, path: Path) -> bool:
    return kind != "manifest" and path.exists()


def _settings(options: Options) -> dict[str, Any]:
    """What changes the result."""
    region = options.region
    return {
        "structures": list(options.structures),
        "region": None if region is None else [*region.low, *region.high],
        "allow": sorted(code.value for code in options.allow),
    }
