"""A network that sees the patient only finds there what it finds in the whole scan, with fewer patches."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from fixtures.balls import THRESHOLD, ball, ball_mask
from fixtures.models import BALL, model, spec, threshold_network, threshold_package
from MedDLCore.admission import Options
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit, MedDLError
from MedDLCore.metrics import dice
from MedDLCore.pipeline import plan, segment
from MedDLCore.preprocess import Region, patient
from MedDLCore.spec import Grid, Inference, Output, ZScore
from MedDLCore.volume import Geometry, Volume

CENTRE, RADIUS = (25.0, -20.0, 18.0), 14.0
SCAN = Geometry.from_parts((70, 80, 90), (1.1, 1.2, 1.3), np.eye(3), (-40, -50, -45))
CROPPED = Options(crop_body=True)

TWO = (replace(BALL, value=2),)
RULES: dict[str, dict[str, Any]] = {
    "centred": {"grid": Grid("RAS", spacing=(1.5, 1.5, 1.5))},
    "first voxel": {"grid": Grid("RAS", spacing=(1.5, 1.5, 1.5), rule="first_voxel")},
    "extent, as nnU-Net": {
        "grid": Grid(None, spacing=(1.5, 1.5, 1.5), rule="extent", crop="nonzero", interpolation="cubic")
    },
    "labels": {"grid": Grid("LPS", spacing=(1.5, 1.5, 1.5)), "output": Output(interpolate="labels")},
    "one axis on its own": {
        "grid": Grid(None, spacing=(3.0, 1.0, 1.0), rule="extent", apart=1.5),
        "output": Output(apart=1.5),
    },
    "overlapping": {"grid": Grid("SPL", spacing=(1.5, 1.5, 1.5)), "output": Output("sigmoid"), "labels": TWO},
    "probabilities": {"grid": Grid("RAS"), "output": Output("sigmoid", "probabilities"), "labels": TWO},
    "regions": {"grid": Grid("LPS", spacing=(1.5, 1.5, 1.5)), "output": Output("regions", paint=(0, 1))},
    "turned": {"grid": Grid("RAS", spacing=(1.3, 1.3, 1.3), straight=True)},
}


@pytest.mark.parametrize("rule", RULES)
def test_a_ball_far_from_the_centre_is_found_as_in_the_whole_scan(rule: str) -> None:
    scan = ball(SCAN, CENTRE, RADIUS)
    changes = RULES[rule]
    ready = model(threshold_network(THRESHOLD), spec(inference=Inference(patch=(16, 16, 16)), **changes))
    whole, cropped = segment([scan], ready), segment([scan], ready, CROPPED)
    assert whole.plan is not None
    assert cropped.plan is not None
    assert cropped.plan.patches < whole.plan.patches / 4
    assert cropped.label_map.geometry.same_as(SCAN, tolerance=0)
    assert np.array_equal(cropped.label_map.array, whole.label_map.array)
    assert dice(cropped.label_map.array > 0, ball_mask(SCAN, CENTRE, RADIUS)) > 0.95


def test_statistics_are_those_of_the_whole_scan_with_its_air() -> None:
    scan = ball(SCAN, CENTRE, RADIUS)
    for statistics in ("scan", "grid"):
        ready = model(threshold_network(0.5), spec(intensity=(ZScore(),), statistics=statistics))
        whole, cropped = segment([scan], ready), segment([scan], ready, CROPPED)
        assert whole.label_map.array.any()
        assert np.array_equal(whole.label_map.array, cropped.label_map.array)


def test_within_a_region_of_interest_it_finds_what_it_finds_there() -> None:
    scan = ball(SCAN, CENTRE, RADIUS)
    ready = model(threshold_network(THRESHOLD), spec(inference=Inference(patch=(32, 32, 32))))
    region = Region((0, -45, 5), (25, 20, 40))
    plain, cropped = (segment([scan], ready, Options(region=region, crop_body=crop)) for crop in (False, True))
    assert plain.plan is not None
    assert cropped.plan is not None
    assert cropped.plan.patches < plain.plan.patches
    assert plain.label_map.array.any()
    assert np.array_equal(plain.label_map.array, cropped.label_map.array)


def test_a_scan_of_air_stays_whole() -> None:
    air = Volume(np.full(SCAN.shape, -1000, np.int16), SCAN, "CT")
    ready = model(threshold_network(THRESHOLD))
    assert plan([air], ready, CROPPED, timed=False).patches == plan([air], ready, timed=False).patches
    assert not segment([air], ready, CROPPED).label_map.array.any()


def test_a_cascade_and_its_parts_see_the_body_only() -> None:
    scan = ball(SCAN, CENTRE, RADIUS)
    first = model(threshold_network(THRESHOLD))
    grid = Grid(None, spacing=(1.5, 1.5, 1.5), rule="extent")
    second = model(threshold_network(THRESHOLD, channels=2), spec(grid=grid, previous=(1,)))
    both = type(first)(second.package, second.networks, second.device, first)
    whole, cropped = segment([scan], both), segment([scan], both, CROPPED)
    assert plan([scan], both, CROPPED, timed=False).patches < plan([scan], both, timed=False).patches / 4
    assert np.array_equal(whole.label_map.array, cropped.label_map.array)


def test_the_patient_is_looked_for_once_for_each_network_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[Volume] = []
    original = patient.patient_corners

    def counting(volume: Volume, is_ct: bool) -> Any:
        searched.append(volume)
        return original(volume, is_ct)

    monkeypatch.setattr(patient, "patient_corners", counting)
    scan = ball(SCAN, CENTRE, RADIUS)
    first = model(threshold_network(THRESHOLD))
    segment([scan], first, CROPPED)
    assert len(searched) == 1
    grid = Grid(None, spacing=(1.5, 1.5, 1.5), rule="extent")
    second = model(threshold_network(THRESHOLD, channels=2), spec(grid=grid, previous=(1,)))
    segment([scan], replace(second, previous=first), CROPPED)
    assert len(searched) == 3
    searched.clear()
    segment([scan], first)
    assert not searched


def test_the_plan_of_a_cascade_counts_what_its_first_model_sees_around_a_region() -> None:
    scan = ball(SCAN, CENTRE, RADIUS)
    first = model(threshold_network(THRESHOLD), spec(inference=Inference(patch=(8, 8, 8))))
    grid = Grid(None, spacing=(1.5, 1.5, 1.5), rule="extent")
    second = model(threshold_network(THRESHOLD, channels=2), spec(grid=grid, previous=(1,)))
    options = Options(region=Region((20, -25, 15), (30, -15, 20)))
    told: dict[int, int] = {}
    both = replace(second, previous=first)

    def tell(stage: str, done: int, of: int) -> None:
        if stage == "network" and of > 2:
            told[of] = of // 2

    segment([scan], both, options, tell)
    assert plan([scan], both, options, timed=False).patches == sum(told.values())


def test_memory_that_runs_out_while_the_patient_is_looked_for_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(patient, "_parts", full)
    for run_it in (plan, segment):
        with pytest.raises(MedDLError) as refusal:
            run_it([ball(SCAN, CENTRE, RADIUS)], model(threshold_network(THRESHOLD)), CROPPED)
        assert refusal.value.code is Code.NO_MEMORY


def test_a_model_that_cannot_be_given_a_part_says_so() -> None:
    scan = ball(SCAN, CENTRE, RADIUS)
    ready = model(threshold_network(THRESHOLD), spec(inference=Inference(patch=None)))
    found = segment([scan], ready, CROPPED)
    (notice,) = [notice for notice in found.notices if notice.code is Code.NOT_CROPPED]
    assert "takes the whole scan at once" in notice.message
    assert np.array_equal(found.label_map.array, segment([scan], ready).label_map.array)


def test_the_command_line_plans_fewer_patches_and_the_manifest_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "store"))
    package, scan = threshold_package(tmp_path / "package", THRESHOLD), tmp_path / "scan.nii.gz"
    array = ball(SCAN, CENTRE, RADIUS).array.transpose(2, 1, 0).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, SCAN.ijk_to_ras), scan)
    common = [str(scan), "-m", str(package), "--modality", "CT", "--threads", "1", "--json"]
    patches = []
    for crop in ([], ["--crop-body"]):
        assert run(["plan", *common, *crop]) == Exit.OK
        patches.append(json.loads(capsys.readouterr().out.splitlines()[-1])["patches"])
    assert patches[1] < patches[0] / 4
    assert run(["segment", *common, "--crop-body", "--no-picture", "-o", str(tmp_path / "out")]) == Exit.OK
    manifest = json.loads(next((tmp_path / "out").glob("*_manifest.json")).read_text())
    assert manifest["settings"]["crop_body"] is True
