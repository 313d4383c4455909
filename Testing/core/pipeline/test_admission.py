"""What a scan must be for a model, and what a run tells the person."""

from __future__ import annotations

from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from fixtures.balls import THRESHOLD, ball, ball_mask, turned
from fixtures.models import BALL, model, spec, threshold_network
from MedDLCore import pipeline
from MedDLCore.admission import Options
from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.inference import peak_memory, sliding
from MedDLCore.pipeline import plan, segment
from MedDLCore.preprocess import Region
from MedDLCore.spec import CleanUp, Grid, Inference
from MedDLCore.volume import Geometry, Label, Volume


@pytest.fixture
def scan() -> Volume:
    return ball(Geometry.from_parts((24, 26, 28), (1.5, 1.5, 1.5)), (20, 20, 18), 9)


def with_modality(volume: Volume, modality: str | None) -> Volume:
    return Volume(volume.array, volume.geometry, modality)


def codes(notices: tuple[Notice, ...]) -> list[Code]:
    return [notice.code for notice in notices]


def test_another_modality_is_refused_and_can_be_overridden(scan: Volume) -> None:
    ready = model(threshold_network(THRESHOLD))
    magnetic = with_modality(scan, "MR")
    with pytest.raises(MedDLError) as refusal:
        segment([magnetic], ready)
    assert refusal.value.code is Code.WRONG_MODALITY
    allowed = segment([magnetic], ready, Options(allow=frozenset({Code.WRONG_MODALITY})))
    assert codes(allowed.notices) == [Code.WRONG_MODALITY]
    assert allowed.label_map.array.any()


def test_an_unknown_modality_is_a_warning_and_the_values_are_looked_at(scan: Volume) -> None:
    ready = model(threshold_network(THRESHOLD))
    assert codes(segment([with_modality(scan, None)], ready).notices)[0] is Code.MODALITY_UNKNOWN
    bytes_instead_of_hu = Volume(((scan.array + 1000) / 8).astype(np.uint8), scan.geometry)
    assert Code.UNITS_DUBIOUS in codes(segment([bytes_instead_of_hu], ready).notices)


def test_a_reader_s_warnings_reach_the_result(scan: Volume) -> None:
    tilted = scan.with_notices(Notice(Code.GEOM_TILT, "tilted by 5 degrees"))
    assert Notice(Code.GEOM_TILT, "tilted by 5 degrees") in segment([tilted], model(threshold_network(0))).notices


def test_fewer_slices_than_the_model_needs_are_refused(scan: Volume) -> None:
    ready = model(threshold_network(THRESHOLD), spec(minimum_shape=(25, 1, 1)))
    with pytest.raises(MedDLError) as refusal:
        segment([scan], ready)
    assert refusal.value.code is Code.TOO_THIN
    assert "28x26x24" in refusal.value.message
    allowed = segment([scan], ready, Options(allow=frozenset({Code.TOO_THIN})))
    assert codes(allowed.notices) == [Code.TOO_THIN]


def test_an_unknown_structure_is_refused_with_those_that_there_are(scan: Volume) -> None:
    with pytest.raises(MedDLError) as refusal:
        segment([scan], model(threshold_network(THRESHOLD)), Options(structures=("liver",)))
    assert refusal.value.code is Code.LABEL_UNKNOWN
    assert "ball" in refusal.value.hint


def test_only_the_structures_asked_for_are_returned(scan: Volume) -> None:
    two = spec(labels=(BALL, Label(2, "Rest", (0, 0, 0))), clean_up=CleanUp(keep_largest=(1, 2)))
    network = nn.Conv3d(1, 3, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([0.0, 1.0, -1.0]).reshape(3, 1, 1, 1, 1))
        network.bias.copy_(torch.tensor([-1e4, 300.0, -300.0]))
    found = segment([scan], model(network, two), Options(structures=("rest",))).label_map
    assert [label.name for label in found.labels] == ["Rest"]
    assert set(np.unique(found.array)) == {0, 2}
    assert found.array[0, 0, 0] == 2


def test_nothing_found_is_a_result_with_a_warning(scan: Volume) -> None:
    result = segment([scan], model(threshold_network(5000)))
    assert codes(result.notices) == [Code.EMPTY_RESULT]
    assert not result.label_map.array.any()
    assert [label.name for label in result.label_map.labels] == ["ball"]


def test_a_run_that_needs_more_memory_than_is_free_is_refused_before_it_starts(
    scan: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 100_000

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    ready = model(threshold_network(THRESHOLD))
    started: list[str] = []
    with pytest.raises(MedDLError) as refusal:
        segment([scan], ready, on_progress=lambda stage, *_: started.append(stage))
    assert refusal.value.code is Code.NO_MEMORY
    assert not started
    Memory.available = int(plan([scan], ready, timed=False).memory * 1.1)
    assert codes(segment([scan], ready).notices) == [Code.MEMORY_TIGHT]


def refusal_of(scan: Volume, ready: pipeline.Model, monkeypatch: pytest.MonkeyPatch, available: int) -> MedDLError:
    class Memory:
        pass

    Memory.available = available  # type: ignore[attr-defined]
    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    with pytest.raises(MedDLError) as refusal:
        segment([scan], ready)
    assert refusal.value.code is Code.NO_MEMORY
    assert plan([scan], ready, timed=False).remedy == refusal.value.hint
    return refusal.value


def test_a_patch_that_is_too_large_for_the_machine_is_not_blamed_on_the_scan(
    scan: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A smaller region was advised, which makes no patch smaller."""
    ready = model(threshold_network(THRESHOLD), spec(inference=Inference(patch=(512, 512, 512))))
    hint = refusal_of(scan, ready, monkeypatch, 10**9).hint
    assert "patch of 512x512x512" in hint
    assert "--roi" not in hint


def test_a_region_is_advised_only_where_it_makes_a_run_smaller(scan: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = plan([scan], model(threshold_network(THRESHOLD)), timed=False)
    less = needed.memory - (needed.memory - needed.patch_memory) // 2
    assert "--roi" in refusal_of(scan, model(threshold_network(THRESHOLD)), monkeypatch, less).hint
    whole = model(threshold_network(THRESHOLD), spec(inference=Inference()))
    assert "a region does not help" in refusal_of(scan, whole, monkeypatch, 100_000).hint


def test_a_scan_that_reaches_beyond_a_fixed_grid_is_cut_with_a_warning() -> None:
    """The head below the 256 mm of a conformed grid stayed background, and nobody was told."""
    tall = ball(Geometry.from_parts((30, 20, 20), (1, 1, 1), origin=(0, 0, -15)), (10, 10, 0), 6)
    ready = model(threshold_network(THRESHOLD), spec(grid=Grid(orientation="LIA", shape=(20, 20, 20))))
    warning = next(notice for notice in segment([tall], ready).notices if notice.code is Code.GRID_CUTS)
    assert "5 mm at the inferior side" in warning.message
    assert "5 mm at the superior side" in warning.message
    assert "left" not in warning.message
    fits = ball(Geometry.from_parts((20, 20, 20), (1, 1, 1)), (10, 10, 10), 6)
    assert Code.GRID_CUTS not in codes(segment([fits], ready).notices)


def test_a_grid_without_a_fixed_shape_cuts_nothing_off() -> None:
    """Of one thick slice, a grid that keeps the first voxel's centre has thinner faces, and that was called a cut."""
    thin = ball(Geometry.from_parts((1, 20, 20), (1, 1, 5)), (10, 10, 0), 6)
    ready = model(threshold_network(THRESHOLD), spec(grid=Grid(spacing=(1, 1, 2), rule="first_voxel")))
    assert Code.GRID_CUTS not in codes(segment([thin], ready).notices)


def test_a_plan_says_all_that_is_to_say_of_a_scan_in_one_call(scan: Volume) -> None:
    volume = with_modality(scan, None).with_notices(Notice(Code.GEOM_TILT, "tilted by 5 degrees"))
    ready = model(threshold_network(THRESHOLD))
    foreseen = plan([volume], ready, timed=False)
    assert foreseen.notices == pipeline.admit([volume], ready.spec)
    assert {Code.GEOM_TILT, Code.MODALITY_UNKNOWN} <= set(codes(foreseen.notices))
    assert segment([volume], ready).notices == foreseen.notices


def test_a_plan_without_the_time_runs_nothing(scan: Volume) -> None:
    class NeverRun(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = threshold_network(THRESHOLD)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.device.type == "meta"
            return self.inner(x)

    assert plan([scan], model(NeverRun()), timed=False).seconds is None


def test_the_largest_component_is_that_of_the_region_of_interest(scan: Volume) -> None:
    """On a turned scan the box of voxels around the region is larger than the region, and held a larger component."""
    geometry = Geometry.from_parts((40, 40, 40), (1, 1, 1), turned(45), (0, 0, 0))
    centre = geometry.corners().mean(axis=0)
    small, large = centre, centre + np.array([9, -9, 0])
    mask = ball_mask(geometry, small, 3) | ball_mask(geometry, large, 5)
    volume = Volume(np.where(mask, 200, -800).astype(np.float32), geometry, "CT")
    ready = model(threshold_network(THRESHOLD), spec(clean_up=CleanUp(keep_largest=(1,))))
    box = Region(tuple(small - 4.5), tuple(small + 4.5))
    found = segment([volume], ready, Options(region=box)).label_map
    assert np.array_equal(found.array == 1, ball_mask(geometry, small, 3))


def test_a_machine_that_refuses_memory_is_an_answer_and_not_a_crash(
    scan: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    for stage in ("prepare", "decide"):
        with monkeypatch.context() as patch, pytest.raises(MedDLError) as refusal:
            patch.setattr(pipeline, stage, full)
            segment([scan], model(threshold_network(THRESHOLD)))
        assert refusal.value.code is Code.NO_MEMORY


def test_a_card_without_memory_to_prepare_a_scan_leaves_that_to_the_machine(
    scan: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = model(threshold_network(THRESHOLD))
    wanted = segment([scan], ready).label_map.array
    original, devices = pipeline.prepare, []

    def small_card(*arguments: Any, device: str, **named: Any) -> Any:
        devices.append(device)
        if device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(*arguments, **named)

    monkeypatch.setattr(pipeline, "prepare", small_card)
    monkeypatch.setattr(pipeline, "release", lambda device: None)
    on_device = pipeline._on_device
    monkeypatch.setattr(pipeline, "_on_device", lambda prepare, _: on_device(prepare, "cuda"))
    result = segment([scan], ready)
    assert devices == ["cuda", "cpu"]
    assert codes(result.notices) == [Code.STEPPED_DOWN]
    assert np.array_equal(result.label_map.array, wanted)


def test_cancelling_ends_the_run_at_once(scan: Volume) -> None:
    stages: list[str] = []

    def cancel(stage: str, done: int, of: int) -> None:
        stages.append(stage)
        if stage == "network" and done == 1 and of > 1:
            raise MedDLError(Code.CANCELLED, "cancelled")

    with pytest.raises(MedDLError) as stop:
        segment([scan], model(threshold_network(THRESHOLD)), on_progress=cancel)
    assert stop.value.code is Code.CANCELLED
    assert stages[-1] == "network"


def test_progress_goes_through_the_stages_in_their_order(scan: Volume) -> None:
    told: list[tuple[str, float]] = []
    result = segment(
        [scan], model(threshold_network(THRESHOLD)), on_progress=lambda stage, n, of: told.append((stage, n / of))
    )
    order = list(dict.fromkeys(stage for stage, _ in told))
    assert order == ["prepare", "network", "finish"]
    assert told[-1] == ("finish", 1.0)
    assert list(result.seconds) == ["prepare", "network", "finish"]


def test_the_plan_counts_the_patches_that_run(scan: Volume) -> None:
    inference = Inference(patch=(16, 16, 16), mirror_axes=(0,), batch=2)
    ready = model([threshold_network(THRESHOLD), threshold_network(0)], spec(inference=inference))
    foreseen = plan([scan], ready)
    calls: list[tuple[int, int]] = []
    segment([scan], ready, on_progress=lambda stage, n, of: calls.append((n, of)) if stage == "network" else None)
    assert max(of for _, of in calls) == foreseen.patches * foreseen.passes
    assert foreseen.passes == 4
    assert foreseen.seconds is not None
    assert foreseen.seconds > 0
    assert foreseen.fits


def test_a_region_makes_the_plan_smaller(scan: Volume) -> None:
    ready = model(threshold_network(THRESHOLD), spec(inference=Inference(patch=(4, 4, 4))))
    part = plan([scan], ready, Options(region=Region((18, 18, 16), (22, 22, 20))), timed=False)
    assert part.patches < plan([scan], ready, timed=False).patches / 2


def test_peak_memory_is_what_lives_at_one_time() -> None:
    """Input and first output, then first and second output: not the sum of all."""
    network = nn.Sequential(nn.Conv3d(1, 8, 1), nn.Conv3d(8, 8, 1), nn.Conv3d(8, 2, 1)).eval()
    voxels = 32**3 * 4
    plain = peak_memory(network, (1, 1, 32, 32, 32))
    assert plain == ((1 + 8 + 8) * voxels, 2 * 32**3 * (8 + 64 + 16), 2)
    assert all(parameter.device.type == "cpu" for parameter in network.parameters())


def test_a_sum_that_does_not_fit_the_machine_is_an_answer_and_not_a_crash(
    scan: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch says so with a RuntimeError, and no smaller device is left."""

    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(sliding._Window, "_begin", full)
    with pytest.raises(MedDLError) as refusal:
        segment([scan], model(threshold_network(THRESHOLD)))
    assert refusal.value.code is Code.NO_MEMORY
    assert "'network'" in refusal.value.message


def test_a_plan_on_a_full_device_gives_no_time_and_no_crash(scan: Volume) -> None:
    class Full(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = threshold_network(THRESHOLD)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.device.type != "meta":
                raise torch.OutOfMemoryError("CUDA out of memory")
            return self.inner(x)

    foreseen = plan([scan], model(Full()))
    assert foreseen.seconds is None
    assert foreseen.memory > 0


class OnePatch(nn.Module):
    """A network that takes one shape only, as those with a table of positions do."""

    def __init__(self, edge: int) -> None:
        super().__init__()
        self.inner = threshold_network(THRESHOLD)
        self.positions = nn.Parameter(torch.zeros(1, 1, edge, edge, edge), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x + self.positions)


def test_a_network_that_takes_its_own_patch_only_is_timed_on_that(scan: Volume) -> None:
    foreseen = plan([scan], model(OnePatch(72), spec(inference=Inference(patch=(72, 72, 72)))))
    assert foreseen.seconds is not None
    assert foreseen.seconds > 0


def test_a_network_that_cannot_take_the_models_patch_is_refused_before_it_runs(scan: Volume) -> None:
    started: list[str] = []
    with pytest.raises(MedDLError) as refusal:
        segment([scan], model(OnePatch(20)), on_progress=lambda stage, *_: started.append(stage))
    assert refusal.value.code is Code.MODEL_INVALID
    assert "16x16x16" in refusal.value.message
    assert not started


def test_a_structure_is_the_same_whether_it_was_asked_for_alone_or_not() -> None:
    """Its holes were filled over the structures that nobody had asked for."""
    geometry = Geometry.from_parts((30, 30, 30), (1, 1, 1))
    organ, tumour = ball_mask(geometry, (15, 15, 15), 10), ball_mask(geometry, (15, 15, 15), 4)
    values = np.where(tumour, 200, np.where(organ, 100, -1000)).astype(np.float32)
    network = nn.Conv3d(1, 3, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([0.0, 1.0, 2.0]).reshape(3, 1, 1, 1, 1))
        network.bias.copy_(torch.tensor([0.0, -50.0, -200.0]))
    two = spec(labels=(BALL, Label(2, "tumour", (0, 0, 0))), clean_up=CleanUp(fill_holes=(1,)))
    volume, ready = Volume(values, geometry, "CT"), model(network, two)
    whole = segment([volume], ready).label_map.array
    alone = segment([volume], ready, Options(structures=("ball",))).label_map.array
    assert np.array_equal(alone, np.where(whole == 1, 1, 0))
    assert np.array_equal(alone == 1, organ & ~tumour)
