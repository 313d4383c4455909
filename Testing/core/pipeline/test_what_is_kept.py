"""What a run learns of a model and this machine: kept in the folder of models, used by the next run, removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from fixtures.balls import THRESHOLD, ball
from fixtures.models import threshold_package
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit, MedDLError
from MedDLCore.inference import memory
from MedDLCore.models import ModelStore, open_model
from MedDLCore.pipeline import Model, load, plan, segment
from MedDLCore.spec import Inference
from MedDLCore.volume import Geometry

GEOMETRY = Geometry.from_parts((24, 30, 28), (1.5, 1.5, 1.5))
SCAN = ball(GEOMETRY, (20.0, 25.0, 18.0), 9.0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "store"))
    store = ModelStore()
    store.add(threshold_package(tmp_path / "package", THRESHOLD))
    return store


def ready(backend: Any = "auto") -> Model:
    return load(open_model("threshold"), "cpu", 1, backend)


def kept(store: ModelStore) -> list[str]:
    return sorted(path.suffix for path in store.path.glob(".cache/*/*"))


def test_openvino_gives_the_labels_of_torch_and_is_named(store: ModelStore) -> None:
    by_torch, by_openvino = segment([SCAN], ready("torch")), segment([SCAN], ready("openvino"))
    assert np.array_equal(by_torch.label_map.array, by_openvino.label_map.array)
    assert by_torch.label_map.array.any()
    assert (by_torch.backends, by_openvino.backends) == (("torch",), ("openvino",))
    assert not by_openvino.notices
    assert kept(store) == [".bin", ".json", ".json", ".xml"]


def test_after_a_run_a_plan_says_what_was_measured(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    segment([SCAN], ready())
    monkeypatch.setattr("MedDLCore.inference.plan.seconds_per_pass", never)
    (record,) = store.path.glob(".cache/*/*.json")
    content = json.loads(record.read_text())
    content["speeds"][0].update(seconds=7.0)
    record.write_text(json.dumps(content))
    foreseen = plan([SCAN], ready())
    assert foreseen.seconds == pytest.approx(7.0 * foreseen.patches)


def never(*_: object) -> None:
    raise AssertionError("a known time was measured again")


def test_the_time_of_a_scan_at_once_grows_with_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "store"))
    ModelStore().add(threshold_package(tmp_path / "package", THRESHOLD, inference=Inference()))
    segment([SCAN], ready())
    monkeypatch.setattr("MedDLCore.inference.plan.seconds_per_pass", never)
    larger = ball(Geometry.from_parts((48, 60, 28), (1.5, 1.5, 1.5)), (20.0, 25.0, 18.0), 9.0)
    short, long = (plan([scan], ready()).seconds for scan in (SCAN, larger))
    assert short is not None and long == pytest.approx(4 * short)


def test_a_model_that_is_kept_is_not_forecast_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It took as long as loading; a second segmentation is to start its first pass at once."""
    model = load(open_model(threshold_package(tmp_path / "package", THRESHOLD)), "cpu", 1)
    forecasts: list[object] = []
    original = memory.shapes_of
    monkeypatch.setattr(memory, "shapes_of", lambda *given: forecasts.append(given) or original(*given))
    segment([SCAN], model)
    segment([SCAN], model)
    assert len(forecasts) == 1
    segment([SCAN], load(model.package, "cpu", 1))
    assert len(forecasts) == 2


def test_where_there_is_no_folder_of_models_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "absent"))
    package = open_model(threshold_package(tmp_path / "package", THRESHOLD))
    before = sorted(tmp_path.rglob("*"))
    assert segment([SCAN], load(package, "cpu", 1, "openvino")).backends == ("openvino",)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_list_of_models_does_not_change_and_a_removed_model_leaves_nothing(store: ModelStore) -> None:
    before = store.list()
    note = store.path / ".opened" / "threshold.json"
    written = note.stat().st_mtime_ns
    segment([SCAN], ready("openvino"))
    assert kept(store)
    assert store.list() == before
    assert note.stat().st_mtime_ns == written  # so nothing was opened anew
    store.remove("threshold")
    assert list(store.path.iterdir()) == []


def test_a_model_whose_architecture_was_changed_gets_no_export_of_another(store: ModelStore, tmp_path: Path) -> None:
    """The weights, and their SHA-256, are the same."""
    segment([SCAN], ready("openvino"))
    path = store.path / "threshold" / "configs" / "metadata.json"
    content = json.loads(path.read_text())
    content["meddl"]["network"]["arguments"]["layers"][0].update(padding=1, dilation=1, stride=1)
    path.write_text(json.dumps(content))
    with pytest.raises(MedDLError) as refusal:  # its logits are larger than the patch
        segment([SCAN], ready("openvino"))
    assert refusal.value.code is Code.MODEL_INVALID


def test_the_command_line_names_the_backend_in_the_manifest(store: ModelStore, tmp_path: Path) -> None:
    scan = tmp_path / "scan.nii"
    array = SCAN.array.transpose(2, 1, 0).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, GEOMETRY.ijk_to_ras), scan)
    common = ["--threads", "1", "--no-picture", "--modality", "CT", "-m", "threshold", "--device", "cpu"]
    for backend in ("openvino", "torch"):
        out = tmp_path / backend
        chosen = ["--backend", backend, "--full-precision", "-o", str(out)]
        assert run(["segment", str(scan), *common, *chosen]) == Exit.OK
        (manifest,) = out.glob("*_manifest.json")
        assert json.loads(manifest.read_text())["backends"] == [backend]
