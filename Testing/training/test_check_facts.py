"""What is measured of a case is what can be computed for it in another way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fixtures.balls import centroid
from fixtures.data_sets import NAMES, InMemory, case_in_memory, clean_set, drawn, name_of, shifted, write_description
from fixtures.volume_phantoms import write_nifti
from MedDLCore.volume import Volume
from MedDLTraining.check import CaseFacts, examine
from MedDLTraining.data import data_set_of, open_folder


def facts_of(folder: Path) -> CaseFacts:
    data_set = open_folder(folder)
    return examine(data_set.cases[0], data_set)[0]


def test_volumes_and_centres_of_structures_are_those_of_their_voxels(tmp_path: Path) -> None:
    case = drawn(0)
    facts = facts_of(clean_set(tmp_path / "d", 1))
    for value, name in enumerate(NAMES, start=1):
        mask = case.labels == value
        assert facts.labels[name].voxels == mask.sum()
        assert np.isclose(facts.labels[name].volume, mask.sum() * 125)
        assert np.allclose(facts.labels[name].centroid, centroid(mask, case.geometry), atol=1e-3)


def test_intensities_are_those_of_the_scan_and_of_its_foreground(tmp_path: Path) -> None:
    case = drawn(0)
    image = facts_of(clean_set(tmp_path / "d", 1)).images[0]
    inside = case.image[case.labels > 0]
    assert (image.minimum, image.maximum) == (case.image.min(), case.image.max())
    assert np.isclose(image.percentiles[4], np.median(case.image), atol=1)
    assert len(image.foreground) >= min(len(inside), 2000)
    assert np.isin(image.foreground, inside).all() and abs(image.foreground.mean() - inside.mean()) < 2


def test_the_foreground_of_a_channel_on_another_grid_is_found_there(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 1)
    case = drawn(0)
    write_nifti(folder / "imagesTr" / f"{name_of(0)}_0001.nii.gz", case.labels[::-1] * 100.0, flipped(case.geometry))
    write_description(folder, channel_names={"0": "CT", "1": "PET"})
    second = facts_of(folder).images[1]
    assert second.common == 1.0
    assert set(np.unique(second.foreground)) == {100.0, 200.0, 300.0}


def flipped(geometry):
    """The same place, with the slices in the other order."""
    matrix = geometry.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, 2] * (geometry.shape[0] - 1)
    matrix[:3, 2] *= -1
    return type(geometry)(geometry.shape, matrix)


def test_a_copy_is_known_whatever_its_order_and_type_and_another_scan_is_not() -> None:
    case = drawn(0)
    stored = [
        Volume(case.image, case.geometry),
        Volume(case.image[::-1].astype(np.float64), flipped(case.geometry)),
        Volume(case.image, shifted(case.geometry, 7, 0, 0)),
        Volume(case.image + 1, case.geometry),
    ]
    digests = []
    for volume in stored:
        one = case_in_memory(0, case)
        one = type(one)(one.id, one.name, (InMemory(volume),), one.truths, one.segments)
        digests.append(examine(one, data_set_of([one]))[0].images[0].sha256)
    assert digests[0] == digests[1] == digests[2] != digests[3]
