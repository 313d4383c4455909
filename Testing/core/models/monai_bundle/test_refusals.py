"""What a bundle reaches and MedDL does not read is listed line by line, and nothing of it runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fixtures.monai_bundles import (
    activation,
    compose,
    decide,
    inference_json,
    invert,
    loading,
    placing,
    save,
    unet_def,
    window,
    write_bundle,
)
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, open_model
from MedDLCore.models.monai_bundle import reasons

NETWORK = nn.Conv3d(1, 4, 1)

AS_IT_IS: tuple[Any, ...] = ({"_target_": "LoadImaged", "keys": "image"}, {"_target_": "Identityd", "keys": "image"})


def lines(folder: Path, config: dict[str, Any] | str) -> list[str]:
    return [str(reason) for reason in reasons(write_bundle(folder, config, NETWORK))]


def test_everything_that_lies_outside_is_listed_at_once(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    attack = f"$__import__('os').system('touch {marker}')"
    config = inference_json(
        network_def={"_target_": "scripts.networks.Mine", "in_channels": 1},
        preprocessing=compose(
            *loading(), {"_target_": "scripts.transforms.Mine", "keys": "image"}, {**window(), "a_min": attack}
        ),
        inferer={"_target_": "os.system", "command": f"touch {marker}"},
        postprocessing=compose(
            activation(),
            {"_target_": "Lambdad", "keys": "pred", "func": f"$lambda x: open('{marker}', 'w')"},
            invert(transform="$copy.deepcopy(@preprocessing)"),
            decide(),
            save(),
        ),
        checkpointloader={"_target_": "CheckpointLoader", "load_path": attack},
    )
    config["evaluator"] = {**config["evaluator"], "_target_": "scripts.evaluator.Mine"}
    found = lines(tmp_path / "bundle", config)
    assert not marker.exists()
    places = [line.split(": ")[1] for line in found]
    assert places == [
        "network_def",
        "checkpointloader::load_path",
        "evaluator",
        "inferer",
        "preprocessing::transforms::2",
        "preprocessing::transforms::3::a_min",
        "postprocessing::transforms::1::func",
        "postprocessing::transforms::2::transform",
    ]
    assert all(line.startswith("inference.json: ") for line in found)
    with pytest.raises(MedDLError) as caught:
        open_model(tmp_path / "bundle")
    assert caught.value.code is Code.MODEL_UNTRUSTED
    assert all(line in caught.value.message for line in found)
    store = ModelStore(tmp_path / "store")
    with pytest.raises(MedDLError) as caught:
        store.add(tmp_path / "bundle")
    assert caught.value.code is Code.MODEL_UNTRUSTED and store.list() == []


def test_what_is_not_reached_is_no_reason(tmp_path: Path) -> None:
    """Imports, devices, data, handlers, what runs first, scripts and logging: none of it is looked at."""
    marker = tmp_path / "marker"
    attack = f"$__import__('os').system('touch {marker}')"
    config = inference_json(
        imports=["$import scripts", attack],
        initialize=[attack],
        run=[attack],
        finalize=[attack],
        device=attack,
        datalist=attack,
        handlers=[{"_target_": "scripts.Mine", "x": attack}],
        something={"_target_": "os.system", "command": attack},
        output_dir=attack,
    )
    folder = write_bundle(tmp_path / "bundle", config, NETWORK)
    (folder / "scripts").mkdir()
    (folder / "scripts" / "__init__.py").write_text(f"open({str(marker)!r}, 'w')")
    (folder / "configs" / "logging.conf").write_text(f"[handlers]\nkeys=h\n[handler_h]\nargs=({attack[1:]},)\n")
    assert reasons(folder) == ()
    assert open_model(folder).spec.network.name == "UNet"
    assert not marker.exists()


def step(name: str, keys: str = "image", **arguments: Any) -> dict[str, Any]:
    return {"_target_": name, "keys": keys, **arguments}


BEFORE = [
    (step("RandFlipd"), "RandFlipd: is not a class of monai.transforms that MedDL reads"),
    (step("monai.apps.Spacingd", pixdim=1), "is not a class"),
    (step("torch.Spacingd", pixdim=1), "is not a class"),
    (step("Spacingd", pixdim=[1, 1]), "is not 3 positive numbers"),
    (step("Spacingd", pixdim=[1, 1, -1]), "is not 3 positive numbers"),
    (step("Spacingd", pixdim=[1, 1, "a"]), "is not 3 positive numbers"),
    (step("Spacingd", pixdim=1.0, mode="nearest"), "mode: 'nearest'"),
    (step("Spacingd", pixdim=1.0, mode=3), "mode: 3"),
    (step("Spacingd", pixdim=1.0, padding_mode="zeros"), "padding_mode"),
    (step("Spacingd", pixdim=1.0, diagonal=True), "diagonal"),
    (step("Spacingd", pixdim=1.0, scale_extent=True), "scale_extent"),
    (step("Spacingd", pixdim=1.0, min_pixdim=0.5), "Spacingd with 'min_pixdim' is not read"),
    (step("Spacingd", pixdim=1.0, dtype="$numpy.int16"), "would round"),
    (step("Orientationd", axcodes="RAX"), "is not an orientation"),
    (step("Orientationd", axcodes="RAR"), "is not an orientation"),
    (step("Orientationd", axcodes="RAS", labels=[["A", "B"]] * 3), "other names"),
    (step("CastToTyped", dtype="$torch.int16"), "would round"),
    (step("EnsureTyped", dtype="$torch.float16"), "would round"),
    (step("NormalizeIntensityd", nonzero="False"), "is not true or false"),
    (step("NormalizeIntensityd", subtrahend=[1, 2]), "is not a number"),
    (step("NormalizeIntensityd", subtrahend=1, nonzero=True), "leaves zeros out"),
    (step("ScaleIntensityd", minv="a"), "is not a number"),
    (step("ScaleIntensityRanged", a_min=5, a_max=5, b_min=0, b_max=1), "is not below a_max"),
    (step("ScaleIntensityRanged", a_min=0, a_max=5, b_min=1, b_max=0, clip=True), "is not below b_max"),
    (step("ScaleIntensityRanged", a_min=0, a_max=5, clip=True), "b_min"),
    (step("ScaleIntensityRangePercentilesd", lower=5, upper=1, b_min=0, b_max=1), "rising"),
    (step("ScaleIntensityRangePercentilesd", lower=0, upper=9, b_min=0, b_max=1, relative=True), "relative"),
    (step("CropForegroundd", source_key="label"), "is not the input volume"),
    (step("CropForegroundd", source_key="image", select_fn="$lambda x: x.mean() > 0"), "is code"),
    (step("CropForegroundd", source_key="image", margin=3), "beyond the scan"),
    (step("CropForegroundd", source_key="image", margin=[1, 2, 3]), "is not one number"),
    (step("CropForegroundd", source_key="image", k_divisible=8), "k_divisible"),
    (step("DivisiblePadd", k=[1, 2, 3]), "k: "),
    (step("Resized", spatial_size=[32, 32, 32]), "is not a class"),
    ({"_target_": "Compose", "transforms": [], "lazy": True}, "lazy"),
    ({"_target_": "Compose", "transforms": 5}, "is not a list of transforms"),
    ({"_target_": "Compose", "transforms": ["@preprocessing"]}, "is nested too deeply"),
    ({"_target_": "Compose", "transforms": [step("Identityd")] * 300}, "more than 200 transforms"),
    ({"_target_": "LoadImaged", "keys": "image", "reverse_indexing": True}, "'reverse_indexing' is not read"),
    ({"_target_": "LoadImaged", "keys": "image", "as_closest_canonical": True}, "'as_closest_canonical' is not read"),
]


@pytest.mark.parametrize(("wrong", "problem"), BEFORE)
def test_preprocessing_that_is_not_read_is_refused(wrong: dict[str, Any], problem: str, tmp_path: Path) -> None:
    found = lines(tmp_path / "b", inference_json(preprocessing=compose(*AS_IT_IS, wrong)))
    assert len(found) == 1 and problem in found[0], found


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([*placing(), *placing()], "after the spacing was changed"),
        ([placing()[1], placing()[1]], "a second time"),
        ([step("CropForegroundd", source_key="image"), placing()[1]], "after the foreground was cut"),
        ([step("CropForegroundd", source_key="image")] * 2, "a second time"),
        ([step("CropForegroundd", source_key="image"), step("ScaleIntensityd")], "after the foreground was cut"),
        ([step("DivisiblePadd", k=4), window()], "after the padding"),
        ([step("DivisiblePadd", k=4)], "with a sliding window is not read"),
    ],
)
def test_an_order_that_is_not_read_is_refused(steps: list[Any], problem: str, tmp_path: Path) -> None:
    assert problem in "\n".join(lines(tmp_path / "b", inference_json(preprocessing=compose(*AS_IT_IS, *steps))))


def channels(keys: list[str], *steps: dict[str, Any]) -> dict[str, Any]:
    return inference_json(network_def=unet_def(in_channels=2), preprocessing=compose(*loading(keys), *steps))


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (channels(["image"], step("ScaleIntensityd")), "several input volumes together"),
        (channels(["image"], step("NormalizeIntensityd", nonzero=True)), "several input volumes together"),
        (channels(["a", "b"], step("ScaleIntensityd", keys="a")), "treats the input volumes differently"),
        (channels(["a", "b"], {"_target_": "ConcatItemsd", "keys": ["b", "a"], "name": "c"}), "in their order"),
    ],
)
def test_several_inputs_that_are_not_treated_alike_are_refused(config: Any, problem: str, tmp_path: Path) -> None:
    assert problem in "\n".join(lines(tmp_path / "b", config))


AFTER: list[tuple[tuple[Any, ...], str]] = [
    ((activation(), invert()), "without deciding labels"),
    ((), "without deciding labels"),
    ((activation("sigmoid"), invert(), decide()), "largest of interpolated sigmoid"),
    ((activation(), decide(threshold=0.5)), "threshold of softmax"),
    ((activation("sigmoid"), decide(threshold=1.5)), "every voxel or none"),
    ((decide(argmax=True, threshold=0.5),), "by argmax or by a threshold"),
    ((decide(), decide()), "by argmax or by a threshold"),
    ((decide(rounding="torchrounding", argmax=True),), "rounding"),
    (({**activation(), "sigmoid": True}, decide()), "something else than the network's output"),
    ((activation(), activation(), decide()), "something else than the network's output"),
    (({**activation(), "other": "$lambda x: x"}, decide()), "is code"),
    ((invert(), invert(), decide()), "a second time"),
    ((invert(post_func="$lambda x: x"), decide()), "is code"),
    ((invert(transform="@postprocessing"), decide()), "is not the preprocessing"),
    ((invert(transform="@inferer"), decide()), "is not the preprocessing"),
    ((step("KeepLargestConnectedComponentd", "pred", applied_labels=[1]), decide()), "is not label numbers"),
    ((decide(), step("KeepLargestConnectedComponentd", "pred", applied_labels=[0])), "is not label numbers"),
    (
        (decide(), step("KeepLargestConnectedComponentd", "pred", applied_labels=[1, 2], independent=False)),
        "independent",
    ),
    ((decide(), step("KeepLargestConnectedComponentd", "pred", applied_labels=1, connectivity=1)), "connectivity"),
    ((decide(), step("KeepLargestConnectedComponentd", "pred", applied_labels=1, num_components=2)), "num_components"),
    ((decide(), step("FillHolesd", "pred")), "is not a class"),
    ((decide(), step("Lambdad", "pred", func="$lambda x: x * 0")), "is code"),
    ((decide(), save(scale=255)), "scale"),
]


@pytest.mark.parametrize(("steps", "problem"), AFTER)
def test_postprocessing_that_is_not_read_is_refused(steps: tuple[Any, ...], problem: str, tmp_path: Path) -> None:
    found = lines(tmp_path / "b", inference_json(postprocessing=compose(*steps)))
    assert len(found) == 1 and problem in found[0], found


@pytest.mark.parametrize(
    ("inferer", "problem"),
    [
        ({"_target_": "SaliencyInferer"}, "is not a class of monai.inferers"),
        ({"_target_": "scripts.SlidingWindowInferer", "roi_size": 16}, "is not a class of monai.inferers"),
        ({"_target_": "SlidingWindowInferer"}, "roi_size"),
        ({"_target_": "SlidingWindowInferer", "roi_size": [16, 16]}, "3 positive numbers"),
        ({"_target_": "SlidingWindowInferer", "roi_size": [16, 16, -1]}, "3 positive numbers"),
        ({"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 16.5]}, "size in voxels"),
        ({"_target_": "SlidingWindowInferer", "roi_size": 16, "overlap": 1.0}, "fraction below 1"),
        ({"_target_": "SlidingWindowInferer", "roi_size": 16, "overlap": [0.5, 0.25, 0.5]}, "fraction below 1"),
        ({"_target_": "SlidingWindowInferer", "roi_size": 16, "padding_mode": "circular"}, "padding_mode"),
        ({"_target_": "SlidingWindowInferer", "roi_size": 16, "mode": "hann"}, "mode"),
        ({"_target_": "SlidingWindowInferer", "roi_size": 16, "process_fn": "$print"}, "'process_fn' is not read"),
        ({"_target_": "SlidingWindowInferer", "roi_size": 16, "with_coord": True}, "with_coord"),
        ({"_target_": "SliceInferer", "roi_size": [16, 16]}, "3 spatial axes"),
        ({"_target_": "SimpleInferer", "x": 1}, "'x' is not read"),
        ("$print", "is not a name"),
        ([1], "is not an inferer"),
    ],
)
def test_an_inferer_that_is_not_read_is_refused(inferer: Any, problem: str, tmp_path: Path) -> None:
    found = lines(tmp_path / "b", inference_json(inferer=inferer))
    assert len(found) == 1 and problem in found[0], found


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        ("$monai.networks.nets.UNet(spatial_dims=3)", "calls monai.networks.nets.UNet"),
        ({"_target_": "torch.nn.Sequential"}, "is not a class of monai.networks.nets"),
        ({"_target_": "monai.bundle.ConfigParser"}, "is not a class of monai.networks.nets"),
        ({"_target_": "monai.networks.netsx.UNet"}, "is not a class of monai.networks.nets"),
        ({"_target_": "SegResNetVAE"}, "is not a class of monai.networks.nets"),
        (unet_def(act={"_target_": "torch.nn.ReLU"}), "is not plain data"),
        (unet_def(act="$torch.nn.ReLU"), "is not a name"),
        (unet_def(in_channels=0), "is not a number of channels"),
        (unet_def(out_channels="many"), "is not a number of channels"),
        (unet_def(dimensions=2), "is not the same"),
        ({"_target_": "DiNTS", "in_channels": 1, "num_classes": 2, "dints_space": 5}, "is not a TopologyInstance"),
        ({"_target_": "DiNTS", "dints_space": {"_target_": "scripts.Space"}}, "scripts.Space"),
        (5, "is not a network"),
    ],
)
def test_a_network_that_is_not_read_is_refused(network: Any, problem: str, tmp_path: Path) -> None:
    assert problem in lines(tmp_path / "b", inference_json(network_def=network))[0]


SLIDING = {"_target_": "SlidingWindowInferer", "roi_size": 16}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"network_def": unet_def(in_channels=-1)}, Code.MODEL_INVALID),
        ({"network_def": unet_def(out_channels=0)}, Code.MODEL_INVALID),
        ({"inferer": {**SLIDING, "sw_batch_size": -4}}, Code.MODEL_INVALID),
        ({"inferer": {**SLIDING, "sw_batch_size": 1.5}}, Code.MODEL_INVALID),
        ({"inferer": {**SLIDING, "overlap": -0.25}}, Code.MODEL_INVALID),
        ({"inferer": {**SLIDING, "overlap": [0.25, 0.25, 1.5]}}, Code.MODEL_INVALID),
        ({"inferer": {**SLIDING, "overlap": [0.25, 0.25, 0.5]}}, Code.MODEL_UNTRUSTED),
        ({"inferer": {**SLIDING, "roi_size": [16, 16, 16.5]}}, Code.MODEL_INVALID),
        ({"inferer": {**SLIDING, "roi_size": "large"}}, Code.MODEL_INVALID),
        ({"inferer": {**SLIDING, "roi_size": [16, 16, -1]}}, Code.MODEL_UNTRUSTED),  # the whole axis, in MONAI
        ({"preprocessing": compose(*AS_IT_IS, step("Spacingd", pixdim=[1, 1, -1]))}, Code.MODEL_UNTRUSTED),  # as it is
        ({"preprocessing": compose(*AS_IT_IS, step("ScaleIntensityd", minv="a"))}, Code.MODEL_INVALID),
        (
            {
                "preprocessing": compose(
                    *AS_IT_IS, step("ScaleIntensityRangePercentilesd", lower=-1, upper=99, b_min=0, b_max=1)
                )
            },
            Code.MODEL_INVALID,
        ),
    ],
)
def test_a_number_that_monai_could_not_take_either_is_invalid_and_no_question_of_trust(
    changes: dict[str, Any], code: Code, tmp_path: Path
) -> None:
    with pytest.raises(MedDLError) as caught:
        open_model(write_bundle(tmp_path / "b", inference_json(**changes), NETWORK))
    assert caught.value.code is code, caught.value
    assert "inference.json: " in caught.value.message


@pytest.mark.parametrize("argument", ["prepare_batch", "iteration_update", "hyper_kwargs", "decollate"])
def test_an_evaluator_that_is_told_to_work_otherwise_is_refused(argument: str, tmp_path: Path) -> None:
    config = inference_json()
    config["evaluator"][argument] = False
    assert f"evaluator::{argument}" in lines(tmp_path / "b", config)[0]


def test_an_evaluator_that_is_told_what_it_does_anyway_is_read(tmp_path: Path) -> None:
    config = inference_json()
    config["evaluator"] |= {"decollate": True, "prepare_batch": None}
    assert lines(tmp_path / "b", config) == []


def without(*ids: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda config: {key: value for key, value in config.items() if key not in ids}


@pytest.mark.parametrize("missing", [("network_def", "network"), ("postprocessing", "evaluator")])
def test_a_bundle_without_what_is_needed_is_refused(missing: tuple[str, ...], tmp_path: Path) -> None:
    assert lines(tmp_path / "b", without(*missing)(inference_json()))


@pytest.mark.parametrize("path", ["/etc/passwd", "$@bundle_root + '/../../x.pt'", "C:\\x.pt"])
def test_weights_outside_the_bundle_are_refused(path: str, tmp_path: Path) -> None:
    loader = {"_target_": "CheckpointLoader", "load_path": path, "load_dict": {"model": "@network"}}
    folder = write_bundle(tmp_path / "b", inference_json(checkpointloader=loader), NETWORK)
    with pytest.raises(MedDLError) as caught:
        open_model(folder)
    assert caught.value.code is Code.MODEL_INVALID and "outside" in caught.value.message


def test_weights_that_are_torchscript_are_not_opened(tmp_path: Path) -> None:
    from MedDLCore.models import load_networks

    folder = write_bundle(tmp_path / "b", inference_json(), NETWORK)
    torch.jit.save(torch.jit.trace(NETWORK, torch.zeros(1, 1, 4, 4, 4)), folder / "models" / "model.pt")
    with pytest.raises(MedDLError) as caught:
        load_networks(open_model(folder))
    assert caught.value.code is Code.MODEL_UNSAFE


def test_a_configuration_is_not_changed_by_reading_it() -> None:
    from MedDLCore.models.monai_bundle.config import Config

    raw = inference_json()
    before = copy.deepcopy(raw)
    config = Config("inference.json", raw, Path())
    assert config["preprocessing"].target == "Compose"
    assert raw == before
