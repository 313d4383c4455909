"""What is read from a results folder of nnU-Net, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fixtures.nnunet_folder import arguments, fullres, made_network, results_folder
from MedDLCore.admission import Options
from MedDLCore.cli.models import models
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, load_networks, open_model, opened
from MedDLCore.models.description import description_of, spec_from_description
from MedDLCore.models.networks import build_network
from MedDLCore.models.nnunet.totalsegmentator import HOME, WEIGHTS, installed_names
from MedDLCore.models.package import holds_package
from MedDLCore.pipeline import load, plan, segment
from MedDLCore.preprocess import Region
from MedDLCore.spec import Channel, FixedZScore, Grid, Inference, Network, Output, Percentiles, Scale, ZScore
from MedDLCore.volume import Geometry, Volume

FULLRES = "nnUNetTrainer__nnUNetPlans__3d_fullres"


def refused(folder: Path, code: Code = Code.MODEL_INVALID) -> str:
    with pytest.raises(MedDLError) as caught:
        load_networks(open_model(folder))
    assert caught.value.code is code, caught.value
    assert len(caught.value.message) < 1000
    return f"{caught.value.message} {caught.value.hint}"


def a_scan(seed: int = 0, shape: tuple[int, int, int] = (9, 24, 22), modality: str = "CT") -> Volume:
    array = np.random.default_rng(seed).normal(50, 100, shape).astype(np.float32)
    return Volume(array, Geometry.from_parts(shape, (1.1, 1.2, 3.3)), modality)


# What is read


def test_plans_become_a_description_of_every_station(tmp_path: Path) -> None:
    package = open_model(results_folder(tmp_path / FULLRES, folds=("fold_0", "fold_1", "fold_all")))
    spec = package.spec
    assert spec.name == "Dataset007_Made_3d_fullres"
    assert spec.channels == (Channel("CT", "CT", (FixedZScore(-100.0, 300.0, 40.0, 60.0),)),)
    assert [(label.value, label.name) for label in spec.labels] == [(1, "liver"), (2, "spleen")]
    assert spec.grid == Grid(
        orientation=None, spacing=(3.0, 1.0, 1.0), interpolation="cubic", rule="extent", crop="nonzero", apart=3.0
    )
    assert spec.inference == Inference(patch=(8, 16, 16), weighting="nnunet", mirror_axes=(0, 1, 2))
    assert spec.output == Output(apart=3.0)
    assert spec.steps_on_scan == 1
    assert [weights.file for weights in spec.weights] == [f"fold_{n}/checkpoint_final.pth" for n in (0, 1)]
    assert package.notices == ()


def test_line_ends_and_lengths_in_the_texts_of_a_data_set_are_no_reason_to_refuse_it(tmp_path: Path) -> None:
    def change(dataset: dict[str, Any]) -> None:
        dataset |= {
            "name": "Liver\nand spleen",
            "release": "1.0\n",
            "description": "long " * 900,
            "reference": "a\r\nb",
        }
        dataset["labels"] = {"background": 0, "liver\n\x1b[2J": 1, "spleen " * 60: 2}
        dataset["channel_names"] = {"0": "CT\n"}

    spec = open_model(results_folder(tmp_path / FULLRES, dataset=change)).spec
    assert (spec.title, spec.version, spec.citation) == ("Liver and spleen", "1.0", "a b")
    assert spec.labels[0].name == "liver [2J" and spec.labels[1].name.startswith("spleen spleen")
    assert spec.channels[0].name == "CT"


def test_the_description_survives_json(tmp_path: Path) -> None:
    spec = open_model(results_folder(tmp_path / FULLRES)).spec
    assert spec_from_description(json.loads(json.dumps(description_of(spec))), "here") == spec


@pytest.mark.parametrize(
    ("name", "scheme", "masked", "modality", "steps"),
    [
        ("T2", "ZScoreNormalization", True, "MR", (ZScore(body=True),)),
        ("adc", "ZScoreNormalization", False, "MR", (ZScore(),)),
        ("PET", "RescaleTo01Normalization", False, "PT", (Percentiles(0.0, 100.0),)),
        ("anything", "NoNormalization", False, None, ()),
        ("red", "RGBTo01Normalization", False, None, (Scale(1 / 255),)),
        ("arterial", "CTNormalization", False, "CT", (FixedZScore(-100.0, 300.0, 40.0, 60.0),)),
    ],
)
def test_each_normalisation_has_its_steps(
    tmp_path: Path, name: str, scheme: str, masked: bool, modality: str, steps: Any
) -> None:
    def change(plans: dict[str, Any]) -> None:
        fullres(plans).update(normalization_schemes=[scheme], use_mask_for_norm=[masked])

    folder = results_folder(tmp_path / FULLRES, change, lambda data: data.update(channel_names={"0": name}))
    assert open_model(folder).spec.channels == (Channel(name, modality, steps),)


def test_a_reader_that_turns_the_scan_gives_an_orientation(tmp_path: Path) -> None:
    turned = results_folder(tmp_path / FULLRES, lambda plans: plans.update(image_reader_writer="NibabelIOWithReorient"))
    assert open_model(turned).spec.grid.orientation == "SAR"


@pytest.mark.parametrize(("forced", "apart"), [(None, 3.0), (True, 0.0), (False, None)])
def test_whether_slices_are_resampled_on_their_own_is_the_plans_choice(tmp_path: Path, forced: Any, apart: Any) -> None:
    def change(plans: dict[str, Any]) -> None:
        for what in ("data", "seg", "probabilities"):
            fullres(plans)[f"resampling_fn_{what}_kwargs"]["force_separate_z"] = forced

    spec = open_model(results_folder(tmp_path / FULLRES, change)).spec
    assert (spec.grid.apart, spec.output.apart) == (apart, apart)


def test_without_a_final_checkpoint_the_best_one_is_taken_and_said(tmp_path: Path) -> None:
    package = open_model(results_folder(tmp_path / FULLRES, name="checkpoint_best.pth"))
    assert package.spec.weights[0].file == "fold_0/checkpoint_best.pth"
    assert [notice.code for notice in package.notices] == [Code.MODEL_ASSUMED]


def test_a_trainer_that_nobody_knows_is_said(tmp_path: Path) -> None:
    def named(name: str) -> list[Code]:
        folder = results_folder(tmp_path / name / FULLRES, checkpoint=lambda content: content.update(trainer_name=name))
        return [notice.code for notice in open_model(folder).notices]

    assert named("nnUNetTrainer_4000epochs_NoMirroring") == []
    assert named("nnUNetTrainerDASegOrd0_NoMirroring") == []
    assert named("nnUNetTrainerOfMine") == [Code.MODEL_ASSUMED]


def test_a_training_without_mirroring_is_not_mirrored(tmp_path: Path) -> None:
    for axes in (None, ()):
        folder = results_folder(
            tmp_path / str(axes) / FULLRES,
            checkpoint=lambda content, axes=axes: content.update(inference_allowed_mirroring_axes=axes),
        )
        assert open_model(folder).spec.inference.mirror_axes == ()


# Which folder is meant


def test_the_folder_above_is_opened_and_the_choice_is_said(tmp_path: Path) -> None:
    dataset = tmp_path / "Dataset007_Made"
    results_folder(dataset / FULLRES)
    assert open_model(dataset).notices == ()

    def low(plans: dict[str, Any]) -> None:
        plans["configurations"]["3d_lowres"] = {"inherits_from": "3d_fullres", "spacing": [3.0, 2.0, 2.0]}

    results_folder(dataset / "nnUNetTrainer__nnUNetPlans__3d_lowres", low, configuration="3d_lowres")
    package = open_model(dataset)
    assert package.folder.name == FULLRES
    assert [notice.code for notice in package.notices] == [Code.MODEL_ASSUMED]
    assert "3d_lowres" in package.notices[0].message
    assert open_model(dataset / "nnUNetTrainer__nnUNetPlans__3d_lowres").spec.grid.spacing == (3.0, 2.0, 2.0)


def test_several_trainings_of_one_configuration_are_refused_by_name(tmp_path: Path) -> None:
    results_folder(tmp_path / "Dataset007_Made" / FULLRES)
    results_folder(tmp_path / "Dataset007_Made" / "nnUNetTrainer__other__3d_fullres")
    assert "nnUNetTrainer__other__3d_fullres" in refused(tmp_path / "Dataset007_Made")


def test_several_data_sets_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("Dataset007_Made", "Dataset008_Other"):
        results_folder(tmp_path / name / FULLRES)
    assert "Dataset008_Other" in refused(tmp_path)


def test_a_folder_of_predictions_is_no_model(tmp_path: Path) -> None:
    """nnU-Net writes its plans beside its predictions, too."""
    results_folder(tmp_path / "out", folds=())
    assert not holds_package(tmp_path / "out")
    assert "no model" in refused(tmp_path / "out")


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / FULLRES).symlink_to(results_folder(tmp_path / "there" / FULLRES))
    assert not holds_package(tmp_path / "here")


def cascade(plans: dict[str, Any]) -> None:
    configurations = plans["configurations"]
    configurations["3d_lowres"] = {"inherits_from": "3d_fullres", "spacing": [3.0, 2.0, 2.0]}
    configurations["3d_cascade_fullres"] = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}


def a_cascade(dataset: Path) -> Path:
    low, second = (dataset / f"nnUNetTrainer__nnUNetPlans__3d_{name}" for name in ("lowres", "cascade_fullres"))
    results_folder(low, cascade, configuration="3d_lowres")
    return results_folder(second, cascade, network=made_network(3), configuration="3d_cascade_fullres")


def test_a_cascade_knows_its_first_stage(tmp_path: Path) -> None:
    second = a_cascade(tmp_path / "Dataset007_Made")
    for folder in (second, second.parent):
        package = open_model(folder)
        assert package.folder == second
        assert package.previous is not None
        assert package.previous.spec.grid.spacing == (3.0, 2.0, 2.0)
        assert package.spec.previous == (1, 2)
        assert package.notices == ()
    ready = load(package, "cpu", 1)
    foreseen = plan([a_scan()], ready, timed=True)
    assert foreseen.patches > plan([a_scan()], load(package.previous, "cpu", 1), timed=False).patches
    told: list[tuple[str, float]] = []
    found = segment([a_scan()], ready, on_progress=lambda stage, done, of: told.append((stage, done / of)))
    fractions = [fraction for stage, fraction in told if stage == "network"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert found.label_map.geometry.same_as(a_scan().geometry)


def test_a_cascade_without_its_first_stage_is_refused(tmp_path: Path) -> None:
    second = results_folder(
        tmp_path / "nnUNetTrainer__nnUNetPlans__3d_cascade_fullres",
        cascade,
        network=made_network(3),
        configuration="3d_cascade_fullres",
    )
    assert "3d_lowres" in refused(second)


@pytest.mark.parametrize("name", ["../../etc", "/etc", "a\\b"])
def test_a_first_stage_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    def change(plans: dict[str, Any]) -> None:
        fullres(plans)["previous_stage"] = name

    assert "first" in refused(results_folder(tmp_path / FULLRES, change, network=made_network(3)))


# Tasks in parts


def a_task(root: Path, first: int = 291, parts: int = 3) -> Path:
    structures = [("spleen", "liver"), ("sacrum",), ("heart", "aorta")]
    for n, names in enumerate(structures[:parts]):
        labels = {"background": 0, **{name: value for value, name in enumerate(names, start=1)}}
        results_folder(
            root / f"Dataset{first + n}_Total_part{n + 1}_some" / FULLRES,
            dataset=lambda data, labels=labels: data.update(labels=labels),
            network=made_network(1, len(labels), seed=n),
        )
    return root


def test_a_task_in_parts_is_one_model_and_the_later_part_counts(tmp_path: Path) -> None:
    package = open_model(a_task(tmp_path / "results"))
    assert [(label.value, label.name) for label in package.spec.labels] == [
        (1, "spleen"), (2, "liver"), (3, "sacrum"), (4, "heart"), (5, "aorta")
    ]  # fmt: skip
    expected = np.zeros(a_scan().array.shape, dtype=np.uint8)
    for part, table in zip(package.parts, ([0, 1, 2], [0, 3], [0, 4, 5]), strict=True):
        found = np.array(table, np.uint8)[segment([a_scan()], load(part, "cpu", 1)).label_map.array]
        expected = np.where(found > 0, found, expected)
    ready = load(package, "cpu", 1)
    whole = segment([a_scan()], ready)
    assert np.array_equal(whole.label_map.array, expected)
    assert len(np.unique(expected)) > 3
    alone = segment([a_scan()], ready, Options(structures=("sacrum",)))
    assert np.array_equal(alone.label_map.array, np.where(expected == 3, 3, 0))
    assert plan([a_scan()], ready).fits


def test_what_totalsegmentator_installed_is_opened_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = a_task(tmp_path / "home" / "nnunet" / "results")
    results_folder(results / "Dataset299_body" / FULLRES)
    a_task(results, 831)
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    monkeypatch.delenv(WEIGHTS, raising=False)
    assert {"Total", "Dataset299_body", "Dataset291_Total_part1_some"} <= set(installed_names())
    package = open_model("total")
    assert [part.folder.parent.name[:10] for part in package.parts] == ["Dataset831", "Dataset832", "Dataset833"]
    assert open_model("Dataset299_body").spec.labels[0].name == "liver"
    monkeypatch.setenv(WEIGHTS, str(tmp_path / "nowhere"))
    with pytest.raises(MedDLError) as caught:
        open_model("total")
    assert caught.value.code is Code.MODEL_NOT_FOUND


def test_an_incomplete_task_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    a_task(tmp_path, 292, 2)
    (tmp_path / "Dataset292_Total_part1_some").rename(tmp_path / "Dataset294_Total_part3_some")
    assert "data sets" in refused(tmp_path)


def test_parts_for_other_scans_are_refused(tmp_path: Path) -> None:
    a_task(tmp_path, parts=1)
    folder = tmp_path / "Dataset292_Total_part2_some" / FULLRES

    def change(plans: dict[str, Any]) -> None:
        fullres(plans)["normalization_schemes"] = ["ZScoreNormalization"]

    results_folder(folder, change, lambda data: data.update(channel_names={"0": "MR"}))
    assert "other scans" in refused(tmp_path)


# What is refused

ABSURD: dict[str, Any] = {
    "a network that MedDL has not": lambda p: fullres(p)["architecture"].update(network_class_name="os.system"),
    "a convolution that is no convolution": lambda p: arguments(p).update(conv_op="os.system"),
    "a convolution of two dimensions": lambda p: arguments(p).update(conv_op="torch.nn.modules.conv.Conv2d"),
    "a normalisation of torch that is none": lambda p: arguments(p).update(norm_op="torch.nn.Linear"),
    "an activation that is none": lambda p: arguments(p).update(nonlin="torch.nn.LSTM"),
    "an unknown argument": lambda p: arguments(p).update(weights_url="http://x"),
    "an unknown argument of the norm": lambda p: arguments(p).update(norm_op_kwargs={"device": "cuda"}),
    "an argument of a wrong type": lambda p: arguments(p).update(norm_op_kwargs={"eps": "many"}),
    "a list of kernels too long": lambda p: arguments(p).update(
        n_stages=5000, kernel_sizes=[[1, 1, 1]] * 5000, strides=[[1, 1, 1]] * 5000, features_per_stage=[1] * 5000
    ),
    "more stages than kernels": lambda p: arguments(p).update(n_stages=3),
    "a huge kernel": lambda p: arguments(p).update(kernel_sizes=[[9999, 9999, 9999], [3, 3, 3]]),
    "a kernel of even size": lambda p: arguments(p).update(kernel_sizes=[[2, 2, 2], [3, 3, 3]]),
    "a kernel that is a text": lambda p: arguments(p).update(kernel_sizes=["333", "333"]),
    "many blocks": lambda p: arguments(p).update(n_conv_per_stage=[10**9, 1]),
    "many features": lambda p: arguments(p).update(features_per_stage=[2**30, 2**30]),
    "negative features": lambda p: arguments(p).update(features_per_stage=[-4, 6]),
    "a stride of zero": lambda p: arguments(p).update(strides=[[1, 1, 1], [0, 2, 2]]),
    "strides that do not divide the patch": lambda p: arguments(p).update(strides=[[1, 1, 1], [1, 2, 3]]),
    "a patch in four dimensions": lambda p: fullres(p).update(patch_size=[8, 8, 8, 8]),
    "a patch of nothing": lambda p: fullres(p).update(patch_size=[0, 16, 16]),
    "a patch of text": lambda p: fullres(p).update(patch_size=["8", 16, 16]),
    "a huge patch": lambda p: fullres(p).update(patch_size=[2**20, 2**20, 2**20]),
    "a spacing of nothing": lambda p: fullres(p).update(spacing=[0.0, 1.0, 1.0]),
    "a spacing without end": lambda p: fullres(p).update(spacing=[1e30, 1.0, 1.0]),
    "a spacing in two dimensions": lambda p: fullres(p).update(spacing=[1.0, 1.0]),
    "another preprocessor": lambda p: fullres(p).update(preprocessor_name="MyPreprocessor"),
    "another way to resample": lambda p: fullres(p).update(resampling_fn_data="resample_torch_fornnunet"),
    "another order of the image": lambda p: fullres(p)["resampling_fn_data_kwargs"].update(order=5),
    "another order of the logits": lambda p: fullres(p)["resampling_fn_probabilities_kwargs"].update(order=3),
    "another order between slices": lambda p: fullres(p)["resampling_fn_data_kwargs"].update(order_z=1),
    "an unknown setting of resampling": lambda p: fullres(p)["resampling_fn_data_kwargs"].update(mode="wrap"),
    "another normalisation": lambda p: fullres(p).update(normalization_schemes=["MyNormalization"]),
    "too few normalisations": lambda p: fullres(p).update(normalization_schemes=[]),
    "limits the wrong way round": lambda p: p["foreground_intensity_properties_per_channel"]["0"].update(
        percentile_00_5=500.0
    ),
    "no intensities": lambda p: p.update(foreground_intensity_properties_per_channel={}),
    "another reader": lambda p: p.update(image_reader_writer="NaturalImage2DIO"),
    "other labels": lambda p: p.update(label_manager="MyLabels"),
    "an axis twice": lambda p: p.update(transpose_forward=[0, 1, 1]),
    "a transposition that does not go back": lambda p: p.update(
        transpose_forward=[1, 2, 0], transpose_backward=[1, 2, 0]
    ),
    "a configuration that is not there": lambda p: p["configurations"].pop("3d_fullres"),
    "a configuration that inherits from itself": lambda p: fullres(p).update(inherits_from="3d_fullres"),
    "configurations that are a list": lambda p: p.update(configurations=[]),
    "no architecture at all": lambda p: fullres(p).pop("architecture"),
}  # fmt: skip


@pytest.mark.parametrize("name", ABSURD)
def test_plans_with(name: str, tmp_path: Path) -> None:
    assert refused(results_folder(tmp_path / FULLRES, plans=ABSURD[name]))


ABSURD_DATASETS: dict[str, Any] = {
    "no background": lambda d: d.update(labels={"liver": 1, "spleen": 2}),
    "a background of one": lambda d: d.update(labels={"background": 1, "liver": 2}),
    "nothing but background": lambda d: d.update(labels={"background": 0}),
    "values with a gap": lambda d: d.update(labels={"background": 0, "liver": 1, "spleen": 5}),
    "a negative value": lambda d: d.update(labels={"background": 0, "liver": -1, "spleen": 2}),
    "a value that is a text": lambda d: d.update(labels={"background": 0, "liver": "one", "spleen": 2}),
    "a value twice": lambda d: d.update(labels={"background": 0, "liver": 1, "spleen": 1}),
    "a name of nothing": lambda d: d.update(labels={"background": 0, " ": 1, "spleen": 2}),
    "regions without an order": lambda d: d.update(labels={"background": 0, "all": [1, 2], "spleen": 2}),
    "regions that are painted alike": lambda d: d.update(
        labels={"background": 0, "all": [1, 2], "spleen": 2}, regions_class_order=[1, 1]
    ),
    "more labels than any network": lambda d: d.update(
        labels={"background": 0, **{f"n{n}": n for n in range(1, 5000)}}
    ),
    "labels that are a list": lambda d: d.update(labels=["background", "liver"]),
    "channels that are not counted": lambda d: d.update(channel_names={"first": "CT"}),
    "no channels": lambda d: d.update(channel_names={}),
    "more channels than normalisations": lambda d: d.update(channel_names={"0": "CT", "1": "PET"}),
    "another number of labels than the weights": lambda d: d.update(labels={"background": 0, "liver": 1}),
}


@pytest.mark.parametrize("name", ABSURD_DATASETS)
def test_a_data_set_with(name: str, tmp_path: Path) -> None:
    assert refused(results_folder(tmp_path / FULLRES, dataset=ABSURD_DATASETS[name]))


ABSURD_CHECKPOINTS: dict[str, Any] = {
    "no weights": lambda c: c.pop("network_weights"),
    "no configuration": lambda c: c.update(init_args={}),
    "another configuration": lambda c: c.update(init_args={"configuration": "../../3d"}),
    "no trainer": lambda c: c.update(trainer_name=None),
    "axes that are not there": lambda c: c.update(inference_allowed_mirroring_axes=(0, 7)),
    "axes twice": lambda c: c.update(inference_allowed_mirroring_axes=(0, 0)),
    "axes that are no axes": lambda c: c.update(inference_allowed_mirroring_axes="012"),
    "weights of another shape": lambda c: c.update(network_weights=dict(made_network(2).state_dict())),
}


@pytest.mark.parametrize("name", ABSURD_CHECKPOINTS)
def test_a_checkpoint_with(name: str, tmp_path: Path) -> None:
    assert refused(results_folder(tmp_path / FULLRES, checkpoint=ABSURD_CHECKPOINTS[name]))


def test_a_trainer_with_a_network_of_its_own_is_refused_with_the_reason(tmp_path: Path) -> None:
    def other(content: dict[str, Any]) -> None:
        state = content["network_weights"]
        content["network_weights"] = {f"mamba.{key}": tensor for key, tensor in state.items()}
        content["trainer_name"] = "nnUNetTrainerUMambaBot"

    reason = refused(results_folder(tmp_path / FULLRES, checkpoint=other))
    assert "mamba." in reason
    assert "nnUNetTrainerUMambaBot" in reason


# What it gives


def test_names_that_are_there_twice_may_be_left_out(tmp_path: Path) -> None:
    """Others strip the second copies from a checkpoint."""

    def stripped(content: dict[str, Any]) -> None:
        content["network_weights"] = {
            key: tensor.clone()
            for key, tensor in content["network_weights"].items()
            if ".all_modules." not in key and not key.startswith("decoder.encoder.")
        }

    both = [
        load_networks(open_model(results_folder(tmp_path / str(n) / FULLRES, checkpoint=change)))[0]
        for n, change in enumerate((None, stripped))
    ]
    image = torch.randn(1, 1, 8, 16, 16)
    assert torch.equal(both[0](image), both[1](image))


def test_a_region_of_interest_gives_what_the_whole_scan_gives_there(tmp_path: Path) -> None:
    """But for what the network's normalisation sees of its surroundings: none here, with one patch."""
    ready = load(open_model(results_folder(tmp_path / FULLRES)), "cpu", 1)
    scan = a_scan(shape=(6, 14, 14))
    region = Region((0.0, 0.0, 0.0), (6.0, 7.0, 20.0))
    whole, part = (segment([scan], ready, options).label_map.array for options in (Options(), Options(region=region)))
    inside = part > 0
    assert inside.any()
    assert np.array_equal(part[inside], whole[inside])


def test_the_zeros_around_a_scan_are_cut_away_and_stay_background(tmp_path: Path) -> None:
    ready = load(open_model(results_folder(tmp_path / FULLRES)), "cpu", 1)
    inner = a_scan()
    wide = np.zeros((13, 30, 26), np.float32)
    wide[2:11, 4:28, 1:23] = inner.array
    origin = -np.array([1, 4, 2]) * inner.geometry.spacing
    scan = Volume(wide, Geometry.from_parts(wide.shape, inner.geometry.spacing, origin=origin), "CT")
    found = segment([scan], ready).label_map.array
    assert np.array_equal(found[2:11, 4:28, 1:23], segment([inner], ready).label_map.array)
    found[2:11, 4:28, 1:23] = 0
    assert not found.any()


def test_a_scan_of_zeros_only_is_segmented_whole(tmp_path: Path) -> None:
    ready = load(open_model(results_folder(tmp_path / FULLRES)), "cpu", 1)
    scan = a_scan()
    assert segment([Volume(np.zeros_like(scan.array), scan.geometry, "CT")], ready).label_map.array.shape == (9, 24, 22)


def test_the_command_line_describes_it(tmp_path: Path) -> None:
    folder = results_folder(tmp_path / FULLRES)
    shown = CliRunner().invoke(models, ["info", str(folder)], catch_exceptions=False)
    assert shown.exit_code == 0
    assert "liver, spleen" in shown.output
    assert "StagedUNet" in shown.output
    assert "3 x 1 x 1 mm" in shown.output


def test_a_configuration_in_two_dimensions_loads_and_takes_patches_of_one_slice(tmp_path: Path) -> None:
    """Guards two ways to run a network on slices, of which each took the other's patches."""

    def flat(plans: dict[str, Any]) -> None:
        fullres(plans).update(patch_size=[16, 16], spacing=[1.0, 1.0])
        arguments(plans).update(
            conv_op="torch.nn.modules.conv.Conv2d",
            norm_op="torch.nn.modules.instancenorm.InstanceNorm2d",
            kernel_sizes=[[3, 3], [3, 3]],
            strides=[[1, 1], [2, 2]],
        )

    sizes = {"features": [4, 6], "kernels": [[3, 3], [3, 3]], "strides": [[1, 1], [2, 2]], "blocks": 1}
    given = {"inputs": 1, "outputs": 3, "decoder_blocks": 1, "norm_arguments": {"eps": 1e-5, "affine": True}, **sizes}
    network = build_network(Network("StagedUNet", given))
    folder = results_folder(
        tmp_path / FULLRES,
        flat,
        network=network,
        checkpoint=lambda c: c.update(inference_allowed_mirroring_axes=(0, 1)),
    )
    package = open_model(folder)
    assert package.spec.inference.patch == (1, 16, 16) and package.spec.inference.mirror_axes == (1, 2)
    [loaded] = load_networks(package)
    image = torch.randn(1, 1, 1, 16, 16)
    assert torch.equal(loaded(image)[:, :, 0], network.eval()(image[:, :, 0]))


def test_a_list_reads_the_weights_of_a_foreign_model_once_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore(tmp_path / "store")
    folder = store.add(a_cascade(tmp_path / "Dataset007_Made").parent, name="made").folder
    first = store.list()[0].package
    assert first is not None and first.previous is not None and first == open_model("made", store)
    with monkeypatch.context() as patched:
        patched.setattr(opened, "open_folder", lambda _: pytest.fail("was read again"))
        assert store.list()[0].package == first
    (checkpoint, *_) = folder.rglob("*.pth")
    checkpoint.write_bytes(b"")
    assert store.list()[0].error is not None
    store.remove("made")
    assert store.list() == [] and not list(store.path.iterdir())
