"""A data set as files that can be given away: nnU-Net's layout, pseudonyms, headers without anything of a patient."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from MedDLCore.atomic import atomic_path, check_folder
from MedDLCore.errors import Code, MedDLError
from MedDLCore.resample import resample
from MedDLCore.writers import write_nifti, write_seg_nrrd
from MedDLCore.writers.nifti import write_nifti_scan
from MedDLCore.writers.statistics import spreadsheet_cell

from .data_set import DataSet, Loaded
from .nnunet import DATASET_JSON, IMAGES, LABELS


def export_data_set(
    data_set: DataSet,
    folder: Path,
    *,
    form: Literal["nifti", "seg.nrrd"] = "nifti",
    key_file: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes every case under its pseudonym.

    ``imagesTr/case_0001_0000.nii.gz`` for each channel, on the grid of the first; ``labelsTr/case_0001.nii.gz``;
    ``dataset.json`` as nnU-Net 2 has it. Headers are written anew and hold the grid alone. Faces and burnt-in names
    are in the voxels and stay there.

    Args:
        data_set: without ``unusable``.
        folder: new or empty.
        form: of the label maps; ``seg.nrrd`` holds structures that overlap, which nnU-Net cannot read.
        key_file: where to write which case is who; None: nowhere. It must lie outside ``folder``.
        on_progress: told how many cases are done.

    Raises:
        MedDLError: what ``DataSet.load`` refuses; LABELS_OVERLAP for ``nifti``; DATA_INVALID where there is
            ``unusable``; OUTPUT_EXISTS, OUTPUT_UNWRITABLE, NO_SPACE.
    """
    _check(data_set, folder, key_file)
    for part in (IMAGES, LABELS):
        (folder / part).mkdir()
    for n, case in enumerate(data_set.cases, start=1):
        _write(data_set.load(case), folder, case.id, form)
        if on_progress is not None:
            on_progress(n, len(data_set.cases))
    with atomic_path(folder / DATASET_JSON) as unfinished:
        unfinished.write_text(_description(data_set, form), encoding="utf-8")
    if key_file is not None:
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(
            [("case", "name"), *((case.id, spreadsheet_cell(case.name)) for case in data_set.cases)]
        )
        with atomic_path(key_file) as unfinished:
            unfinished.write_text(stream.getvalue(), encoding="utf-8")
            unfinished.chmod(0o600)


def _check(data_set: DataSet, folder: Path, key_file: Path | None) -> None:
    if data_set.unusable:
        names = ", ".join(item.name for item in data_set.unusable[:5])
        raise MedDLError(
            Code.DATA_INVALID,
            f"{len(data_set.unusable)} of what was found cannot be exported: {names}.",
            "Repair them, or leave them out by name.",
        )
    if key_file is not None and key_file.resolve().is_relative_to(folder.resolve()):
        raise MedDLError(
            Code.OUTPUT_UNWRITABLE,
            "The key file would lie among the data that it is the key to.",
            "Choose a place outside the exported folder.",
        )
    check_folder(folder)
    if any(folder.iterdir()):
        raise MedDLError(Code.OUTPUT_EXISTS, f"{folder.name} is not empty.", "Choose a new folder.")


def _write(loaded: Loaded, folder: Path, case_id: str, form: str) -> None:
    grid = loaded.volumes[0].geometry
    for n, volume in enumerate(loaded.volumes):
        array = volume.array
        if not volume.geometry.same_as(grid):
            array = resample(array, volume.geometry, grid, "linear", fill=float(np.min(array)))
        write_nifti_scan(array, grid, folder / IMAGES / f"{case_id}_{n:04d}.nii.gz")
    if form == "seg.nrrd":
        write_seg_nrrd(loaded.truth, folder / LABELS / f"{case_id}.seg.nrrd")
        return
    if loaded.truth.layers > 1:
        raise MedDLError(
            Code.LABELS_OVERLAP,
            f"Structures overlap in {case_id}; a label map holds one per voxel.",
            "Export in the form seg.nrrd.",
        )
    write_nifti(loaded.truth, folder / LABELS / f"{case_id}.nii.gz")


def _description(data_set: DataSet, form: str) -> str:
    content = {
        "channel_names": {str(n): channel.name for n, channel in enumerate(data_set.channels)},
        "labels": {"background": 0, **{label.name: label.value for label in data_set.labels}},
        "numTraining": len(data_set.cases),
        "file_ending": ".nii.gz" if form == "nifti" else ".seg.nrrd",
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
