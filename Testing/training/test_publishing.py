"""A model that was trained, published: MedDL and MONAI's own runner give the same of it, and it names nobody."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fixtures.data_sets import clean_set, drawn, id_of, name_of
from fixtures.monai_bundles import run_with_monai
from fixtures.trainings import STILL, staged_unet, tiny_plan
from fixtures.volume_phantoms import write_nifti
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit, MedDLError
from MedDLCore.models import ModelStore, load_networks, open_folder
from MedDLCore.pipeline import load, segment
from MedDLCore.readers import read
from MedDLCore.spec import Inference
from MedDLCore.writers import content_hash
from MedDLTraining.cross_validation import cross_validate
from MedDLTraining.data import open_folder as open_data
from MedDLTraining.plan import Optimiser
from MedDLTraining.publish import Statement, publish, source_of
from MedDLTraining.publish.metadata import DEMANDED
from MedDLTraining.training import train

LEAST_EQUAL = 0.9999

LIKE_MONAI = Inference(patch=(16, 16, 16), windows="stepped", weighting="monai", padding_value=-1.83)

CC_BY = Statement("cc-by-4.0")


def meddl(*arguments: object) -> int:
    return run([str(argument) for argument in arguments])


def plan_for(data_set: Any, **changes: Any) -> Any:
    """A network of three stages with two convolutions each, as plans have them, trained for seconds."""
    network = staged_unet(len(data_set.labels) + 1, width=6, stages=3)
    network = replace(network, arguments={**network.arguments, "blocks": [2] * 3, "decoder_blocks": [2] * 2})
    settings = {"network": network, "inference": LIKE_MONAI, "augmentation": STILL, "iterations": 30, "epochs": 4}
    return tiny_plan(data_set, **{**settings, "optimiser": Optimiser("adamw", 1e-2), "name": "organs", **changes})


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clean_set(tmp_path_factory.mktemp("data") / "set", 4)


@pytest.fixture(scope="module")
def training(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    data_set, folder = open_data(data), tmp_path_factory.mktemp("trained") / "run"
    train(data_set, plan_for(data_set), folder)
    return folder


@pytest.fixture(scope="module")
def bundle(training: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    made = publish(source_of(training), tmp_path_factory.mktemp("published") / "organs", CC_BY)
    assert made.notices == ()
    return made.path


def scan_of(folder: Path, spacing: float = 5.0, n: int = 77) -> Path:
    case = drawn(n, spacing)
    folder.mkdir(parents=True, exist_ok=True)
    write_nifti(folder / "case.nii.gz", case.image, case.geometry)
    return folder / "case.nii.gz"


def by_meddl(folder: Path, scan: Path) -> np.ndarray:
    return segment(read(scan), load(open_folder(folder), "cpu", 1, "torch")).label_map.array


def equal_part(one: np.ndarray, other: np.ndarray) -> float:
    assert len(np.unique(one)) > 2
    return float((one == other).mean())


def test_monai_s_runner_and_meddl_find_the_same_with_the_bundle_and_with_the_training(
    training: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monai.bundle import run as run_bundle

    scan = scan_of(tmp_path / "scans")
    ours = by_meddl(training / "model", scan)
    np.testing.assert_array_equal(by_meddl(bundle, scan), ours)
    monkeypatch.chdir(bundle)
    files = {"config_file": "configs/inference.json", "meta_file": "configs/metadata.json"}
    run_bundle(**files, dataset_dir=str(scan.parent), output_dir=str(tmp_path / "out"))
    (written,) = (tmp_path / "out").rglob("*.nii.gz")
    (theirs,) = read(written)
    assert equal_part(ours, theirs.array) >= LEAST_EQUAL
    assert theirs.geometry.same_as(read(scan)[0].geometry)


def test_an_ensemble_of_folds_is_published_as_one_and_runs_alike(data: Path, tmp_path: Path) -> None:
    data_set = open_data(data)
    cross_validate(data_set, plan_for(data_set, iterations=10, epochs=1), tmp_path / "cv")
    made = publish(source_of(tmp_path / "cv"), tmp_path / "organs", CC_BY)
    assert len(made.spec.weights) == 2 and made.notices == ()
    scan = scan_of(tmp_path / "scans")
    (theirs,) = run_with_monai(made.path, scan.parent, tmp_path / "out").values()
    assert (by_meddl(made.path, scan) == theirs).mean() >= LEAST_EQUAL
    record = json.loads((made.path / "docs" / "data.json").read_text())
    assert [len(fold["validation"]) for fold in record["folds"]] == [2, 2] and len(record["images_sha256"]) == 4


def test_the_bundle_has_what_the_specification_demands_and_monai_agrees(training: Path, bundle: Path) -> None:
    from monai.bundle import verify_net_in_out

    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert files == {
        *("configs/metadata.json", "configs/inference.json", "models/model.safetensors", "models/model.pt"),
        *("docs/README.md", "docs/data.json", "LICENSE"),
    }
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert set(DEMANDED) <= set(metadata)
    for side, keys in (("inputs", "image"), ("outputs", "pred")):
        data_format = metadata["network_data_format"][side][keys]
        demanded = "type format modality num_channels spatial_shape dtype value_range is_patch_data channel_def"
        assert set(demanded.split()) <= set(data_format)
    assert metadata["license"] == "CC-BY-4.0" and metadata["authors"] == metadata["intended_use"] == "not stated"
    labels = metadata["meddl"]["labels"]
    assert [label["name"] for label in labels] == ["liver", "left kidney", "right kidney"]
    assert labels[0]["terminology"]["type"]["value"] == "10200004" and len(labels[0]["color"]) == 3
    configs = bundle / "configs"
    verify_net_in_out("network_def", str(configs / "metadata.json"), str(configs / "inference.json"), device="cpu")
    dice = open_folder(training / "model").spec.measured["validation_dice"]
    assert metadata["eval_metrics"]["validation_dice_liver"] == dice["liver"]


def test_what_only_monai_needs_can_be_left_out(
    training: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "organs"
    assert meddl("publish", training, "--out", out, "--licence", "CC-BY-4.0", "--for-meddl-alone") == Exit.OK
    assert not capsys.readouterr().err
    left = {path.relative_to(bundle) for path in bundle.rglob("*")} - {path.relative_to(out) for path in out.rglob("*")}
    assert {path.as_posix() for path in left} == {"configs/inference.json", "models/model.pt"}
    assert "There is no `configs/inference.json`" in (out / "docs" / "README.md").read_text()
    assert open_folder(out).sha256 == open_folder(bundle).sha256


def test_the_weights_for_monai_are_nothing_but_tensors_and_the_same_function(bundle: Path) -> None:
    from monai.bundle import ConfigParser

    state = torch.load(bundle / "models" / "model.pt", weights_only=True)
    parser = ConfigParser(json.loads((bundle / "configs" / "inference.json").read_text()))
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(state)
    patch = torch.randn((2, 1, 24, 16, 32), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(network(patch), load_networks(open_folder(bundle))[0](patch), rtol=1e-4, atol=1e-4)


def test_the_training_records_which_images_it_saw_by_their_content_alone(data: Path, training: Path) -> None:
    split = json.loads((training / "split.json").read_text())
    (scan,) = read(data / "imagesTr" / f"{name_of(2)}_0000.nii.gz")
    assert split["images_sha256"][id_of(2)] == [content_hash(scan)]
    assert set(split["images_sha256"]) == {*split["training"], *split["validation"]}
    assert len(open_folder(training / "model").spec.measured["images_sha256"]) == 64


def test_a_zip_moves_the_model_and_keeps_its_digest(
    training: Path, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "models"))
    command = ("publish", training, "--licence", "CC-BY-4.0", "--name", "abdomen", "--version", "2.1.0", "--json")
    command += ("--title", "Abdomen of a phantom")
    assert meddl(*command, "--out", tmp_path / "a.zip") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert meddl(*command, "--out", tmp_path / "b.zip") == Exit.OK
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert meddl("models", "add", tmp_path / "a.zip") == Exit.OK
    stored = ModelStore().stored("abdomen").package
    assert stored is not None and stored.sha256 == told["sha256"] and stored.spec.version == "2.1.0"
    capsys.readouterr()
    assert meddl("models", "list", "--json") == Exit.OK
    listed = {row["name"]: row["title"] for row in json.loads(capsys.readouterr().out)["models"]}
    assert listed["abdomen"] == "Abdomen of a phantom"
    scan = scan_of(tmp_path / "scans")
    arguments = ("segment", scan, "--model", "abdomen", "--out", tmp_path / "s", "--no-picture", "--threads", 1)
    assert meddl(*arguments) == Exit.OK
    manifest = json.loads(next((tmp_path / "s").glob("*_manifest.json")).read_text())
    assert told["sha256"] in json.dumps(manifest)
    assert meddl("models", "add", tmp_path / "b.zip") == Exit.MODEL
    assert "MODEL_EXISTS" in capsys.readouterr().err
    assert meddl("models", "add", tmp_path / "b.zip", "--overwrite") == Exit.OK


def test_what_is_there_is_replaced_only_if_told_and_only_if_it_is_a_model(bundle: Path, tmp_path: Path) -> None:
    source, out = source_of(bundle), tmp_path / "organs"
    publish(source, out, CC_BY)
    assert (out / "docs" / "data.json").read_bytes() == (bundle / "docs" / "data.json").read_bytes()
    with pytest.raises(MedDLError) as refused:
        publish(source, out, CC_BY)
    assert refused.value.code is Code.OUTPUT_EXISTS
    assert publish(source, out, replace(CC_BY, version="1.1.0"), overwrite=True).spec.version == "1.1.0"
    assert open_folder(out).spec.version == "1.1.0"
    (tmp_path / "papers").mkdir()
    with pytest.raises(MedDLError) as refused:
        publish(source, tmp_path / "papers", CC_BY, overwrite=True)
    assert refused.value.code is Code.OUTPUT_EXISTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["organs", "papers"]


def test_nothing_is_left_where_publishing_fails(training: Path, tmp_path: Path) -> None:
    shutil.copytree(training, tmp_path / "run")
    weights = tmp_path / "run" / "model" / "models" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\1\2\3\4")
    for out in ("out", "out.zip"):
        with pytest.raises(MedDLError) as refused:
            publish(source_of(tmp_path / "run"), tmp_path / out, CC_BY)
        assert refused.value.code is Code.MODEL_CORRUPT
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_disk_that_is_full_is_named_and_leaves_nothing_of_what_was_to_be_published(
    training: Path, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    weights = training / "model" / "models" / "model.safetensors"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for most in (weights.stat().st_size // 2, weights.stat().st_size):  # the second has room for all but MONAI's file
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        try:
            with pytest.raises(MedDLError) as refused:
                publish(source_of(training), tmp_path / "out", CC_BY)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert refused.value.code is Code.NO_SPACE
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "statement",
    [
        Statement("free for friends"),
        Statement("LicenseRef-Ours"),
        replace(CC_BY, version="the newest"),
        replace(CC_BY, limits="none\x1b[2J"),
    ],
    ids=["unknown licence", "own licence without text", "no version", "control characters"],
)
def test_what_cannot_be_stated_is_refused(statement: Statement, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(MedDLError) as refused:
        publish(source_of(bundle), tmp_path / "m", statement)
    assert refused.value.code is Code.STATEMENT_INVALID
    assert not list(tmp_path.iterdir())


def test_a_licence_must_be_given(bundle: Path, tmp_path: Path) -> None:
    assert meddl("publish", bundle, "--out", tmp_path / "m") == Exit.USAGE


def test_the_card_says_what_was_said_and_measured_and_what_was_not(training: Path, tmp_path: Path) -> None:
    scan, evaluation = scan_of(tmp_path / "scans", 6.0), tmp_path / "evaluation"
    evaluation.mkdir()
    figures = {
        "model": {"sha256": open_folder(training / "model").sha256},
        "cases": 7,
        "learnt_from": [],
        "structures": [
            {"name": "liver", "scores": {"dice": {"mean": 0.912, "low": 0.88, "high": 0.93}, "hd95": {"mean": None}}}
        ],
    }
    (evaluation / "evaluation.json").write_text(json.dumps(figures))
    said = (
        "--limits",
        "Not for children.",
        "--intended-use",
        "Phantoms.",
        "--authors",
        "A. Author",
        "--citation",
        "C. 1",
    )
    more = ("--evaluation", evaluation, "--measure", scan, "--licence-file", tmp_path / "text", "--copyright", "2026 A")
    (tmp_path / "text").write_text("Do what you like.\n")
    command = ("publish", training, "--licence", "LicenseRef-Own", "--out", tmp_path / "m", *said, *more)
    assert meddl(*command) == Exit.OK
    text = (tmp_path / "m" / "docs" / "README.md").read_text()
    for words in (
        "Not for children.",
        "Phantoms.",
        "A. Author",
        "C. 1",
        "0.912 (0.88 to 0.93)",
        "on 7 cases (it has learnt from 0 of them)",
    ):
        assert words in text
    assert "- source and licence: not stated" in text and "| liver | 0.912 (0.88 to 0.93) | not stated |" in text
    assert "SCT 10200004 (Liver)" in text
    measured = open_folder(tmp_path / "m").spec.measured["run"]
    assert (
        measured["scan"] == [20, 20, 20]
        and measured["seconds"] >= 0 <= measured["cpu_seconds"]
        and measured["memory_bytes"] > 1e8
    )
    assert f"{measured['memory_bytes'] / 1e9:.2f} GB for a scan of 20 x 20 x 20 voxels" in text
    licence = (tmp_path / "m" / "LICENSE").read_text()
    assert licence == ("SPDX-License-Identifier: LicenseRef-Own\nSPDX-FileCopyrightText: 2026 A\n\nDo what you like.\n")


def test_the_evaluation_of_another_model_or_none_is_refused(bundle: Path, tmp_path: Path, capsys: Any) -> None:
    command = ("publish", bundle, "--licence", "MIT", "--out", tmp_path / "m", "--evaluation", tmp_path)
    assert meddl(*command) == Exit.INPUT
    (tmp_path / "evaluation.json").write_text(
        json.dumps({"model": {"sha256": "0" * 64}, "cases": 1, "learnt_from": None, "structures": []})
    )
    assert meddl(*command) == Exit.INPUT
    assert capsys.readouterr().err.count("EVALUATION_INVALID") == 2


def test_what_monai_cannot_do_is_named_and_everything_else_is_written(bundle: Path, data: Path, tmp_path: Path) -> None:
    data_set = open_data(data)
    plan = plan_for(data_set, iterations=1, epochs=1, inference=Inference(patch=(16, 16, 16)))
    train(data_set, plan, tmp_path / "run")
    made = publish(source_of(tmp_path / "run"), tmp_path / "m", CC_BY)
    (notice,) = made.notices
    assert notice.code is Code.NOT_IN_MONAI and "inference.windows 'even'" in notice.message
    assert not (tmp_path / "m" / "configs" / "inference.json").exists()
    assert "inference.windows 'even'" in (tmp_path / "m" / "docs" / "README.md").read_text()
    assert torch.load(tmp_path / "m" / "models" / "model.pt", weights_only=True)
    scan = scan_of(tmp_path / "scans", 6.0)
    np.testing.assert_array_equal(by_meddl(tmp_path / "m", scan), by_meddl(tmp_path / "run" / "model", scan))


def test_no_name_number_or_path_of_the_training_data_is_in_any_byte(tmp_path: Path) -> None:
    canaries = ("CANARY_Mustermann", "1.2.826.0.1.3680043.8.498.777", "CANARY19480229")
    folder = tmp_path / canaries[0]
    clean_set(folder, 4)
    for part, suffix in (("imagesTr", "_0000.nii.gz"), ("labelsTr", ".nii.gz")):
        for n, name in enumerate((canaries[1], canaries[2])):
            (folder / part / f"{name_of(n)}{suffix}").rename(folder / part / f"{name}{suffix}")
    data_set = open_data(folder)
    train(data_set, plan_for(data_set, iterations=1, epochs=1), tmp_path / "run")
    scan = scan_of(tmp_path / canaries[0] / canaries[2], 6.0)
    command = ("publish", tmp_path / "run", "--licence", "MIT", "--out", tmp_path / "m.zip", "--measure", scan)
    assert meddl(*command) == Exit.OK
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        names = "\n".join(archive.namelist()).encode()
        everything = b"".join([names, (tmp_path / "m.zip").read_bytes(), *map(archive.read, archive.namelist())])
    wanted = [*canaries, str(tmp_path), os.path.expanduser("~"), "case.nii.gz"]
    assert [text for text in wanted if len(text) > 1 and text.encode() in everything] == []
    assert id_of(0).encode() in everything


def test_a_record_of_a_split_that_holds_a_name_is_refused(training: Path, tmp_path: Path) -> None:
    shutil.copytree(training, tmp_path / "run")
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    (tmp_path / "run" / "split.json").write_text(json.dumps({**split, "training": ["Mustermann"]}))
    with pytest.raises(MedDLError) as refused:
        source_of(tmp_path / "run")
    assert refused.value.code is Code.DATA_INVALID and "Mustermann" not in refused.value.message
