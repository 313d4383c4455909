"""Files that another program has written: which of them are the same."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np

from fixtures.volume_phantoms import OBLIQUE, write_volume
from MedDLTraining.data import Case
from MedDLTraining.evaluation.predictions import FilePredictions

CASE = Case("a", "a", (), (), ())


def identity(folder: Path) -> str:
    return FilePredictions(folder, [CASE]).identity(CASE)


def test_a_copy_of_predictions_is_the_same_and_other_voxels_or_names_are_not(tmp_path: Path) -> None:
    """When it was written decided: a copy of the data was judged anew, and a file of the same time was not."""
    voxels = np.ones(OBLIQUE.shape, np.uint8)
    (tmp_path / "found").mkdir()
    path = write_volume(tmp_path / "found" / "a.nii", voxels, OBLIQUE)
    named = path.with_name("dataset.json")
    named.write_text(json.dumps({"labels": {"background": 0, "liver": 1}}))
    first, written = identity(path.parent), path.stat().st_mtime_ns
    shutil.copytree(path.parent, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(tmp_path / "copy" / "a.nii", ns=(0, 0))
    assert first and identity(tmp_path / "copy") == first
    voxels[0, 0, 0] = 0
    write_volume(path, voxels, OBLIQUE)
    os.utime(path, ns=(written, written))
    other = identity(path.parent)
    assert other != first
    named.write_text(json.dumps({"labels": {"background": 0, "spleen": 1}}))
    assert identity(path.parent) != other


def test_a_header_beside_its_voxels_does_not_vouch_for_them(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a.mhd", np.ones(OBLIQUE.shape, np.uint8), OBLIQUE)
    path.with_name("dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": 1}}))
    first = identity(tmp_path)
    write_volume(path, np.zeros(OBLIQUE.shape, np.uint8), OBLIQUE)
    os.utime(path, ns=(0, 0))
    assert identity(tmp_path) != first


def test_the_prediction_of_a_case_is_never_that_of_another_whose_name_goes_on_after_its_own(tmp_path: Path) -> None:
    cases = [Case(f"case_{n}", name, (), (), ()) for n, name in enumerate(("p1", "p1_later", "p2"))]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": 1}}))
    for name in ("p1_later_pred", "p2_pred"):
        write_volume(tmp_path / f"{name}.nii", np.ones(OBLIQUE.shape, np.uint8), OBLIQUE)
    found = FilePredictions(tmp_path, cases)
    assert found.identity(cases[0]) == "" and found.identity(cases[1]) and found.identity(cases[2])
    write_volume(tmp_path / "p1_pred.nii", np.zeros(OBLIQUE.shape, np.uint8), OBLIQUE)
    found = FilePredictions(tmp_path, cases)
    assert found.identity(cases[0]) and found.identity(cases[0]) != found.identity(cases[1])
