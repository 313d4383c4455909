"""The benchmark runs, so that it cannot rot unseen. What it measures on such small volumes means nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.engine.cases import ALL, CASES, JUDGE, QUICK, Case
from benchmarks.engine.child import FIGURES, run, write_job
from benchmarks.engine.command import main
from benchmarks.engine.engines import Job, RefusedError
from benchmarks.engine.forecast import forecast
from benchmarks.engine.guarded import run_guarded
from benchmarks.engine.meddl import meddl
from benchmarks.engine.meter import Meter
from benchmarks.engine.model import DEVIATION, write_models
from benchmarks.engine.networks import Anatomy, Noise
from benchmarks.engine.nnunet import judge, nnunet
from benchmarks.engine.running import Limits, run_case, with_quickest_forward
from benchmarks.engine.scan import NOISE, make_scan
from MedDLCore.errors import MedDLError

AGREEMENT = 0.9999


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What ``--quick`` writes."""
    file = tmp_path_factory.mktemp("quick") / "figures.json"
    main(["--quick", "--json", str(file)])
    return json.loads(file.read_text())


def test_every_engine_runs_and_segments_something(quick: dict) -> None:
    engines = quick["cases"]["quick"]["engines"]
    assert {name: figures["status"] for name, figures in engines.items()} == dict.fromkeys(ALL, "ran")
    assert engines.pop("floor")["forward"] > 0
    for figures in engines.values():
        assert figures["passes"] == 8
        assert figures["memory"] > 0
        assert figures["seconds"]["network"] > 0 and figures["seconds"]["finish"] > 0
        assert figures["classes"] == 12 and figures["background"] < 0.9
    assert engines["meddl"]["agreement"][JUDGE] >= AGREEMENT


def test_the_table_has_every_row(quick: dict) -> None:
    rows = quick["targets"]
    assert {row["row"] for row in rows} == {"1a", "1b", "1c", "2a", "2b", "2c", "2d", "2e", "3a", "3c", "4", "plan"}
    unknown = [row for row in rows if row["value"] is None]
    assert {row["row"] for row in unknown} == {"2c", "4"}
    assert {row["why"] for row in unknown} == {"meddl-openvino was not run"}
    assert all(row["reached"] for row in rows if row["row"] == "3c")


def small_job(folder: Path, case: Case) -> tuple[Job, np.ndarray]:
    scan, voxel = make_scan(case)
    by_default, by_torch = write_models(case, folder, 1)
    return Job(case, "nnunet", by_default, by_torch, folder / "scan.npy", voxel, 1, folder), scan


def test_the_judge_decides_as_nnunet_does_but_for_the_precision_and_medd_l_as_the_judge(tmp_path: Path) -> None:
    """With the U-Net itself. Half precision, as nnU-Net has it, decides a few voxels otherwise."""
    case = replace(QUICK["quick"], network="unet", classes=5, shape=(20, 40, 30), patch=16)
    job, scan = small_job(tmp_path, case)
    meters = Meter(), Meter(), Meter()
    judged, theirs, ours = (
        make(job, scan, meter)() for make, meter in zip((judge, nnunet, meddl), meters, strict=True)
    )
    assert {meter.passes for meter in meters} == {4}
    assert judged.shape == theirs.shape == ours.shape == scan.shape
    assert len(np.unique(theirs)) > 2
    assert 0.98 < np.mean(judged == theirs) < 1
    assert np.mean(ours == judged) >= AGREEMENT


def test_a_backend_that_is_not_there_is_refused(tmp_path: Path) -> None:
    job, scan = small_job(tmp_path, QUICK["quick"])
    with pytest.raises((RefusedError, MedDLError)):
        meddl(job, scan, Meter(), "none-such")


def test_a_peer_that_is_not_installed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, scan = small_job(tmp_path, QUICK["quick"])
    np.save(job.scan, scan)
    monkeypatch.setitem(sys.modules, "nnunetv2.inference", None)
    run(write_job(job))
    figures = json.loads((tmp_path / FIGURES).read_text())
    assert figures == {"status": "missing", "why": "nnunetv2 is not installed"}


def test_the_worst_logits_are_nearly_tied_and_the_realistic_ones_are_not() -> None:
    image = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0)) * NOISE["noise"] / DEVIATION
    for network, clear in ((Noise(118), 0), (Anatomy(118), 0.9)):
        first, second = network(image)[0].topk(2, dim=0).values
        assert ((first - second) > 2).float().mean() >= clear
        assert first.shape == image.shape[2:]


def test_a_bare_forward_that_something_else_slowed_is_not_the_floor() -> None:
    """Otherwise an engine would seem quicker than its network alone."""
    ran = {"status": "ran", "passes": 8}
    figures = {
        "floor": {"status": "ran", "forward": 15.0},
        "meddl": {**ran, "seconds": {"network": 104.0}},
        "nnunet": {**ran, "seconds": {"network": 96.0}},
        "meddl-openvino": {**ran, "seconds": {"network": 50.0}},
        "monai": {"status": "refused", "why": ""},
    }
    assert with_quickest_forward(figures)["floor"]["forward"] == 12
    figures["floor"] = {"status": "ran", "forward": 11.0}
    assert with_quickest_forward(figures)["floor"]["forward"] == 11


def test_an_engine_whose_arrays_cannot_fit_is_not_begun(tmp_path: Path) -> None:
    found = run_case(QUICK["quick"], ("monai",), Limits(1, 1e6, 60), tmp_path)["engines"]["monai"]
    assert found["status"] == "refused"
    assert "logits on the scan in double precision" in found["why"]


def test_the_forecast_knows_the_array_that_nnunet_cannot_have() -> None:
    case = CASES["anatomy-118"]
    foreseen = forecast("nnunet", case, case.shape, case.voxel)
    assert foreseen.what == "logits on the scan"
    assert foreseen.largest / 2**30 == pytest.approx(17.3, abs=0.05)


def test_an_engine_that_takes_too_much_memory_is_killed() -> None:
    """It would have taken 4 GB."""
    hungry = "import time\nkept = []\nfor _ in range(40):\n    kept.append(b'x' * 10**8)\n    time.sleep(0.3)"
    assert run_guarded([sys.executable, "-c", hungry], 1, 1e8, 60) in ("killed at 1.1 GB", "killed at 1.2 GB")


def test_an_engine_that_fails_or_never_ends_says_so() -> None:
    assert run_guarded([sys.executable, "-c", "raise ValueError('no such thing')"], 1, 1e9, 60) == (
        "failed: ValueError: no such thing"
    )
    assert run_guarded([sys.executable, "-c", "import time; time.sleep(60)"], 1, 1e9, 0.5) == "stopped after 0 s"
