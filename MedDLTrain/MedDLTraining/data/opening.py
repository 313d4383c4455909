"""From a folder, or a scene file, to a data set: whatever in it can be read as scans with segmentations."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers.dicom import is_dicom

from .case import Case, Unusable
from .data_set import DataSet
from .dicom import read_dicom_cases
from .files import suffix_of
from .found import Found, patient_digest
from .label_table import propose
from .nnunet import DATASET_JSON, read_nnunet
from .pairs import read_pairs
from .scenes import AnnotatedScan, OpenScene, cases_of_scans, cases_of_scene, cases_of_scene_file
from .split import Split

SCENES = (".mrb", ".mrml")

DATABASE = "ctkDICOM.sql"
"""What Slicer calls its DICOM database."""

DRAWN = ("SEG", "RTSTRUCT")
"""Modalities of what was drawn."""

OnProgress = Callable[[str, int, int], None]
"""Told of (stage, done, of)."""


def open_folder(
    path: Path,
    *,
    channels: Sequence[str] = (),
    patient: str = "",
    splits: tuple[Split, ...] = (),
    open_scene: OpenScene | None = None,
    on_progress: OnProgress | None = None,
) -> DataSet:
    """Opens a data set.

    A folder with ``dataset.json`` is read as it says (Decathlon, nnU-Net). Of a DICOM database of Slicer, those studies
    are taken in which something was drawn. Any other folder is looked through for pairs of volume files, DICOM series
    with SEG, and scenes.

    Args:
        path: a folder, or a scene file.
        channels: names of the channels: how the names of files, of nodes or of DICOM series end. Empty: one channel, or
            those that the files number, or that ``dataset.json`` names.
        patient: a regular expression whose first group finds the patient in each case's name.
        splits: from ``split.read_splits``.
        open_scene: ``MedDLScene.annotated.annotatedScansOfFile``; None: scenes cannot be read here.
        on_progress: told of the stages ``files`` and ``labels``.

    Raises:
        MedDLError: FILE_NOT_FOUND, NO_IMAGES; DATA_INVALID, also for a pattern that finds no patient in a case;
            EXTRA_MISSING for a scene without ``open_scene``; CHANNELS_MISMATCH where ``dataset.json`` names others than
            ``channels``. What concerns single cases is not raised, but among ``unusable``.
    """
    if not path.exists():
        raise MedDLError(Code.FILE_NOT_FOUND, f"There is no folder {path.name}.")
    if path.name == DATABASE or (path / DATABASE).is_file():
        found = _of_database(path if path.is_file() else path / DATABASE, channels, on_progress)
    elif not path.is_dir():
        found = _scenes([path], path.parent, channels, open_scene)
    elif (path / DATASET_JSON).is_file():
        found = _as_described(read_nnunet(path), channels)
    else:
        found = _look_through(path, channels, open_scene, on_progress)
    if not found.cases and not found.unusable:
        raise MedDLError(
            Code.NO_IMAGES,
            "The folder holds no scans with segmentations.",
            "It takes images and label maps (NIfTI, NRRD, MetaImage), volumes with .seg.nrrd, DICOM series with SEG, "
            "or Slicer scenes.",
        )
    return _data_set(found, splits, patient)


def open_nodes(scans: Sequence[AnnotatedScan], channels: Sequence[str] = ()) -> DataSet:
    """Nodes of an open scene as a data set. The scene must stay open while it is used.

    Args:
        scans: from ``MedDLScene.annotated.annotatedScans``.
        channels: how the names of the channels' nodes end, in order; see ``scenes.cases_of_scene``.

    Raises:
        MedDLError: NO_IMAGES, CHANNELS_MISMATCH, what ``MedDLScene`` refuses.
    """
    return _data_set(cases_of_scene(scans, channels=channels))


def open_cases(cases: Sequence[Sequence[AnnotatedScan]], channels: Sequence[str] = ()) -> DataSet:
    """Scans of which it is known what belongs together as a data set: see ``scenes.cases_of_scans``."""
    return _data_set(cases_of_scans(cases, channels))


def _data_set(found: Found, splits: tuple[Split, ...] = (), patient: str = "") -> DataSet:
    found = found.with_ids()
    cases = _with_patients(found.cases, patient) if patient else found.cases
    return DataSet(
        cases=cases,
        channels=found.channels,
        table=propose(cases),
        unusable=found.unusable,
        splits=splits,
        exclusive=found.exclusive,
        stored_values=found.stored_values,
        declared=found.declared,
        named=found.named,
    )


def _as_described(found: Found, channels: Sequence[str]) -> Found:
    """Refuses names of channels that ``dataset.json``, whose numbers decide which file is which, does not have so."""
    named = [channel.name for channel in found.channels]
    if channels and [name.casefold() for name in channels] != [name.casefold() for name in named]:
        raise MedDLError(
            Code.CHANNELS_MISMATCH,
            f"{DATASET_JSON} names the channels {', '.join(named)}; {', '.join(channels)} were asked for.",
            f"Leave --channel away, or change the names in {DATASET_JSON}.",
        )
    return found


def _with_patients(cases: Sequence[Case], pattern: str) -> tuple[Case, ...]:
    """Refuses a pattern that finds nobody in some names: their patients could be on both sides of a division."""
    known = tuple(replace(case, patient=_patient(case, pattern)) for case in cases)
    if nobody := [case.name for case in known if not case.patient]:
        raise MedDLError(
            Code.DATA_INVALID,
            f"The pattern for patients, {pattern!r}, finds none in {len(nobody)} of {len(cases)} cases: "
            f"{', '.join(nobody[:5])}{' ...' if len(nobody) > 5 else ''}.",
            r"Let it find one in each name. '^(P\d+|.+)' takes a name without P and a number as a patient's own.",
        )
    return known


def _patient(case: Case, pattern: str) -> str:
    try:
        found = re.search(pattern, case.name)
        return patient_digest(found[1]) if found else ""
    except (re.error, IndexError) as error:
        raise MedDLError(
            Code.DATA_INVALID,
            f"The pattern for patients, {pattern!r}, is not a regular expression with a group.",
            r"For names such as P07_scan2 give '(P\d+)_'.",
        ) from error


def _look_through(
    folder: Path, channels: Sequence[str], open_scene: OpenScene | None, on_progress: OnProgress | None
) -> Found:
    files = sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names if name[0] != ".")
    volumes = [file for file in files if suffix_of(file)]
    scenes = [file for file in files if file.suffix.lower() in SCENES]
    rest = [file for file in files if file not in set(volumes) | set(scenes) and file.is_file()]
    dicom, parts = _dicom_among(rest, folder)
    tell = on_progress or _to_nobody
    if scenes:
        loose = [scene.parent for scene in scenes if scene.suffix.lower() == ".mrml"]  # what lies beside is the scene's
        volumes = [file for file in volumes if not any(file.is_relative_to(folder) for folder in loose)]
        parts.append(_scenes(scenes, folder, channels, open_scene))
    if volumes:
        parts.append(read_pairs(folder, volumes, channels, partial(tell, "labels")))
    if dicom:
        others = [file for file in rest if file not in set(dicom)]
        parts.append(read_dicom_cases(folder, dicom, others, channels, partial(tell, "files")))
    return _joined(parts)


def _of_database(path: Path, channels: Sequence[str], on_progress: OnProgress | None) -> Found:
    """The studies of a DICOM database that hold a segmentation or contours, which are refused by their name."""
    from MedDLCore.batch.slicer_database import SlicerDatabase

    scans = SlicerDatabase(path).scans()
    drawn = {scan.study_uid for scan in scans if scan.modality in DRAWN}
    files = [file for scan in scans if scan.study_uid in drawn for file in scan.files if file.is_file()]
    if not files:
        raise MedDLError(
            Code.NO_IMAGES,
            "No study of the DICOM database has a segmentation.",
            "Export segmentations as DICOM SEG into the database, or choose another source.",
        )
    folder = Path(os.path.commonpath([file.parent for file in files]))
    return read_dicom_cases(folder, files, (), channels, partial(on_progress or _to_nobody, "files"))


def _dicom_among(files: Sequence[Path], folder: Path) -> tuple[list[Path], list[Found]]:
    """The DICOM files, and those that cannot be opened."""
    told = {file: _is_dicom(file) for file in files}
    broken = tuple(
        Unusable("", file.relative_to(folder).as_posix(), answer)
        for file, answer in told.items()
        if isinstance(answer, MedDLError)
    )
    return [file for file, answer in told.items() if answer is True], [Found(unusable=broken)] if broken else []


def _is_dicom(file: Path) -> bool | MedDLError:
    try:
        return is_dicom(file)
    except MedDLError as error:
        return error


def _scenes(paths: Sequence[Path], folder: Path, channels: Sequence[str], open_scene: OpenScene | None) -> Found:
    if open_scene is None:
        raise MedDLError(
            Code.EXTRA_MISSING,
            f"{paths[0].name} is a Slicer scene, which needs Slicer's libraries.",
            "pip install 'meddl[scene]'",
        )
    named = [(path, path.relative_to(folder).as_posix()) for path in paths]
    return _joined([cases_of_scene_file(path, open_scene, name, channels) for path, name in named])


def _joined(parts: Sequence[Found]) -> Found:
    """All cases together.

    Raises:
        MedDLError: CHANNELS_MISMATCH where the parts have different channels.
    """
    if not parts:
        return Found()
    counts = {len(part.channels) for part in parts if part.cases}
    if len(counts) > 1:
        raise MedDLError(
            Code.CHANNELS_MISMATCH,
            "Some cases of the folder have one channel, others several.",
            "Keep cases of one kind in a folder.",
        )
    first = max(parts, key=lambda part: len(part.cases))
    return replace(
        first,
        cases=tuple(case for part in parts for case in part.cases),
        unusable=tuple(item for part in parts for item in part.unusable),
        named=all(part.named for part in parts),
    )


def _to_nobody(stage: str, done: int, of: int) -> None:
    """Progress that nobody asked for."""
