"""Networks that listen to clicks: where a simulated person clicks, what a batch is, and what a training begins with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.trainings import data_in_memory, overlapping_in_memory, staged_unet, tiny_plan
from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import load_networks, write_package
from MedDLCore.models.package import open_folder
from MedDLCore.pipeline import load, segment
from MedDLCore.refine import Refinement
from MedDLCore.spec import Clicks, Network
from MedDLCore.spec_rules import MOST_CLICKED
from MedDLCore.volume import Label
from MedDLTraining.cases import PreparedCase, prepare_cases
from MedDLTraining.check import check
from MedDLTraining.events import Control, Epoch, Step
from MedDLTraining.loop.fitting import fit
from MedDLTraining.loop.listening import loss_at_clicks, with_clicks, with_silence
from MedDLTraining.loop.network import begin_with, new_network
from MedDLTraining.loop.probe import seconds_of
from MedDLTraining.loop.simulated_user import next_click
from MedDLTraining.plan import Budget, Listening, Plan, Start, plan_from_model
from MedDLTraining.plan.head import with_inputs
from MedDLTraining.training import plan_training, train

ONE = Clicks((1,), 2.0)
MM = (1.0, 1.0, 1.0)


def listening(given: Plan, **changes: object) -> Plan:
    listens = replace(given, listening=Listening(12.0, **changes))  # type: ignore[arg-type]
    return replace(listens, network=with_inputs(given.network, listens.spec.input_channels))


def block(shape: tuple[int, ...], *where: slice, value: int = 1) -> np.ndarray:
    array = np.zeros((1, *shape), np.uint8)
    array[(0, *where)] = value
    return array


def test_the_next_click_is_the_middle_of_the_largest_error() -> None:
    truth = block((20, 20, 20), slice(2, 9), slice(2, 9), slice(2, 9))
    found = block((20, 20, 20), slice(12, 15), slice(12, 15), slice(12, 15))
    assert next_click(found, truth, ONE, MM, False) == ((5, 5, 5), 1, True)
    too_much = next_click(np.maximum(found, truth), truth, ONE, MM, False)
    assert too_much == ((13, 13, 13), 1, False)
    assert next_click(truth, truth, ONE, MM, False) is None


def test_in_a_single_slice_the_click_is_in_the_middle_too() -> None:
    """Its neighbours that are not there are no border: every voxel of the error lay at it, and the first was taken."""
    truth = block((1, 20, 20), slice(0, 1), slice(3, 16), slice(5, 12))
    assert next_click(0 * truth, truth, ONE, MM, False) == ((0, 6, 8), 1, True)
    rng = np.random.default_rng(0)
    drawn = [next_click(0 * truth, truth, ONE, MM, False, rng) for _ in range(50)]
    assert all(click is not None and 4 < click.voxel[1] < 14 and 6 < click.voxel[2] < 10 for click in drawn)


def test_an_error_that_fills_the_grid_is_clicked_within_it() -> None:
    for shape in ((9, 9, 9), (1, 9, 9), (1, 1, 1)):
        full = np.ones((1, *shape), np.uint8)
        assert next_click(0 * full, full, ONE, MM, False) == (tuple(n // 2 for n in shape), 1, True)


def test_two_errors_that_do_not_touch_do_not_count_together() -> None:
    truth = block((24, 24, 24), slice(0, 5), slice(0, 5), slice(0, 5))
    truth[0, 10:15, 10:15, 10:15] = truth[0, 18:24, 18:24, 18:24] = 1
    click = next_click(np.zeros_like(truth), truth, ONE, MM, False)
    assert click is not None and min(click.voxel) >= 18


def test_a_click_names_the_label_that_is_meant_also_where_labels_overlap() -> None:
    truth = np.zeros((2, 9, 9, 9), np.uint8)
    truth[0, 2:7, 2:7, 2:7] = 1
    truth[1] = truth[0]
    found = truth.copy()
    found[1] = 0
    assert next_click(found, truth, Clicks((1, 2), 2.0), MM, True) == ((4, 4, 4), 2, True)
    exclusive = block((9, 9, 9), slice(2, 7), slice(2, 7), slice(2, 7), value=2)
    assert next_click(np.minimum(exclusive, 1), exclusive, Clicks((1, 2), 2.0), MM, False) == ((4, 4, 4), 2, True)


def test_drawn_clicks_vary_and_stay_away_from_the_border_of_the_error() -> None:
    truth = block((20, 20, 20), slice(3, 16), slice(3, 16), slice(3, 16))
    rng = np.random.default_rng(0)
    voxels = {next_click(0 * truth, truth, ONE, MM, False, rng).voxel for _ in range(50)}  # type: ignore[union-attr]
    assert len(voxels) > 20
    assert all(6 <= n <= 12 for voxel in voxels for n in voxel)


def batch_of(plan: Plan, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn((n, 1, *plan.patch), generator=torch.Generator().manual_seed(1))
    truth = torch.zeros((n, len(plan.labels) if plan.overlapping else 1, *plan.patch))
    truth[:, -1:, 4:12, 4:12, 4:12] = 2
    return images, truth


def test_a_part_of_a_batch_is_silent_and_the_rest_has_clicks_where_the_network_is_wrong() -> None:
    plan = listening(tiny_plan(data_in_memory()), silent=0.5, most=2)
    network = new_network(plan)
    images, truth = batch_of(plan, 12)
    heard = with_clicks(network, images, truth, plan, seed=7)
    assert heard.shape == (12, 1 + 3 * 3, *plan.patch)
    assert torch.equal(heard[:, :1], images)
    silent = ~heard[:, 1:].flatten(1).any(1)
    assert 2 <= int(silent.sum()) <= 10
    assert all(one[1:7].any() for one in heard[~silent])
    assert network.training and all(part.training for part in network.modules())


def test_an_iteration_is_timed_with_the_clicks_that_it_has_on_average(monkeypatch: pytest.MonkeyPatch) -> None:
    """One draw of them was timed again and again: it made a plan for less than half of the time."""
    made = []
    monkeypatch.setattr("MedDLTraining.loop.listening.next_click", lambda *given: made.append(1) or next_click(*given))

    def clicks_in(work: Callable[[], object], _: str) -> float:
        made.clear()
        work()
        return len(made)

    monkeypatch.setattr("MedDLTraining.loop.probe._median", clicks_in)
    plan = listening(tiny_plan(data_in_memory()), silent=0.2, most=4)
    assert seconds_of(plan, "cpu")[0] == pytest.approx(plan.batch * 0.8 * 2.5)


def test_each_patch_has_the_clicks_of_its_place_whoever_holds_it() -> None:
    plan = listening(tiny_plan(data_in_memory()), silent=0.2)
    network = new_network(plan)
    images, truth = batch_of(plan, 4)
    whole = with_clicks(network, images, truth, plan, seed=3)
    part = with_clicks(network, images[2:], truth[2:], plan, seed=3, first=2)
    assert torch.equal(whole[2:, 1:7], part[:, 1:7])


def test_without_clicks_a_plan_is_as_it_was() -> None:
    plan = tiny_plan(data_in_memory())
    images, truth = batch_of(plan, 2)
    assert with_clicks(new_network(plan), images, truth, plan, seed=0) is images
    assert plan.spec.clicks is None and plan.spec.input_channels == 1


def package_of(plan: Plan, folder: Path) -> object:
    network = new_network(plan)
    return write_package(plan.spec, network.state_dict(), folder)


@pytest.mark.parametrize("overlapping", [False, True])
def test_a_network_that_learns_to_listen_begins_with_exactly_the_plain_one(overlapping: bool, tmp_path: Path) -> None:
    plain = tiny_plan(overlapping_in_memory() if overlapping else data_in_memory(), overlapping=overlapping)
    package = package_of(plain, tmp_path / "plain")
    plan = listening(replace(plain, start=Start("plain", fixed=0.5), seed=5))
    network = new_network(plan)
    assert begin_with(network, package, plan) == ()  # type: ignore[arg-type]
    images, truth = batch_of(plan, 4)
    heard = with_clicks(network, images, truth, plan, seed=0)
    assert heard[:, 1:].any()
    plainly = load_networks(package)[0](images)  # type: ignore[arg-type]
    with torch.no_grad():
        for given in (with_silence(images, plan), heard):
            assert torch.allclose(network.eval()(given), plainly, atol=1e-5)
    entry = next(network.parameters())
    assert entry.requires_grad and not entry[:, 1:].any()
    heard_by = network.train()(heard).square().sum()
    heard_by.backward()
    assert entry.grad is not None and entry.grad[:, 1:].any()


def test_corrected_cases_with_their_segments_in_another_order_go_on_with_the_models_own_outputs(tmp_path: Path) -> None:
    """Each output, and each channel of clicks, began anew: what the model knew of its structures was lost."""
    data_set = data_in_memory()
    package = package_of(listening(tiny_plan(data_set)), tmp_path / "listens")
    names = [label.name for label in data_set.labels]
    turned = data_set.with_table(data_set.table.ordered_as(names[::-1]))
    assert [label.name for label in turned.labels] == names[::-1]
    facts = check(turned).facts
    plan = plan_training(facts, turned, Budget(0.02, 10**9), "x", package.folder.as_posix(), folds=2)  # type: ignore[attr-defined]
    assert [label.name for label in plan.labels] == names
    network = new_network(replace(plan, seed=9))
    assert begin_with(network, package, plan) == ()  # type: ignore[arg-type]
    known = load_networks(package)[0].state_dict()  # type: ignore[arg-type]
    assert all(torch.equal(known[key], value) for key, value in network.state_dict().items())
    trained = train(turned, replace(plan, iterations=1, epochs=1), tmp_path / "on").package
    assert trained is not None and [label.name for label in trained.spec.labels] == names
    for ours, given in zip(data_set.cases, turned.cases, strict=True):
        truths = data_set.load(ours).truth, turned.ordered_as(plan.labels).load(given).truth
        assert np.array_equal(truths[0].array, truths[1].array)


def test_a_meshnet_learns_to_listen_too_whose_layers_say_how_many_channels_they_take(tmp_path: Path) -> None:
    layer = {"in_channels": 1, "out_channels": 5, "kernel_size": 3, "padding": 1, "stride": 1, "dilation": 1}
    last = {**layer, "in_channels": 5, "out_channels": 4, "kernel_size": 1, "padding": 0}
    plain = tiny_plan(data_in_memory(), network=Network("MeshNet", {"layers": [layer, last]}))
    package = package_of(plain, tmp_path / "plain")
    plan = plan_from_model(package, data_in_memory(), Budget(0.02, 10**9), "x", interactive=True)  # type: ignore[arg-type]
    network = new_network(plan)
    assert plan.spec.input_channels == 10 and begin_with(network, package, plan) == ()  # type: ignore[arg-type]
    images, _ = batch_of(plan, 1)
    with torch.no_grad():
        plainly = load_networks(package)[0](images)  # type: ignore[arg-type]
        assert torch.allclose(network.eval()(with_silence(images, plan)), plainly, atol=1e-5)


def test_where_channels_are_no_axis_of_the_weights_they_are_new_when_a_network_learns_to_listen(tmp_path: Path) -> None:
    """Columns of a transformer's linear patches were taken for channels, and the outputs were other ones."""
    sizes = {"img_size": [16] * 3, "feature_size": 4, "hidden_size": 24, "mlp_dim": 24, "num_heads": 2}
    arguments = {"in_channels": 1, "out_channels": 4, "proj_type": "perceptron", **sizes}
    plain = tiny_plan(data_in_memory(), network=Network("UNETR", arguments))
    package = package_of(plain, tmp_path / "plain")
    plan = listening(replace(plain, start=Start("plain")))
    new = begin_with(new_network(plan), package, plan)  # type: ignore[arg-type]
    assert [name for name in new if "patch_embedding" not in name] == [] and new


def test_a_network_that_listens_is_gone_on_with_as_it_is(tmp_path: Path) -> None:
    plan = listening(tiny_plan(data_in_memory()))
    package = package_of(plan, tmp_path / "listens")
    network = new_network(replace(plan, seed=9))
    assert begin_with(network, package, plan) == ()  # type: ignore[arg-type]
    assert torch.equal(next(network.parameters()), next(new_network(plan).parameters()))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreparedCase, ...]:
    data_set = data_in_memory()
    return prepare_cases(data_set, listening(tiny_plan(data_set)).spec, tmp_path_factory.mktemp("cache"))


def test_a_training_with_clicks_that_is_stopped_and_goes_on_comes_to_the_same_weights(
    cases: tuple[PreparedCase, ...], tmp_path: Path
) -> None:
    assert cases[0].image.shape[0] == 1, "channels of clicks are not kept on the disk"
    torch.set_num_threads(1)
    plan = listening(tiny_plan(data_in_memory()), silent=0.3)
    whole = fit(plan, cases[:3], cases[3:], tmp_path / "whole")
    control = Control()

    def stop(event: Step | Epoch) -> None:
        if isinstance(event, Step) and (event.epoch, event.iteration) == (2, 2):
            control.stop()

    stopped = fit(plan, cases[:3], cases[3:], tmp_path / "parts", on_event=stop, control=control)
    assert not stopped.finished
    rest = fit(plan, cases[:3], cases[3:], tmp_path / "parts")
    assert whole.weights.keys() == rest.weights.keys()
    assert all(torch.equal(whole.weights[key], rest.weights[key]) for key in whole.weights)
    assert [e.dice for e in whole.history] == [e.dice for e in rest.history]


@pytest.mark.parametrize(
    ("changes", "where"), [({"silent": 1.5}, "silent"), ({"most": 0}, "most"), ({"weight": -1.0}, "weight")]
)
def test_a_plan_that_listens_in_no_possible_way_is_refused(changes: dict[str, object], where: str) -> None:
    with pytest.raises(MedDLError, match=f"plan.listening.{where}") as caught:
        listening(tiny_plan(data_in_memory()), **changes)
    assert caught.value.code is Code.PLAN_INVALID


def test_clicks_on_more_structures_than_a_network_takes_are_refused_in_the_words_of_a_training() -> None:
    labels = tuple(Label(n, f"rib {n}", (200, 200, 200)) for n in range(1, MOST_CLICKED + 2))
    plan = tiny_plan(data_in_memory(), labels=labels, network=staged_unet(len(labels) + 1))
    with pytest.raises(MedDLError, match=f"at most {MOST_CLICKED} structures; there are {len(labels)}") as caught:
        replace(plan, listening=Listening(12.0))
    assert caught.value.code is Code.PLAN_INVALID


def test_what_was_trained_to_listen_is_planned_trained_and_clicked(tmp_path: Path) -> None:
    """``meddl train --interactive`` from the plan to a click, begun with a plain model."""
    torch.set_num_threads(1)
    data_set = data_in_memory()
    plain = train(data_set, tiny_plan(data_set, epochs=1), tmp_path / "plain").package
    assert plain is not None
    plan = plan_from_model(plain, data_set, Budget(0.02, 10**9), "listens", interactive=True)
    assert plan.listening == Listening(12.0), "two voxels of 6 mm"
    trained = train(data_set, replace(plan, iterations=1, epochs=1, folds=2), tmp_path / "listens")
    assert trained.package is not None
    spec = open_folder(trained.package.folder).spec
    assert spec.clicks == Clicks((1, 2, 3), 12.0) and spec.input_channels == 10
    again = plan_from_model(trained.package, data_set, Budget(0.02, 10**9), "again")
    assert again.listening == plan.listening, "a model that listens goes on to listen"

    volumes = data_set.load(data_set.cases[0]).volumes
    refinement = Refinement(volumes, load(trained.package, "cpu", 1, "torch"))
    assert np.array_equal(
        refinement.label_map.array, segment(volumes, load(trained.package, "cpu", 1, "torch")).label_map.array
    )
    r, a, s = volumes[0].geometry.index_to_ras(np.array(volumes[0].geometry.shape[::-1]) // 2).tolist()
    refinement.add(Click((r, a, s), spec.labels[0].name))
    refinement.undo()
    assert refinement.clicks == ()


def test_a_network_is_planned_that_takes_the_clicks_of_every_label() -> None:
    data_set = data_in_memory()
    facts = check(data_set).facts
    plan = plan_training(facts, data_set, Budget(0.02, 10**9), "x", folds=2, interactive=True)
    assert plan.listening is not None and plan.network.arguments["inputs"] == 10


@pytest.mark.parametrize("overlapping", [False, True])
def test_only_the_voxels_at_clicks_count_in_the_loss_of_clicks(overlapping: bool) -> None:
    cases = overlapping_in_memory() if overlapping else data_in_memory()
    outputs = len(cases.labels) + (0 if overlapping else 1)
    plan = listening(tiny_plan(cases, overlapping=overlapping, network=staged_unet(outputs)), weight=3.0)
    shape, labels = plan.patch, len(plan.labels)
    heard = torch.zeros((2, plan.spec.input_channels, *shape))
    logits = torch.zeros((2, plan.spec.output_channels, *shape), requires_grad=True)
    truth = torch.zeros((2, labels if overlapping else 1, *shape))
    heard[:, -labels:] = 1  # what was found so far is no click
    assert float(loss_at_clicks(heard, logits, truth, plan)) == 0
    heard[0, 1, 2, 3, 4] = heard[1, labels + 1, 5, 6, 7] = 1
    loss = loss_at_clicks(heard, logits, truth, plan)
    assert float(loss) == pytest.approx(3 * math.log(2 if overlapping else plan.spec.output_channels))
    loss.backward()
    moved = logits.grad.abs().sum(dim=1).nonzero().tolist()
    assert moved == [[0, 2, 3, 4], [1, 5, 6, 7]]


def test_a_plan_without_clicks_has_no_loss_of_clicks() -> None:
    plan = tiny_plan(data_in_memory())
    image, logits = torch.ones((1, 1, *plan.patch)), torch.ones((1, plan.spec.output_channels, *plan.patch))
    assert float(loss_at_clicks(image, logits, torch.zeros((1, 1, *plan.patch)), plan)) == 0
