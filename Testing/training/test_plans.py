"""Plans: read and written without loss, and refused by the name of what is wrong."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fixtures.data_sets import clean_set, drawn, labels_of
from fixtures.trainings import data_in_memory, overlapping_in_memory, staged_unet, tiny_plan
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.networks import build_network
from MedDLCore.models.networks.slicewise import Slicewise
from MedDLCore.spec import Channel, FixedZScore, Inference, ZScore
from MedDLTraining.check import check
from MedDLTraining.data import open_folder
from MedDLTraining.loop.network import new_network
from MedDLTraining.plan import Budget, Start, make_plan, read_plan, write_plan
from MedDLTraining.plan.architecture import architecture_for, first_patch
from MedDLTraining.plan.fingerprint import fingerprint
from MedDLTraining.plan.flips import flips
from MedDLTraining.plan.making import within_budget
from MedDLTraining.plan.plan_file import plan_from_plain, plan_to_plain


def test_a_plan_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    plan = replace(tiny_plan(data_in_memory()), start=Start("phantom", "ab", 0.5), seed=7)
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


def edited(path: str, value: Any) -> dict[str, Any]:
    content = json.loads(json.dumps(plan_to_plain(tiny_plan(data_in_memory()))))
    *parents, key = path.split(".")
    place = content
    for parent in parents:
        place = place[parent]
    place[key] = value
    return content


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("optimiser.rat", 0.1),
        ("optimiser.rate", "fast"),
        ("optimiser.rate", 0),
        ("optimiser.kind", "adagrad"),
        ("optimiser.clip", -1),
        ("optimiser.average", 1.0),
        ("loss.kind", "hinge"),
        ("loss.gamma", -1.0),
        ("schedule.warm_up", 1.0),
        ("epochs", 0),
        ("iterations", True),
        ("batch", 0),
        ("fold", 2),
        ("folds", 1),
        ("seed", -1),
        ("foreground", 1.5),
        ("inference.patch", None),
        ("validation.every", 0),
        ("validation.patience", 0),
        ("augmentation.flips", [3]),
        ("augmentation.scaling.low", 0.0),
        ("augmentation.noise.probability", 2.0),
        ("augmentation.low_resolution.high", 2.0),
        ("start", {"model": "phantom", "fixed": 2.0}),
        ("labels", []),
        ("unknown", 1),
    ],
)
def test_a_setting_that_no_training_could_follow_is_refused_by_its_name(path: str, value: Any) -> None:
    with pytest.raises(MedDLError) as refused:
        plan_from_plain(edited(path, value))
    assert refused.value.code in (Code.PLAN_INVALID, Code.MODEL_INVALID)
    assert path.split(".")[-1].removesuffix("low").rstrip(".") in refused.value.message


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    for text in ("", "[]", "{}", '{"meddl_plan": 2}'):
        path.write_text(text)
        with pytest.raises(MedDLError) as refused:
            read_plan(path)
        assert refused.value.code is Code.PLAN_INVALID
    with pytest.raises(MedDLError) as missing:
        read_plan(tmp_path / "nowhere.json")
    assert missing.value.code is Code.FILE_NOT_FOUND


def test_the_grid_is_the_median_and_ct_is_scaled_by_its_structures(tmp_path: Path) -> None:
    data_set = data_in_memory(3, spacing=6.0)
    data_set = replace(data_set, cases=(*data_set.cases[:2], *data_in_memory(3, spacing=4.0).cases[2:]))
    seen = fingerprint(check(data_set).facts, data_set)
    assert seen.spacing == (6.0, 6.0, 6.0)
    assert seen.shape == (20, 20, 20)
    (step,) = seen.channels[0].intensity or ()
    assert isinstance(step, FixedZScore)
    inside = np.concatenate([(case := drawn(n, mm)).image[case.labels > 0] for n, mm in ((0, 6), (1, 6), (2, 4))])
    assert step.low == pytest.approx(np.percentile(inside, 0.5), abs=3)
    assert step.mean == pytest.approx(inside.mean(), abs=10)
    assert seen.padding == pytest.approx((step.low - step.mean) / step.std, abs=1e-3)
    assert not seen.overlapping


def test_an_mr_image_is_scaled_by_itself() -> None:
    data_set = data_in_memory(2)
    mr = replace(data_set, channels=(Channel("T1", "MR"),))
    seen = fingerprint(check(mr).facts, mr)
    assert seen.channels[0].intensity == (ZScore(),) and seen.padding == 0


def test_patients_are_flipped_from_left_to_right_alone_and_not_where_labels_have_sides() -> None:
    assert flips(labels_of("liver", "spleen"), "RAS") == (0,)
    assert flips(labels_of("hippocampus anterior", "hippocampus posterior"), "SAL") == (2,)
    assert flips(labels_of("left kidney", "right kidney"), "RAS") == ()
    assert flips(labels_of("upper lobe", "lower lobe of left lung"), "RAS") == ()
    assert flips(labels_of("liver"), None) == ()


@pytest.mark.parametrize(
    "name",
    ["KidneyLeft", "LeftKidney", "kidney_l", "L kidney", "LKidney", "Kidney (R)", "lh.hippocampus", "rein gauche"],
)
def test_a_side_is_known_in_whatever_way_a_name_says_it(name: str) -> None:
    assert flips(labels_of(name), "RAS") == ()


@pytest.mark.parametrize("name", ["liver", "LV", "lung", "bright lesion", "Lesion", "leftover", "GTV", "IVC"])
def test_a_name_without_a_side_leaves_the_flips_on(name: str) -> None:
    assert flips(labels_of(name), "RAS") == (0,)


def test_labels_without_names_are_not_flipped_where_they_lie_as_a_left_and_a_right_one_do(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 4)
    (folder / "dataset.json").unlink()  # nothing says that 2 and 3 are the left and the right kidney
    data_set = open_folder(folder)
    facts = check(data_set).facts
    assert [label.name for label in data_set.labels] == ["label 1", "label 2", "label 3"]
    assert flips(data_set.labels, "RAS") == (0,) and flips(data_set.labels, "RAS", facts) == ()
    assert flips(data_set.labels[:2], "RAS", facts) == (0,), "a liver and a kidney are no twins"


def test_the_patch_is_a_multiple_of_all_strides_and_flat_voxels_are_not_halved_along_their_length() -> None:
    even = architecture_for((100, 90, 64), (1, 1, 1))
    assert even.strides == ((1, 1, 1), *((2, 2, 2),) * 4)
    assert all(n % step == 0 for n, step in zip(even.patch, np.prod(np.array(even.strides), axis=0), strict=True))
    thick = architecture_for((128, 128, 20), (0.5, 0.5, 4.0))
    assert thick.strides[1] == (2, 2, 1) and thick.kernels[0] == (3, 3, 1)
    assert thick.strides[4][2] == 2, "after three halvings all axes are alike"
    assert architecture_for((35, 50, 36), (1, 1, 1)).patch == (32, 48, 32), (
        "what lies around a small scan teaches nothing"
    )
    flat = architecture_for((128, 128, 1), (1, 1, 1))
    assert flat.patch[2] == 1 and all(stride[2] == 1 for stride in flat.strides)


def test_for_single_slices_a_network_of_two_dimensions_is_planned_that_computes_what_flat_kernels_do() -> None:
    """Flat kernels of three dimensions took twice the time."""
    for flat in range(3):
        shape = [32, 48, 16]
        shape[flat] = 1
        architecture = architecture_for(shape, (1.0, 1.0, 1.0))
        planned = architecture.network(4, 1, 2)
        of_slices = new_network(
            replace(tiny_plan(data_in_memory()), network=planned, inference=Inference(architecture.patch))
        )
        assert isinstance(of_slices, Slicewise)
        sizes = {
            "kernels": [list(its) for its in architecture.kernels],
            "strides": [list(its) for its in architecture.strides],
        }
        of_volumes = build_network(replace(planned, arguments={**planned.arguments, **sizes}))
        state = of_slices.network.state_dict()
        flattened = {key: state[key].reshape(its.shape) for key, its in of_volumes.state_dict().items()}
        of_volumes.load_state_dict(flattened)
        image = torch.randn((2, 1, *architecture.patch), generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            assert torch.allclose(of_slices.eval()(image), of_volumes.eval()(image), atol=1e-5)


def test_patches_become_smaller_step_by_step_and_end() -> None:
    architecture, sizes = architecture_for(first_patch((300, 300, 200)), (1, 1, 1)), []
    assert math.prod(architecture.patch) <= 1.3 * 160**3
    while (smaller := architecture.smaller) is not None:
        sizes.append(math.prod(architecture.patch))
        architecture = smaller
    assert sizes == sorted(sizes, reverse=True) and 5 < len(sizes) < 60
    assert min(architecture.patch) >= 8


def test_a_plan_for_more_minutes_has_more_work_and_a_plan_for_little_memory_is_refused(tmp_path: Path) -> None:
    data_set = open_folder(clean_set(tmp_path / "d", 4))
    facts = check(data_set).facts
    short = make_plan(facts, data_set, Budget(0.05, 4 * 10**9), "m")
    long = make_plan(facts, data_set, Budget(60, 4 * 10**9), "m")

    def work(plan: Any) -> float:
        return plan.epochs * plan.iterations * math.prod(plan.patch) * plan.network.arguments["features"][0]

    assert work(long) > 20 * work(short)
    assert long.augmentation.flips == (), "its kidneys have sides"
    assert short.network.arguments["outputs"] == 4
    assert plan_from_plain(plan_to_plain(long)) == long
    with pytest.raises(MedDLError) as refused:
        make_plan(facts, data_set, Budget(60, 10**6), "m")
    assert refused.value.code is Code.NO_MEMORY


def test_processes_that_train_together_have_a_batch_that_they_can_divide(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [Budget(1, 1, processes=n).batch * n for n in (1, 2, 3, 4)] == [2, 2, 3, 4]
    monkeypatch.setattr("MedDLTraining.loop.probe.seconds_of", lambda *_: (0.01, 0.01))
    share = tiny_plan(data_in_memory(1), batch=1)
    assert within_budget(share, (20, 20, 20), Budget(1, 10**9, processes=4), 1).batch == 4


def test_writing_checkpoints_takes_a_small_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("MedDLTraining.loop.probe.seconds_of", lambda *_: (0.1, 0.01))
    given, budget = tiny_plan(data_in_memory(1)), Budget(60, 10**9)
    assert within_budget(given, (20, 20, 20), budget, 1).epochs == 100
    large = replace(given, network=staged_unet(4, width=512))  # 32 million weights: 0.5 GB for each epoch
    epochs = within_budget(large, (20, 20, 20), budget, 1).epochs
    assert 10 < epochs < 100
    assert within_budget(large, (20, 20, 20), Budget(2, 10**9), 1).epochs == 10


def test_labels_that_share_voxels_become_channels_of_their_own() -> None:
    assert fingerprint(check(data := overlapping_in_memory(2)).facts, data).overlapping
    assert tiny_plan(data, overlapping=True).spec.output.activation == "sigmoid"


def test_planning_and_watching_a_training_need_no_torch_at_import() -> None:
    """A window of Slicer imports these; the loop runs in a process of its own."""
    modules = "MedDLTraining.training, MedDLTraining.cross_validation, MedDLTraining.events"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
