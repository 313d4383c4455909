"""The hippocampus models that come with MedDL: what they say of themselves, and that they find what people drew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.clicks.answering import ByNetwork
from benchmarks.clicks.person import correct
from MedDLCore.admission import Options
from MedDLCore.errors import Code, MedDLError
from MedDLCore.metrics import dice
from MedDLCore.models import ModelPackage, ModelStore, open_model
from MedDLCore.pipeline import Model, load, segment
from MedDLCore.readers import ReadOptions, read

NAME, CLICKS = "hippocampus", "hippocampus-clicks"

CASES = 4
"""Of ``test.txt``; the model card tells of all."""

LEAST = 0.85
"""Dice."""

HIPPOCAMPI = ((-24.0, -21.0, -13.0), (24.0, -21.0, -13.0))
"""RAS mm in the head of the tests: the middle of each, as another network finds them."""

MILLILITRES = (0.8, 2.5)
"""Of one part of one hippocampus of an adult."""


@pytest.fixture(scope="module", params=[NAME, CLICKS])
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return open_model(request.param, ModelStore(tmp_path_factory.mktemp("no models")))


@pytest.fixture(scope="module")
def model(package: ModelPackage) -> Model:
    return load(package, "cpu", 1)


def test_it_is_small_and_its_licence_is_that_of_its_data(package: ModelPackage) -> None:
    files = [path for path in package.folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 10_000_000
    assert {path.suffix for path in files} == {".json", ".md", ".safetensors", ""}, "nothing that runs"
    assert package.spec.licence == "CC-BY-SA-4.0"
    assert "SPDX-License-Identifier: CC-BY-SA-4.0" in (package.folder / "LICENSE").read_text(encoding="utf-8")
    assert all(name in package.spec.citation for name in ("Simpson", "Antonelli"))
    assert not package.notices


def test_its_parts_have_the_codes_of_slicers_terminology(package: ModelPackage) -> None:
    found = [(label.name, label.terminology) for label in package.spec.labels]
    for (name, terms), part in zip(found, ("anterior", "posterior"), strict=True):
        assert name == f"{part} hippocampus" and terms is not None and terms.modifier is not None
        assert (terms.type.scheme, terms.type.value) == ("SCT", "5366008")
        assert terms.modifier.meaning.casefold() == part


def test_the_model_card_tells_what_it_is_for_and_how_well_it_does(package: ModelPackage) -> None:
    text = (package.folder / "docs" / "README.md").read_text(encoding="utf-8")
    assert "not stated" not in text
    assert "Not for clinical use" in text and "--at R,A,S" in text
    assert "on 20 cases (it has learnt from 0 of them)" in text, "test.txt"
    record = json.loads((package.folder / "docs" / "data.json").read_text(encoding="utf-8"))
    (split,) = record["folds"]
    assert len(split["training"]) + len(split["validation"]) == len(record["images_sha256"]) == 201
    metrics = json.loads((package.folder / "configs" / "metadata.json").read_text(encoding="utf-8"))["eval_metrics"]
    assert metrics["dice_anterior hippocampus"] >= LEAST and metrics["dice_posterior hippocampus"] >= LEAST


@pytest.mark.shared
def test_it_finds_both_parts_in_scans_that_it_never_saw(model: Model, shared_data: Path) -> None:
    folder, scores = shared_data / "hippocampus", []
    for name in (folder / "test.txt").read_text(encoding="utf-8").split()[:CASES]:
        (scan,), (truth,) = (read(folder / part / f"{name}.nii.gz") for part in ("images", "labels"))
        found = segment([scan], model).label_map
        scores += [dice(truth.array == label.value, found.mask(label)) for label in found.labels]
    assert np.min(scores) >= 0.7 and np.mean(scores) >= LEAST, scores


@pytest.mark.shared
def test_it_looks_around_points_in_a_head_and_finds_both_sides(model: Model, shared_data: Path) -> None:
    (head,) = read(shared_data / "brain_t1" / "t1_crop.nii.gz", ReadOptions(modality="MR"))
    with pytest.raises(MedDLError) as refused:
        segment([head], model)
    assert refused.value.code is Code.POINTS_MISMATCH
    found = segment([head], model, Options(points=HIPPOCAMPI)).label_map
    for side in (-1, 1):
        for label in found.labels:
            places = found.geometry.index_to_ras(np.argwhere(found.mask(label))[:, ::-1])
            own = places[side * places[:, 0] > 0]
            millilitres = len(own) * found.geometry.voxel_volume / 1000
            assert MILLILITRES[0] <= millilitres <= MILLILITRES[1], (side, label.name, millilitres)


@pytest.mark.shared
def test_clicks_correct_what_the_other_one_found(tmp_path: Path, shared_data: Path) -> None:
    """The three cases in which ``hippocampus`` is worst, five clicks each, as a simulated person makes them."""
    store, folder = ModelStore(tmp_path), shared_data / "hippocampus"
    plain, listening = (load(open_model(name, store), "cpu", 1) for name in (NAME, CLICKS))
    gained = []
    for name in ("hippocampus_310", "hippocampus_335", "hippocampus_243"):
        (scan,), (truth,) = (read(folder / part / f"{name}.nii.gz") for part in ("images", "labels"))
        found = segment([scan], plain).label_map
        answerer = ByNetwork(scan, listening, found)
        assert np.array_equal(answerer.found, found.array), "it begins with what there is"
        session = correct(answerer, np.asarray(truth.array).astype(np.uint8), scan.geometry, listening.spec, 5)
        assert session.obeyed == len(session.clicks) == 5
        gained.append(session.dice[-1] - session.dice[0])
    assert np.mean(gained) > 0, gained
