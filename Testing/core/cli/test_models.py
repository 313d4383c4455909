"""``meddl models`` where the store, standard input or a name is not as it should be."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from fixtures.listening import listening_package
from fixtures.nnunet_folder import results_folder
from fixtures.packages import threshold_package
from MedDLCore.cli.main import run
from MedDLCore.errors import Exit
from MedDLCore.models import catalogue
from MedDLCore.volume import Label

MEDDL = f"{sys.executable} -m MedDLCore.cli"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return threshold_package(tmp_path / "package").folder


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("arguments", ["models list", "models add {package}", "models remove x"])
def test_a_store_in_the_home_folder_of_nobody_is_one_message(arguments: str, package: Path) -> None:
    done = shell(f"{MEDDL} {arguments.format(package=package)}", MEDDL_MODELS="~no-such-user/x")
    assert done.returncode == Exit.MODEL
    assert done.stderr.startswith("MODEL_NOT_FOUND: ")
    assert "MEDDL_MODELS" in done.stderr


def test_a_closed_standard_input_accepts_no_licence_and_deletes_nothing(store: Path, package: Path) -> None:
    done = shell(f"{MEDDL} models get {next(iter(catalogue()))} <&-")
    assert done.returncode == Exit.MODEL
    assert done.stderr.startswith("LICENCE_NOT_ACCEPTED: ")
    assert not store.exists()
    assert run(["models", "add", str(package)]) == Exit.OK
    done = shell(f"{MEDDL} models remove threshold <&-")
    assert done.returncode == Exit.CANCELLED
    assert (store / "threshold").is_dir()


@pytest.mark.parametrize("name", ["", "--json", "-rf", "_x", ".x", "x.", "a b", "\x1b[2J", "x" * 10_000])
def test_a_name_that_is_empty_or_looks_like_an_option_is_refused(
    store: Path, package: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "add", str(package), f"--name={name}"]) == Exit.MODEL
    said = capsys.readouterr().err
    assert said.startswith("MODEL_INVALID: ")
    assert "is not a name for a model" in said
    assert "\x1b" not in said
    assert len(said) < 500
    assert not any(store.iterdir())


@pytest.mark.parametrize("command", ["plan", "segment"])
def test_labels_that_contradict_the_network_are_refused_before_the_run(
    store: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = threshold_package(tmp_path / "bad", labels=(Label(9, "nine", (1, 2, 3)),)).folder
    scan = tmp_path / "scan.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 9, 10), np.int16), np.eye(4)), scan)
    out = ["-o", str(tmp_path / "out")] if command == "segment" else []
    assert run([command, str(scan), "-m", str(folder), "--modality", "CT", *out]) == Exit.MODEL
    assert "need 10" in capsys.readouterr().err
    assert run(["models", "add", str(folder)]) == Exit.MODEL
    assert "need 10" in capsys.readouterr().err
    assert not any(store.iterdir())


def _relabel(labels: dict[str, int], dataset: dict[str, Any]) -> None:
    dataset["labels"] = labels


def test_what_totalsegmentator_has_on_this_machine_is_listed(
    store: Path, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the names that meddl segment takes. A checkpoint is not even opened: one here is none."""
    results, trainer = tmp_path / "total/nnunet/results", "nnUNetTrainer__nnUNetPlans__3d_fullres"
    for n, labels in enumerate((["liver", "spleen"], ["rib"]), start=1):
        named = {"background": 0, **{name: value for value, name in enumerate(labels, start=1)}}
        folder = results_folder(
            results / f"Dataset29{n}_TotalSegmentator_part{n}_x" / trainer, dataset=partial(_relabel, named)
        )
        (folder / "fold_0/checkpoint_final.pth").write_bytes(b"none" * 250)
    (results_folder(results / "Dataset300_Odd" / trainer) / "dataset.json").write_text("{}")
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path / "total"))
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH", raising=False)
    assert run(["models", "add", str(package), "--name", "Dataset300_Odd"]) == Exit.OK
    capsys.readouterr()
    assert run(["models", "list", "--json"]) == Exit.OK
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    whole, part = rows["TotalSegmentator"], rows["Dataset292_TotalSegmentator_part2_x"]
    assert (whole["where"], whole["structures"], whole["modality"]) == ("TotalSegmentator", 3, "CT")
    assert (part["where"], part["structures"]) == ("TotalSegmentator", 1)
    assert whole["bytes"] > part["bytes"] > 1000
    assert rows["Dataset300_Odd"]["where"] == "installed"  # the store's own counts
    assert run(["models", "list"]) == Exit.OK
    assert re.search(r"^TotalSegmentator +CT +3 +\S+ kB +TotalSegmentator", capsys.readouterr().out, re.MULTILINE)


def test_a_model_is_added_listed_described_and_removed(
    store: Path, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "add", str(package), "--name", "mine"]) == Exit.OK
    assert capsys.readouterr().out.startswith("Added mine: 1 structures")
    assert run(["models", "list", "--json"]) == Exit.OK
    listed = json.loads(capsys.readouterr().out)
    assert "mine" in [row["name"] for row in listed["models"]]
    assert run(["models", "info", "mine"]) == Exit.OK
    assert "structures: ball" in capsys.readouterr().out
    assert run(["models", "remove", "mine", "--yes"]) == Exit.OK
    assert not any(store.iterdir())


def test_a_model_in_the_place_of_one_that_comes_with_meddl_is_listed_alone(
    store: Path, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both stood there under one name, and only one of them runs."""
    assert run(["models", "add", str(package), "--name", "hippocampus"]) == Exit.OK
    capsys.readouterr()
    assert run(["models", "list", "--json"]) == Exit.OK
    rows = json.loads(capsys.readouterr().out)["models"]
    assert [row["where"] for row in rows if row["name"] == "hippocampus"] == ["installed"]


def test_a_model_that_listens_to_clicks_says_so(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (listening_package(tmp_path / "listens").folder, threshold_package(tmp_path / "deaf").folder):
        assert run(["models", "add", str(folder), "--name", folder.name]) == Exit.OK
        assert run(["models", "info", folder.name]) == Exit.OK
        assert ("clicks:     on ball" in capsys.readouterr().out) is (folder.name == "listens")
    assert run(["models", "list", "--json"]) == Exit.OK
    rows = {row["name"]: row["clicks"] for row in json.loads(capsys.readouterr().out)["models"]}
    assert rows["listens"] and not rows["deaf"] and rows["hippocampus-clicks"] and not rows["hippocampus"]
