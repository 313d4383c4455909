"""The loop: the same seed gives the same weights, however often it was interrupted, even by kill -9."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.trainings import data_in_memory, overlapping_in_memory, staged_unet, tiny_plan, train_and_tell
from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Inference, Network
from MedDLTraining.cases import PreparedCase, prepare_cases
from MedDLTraining.events import Control, Epoch, Step
from MedDLTraining.loop.checkpoint import read_checkpoint
from MedDLTraining.loop.fitting import Fitted, fit
from MedDLTraining.loop.network import new_network, outputs_of
from MedDLTraining.loop.sampling import draw_batch
from MedDLTraining.plan import Augmentation, Loss, Optimiser, Plan, Validation
from MedDLTraining.plan.architecture import architecture_for

Cases = tuple[PreparedCase, ...]

KILLS = 4


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    data_set = data_in_memory()
    return prepare_cases(data_set, tiny_plan(data_set).spec, tmp_path_factory.mktemp("cache"))


def plan(**changes: object) -> Plan:
    return tiny_plan(data_in_memory(), augmentation=Augmentation(flips=(1,)), **changes)


def trained(given: Plan, cases: Cases, folder: Path, **how: object) -> Fitted:
    torch.set_num_threads(1)
    return fit(given, cases[:3], cases[3:], folder, **how)  # type: ignore[arg-type]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(cases: Cases, tmp_path: Path) -> None:
    first, again = (trained(plan(), cases, tmp_path / name) for name in ("a", "b"))
    assert same(first.weights, again.weights)
    assert [e.loss for e in first.history] == [e.loss for e in again.history]
    assert not same(first.weights, trained(plan(seed=1), cases, tmp_path / "c").weights)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimiser": Optimiser("sgd", 0.01, average=0.9)},
        {"network": Network("UNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": 4, "channels": [4, 8],
                                     "strides": [2], "dropout": 0.3, "norm": "BATCH"})},
    ],
    ids=["adamw", "sgd with an average", "dropout and batch normalisation"],
)  # fmt: skip
def test_a_training_that_is_stopped_and_goes_on_comes_to_the_same_weights(
    changes: dict[str, object], cases: Cases, tmp_path: Path
) -> None:
    whole = trained(plan(**changes), cases, tmp_path / "whole")
    control = Control()

    def stop(event: Step | Epoch) -> None:
        if isinstance(event, Step) and (event.epoch, event.iteration) == (2, 2):
            control.stop()

    stopped = trained(plan(**changes), cases, tmp_path / "parts", on_event=stop, control=control)
    assert not stopped.finished and len(stopped.history) == 1
    rest = trained(plan(**changes), cases, tmp_path / "parts")
    assert rest.finished and len(rest.history) == 3
    assert same(whole.weights, rest.weights)
    assert [(e.loss, e.dice) for e in whole.history] == [(e.loss, e.dice) for e in rest.history]


def test_after_kill_9_at_any_moment_it_goes_on_to_the_weights_of_an_uninterrupted_run(
    cases: Cases, tmp_path: Path
) -> None:
    whole = trained(plan(epochs=8), cases, tmp_path / "whole")
    processes = multiprocessing.get_context("forkserver")  # it imports torch and MONAI once for all of them
    processes.set_forkserver_preload(["MedDLTraining.loop.fitting"])
    finished, epochs = False, []
    for kill in range(KILLS + 1):
        ours, theirs = processes.Pipe()
        child = processes.Process(target=train_and_tell, args=(plan(epochs=8), cases, tmp_path / "parts", theirs))
        child.start()
        theirs.close()
        for _ in range(1000 if kill == KILLS else 2 + kill):  # another moment each time
            if finished := ours.recv() == "done":
                break
        time.sleep(0.004 * kill)  # into the next iteration, the validation or the checkpoint
        if not finished:
            os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        assert child.exitcode == (0 if finished else -signal.SIGKILL)
        epochs.append(len((read_checkpoint(tmp_path / "parts")[0] or {"history": []})["history"]))
    assert finished and epochs == sorted(epochs) and 0 < epochs[KILLS - 1] < 8
    rest = trained(plan(epochs=8), cases, tmp_path / "parts")
    assert same(whole.weights, rest.weights)
    assert [(e.loss, e.dice) for e in whole.history] == [(e.loss, e.dice) for e in rest.history]


def test_a_damaged_checkpoint_costs_an_epoch_and_not_the_result(cases: Cases, tmp_path: Path) -> None:
    whole = trained(plan(), cases, tmp_path / "whole")
    newest = tmp_path / "whole" / "epoch_000003.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    rest = trained(plan(), cases, tmp_path / "whole")
    assert [notice.code for notice in rest.notices] == [Code.CHECKPOINT_DAMAGED]
    assert same(whole.weights, rest.weights)


def test_checkpoints_of_another_plan_are_refused(cases: Cases, tmp_path: Path) -> None:
    trained(plan(epochs=1), cases, tmp_path / "c")
    with pytest.raises(MedDLError) as refused:
        trained(plan(epochs=2), cases, tmp_path / "c")
    assert refused.value.code is Code.PLAN_INVALID


def test_a_pause_waits_and_then_goes_on_to_the_same_weights(cases: Cases, tmp_path: Path) -> None:
    import threading

    control, seen = Control(), []

    def watch(event: Step | Epoch) -> None:
        seen.append(event)
        if len(seen) == 2:
            control.pause()
            threading.Timer(0.3, control.go_on).start()

    whole = trained(plan(), cases, tmp_path / "a")
    paused = trained(plan(), cases, tmp_path / "b", on_event=watch, control=control)
    assert paused.finished and same(whole.weights, paused.weights)


def test_a_pause_is_not_in_the_time_that_is_told(cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause over night, an hour of training was said to take days."""
    clock = [0.0]

    class Watched(Control):
        def may_go_on(self) -> bool:
            clock[0] += 3600
            return super().may_go_on()

    def told(event: Step | Epoch) -> None:
        if isinstance(event, Step):
            left.append(event.seconds_left)
            clock[0] += 1
        else:
            seconds.append(event.seconds)

    left: list[float | None] = []
    seconds: list[float] = []
    monkeypatch.setattr("MedDLTraining.loop.fitting.time.monotonic", lambda: clock[0])
    trained(plan(epochs=2, iterations=3), cases, tmp_path, control=Watched(), on_event=told)
    assert seconds == [3, 6] and left == [None, None, 2 / 3 * 3, 3 / 4 * 2, 4 / 5 * 1, 5 / 6 * 0]


def test_events_tell_losses_rates_and_dice(cases: Cases, tmp_path: Path) -> None:
    seen: list[Step | Epoch] = []
    given = plan(validation=Validation(every=2))
    trained(given, cases, tmp_path / "c", on_event=seen.append)
    steps, epochs = ([e for e in seen if isinstance(e, kind)] for kind in (Step, Epoch))
    assert [(s.epoch, s.iteration) for s in steps] == [(e, i) for e in (1, 2, 3) for i in (1, 2, 3)]
    assert [bool(e.dice) for e in epochs] == [False, True, True]
    assert set(epochs[-1].dice) == {"liver", "left kidney", "right kidney"}
    assert epochs[0].rate > epochs[-1].rate > 0
    assert epochs[0].loss == pytest.approx(np.mean([s.loss for s in steps[:3]]))


def test_what_a_listener_raises_ends_the_training_and_the_last_epoch_stays(cases: Cases, tmp_path: Path) -> None:
    def end(event: Step | Epoch) -> None:
        if isinstance(event, Epoch) and event.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(plan(), cases, tmp_path / "c", on_event=end)
    assert (tmp_path / "c" / "epoch_000002.pt").exists()
    assert not torch.are_deterministic_algorithms_enabled()


def test_without_progress_the_training_ends_early_and_equally_good_is_no_progress(cases: Cases, tmp_path: Path) -> None:
    still = plan(epochs=9, optimiser=Optimiser("sgd", 1e-30), validation=Validation(patience=2))
    result = trained(still, cases, tmp_path / "c")
    assert result.finished and [epoch.mean_dice for epoch in result.history] == 3 * [result.history[0].mean_dice]
    watched_twice = replace(still, validation=Validation(every=2, patience=1))
    assert len(trained(watched_twice, cases, tmp_path / "d").history) == 4


def test_when_it_is_enough_the_training_ends_with_the_best_that_was_seen(cases: Cases, tmp_path: Path) -> None:
    control = Control()
    control.enough = True
    given = plan(epochs=4, validation=Validation(every=2))
    first = trained(given, cases, tmp_path / "c", control=control)
    assert first.finished and len(first.history) == 2 and first.weights and first.dice, "nothing was seen before"
    again = trained(given, cases, tmp_path / "c", control=control)
    assert len(again.history) == 2 and same(first.weights, again.weights)
    assert len(trained(given, cases, tmp_path / "c").history) == 4


def test_a_device_without_enough_memory_is_named_and_the_last_epoch_stays(
    cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    def exhaust(event: Step | Epoch) -> None:
        if isinstance(event, Epoch):
            monkeypatch.setattr("MedDLTraining.loop.fitting.augment", no_memory)

    with pytest.raises(MedDLError) as refused:
        trained(plan(), cases, tmp_path / "c", on_event=exhaust)
    assert refused.value.code is Code.NO_MEMORY and "16 x 16 x 16" in refused.value.message
    state, _ = read_checkpoint(tmp_path / "c")
    assert state is not None and len(state["history"]) == 1
    monkeypatch.setattr("MedDLTraining.loop.fitting.augment", lambda *_: torch.zeros(2)[5])
    with pytest.raises(IndexError):
        trained(plan(), cases, tmp_path / "c")


def test_a_loss_that_is_no_number_is_an_error_and_no_checkpoint(cases: Cases, tmp_path: Path) -> None:
    wild = plan(optimiser=Optimiser("sgd", 99.0, clip=None), iterations=30, network=staged_unet(4))
    wild = replace(wild, loss=Loss(pointwise=1e30))
    with pytest.raises(MedDLError) as refused:
        trained(wild, cases, tmp_path / "c")
    assert refused.value.code is Code.NETWORK_NONFINITE
    assert not list((tmp_path / "c").glob("*")) if (tmp_path / "c").exists() else True


def test_half_of_the_patches_are_centred_on_a_structure_and_all_lie_as_windows_do(cases: Cases) -> None:
    given = plan(batch=4, foreground=0.5, inference=Inference(patch=(8, 8, 8)))
    for n in range(20):
        images, truth = draw_batch(cases, given, [n])
        assert images.shape == (4, 1, 10, 10, 10) and images.dtype == np.float32
        assert all(truth[k, 0, 1:-1, 1:-1, 1:-1].any() for k in (2, 3))
    first, again = (draw_batch(cases, given, [5]) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_patch_is_drawn_alike_in_whoever_s_share_it_is(cases: Cases) -> None:
    given = plan(batch=4)
    whole = draw_batch(cases, given, [7])
    parts = [draw_batch(cases, given, [7], share) for share in (range(1), range(1, 4))]
    for array, *shares in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(array, np.concatenate(shares))


def test_a_case_smaller_than_the_patch_lies_in_its_middle_as_at_inference(cases: Cases) -> None:
    given = plan(inference=Inference(patch=(30, 30, 30), padding_value=-7.0))
    images, truth = draw_batch(cases, given, [0])
    outside = images[0, 0] == -7
    whole = tuple(cases[0].image.shape[1:])
    low = [(n - w) // 2 for n, w in zip(images.shape[2:], whole, strict=True)]
    inside = tuple(slice(start, start + w) for start, w in zip(low, whole, strict=True))
    assert not outside[inside].any()
    outside[inside] = True
    assert outside.all() and (truth[0, 0][images[0, 0] == -7] == 0).all()


NETWORKS = {
    "StagedUNet": (staged_unet(4, stages=3), 1),
    "UNet": (Network("UNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": 4, "channels": [4, 8],
                              "strides": [2]}), 0),
    "DynUNet": (Network("DynUNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": 4, "kernel_size": [3] * 3,
                                    "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [4, 8, 8],
                                    "deep_supervision": True, "deep_supr_num": 1}), 1),
    "SegResNetDS": (Network("SegResNetDS", {"init_filters": 4, "in_channels": 1, "out_channels": 4,
                                            "blocks_down": [1, 1, 1], "dsdepth": 2}), 1),
}  # fmt: skip


@pytest.mark.parametrize(("network", "coarser"), NETWORKS.values(), ids=NETWORKS)
def test_networks_of_several_kinds_learn_on_as_many_resolutions_as_they_have(
    network: Network, coarser: int, cases: Cases, tmp_path: Path
) -> None:
    given = plan(network=network, deep_supervision=coarser, epochs=1)
    built = new_network(given)
    outputs = outputs_of(built, torch.zeros((1, 1, 16, 16, 16)), coarser)
    assert len(outputs) == 1 + coarser and outputs[0].shape == (1, 4, 16, 16, 16)
    assert all(output.shape[1] == 4 for output in outputs)
    start = {key: value.clone() for key, value in built.state_dict().items()}
    result = trained(given, cases, tmp_path / "c")
    changed = [key for key in start if not torch.equal(start[key], result.weights[key])]
    assert len(changed) > 0.6 * len(start)


def test_a_network_for_slices_learns_on_several_resolutions_too() -> None:
    of_slices = architecture_for((16, 16, 1), (1.0, 1.0, 1.0)).network(4, 1, 4)
    given = plan(network=of_slices, inference=Inference(patch=(16, 16, 1)))
    outputs = outputs_of(new_network(given), torch.zeros((2, 1, 16, 16, 1)), 1)
    assert [tuple(output.shape) for output in outputs] == [(2, 4, 16, 16, 1), (2, 4, 8, 8, 1)]


def test_overlapping_labels_are_learnt_with_a_sigmoid(tmp_path: Path) -> None:
    data_set = overlapping_in_memory(4)
    given = tiny_plan(data_set, overlapping=True, network=staged_unet(3), iterations=100, epochs=1)
    given = replace(given, optimiser=Optimiser("adamw", 1e-2, weight_decay=1e-2))
    cases = prepare_cases(data_set, given.spec, tmp_path / "cache")
    result = trained(given, cases, tmp_path / "c")
    assert result.history[-1].dice["left kidney"] > 0.5


@pytest.mark.parametrize("slicewise", [False, True], ids=["volumes", "slices"])
def test_it_learns_better_than_chance_in_seconds(slicewise: bool, cases: Cases, tmp_path: Path) -> None:
    arguments = {"spatial_dims": 2, "in_channels": 1, "out_channels": 4, "channels": [16, 32], "strides": [2]}
    slices = {"network": Network("UNet", arguments), "inference": Inference(patch=(16, 16, 1)), "batch": 8}
    quick = Optimiser("adamw", 1e-2, weight_decay=1e-2)
    result = trained(
        plan(iterations=60, epochs=2, optimiser=quick, **(slices if slicewise else {})), cases, tmp_path / "c"
    )
    assert result.history[-1].loss < 0.8 * result.history[0].loss
    assert result.history[-1].dice["liver"] > 0.5
    assert not any(key.startswith("network.") for key in result.weights)
