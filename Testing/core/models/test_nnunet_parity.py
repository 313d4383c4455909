"""Models that nnU-Net itself trained give the result of its own predictor, voxel by voxel."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.balls import turned
from fixtures.nnunet_predictor import nnunet_result
from fixtures.nnunet_training import Dataset, Trained, cascaded, masked, old_style, phantom, residual, write_image
from MedDLCore.admission import Options
from MedDLCore.errors import Code
from MedDLCore.models import ModelStore, open_model, pack
from MedDLCore.pipeline import load, segment
from MedDLCore.readers import read
from MedDLCore.spec import ZScore

EQUAL, EQUAL_TO_HALF = 0.9999, 0.999
"""Part of the voxels that must be equal: where nnU-Net sums in single precision, and as it is."""

CT = Dataset(101)
MR = Dataset(102, ("T1", "T2"), spacing=(1.2, 1.7, 1.3), shape=(24, 28, 30), margin=6)
REGIONS = Dataset(103, ("CT", "noNorm"), {"background": 0, "all": [1, 2], "core": [2], "ignore": 3}, (1, 2))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("nnunet"))


@pytest.fixture(scope="module")
def ct(place: Trained) -> Callable[[str, tuple[int, ...]], Path]:
    """Trains a configuration of one CT data set, once."""
    place.plan(CT, cascaded)
    trained: dict[tuple[str, tuple[int, ...]], Path] = {}

    def train(configuration: str, folds: tuple[int, ...] = (0,)) -> Path:
        key = configuration, folds
        if key not in trained:
            trained[key] = place.train(CT, configuration, folds)
        return trained[key]

    return train


def a_scan(folder: Path, data: Dataset, spacing: tuple[float, float, float], shape: tuple[int, int, int]) -> list[Path]:
    """A phantom that was not trained on, lying obliquely and mirrored."""
    like = Dataset(data.number, data.channels, data.labels, None, spacing, shape, data.margin)
    channels, _ = phantom(77, like)
    direction = turned(20, 2) @ turned(-10, 0) @ np.diag([-1.0, 1.0, 1.0])
    files = [folder / f"scan_{n:04d}.nii.gz" for n in range(len(channels))]
    for channel, path in zip(channels, files, strict=True):
        write_image(channel, path, spacing, direction)
    return files


def our_result(folder: Path | str, files: Sequence[Path], **options: Any) -> np.ndarray:
    volumes = [volume for path in files for volume in read(path)]
    return segment(volumes, load(open_model(folder), "cpu", 1), Options(**options)).label_map.array


def assert_equal(folder: Path, files: Sequence[Path], labels: int, previous: np.ndarray | None = None) -> None:
    ours = our_result(folder, files)
    for single, least in ((True, EQUAL), (False, EQUAL_TO_HALF)):
        theirs = nnunet_result(folder, files, single, previous)
        assert ours.shape == theirs.shape
        assert (np.bincount(theirs.ravel(), minlength=labels + 1)[: labels + 1] >= 10).all(), (
            "the phantom shows nothing"
        )
        assert np.mean(ours == theirs) >= least


SPACINGS = {
    "as trained": ((1.0, 1.1, 3.6), (14, 44, 40)),
    "thick slices": ((0.83, 1.31, 5.2), (9, 32, 40)),
    "thin slices": ((1.4, 1.3, 1.9), (20, 28, 25)),
    "smaller than a patch": ((1.0, 1.0, 4.0), (6, 19, 22)),
}


@pytest.mark.parametrize("name", SPACINGS)
@pytest.mark.parametrize("configuration", ["3d_fullres", "2d"])
def test_a_configuration_gives_nnunets_own_result(ct, configuration: str, name: str, tmp_path: Path) -> None:
    spacing, shape = SPACINGS[name]
    assert_equal(ct(configuration), a_scan(tmp_path, CT, spacing, shape), labels=2)


def test_two_folds_are_an_ensemble(ct, tmp_path: Path) -> None:
    folder = ct("3d_fullres", (0, 1))
    assert len(open_model(folder).spec.weights) == 2
    assert_equal(folder, a_scan(tmp_path, CT, *SPACINGS["as trained"]), labels=2)


def test_plans_of_the_old_style_with_axes_transposed_and_a_mask_for_the_normalisation(place, tmp_path: Path) -> None:
    """Two MR channels with zeros around the body: it is cropped, and the z-score is that of the body."""
    place.plan(MR, lambda plans: (masked(plans), old_style(plans)))
    folder = place.train(MR, "3d_fullres")
    spec = open_model(folder).spec
    assert spec.grid.transpose == (1, 0, 2)
    assert all(channel.intensity == (ZScore(body=True),) for channel in spec.channels)
    assert_equal(folder, a_scan(tmp_path, MR, (1.4, 1.5, 1.1), (22, 26, 25)), labels=2)


def test_regions_and_a_residual_encoder(place, tmp_path: Path) -> None:
    place.plan(REGIONS, residual)
    folder = place.train(REGIONS, "3d_fullres")
    package = open_model(folder)
    assert package.spec.network.arguments["residual"]
    assert [(label.value, label.name) for label in package.spec.labels] == [(1, "all"), (2, "core")]
    assert [notice.code for notice in package.notices] == [Code.MODEL_LABELS]
    assert_equal(folder, a_scan(tmp_path, REGIONS, (0.9, 1.2, 4.0), (11, 36, 35)), labels=2)


def test_a_cascade_runs_both_of_its_stages(ct, tmp_path: Path) -> None:
    files = a_scan(tmp_path, CT, (0.9, 1.2, 3.3), (13, 34, 35))
    low, cascade = ct("3d_lowres"), ct("3d_cascade_fullres")
    assert_equal(low, files, labels=2)
    package = open_model(cascade)
    assert package.previous is not None
    assert package.previous.folder == low
    assert package.spec.input_channels == 3
    assert_equal(cascade, files, labels=2, previous=nnunet_result(low, files, single_precision=True))


def test_a_zip_with_an_outer_folder_is_added_and_runs(ct, tmp_path: Path) -> None:
    folder = ct("3d_fullres")
    outer = tmp_path / "results" / "Dataset101_Phantoms" / folder.name
    shutil.copytree(folder, outer)
    pack(tmp_path / "results", tmp_path / "model.zip")
    store = ModelStore(tmp_path / "store")
    added = store.add(tmp_path / "model.zip")
    assert added.name == "Dataset101_Phantoms_3d_fullres"
    files = a_scan(tmp_path, CT, *SPACINGS["smaller than a patch"])
    assert np.array_equal(our_result(added.folder, files), our_result(folder, files))
