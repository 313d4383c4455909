"""Refused, trusted, run by its own code elsewhere, and refused again after one changed byte."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner, Result

from fixtures.own_code import PHASES, own_code_bundle, phases_inference
from fixtures.published_bundle import metadata, write_bundle
from MedDLCore.cli.main import cli, run
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, open_model


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def trust(*arguments: str | Path, answer: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["models", "trust", *map(str, arguments)], input=answer)


def refused(folder: Path) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        open_model(folder)
    assert caught.value.code is Code.MODEL_UNTRUSTED
    return caught.value


def segment(bundle: Path, scan: Path, out: Path) -> int:
    where = [str(scan), "--model", str(bundle), "--out", str(out), "--modality", "CT", "--device", "cpu"]
    return run(["segment", *where, "--no-picture", "--format", "nifti", "--json", "--threads", "1"])


def test_a_bundle_is_refused_trusted_run_elsewhere_and_refused_after_one_changed_byte(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts, scan, out = tmp_path / "facts", tmp_path / "scan.nii", tmp_path / "out"
    bundle = own_code_bundle(tmp_path / "bundle", f"open({str(facts)!r}, 'w').write(str(os.getpid()))")
    array = np.random.default_rng(0).normal(50, 90, (20, 18, 16)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1.6, 1.6, 2.1, 1])), scan)

    assert "scripts.own.Network" in refused(bundle).message
    assert segment(bundle, scan, out) == 4
    asked = trust(bundle, answer="n\n")
    assert "scripts/own.py" in asked.output and "network_def: scripts.own.Network" in asked.output
    assert isinstance(asked.exception, MedDLError)
    assert trust(bundle, answer="").exit_code != 0, "nobody was there to agree"
    refused(bundle)
    assert not facts.exists(), "something ran before the person agreed"

    assert "is trusted" in trust(bundle, answer="y\n").output
    assert "trusted already" in trust(bundle).output
    assert not facts.exists(), "agreeing alone ran something"
    capsys.readouterr()
    assert segment(bundle, scan, out) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert Code.MODEL_TRUSTED.value in [event.get("code") for event in events]
    assert int(facts.read_text()) != os.getpid()
    (result,) = out.glob("*.nii.gz")
    image = nibabel.load(result)
    assert image.shape == array.shape and np.allclose(image.affine, np.diag([1.6, 1.6, 2.1, 1]))
    assert set(np.unique(np.asarray(image.dataobj))) <= {0, 1}
    shown = CliRunner().invoke(cli, ["models", "info", str(bundle)]).output
    assert "network:    its own code" in shown and "trusted since" in shown

    facts.unlink()
    path = bundle / "models/model.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert "have changed" in refused(bundle).message
    assert segment(bundle, scan, out) == 4
    assert not facts.exists()


def _several(inputs: dict[str, Any]) -> str:
    content = metadata()
    content["network_data_format"]["inputs"] = inputs
    return json.dumps(content)


IMAGE = {"num_channels": 3, "modality": "CT", "channel_def": {"0": "image"}}


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({"image": IMAGE}, PHASES),  # the keys under which it loads them
        ({"image": {**IMAGE, "channel_def": {"0": "early", "1": "late", "2": "last"}}}, ["early", "late", "last"]),
        ({name: {"num_channels": 1} for name in ("first", "second", "third")}, ["first", "second", "third"]),
        ({"image": {**IMAGE, "num_channels": 4}}, ["image", "image 2", "image 3", "image 4"]),
    ],
)
def test_the_inputs_of_a_trusted_bundle_have_the_names_that_it_gives_them(
    tmp_path: Path, inputs: dict[str, Any], names: list[str]
) -> None:
    """They were all called image."""
    config = phases_inference("label")
    config["network_def"] = {"_target_": "scripts.own.Network"}
    bundle = write_bundle(tmp_path / "bundle", config, {"configs/metadata.json": _several(inputs)})
    trust(bundle, answer="y\n")
    shown = CliRunner().invoke(cli, ["models", "info", str(bundle)]).output
    assert re.findall(r"^input: +(.*) \(", shown, flags=re.MULTILINE) == names


@pytest.mark.parametrize("count", [0, 40])
def test_where_and_how_many_the_weights_are_is_the_bundles_own_business(tmp_path: Path, count: int) -> None:
    bundle = own_code_bundle(tmp_path / "bundle")
    (bundle / "models").rename(bundle / "weights")
    for n in range(count):
        (bundle / "models").mkdir(exist_ok=True)
        (bundle / "models" / f"{n}.onnx").write_bytes(bytes([n]))
    assert trust(bundle, "--yes").exit_code == 0
    assert open_model(bundle).trusted


def test_a_consent_is_taken_back(tmp_path: Path) -> None:
    bundle = own_code_bundle(tmp_path / "bundle")
    assert trust(bundle, "--yes").exit_code == 0
    assert open_model(bundle).trusted
    assert "no longer trusted" in trust(bundle, "--revoke").output
    assert "was not trusted" in trust(bundle, "--revoke").output
    refused(bundle)


def test_what_changes_after_opening_does_not_run(tmp_path: Path) -> None:
    from MedDLCore.models import run_trusted

    bundle = own_code_bundle(tmp_path / "bundle")
    trust(bundle, "--yes")
    package = open_model(bundle)
    (bundle / "scripts/own.py").write_text("")
    with pytest.raises(MedDLError) as caught:
        run_trusted(package, [], "cpu", lambda *_: None)
    assert caught.value.code is Code.MODEL_UNTRUSTED


def test_a_bundle_that_is_read_as_data_needs_no_trust(tmp_path: Path, models: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    assert "needs no trust" in trust(bundle).output
    assert not (models / "trusted.json").exists()
    assert not open_model(bundle).trusted


def test_what_is_refused_for_another_reason_cannot_be_trusted(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", "[]")
    assert isinstance(trust(bundle, "--yes").exception, MedDLError)
    with pytest.raises(MedDLError) as caught:
        open_model(bundle)
    assert caught.value.code is Code.MODEL_INVALID


def test_trust_does_not_go_with_a_copy_into_the_store(tmp_path: Path) -> None:
    bundle = own_code_bundle(tmp_path / "bundle")
    trust(bundle, "--yes")
    with pytest.raises(MedDLError) as caught:
        ModelStore().add(bundle)
    assert caught.value.code is Code.MODEL_UNTRUSTED
    assert ModelStore().list() == []


def test_a_plan_of_a_trusted_bundle_is_not_made_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, scan = own_code_bundle(tmp_path / "bundle"), tmp_path / "scan.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((9, 9, 9), np.float32), np.eye(4)), scan)
    trust(bundle, "--yes")
    assert run(["plan", str(scan), "-m", str(bundle), "--modality", "CT", "--device", "cpu"]) == 4
    assert "only its own code knows" in capsys.readouterr().err
