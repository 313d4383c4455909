"""The network that comes with MedDL: its package, and that it finds what no threshold finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.balls import turned
from MedDLCore.demo import NAME, make_phantom, phantom_geometry
from MedDLCore.demo.card import card
from MedDLCore.demo.network import SPEC
from MedDLCore.metrics import dice_by_label
from MedDLCore.models import ModelPackage, ModelStore, open_model
from MedDLCore.pipeline import Model, load, segment
from MedDLCore.volume import Geometry


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return open_model(NAME, ModelStore(tmp_path_factory.mktemp("no models")))


@pytest.fixture(scope="module")
def model(package: ModelPackage) -> Model:
    return load(package, "cpu")


def scores(model: Model, seed: int, geometry: Geometry | None = None) -> dict[str, float]:
    volume, truth = make_phantom(seed, geometry)
    return dice_by_label(truth, segment([volume], model).label_map)


def test_the_package_is_small_licensed_and_described_as_the_code_says(package: ModelPackage) -> None:
    assert sum(file.stat().st_size for file in package.folder.rglob("*")) < 5_000_000
    assert replace(package.spec, weights=SPEC.weights, measured={}) == SPEC
    assert "SPDX-License-Identifier: Apache-2.0" in (package.folder / "LICENSE").read_text(encoding="utf-8")
    assert not package.notices


def test_the_model_card_gives_the_measured_figures_and_its_limits(package: ModelPackage) -> None:
    text = (package.folder / "docs" / "README.md").read_text(encoding="utf-8")
    assert text == card(package.spec)
    assert "Not for clinical use" in text and "python -m MedDLCore.demo.train" in text
    for label in SPEC.labels:
        assert f"| {label.name} | {package.spec.measured['dice'][label.name]['mean']:.3f} |" in text


def test_the_measured_figures_meet_what_the_demonstration_promises(package: ModelPackage) -> None:
    dice = package.spec.measured["dice"]
    assert len(package.spec.measured["held_out"]) >= 10
    assert np.mean([value["mean"] for value in dice.values()]) >= 0.85
    assert min(value["mean"] for value in dice.values()) >= 0.7
    assert min(value["worst"] for value in dice.values()) >= 0.6


@pytest.mark.parametrize("seed", [0, 1])
def test_the_network_finds_every_organ(model: Model, seed: int) -> None:
    found = scores(model, seed)
    assert min(found.values()) >= 0.7, found
    assert np.mean(list(found.values())) >= 0.85, found


def test_it_finds_them_on_an_oblique_grid_of_another_spacing_and_orientation(model: Model) -> None:
    home = phantom_geometry(1)
    middle = home.index_to_ras((np.array(home.shape[::-1]) - 1) / 2)
    axes = (turned(15, 2) @ turned(10, 0))[:, [2, 0, 1]] * [-1, 1, -1]
    spacing, shape = np.array([4.0, 2.5, 3.6]), np.array([72, 136, 96])
    grid = Geometry.from_parts(shape[::-1].tolist(), spacing, axes, middle - axes @ (spacing * (shape - 1) / 2))
    assert grid.orientation == "IRP"
    found = scores(model, 1, grid)
    assert min(found.values()) >= 0.65, found
    assert np.mean(list(found.values())) >= 0.82, found
