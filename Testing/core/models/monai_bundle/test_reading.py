"""From a bundle to the model that MedDL runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from torch import nn

from fixtures.monai_bundles import (
    activation,
    compose,
    decide,
    inference_json,
    invert,
    lively,
    loading,
    phantom,
    placing,
    save,
    unet_def,
    window,
    write_bundle,
)
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, load_networks, open_model, pack
from MedDLCore.models.networks import build_network
from MedDLCore.spec import CleanUp, Foreground, Grid, Inference, ModelSpec, Network, Percentiles, Scale, Window, ZScore
from MedDLCore.spec_rules import LONGEST_LINE

NETWORK = nn.Conv3d(1, 4, 1)


def spec_of(folder: Path, config: dict[str, Any] | str, **metadata: Any) -> ModelSpec:
    return open_model(write_bundle(folder, config, NETWORK, **metadata)).spec


def test_a_bundle_becomes_a_model_with_everything_that_it_says_about_itself(tmp_path: Path) -> None:
    package = open_model(write_bundle(tmp_path / "any name", inference_json(), NETWORK))
    spec = package.spec
    assert package.notices == ()
    assert (spec.name, spec.title, spec.version) == ("random_phantom_network", "Random phantom network", "0.1.0")
    assert spec.description == "A random network."
    assert (spec.licence, spec.citation, spec.source) == ("MIT", "A reference, 2024.", "A phantom's author")
    assert spec.measured == {"mean_dice": 0.1}
    assert [(channel.name, channel.modality) for channel in spec.channels] == [("image", "CT")]
    assert [(label.value, label.name) for label in spec.labels] == [(1, "liver"), (2, "spleen"), (3, "left kidney")]
    assert len({label.color for label in spec.labels}) == 3
    assert spec.weights[0].file == "models/model.pt" and len(spec.weights[0].sha256 or "") == 64
    assert spec.grid == Grid(orientation="RAS", spacing=(1.5, 1.5, 2.0), rule="first_voxel")
    assert spec.intensity == (Window(-150, 250, 0, 1),)
    assert (spec.statistics, spec.steps_on_scan, spec.foreground) == ("grid", 0, None)
    assert spec.inference == Inference(
        patch=(16, 16, 16), overlap=0.5, windows="stepped", weighting="constant", batch=2
    )
    assert (spec.output.activation, spec.output.interpolate, spec.output.threshold) == ("softmax", "probabilities", 0.5)
    assert spec.clean_up == CleanUp()
    assert ModelSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"_target_": "NormalizeIntensityd"}, ZScore()),
        ({"_target_": "NormalizeIntensityd", "nonzero": "True", "channel_wise": True}, ZScore(nonzero=True)),
        ({"_target_": "NormalizeIntensityd", "subtrahend": 50, "divisor": 200}, Scale(0.005, -0.25)),
        ({"_target_": "ScaleIntensityd"}, Percentiles(0, 100, 0, 1, clip=False)),
        ({"_target_": "ScaleIntensityd", "minv": -1.0}, Percentiles(0, 100, -1, 1, clip=False)),
        ({"_target_": "ScaleIntensityd", "factor": -0.5}, Scale(0.5)),
        ({"_target_": "ScaleIntensityRanged", "a_min": 0, "a_max": 10, "b_min": 0, "b_max": 5}, Scale(0.5)),
        ({"_target_": "ScaleIntensityRanged", "a_min": 5, "a_max": 10}, Scale(0.2, -1.0)),
        (
            {
                "_target_": "ScaleIntensityRangePercentilesd",
                "lower": 1,
                "upper": 99,
                "b_min": 0,
                "b_max": 1,
                "clip": True,
            },
            Percentiles(1, 99, 0, 1),
        ),
        ({"_target_": "ShiftIntensityd", "offset": 1024}, Scale(1, 1024)),
        ({"_target_": "monai.transforms.ScaleIntensityD"}, Percentiles(0, 100, 0, 1, clip=False)),
        (
            {"_target_": "monai.transforms.intensity.dictionary.ScaleIntensityDict"},
            Percentiles(0, 100, 0, 1, clip=False),
        ),
        ({"_target_": "ScaleIntensity"}, Percentiles(0, 100, 0, 1, clip=False)),
    ],
)
def test_an_intensity_transform_becomes_a_step(step: dict[str, Any], expected: Any, tmp_path: Path) -> None:
    config = inference_json(preprocessing=compose(*loading(), {"keys": "image", **step}))
    spec = spec_of(tmp_path / "b", config)
    assert spec.intensity == (expected,)
    assert spec.statistics == "scan"  # nothing was resampled
    assert (spec.grid.orientation, spec.grid.transpose) == (None, (2, 1, 0))  # MONAI's axes are i, j, k


def test_steps_before_the_spacing_are_steps_on_the_scan(tmp_path: Path) -> None:
    zscore = {"_target_": "NormalizeIntensityd", "keys": "image"}
    config = inference_json(preprocessing=compose(*loading(), window(), *placing(), zscore))
    spec = spec_of(tmp_path / "b", config)
    assert (len(spec.intensity), spec.steps_on_scan, spec.statistics) == (2, 1, "grid")


def test_the_foreground_is_cut_after_the_steps_before_it(tmp_path: Path) -> None:
    cut = {"_target_": "CropForegroundd", "keys": "image", "source_key": "image", "select_fn": "$lambda x: x > -500"}
    cut |= {"margin": 4, "allow_smaller": True}
    config = inference_json(preprocessing=compose(*loading(), *placing(), cut, window()))
    assert spec_of(tmp_path / "b", config).foreground == Foreground(above=-500, steps=0, margin=4)


def test_a_label_among_the_keys_is_left_alone(tmp_path: Path) -> None:
    keys = ["image", "label"]
    respacing = {"_target_": "Spacingd", "keys": "image", "pixdim": 2, "mode": ["bilinear"]}
    only_labels = {"_target_": "AsDiscreted", "keys": "label", "to_onehot": 2}
    shift = {"_target_": "ShiftIntensityd", "keys": "label", "offset": 1}
    config = inference_json(
        preprocessing=compose(*loading(keys), respacing, shift),
        postprocessing=compose(activation(), invert(), decide(), only_labels, save(), save(keys="label")),
    )
    spec = spec_of(tmp_path / "b", config)
    assert spec.grid.spacing == (2, 2, 2) and spec.intensity == ()


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((activation(), invert(), decide()), ("softmax", "probabilities", 0.5)),
        ((invert(), activation(), decide()), ("softmax", "logits", 0.5)),
        ((invert(), decide()), ("softmax", "logits", 0.5)),
        ((activation(), decide(), invert(nearest=True)), ("softmax", "labels", 0.5)),
        ((activation(), invert(nearest=True), decide()), ("softmax", "labels", 0.5)),
        ((decide(), invert(nearest=True)), ("softmax", "labels", 0.5)),
        ((activation("sigmoid"), invert(), decide(threshold=0.3)), ("sigmoid", "probabilities", 0.3)),
        ((invert(), activation("sigmoid"), decide(threshold=0.3)), ("sigmoid", "logits", 0.3)),
        ((invert(), decide(threshold=0.0)), ("sigmoid", "logits", 0.5)),
    ],
)
def test_what_is_brought_back_is_what_the_bundle_brings_back(
    steps: tuple[Any, ...], expected: tuple[str, str, float], tmp_path: Path
) -> None:
    output = spec_of(tmp_path / "b", inference_json(postprocessing=compose(*steps, save()))).output
    assert (output.activation, output.interpolate, output.threshold) == expected


@pytest.mark.parametrize(
    ("steps", "grid"),
    [((decide(), "largest", invert(nearest=True)), "network"), ((invert(), decide(), "largest"), "scan")],
)
def test_clean_up_is_on_the_grid_that_the_bundle_has_then(steps: Any, grid: Any, tmp_path: Path) -> None:
    largest = {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [1, 3]}
    chosen = (largest if step == "largest" else step for step in steps)
    spec = spec_of(tmp_path / "b", inference_json(postprocessing=compose(*chosen, save())))
    assert spec.clean_up == CleanUp(keep_largest=(1, 3), grid=grid)


@pytest.mark.parametrize(
    ("saving", "told"),
    [
        ({"resample": False}, True),
        ({}, True),
        ({"resample": True, "mode": "nearest"}, False),
        ({"resample": True, "mode": "bilinear"}, True),  # numbers between those of the labels
    ],
)
def test_a_result_that_the_bundle_leaves_on_its_grid_is_brought_back_and_told(
    saving: dict[str, Any], told: bool, tmp_path: Path
) -> None:
    config = inference_json(postprocessing=compose(activation(), decide(), save(**saving)))
    package = open_model(write_bundle(tmp_path / "b", config, NETWORK))
    assert package.spec.output.interpolate == "labels"
    assert [notice.code for notice in package.notices] == [Code.MODEL_ADAPTED] * told


IN_OUT = {"in_channels": 1, "out_channels": 4}
IN_3D = {**IN_OUT, "spatial_dims": 3}
EFFICIENT = {"backbone": "efficientnet-b0"}


@pytest.mark.parametrize(
    ("written", "network"),
    [
        (
            {"_target_": "SwinUNETR", "img_size": 96, **IN_OUT, "use_checkpoint": True},
            Network("SwinUNETR", IN_OUT),
        ),
        (
            {"_target_": "monai.networks.nets.UNETR", **IN_OUT, "img_size": [32] * 3, "pos_embed": "conv"},
            Network("UNETR", {**IN_OUT, "img_size": [32] * 3, "proj_type": "conv"}),
        ),
        (
            {"_target_": "BasicUnet", "dimensions": 3, "out_channels": 4},
            Network("BasicUNet", {"spatial_dims": 3, "out_channels": 4}),
        ),
        (
            {"_target_": "monai.networks.nets.flexible_unet.FlexUNet", **IN_3D, **EFFICIENT, "pretrained": True},
            Network("FlexibleUNet", {**IN_3D, **EFFICIENT}),
        ),
    ],
)
def test_arguments_of_older_versions_of_monai_are_brought_up_to_date(
    written: dict[str, Any], network: Network, tmp_path: Path
) -> None:
    spec = spec_of(tmp_path / "b", inference_json(network_def=written))
    assert spec.network == network
    build_network(spec.network, "meta")


def test_a_whole_volume_is_padded_to_what_the_network_can_take(tmp_path: Path) -> None:
    config = inference_json(inferer={"_target_": "SimpleInferer"})
    inference = spec_of(tmp_path / "b", config).inference
    assert (inference.patch, inference.divisor) == (None, 4)


def test_names_that_the_metadata_lack_are_numbered_with_a_warning(tmp_path: Path) -> None:
    package = open_model(write_bundle(tmp_path / "b", inference_json(), NETWORK, classes=("background", "liver")))
    assert [label.name for label in package.spec.labels] == ["liver", "class 2", "class 3"]
    assert [notice.code for notice in package.notices] == [Code.MODEL_LABELS]


def test_a_background_that_is_not_the_first_of_exclusive_classes_is_refused(tmp_path: Path) -> None:
    """The first structure vanished, and one named background got a volume."""
    folder = write_bundle(
        tmp_path / "b", inference_json(), NETWORK, classes=("liver", "spleen", "left kidney", "background")
    )
    with pytest.raises(MedDLError, match="channel 3 the background"):
        open_model(folder)


def test_a_channel_for_the_background_among_overlapping_structures_is_no_structure(tmp_path: Path) -> None:
    config = inference_json(postprocessing=compose(activation("sigmoid"), invert(), decide(threshold=0.5), save()))
    labels = spec_of(tmp_path / "b", config, names_key="label_def").labels
    assert [(label.value, label.name) for label in labels] == [(2, "liver"), (3, "spleen"), (4, "left kidney")]


def test_a_single_channel_is_named_by_its_value(tmp_path: Path) -> None:
    config = inference_json(
        network_def=unet_def(out_channels=1),
        postprocessing=compose(activation("sigmoid"), invert(), decide(threshold=0.5), save()),
    )
    labels = spec_of(tmp_path / "b", config, classes=("background", "tumor")).labels
    assert [(label.value, label.name) for label in labels] == [(1, "tumor")]


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("\n   Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("Attribution-NonCommercial-ShareAlike 4.0 International", "CC-BY-NC-SA-4.0"),
        ("A licence of our own\nmore", "A licence of our own"),
    ],
)
def test_a_licence_is_recognised_by_how_it_begins(text: str, licence: str, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", inference_json(), NETWORK)
    (folder / "LICENSE").write_text(text)
    assert open_model(folder).spec.licence == licence


@pytest.mark.parametrize("metadata", [{}, {"network_data_format": 5, "name": 3, "references": "x", "eval_metrics": []}])
def test_metadata_that_say_nothing_useful_decide_nothing(metadata: dict[str, Any], tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", inference_json(), NETWORK)
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    package = open_model(folder)
    assert package.spec.name == "monai_bundle" and package.spec.channels[0].modality is None
    assert [label.name for label in package.spec.labels] == ["class 1", "class 2", "class 3"]


def test_line_ends_controls_and_lengths_in_the_metadata_are_no_reason_to_refuse_a_bundle(tmp_path: Path) -> None:
    classes = ("background", "liver\n", "spleen\x1b[2J", "long " * 90)
    folder = write_bundle(tmp_path / "b", inference_json(), NETWORK, classes, inputs=("CT\r\n",))
    about = {"version": "1\n", "references": ["a\nb", "c" * 99_999], "eval_metrics": {"dice\n": "0.9\n", "x" * 999: 1}}
    metadata = json.loads((folder / "configs" / "metadata.json").read_text()) | about | {"description": "long " * 999}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "LICENSE").write_bytes(b"\x1b[2J" + b"our own " * 999)
    spec = open_model(folder).spec
    assert [label.name[:10] for label in spec.labels] == ["liver", "spleen[2J", "long long "]
    assert (spec.version, spec.channels[0].name, spec.measured["dice"]) == ("1", "CT", "0.9")
    assert spec.citation.startswith("a b ccc")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_measurement_that_is_no_number_is_left_out_and_no_reason_to_refuse_a_bundle(
    number: str, tmp_path: Path
) -> None:
    folder = write_bundle(tmp_path / "b", inference_json(), nn.Conv3d(1, 4, 1))
    path = folder / "configs" / "metadata.json"
    metadata = {**json.loads(path.read_text()), "eval_metrics": {"dice": "NUMBER", "distance": 2.5}}
    path.write_text(json.dumps(metadata).replace('"NUMBER"', number))
    assert open_model(folder).spec.measured == {"distance": 2.5}


@pytest.mark.parametrize(
    ("content", "licence"),
    [
        ("MIT License\n\nCopyright".encode("utf-16"), "MIT"),
        ("\ufeffApache License".encode(), "Apache-2.0"),
        ("Lizenz für Müller".encode("latin-1"), "Lizenz fr Mller"),
        (b"\xff\xfe", "of the metadata"),
        (b"\x00" * 3000, "of the metadata"),
        (b"", "of the metadata"),
        ("é".encode() * 1500, "é" * 1000),
    ],
    ids=["UTF-16", "with a mark", "Latin-1", "only a mark", "zeros", "empty", "cut within a character"],
)
def test_a_licence_in_another_encoding_is_no_reason_to_refuse_a_bundle(
    content: bytes, licence: str, tmp_path: Path
) -> None:
    folder = write_bundle(tmp_path / "b", inference_json(), nn.Conv3d(1, 4, 1))
    path = folder / "configs" / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "license": "of the metadata"}))
    (folder / "LICENSE").write_bytes(content)
    assert open_model(folder).spec.licence == licence[:LONGEST_LINE]


def test_a_checkpoint_with_the_state_under_a_name_is_loaded(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", inference_json(), NETWORK)
    network = build_network(open_model(folder).spec.network)
    torch.save({"model": lively(network), "epoch": 3}, folder / "models" / "model.pt")
    (loaded,) = load_networks(open_model(folder))
    assert all(torch.equal(tensor, loaded.state_dict()[key]) for key, tensor in network.state_dict().items())


def test_weights_that_are_missing_are_named(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", inference_json(), NETWORK)
    (folder / "models" / "model.pt").unlink()
    with pytest.raises(MedDLError, match=r"models/model.pt.* is missing"):
        open_model(folder)


def test_weights_that_a_clone_lacks_have_a_place_to_be_had(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", inference_json(), NETWORK)
    (folder / "models" / "model.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    with pytest.raises(MedDLError) as pointer:
        load_networks(open_model(folder))
    assert (pointer.value.code, pointer.value.hint[:8]) == (Code.MODEL_INVALID, "In the c")
    (folder / "models" / "model.pt").unlink()
    (folder / "large_files.yml").write_text("large_files: []\n")
    with pytest.raises(MedDLError) as missing:
        open_model(folder)
    assert "large_files.yml" in missing.value.hint


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_a_bundle_is_added_shown_and_used_like_any_other_model(
    zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "store"))
    source = write_bundle(tmp_path / "bundle", inference_json(), NETWORK)
    torch.save(lively(build_network(open_model(source).spec.network)), source / "models" / "model.pt")
    if zipped:
        pack(source, tmp_path / "bundle.zip")
        source = tmp_path / "bundle.zip"
    scan = phantom(tmp_path / "scan.nii.gz", np.eye(3))

    def meddl(*arguments: object) -> str:
        assert run([str(argument) for argument in arguments]) == 0, capsys.readouterr()
        return capsys.readouterr().out

    meddl("models", "add", source)
    assert [model.name for model in ModelStore().list()] == ["random_phantom_network"]
    assert "left kidney" in meddl("models", "info", "random_phantom_network")
    assert "MIT" in meddl("models", "info", "random_phantom_network")
    meddl("plan", scan, "--model", "random_phantom_network", "--device", "cpu")
    options = ("--device", "cpu", "--format", "nifti", "--no-picture", "--out", tmp_path / "out")
    meddl("segment", scan, "--model", "random_phantom_network", *options)
    (result,) = (tmp_path / "out").rglob("*.nii.gz")
    assert set(np.unique(np.asarray(nibabel.load(result).dataobj))) == {0, 1, 2, 3}
