"""The body made by rule: the same for a seed, right where right is, and hard for thresholds."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk

from fixtures.balls import centroid, turned
from MedDLCore.demo import LABELS, best_threshold, make_phantom, phantom_geometry
from MedDLCore.metrics import dice, dice_by_label
from MedDLCore.readers.values import check_hounsfield
from MedDLCore.volume import Geometry, LabelMap, Volume

SEEDS = (0, 1, 2)


@cache
def a_phantom(seed: int) -> tuple[Volume, LabelMap]:
    return make_phantom(seed)


def places(truth: LabelMap) -> dict[str, np.ndarray]:
    return {label.name: centroid(truth.mask(label), truth.geometry) for label in truth.labels}


def test_a_seed_gives_the_same_body_every_time_and_another_seed_another() -> None:
    volume, truth = a_phantom(0)
    again, same_truth = make_phantom(0)
    assert np.array_equal(volume.array, again.array) and np.array_equal(truth.array, same_truth.array)
    assert volume.geometry.same_as(again.geometry)
    assert not volume.geometry.same_as(a_phantom(1)[0].geometry)


def test_a_seed_gives_the_same_body_on_every_machine() -> None:
    """Volumes in mL and the liver's mean in HU as they were when the network was trained; last digits may differ."""
    volume, truth = a_phantom(0)
    volumes = {label.name: truth.mask(label).sum() * truth.geometry.voxel_volume / 1000 for label in truth.labels}
    assert volumes == pytest.approx(
        {
            "liver": 1049.4,
            "spleen": 144.5,
            "right kidney": 94.1,
            "left kidney": 91.2,
            "stomach": 262.0,
            "heart": 299.4,
            "aorta": 188.0,
        },
        rel=5e-3,
    )
    assert volume.array[truth.mask(LABELS[0])].mean() == pytest.approx(40.24, abs=0.1)


def test_the_phantom_is_a_ct_in_hounsfield_units_on_the_grid_of_its_truth() -> None:
    for seed in SEEDS:
        volume, truth = a_phantom(seed)
        assert volume.modality == "CT" and volume.array.dtype == np.int16
        assert check_hounsfield(volume.array) is None
        assert volume.geometry.orientation == "LPS"
        assert truth.geometry is volume.geometry and truth.labels == LABELS
        assert 400_000 < volume.array.size < 2_000_000


@pytest.mark.parametrize("seed", range(6))
def test_every_organ_is_one_piece_and_lies_on_its_side_of_the_body(seed: int) -> None:
    _, truth = a_phantom(seed)
    for label in truth.labels:
        mask = sitk.GetImageFromArray(truth.mask(label).astype(np.uint8))
        pieces = np.bincount(sitk.GetArrayFromImage(sitk.ConnectedComponent(mask)).ravel())[1:]
        assert pieces.max() >= 0.98 * pieces.sum(), label.name
    at = places(truth)
    middle = at["aorta"][0]  # RAS: larger is further to the patient's right
    assert at["liver"][0] > middle + 20 and at["right kidney"][0] > middle + 20
    for name in ("spleen", "left kidney", "stomach"):
        assert at[name][0] < middle - 10, name
    assert at["heart"][2] > at["liver"][2] + 40 > at["right kidney"][2] + 60
    assert at["stomach"][1] > at["spleen"][1] + 20 and at["liver"][1] > at["left kidney"][1]


def test_the_right_kidney_lies_lower_in_most_bodies() -> None:
    lower = [at["right kidney"][2] - at["left kidney"][2] for at in (places(a_phantom(seed)[1]) for seed in range(6))]
    assert np.mean(lower) < -10


def test_the_body_is_the_same_in_the_world_on_another_grid() -> None:
    volume, truth = a_phantom(1)
    middle = volume.geometry.index_to_ras((np.array(volume.geometry.shape[::-1]) - 1) / 2)
    axes, spacing, shape = turned(15, 0) @ turned(15, 2), np.array([3.5, 2.9, 4.1]), np.array([104, 124, 78])
    origin = middle - axes @ (spacing * (shape - 1) / 2)
    other, other_truth = make_phantom(1, Geometry.from_parts(shape[::-1].tolist(), spacing, axes, origin))
    for name, score in dice_by_label(other_truth, truth).items():
        assert score > 0.85, name  # voxels of 3 to 4 mm on the border of a tube of 25 mm
    inside, other_inside = truth.mask(LABELS[0]), other_truth.mask(LABELS[0])
    assert volume.array[inside].mean() == pytest.approx(other.array[other_inside].mean(), abs=1.5)


def test_the_codes_are_those_of_dicoms_dictionary() -> None:
    codes = pytest.importorskip("pydicom.sr.codedict").codes.SCT
    sides = {"right": codes.Right, "left": codes.Left}
    for label in LABELS:
        side, _, organ = label.name.rpartition(" ")
        meaning = label.terminology
        assert meaning is not None
        assert (meaning.type.value, meaning.type.scheme) == (getattr(codes, organ.capitalize()).value, "SCT")
        assert (meaning.modifier.value if meaning.modifier else None) == (sides[side].value if side else None)
        assert (meaning.category.value, meaning.category.scheme) == ("123037004", "SCT")


@pytest.mark.parametrize("seed", SEEDS)
def test_no_threshold_finds_the_organs_even_when_it_is_told_the_truth(seed: int) -> None:
    scores = best_threshold(*a_phantom(seed))
    assert np.mean(list(scores.values())) <= 0.35, scores
    assert max(scores.values()) <= 0.6, scores


def test_the_yardstick_finds_organs_where_a_threshold_can() -> None:
    """Else the test above would say nothing: organs that differ from their surroundings, one of them beside a copy."""
    volume, truth = a_phantom(0)
    kidneys = np.isin(truth.array, (3, 4))
    easy = np.where(kidneys, 45, np.where(truth.array == 1, 150, -300)).astype(np.int16)
    scores = best_threshold(Volume(easy, volume.geometry, "CT"), truth, smoothings=(0.0,))
    assert scores["liver"] == scores["left kidney"] == 1.0
    assert scores["right kidney"] > 0.99 and scores["aorta"] < 0.2


def test_a_threshold_on_a_noiseless_ball_scores_as_counted_by_hand() -> None:
    array = np.zeros((1, 4, 6), dtype=np.int16)
    array[0, :2, :3] = 50
    labels = np.zeros((1, 4, 6), dtype=np.uint8)
    labels[0, :2, :2] = 1  # 4 voxels of a component of 6: 2 * 4 / (4 + 6)
    geometry = Geometry.from_parts((1, 4, 6), (1, 1, 1))
    truth = LabelMap(labels, geometry, LABELS[:1])
    assert best_threshold(Volume(array, geometry), truth, smoothings=(0.0,))["liver"] == pytest.approx(0.8)
    assert dice(array > 0, labels > 0) == pytest.approx(0.8)


def test_phantoms_differ_in_size_and_spacing() -> None:
    spacings = {tuple(np.round(phantom_geometry(seed).spacing, 3)) for seed in range(8)}
    assert len(spacings) == 8
    livers = [
        np.count_nonzero(a_phantom(seed)[1].array == 1) * a_phantom(seed)[1].geometry.voxel_volume for seed in SEEDS
    ]
    assert max(livers) > 1.2 * min(livers)
