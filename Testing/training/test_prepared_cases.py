"""Cases prepared for a training: what inference would see, with the truth on the same voxels."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from fixtures.data_sets import clean_set, drawn, name_of, write_case
from fixtures.trainings import data_in_memory, overlapping_in_memory, tiny_plan
from MedDLCore.errors import Code, MedDLError
from MedDLCore.preprocess import prepare
from MedDLCore.spec import Grid
from MedDLTraining.cases import divide, divisions, named_folds, prepare_cases
from MedDLTraining.data import Split, open_folder

GRIDS = {
    "extent": Grid(spacing=(2.5, 2.0, 3.0), rule="extent", interpolation="cubic"),
    "centred": Grid(spacing=(2.5, 2.0, 3.0)),
    "as stored": Grid(orientation=None),
    "turned": Grid(orientation="SPL", transpose=(1, 0, 2), spacing=(2.5, 2.0, 3.0), rule="extent"),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_the_image_is_what_inference_sees_and_the_truth_lies_on_it(tmp_path: Path, grid: Grid) -> None:
    data_set = data_in_memory(1, 2.0)
    spec = tiny_plan(data_set, grid=grid).spec
    (case,) = prepare_cases(data_set, spec, tmp_path / "cache")
    seen = prepare(data_set.load(data_set.cases[0]).volumes, spec)
    np.testing.assert_array_equal(case.image, seen.array)
    assert case.truth.shape == (1, *seen.array.shape[1:])
    hu = case.image[0] * 60 + 60  # liver 100, left kidney 140, right kidney 180, the rest of the body 40
    for value, expected in ((1, 100), (2, 140), (3, 180)):
        found = hu[case.truth[0] == value]
        assert np.median(found) == pytest.approx(expected, abs=8)
        assert len(case.places[value]) == min(len(found), 10_000)
        assert (case.truth[0][tuple(case.places[value].T)] == value).all()


def test_volumes_of_structures_survive_the_change_of_grid(tmp_path: Path) -> None:
    data_set = data_in_memory(1, 2.0)
    spec = tiny_plan(data_set, grid=Grid(spacing=(1.5, 1.5, 1.5), rule="extent")).spec
    (case,) = prepare_cases(data_set, spec, tmp_path / "cache")
    truth = data_set.load(data_set.cases[0]).truth
    for value in (1, 2, 3):
        before = (truth.array == value).sum() * truth.geometry.voxel_volume
        assert (case.truth == value).sum() * 1.5**3 == pytest.approx(before, rel=0.05)


def test_overlapping_labels_are_masks_of_their_own(tmp_path: Path) -> None:
    data_set = overlapping_in_memory(1)
    spec = tiny_plan(data_set, overlapping=True).spec
    (case,) = prepare_cases(data_set, spec, tmp_path / "cache")
    truth = data_set.load(data_set.cases[0]).truth
    assert case.truth.shape[0] == 3 and case.truth.max() == 1
    assert [int(mask.sum()) for mask in case.truth] == [int(truth.mask(label).sum()) for label in truth.labels]
    assert (case.truth[1] >= case.truth[0]).all() and case.truth[0].any()
    assert sorted(case.places) == [1, 2, 3]


def test_the_cache_is_private_and_names_nobody(tmp_path: Path) -> None:
    data_set = open_folder(clean_set(tmp_path / "d", 2))
    plan = tiny_plan(data_set)
    prepare_cases(data_set, plan.spec, tmp_path / "cache")
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
    canary = name_of(0).encode()
    for path in (tmp_path / "cache").iterdir():
        assert b"patient" not in path.name.encode() and canary not in path.read_bytes()


def test_what_is_prepared_is_kept_until_the_plan_or_the_data_change(tmp_path: Path) -> None:
    data_set = data_in_memory(1)
    plan = tiny_plan(data_set)
    path = tmp_path / "cache" / "case_0001_image.npy"
    prepare_cases(data_set, plan.spec, tmp_path / "cache")
    first = path.stat().st_ino
    (case,) = prepare_cases(data_set, replace(plan, epochs=9).spec, tmp_path / "cache")
    assert path.stat().st_ino == first
    assert isinstance(case.image, np.memmap)
    prepare_cases(data_set, replace(plan, intensity=(), channels=data_set.channels).spec, tmp_path / "cache")
    assert path.stat().st_ino != first


def test_a_label_map_that_was_corrected_in_its_file_is_prepared_anew(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 2)
    spec = tiny_plan(open_folder(folder)).spec
    before = prepare_cases(open_folder(folder), spec, tmp_path / "cache")
    corrected = drawn(0)
    corrected.labels[corrected.labels == 1] = 0
    write_case(folder, 0, corrected)
    after = prepare_cases(open_folder(folder), spec, tmp_path / "cache")
    assert (after[0].truth != 1).all() and before[0].truth_sha256 != after[0].truth_sha256
    assert before[0].sha256 == after[0].sha256 and before[1] == after[1]


@pytest.mark.parametrize("header", ["a.mhd", "a.MHD", "a.nhdr"])
def test_a_label_map_whose_voxels_alone_were_corrected_is_prepared_anew(header: str, tmp_path: Path) -> None:
    """They lie in a file beside the header, which stays as it was: the training went on with what was there before."""
    for part, array in (("images", drawn(0).image), ("labels", drawn(0).labels)):
        (tmp_path / part).mkdir()
        sitk.WriteImage(sitk.GetImageFromArray(array), tmp_path / part / header.lower())
        (tmp_path / part / header.lower()).rename(tmp_path / part / header)
    data_set = open_folder(tmp_path)
    spec = tiny_plan(data_set).spec
    (before,) = prepare_cases(data_set, spec, tmp_path / "cache")
    (voxels,) = (path for path in (tmp_path / "labels").iterdir() if path.name != header)
    voxels.write_bytes(voxels.read_bytes()[::-1])
    (after,) = prepare_cases(data_set, spec, tmp_path / "cache")
    assert before.truth_sha256 != after.truth_sha256 and before.sha256 == after.sha256


def test_half_prepared_cases_of_a_killed_run_are_prepared_anew(tmp_path: Path) -> None:
    data_set = data_in_memory(1)
    spec = tiny_plan(data_set).spec
    (case,) = prepare_cases(data_set, spec, tmp_path / "cache")
    wanted = np.array(case.image)
    (tmp_path / "cache" / "case_0001.json").unlink()
    os.truncate(tmp_path / "cache" / "case_0001_image.npy", 100)
    (case,) = prepare_cases(data_set, spec, tmp_path / "cache")
    np.testing.assert_array_equal(case.image, wanted)


def test_folds_share_no_case_and_cover_all_and_patients_stay_together() -> None:
    data_set = data_in_memory(9)
    cases = tuple(replace(case, patient=str(n // 3)) for n, case in enumerate(data_set.cases))
    data_set = replace(data_set, cases=cases)
    held = [divide(data_set, 3, fold, 0) for fold in range(3)]
    for division in held:
        assert not {c.patient for c in division.training} & {c.patient for c in division.validation}
        assert len(division.training) == 6 and len(division.validation) == 3
    assert {case.id for division in held for case in division.validation} == {case.id for case in cases}
    assert divide(data_set, 3, 1, 0) == divide(data_set, 3, 1, 0)


def test_there_are_no_more_folds_than_patients() -> None:
    """The fourth of five folds of three patients was the first one again."""
    data_set = data_in_memory(3)
    assert [divisions(data_set, folds) for folds in (2, 5, 0)] == [2, 3, 3]
    held = [divide(data_set, 5, fold, 0).validation for fold in range(3)]
    assert {case.id for its in held for case in its} == {case.id for case in data_set.cases}
    with pytest.raises(MedDLError, match="patients make 3") as refused:
        divide(data_set, 5, 3, 0)
    assert refused.value.code is Code.PLAN_INVALID


def test_what_a_split_keeps_for_a_test_is_never_taken() -> None:
    data_set = data_in_memory(6)
    names = [case.name for case in data_set.cases]
    split = Split((("train", tuple(names[:3])), ("val", tuple(names[3:4])), ("test", tuple(names[4:]))))
    data_set = replace(data_set, splits=(split,))
    as_named = divide(data_set, 0, 0, 0)
    assert [case.name for case in as_named.training] == names[:3]
    assert [case.name for case in as_named.validation] == names[3:4]
    folded = divide(data_set, 3, 0, 0)
    assert {case.name for case in (*folded.training, *folded.validation)} == set(names[:3])


def folds_of_nnunet(names: list[str]) -> tuple[Split, ...]:
    """Three divisions, as ``splits_final.json`` lists them."""
    held = [names[n::3] for n in range(3)]
    return tuple(
        Split((("train", tuple(n for n in names if n not in its)), ("val", tuple(its))), f"fold {k}")
        for k, its in enumerate(held)
    )


def test_each_fold_that_a_split_names_is_that_fold() -> None:
    data_set = data_in_memory(6)
    names = [case.name for case in data_set.cases]
    data_set = replace(data_set, splits=folds_of_nnunet(names))
    assert named_folds(data_set) == 3 and named_folds(data_in_memory(3)) == 0
    for fold in range(3):
        division = divide(data_set, 0, fold, 0)
        assert [case.name for case in division.validation] == names[fold::3]
        assert {case.name for case in division.training} == set(names) - set(names[fold::3])
    with pytest.raises(MedDLError) as refused:
        divide(data_set, 0, 3, 0)
    assert refused.value.code is Code.PLAN_INVALID


def test_a_single_case_is_watched_on_itself_with_a_warning() -> None:
    division = divide(data_in_memory(1), 5, 0, 0)
    assert division.training == division.validation
    assert [notice.code for notice in division.notices] == [Code.DATA_SCARCE]
