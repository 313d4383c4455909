"""A folder in the form of MONAIAuto3DSeg's is read as data, and what it cannot say is refused by name."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures.auto3dseg import COLUMNS, EDEMA, KIDNEY, config, write_model
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, load_networks, open_model
from MedDLCore.spec import Channel, Foreground, FromMinimum, Scale, Squash, ZScore
from MedDLCore.volume import Concept

HEADER = ",".join(["LabelValue", "Name", *COLUMNS])


def labelled(folder: Path, *rows: str) -> Path:
    (folder / "labels.csv").write_text("\n".join([HEADER, *rows]))
    return folder


def refused(folder: Path, *words: str, code: Code = Code.MODEL_INVALID) -> str:
    with pytest.raises(MedDLError) as caught:
        open_model(folder)
    assert caught.value.code is code, caught.value
    for word in words:
        assert word in caught.value.message
    return caught.value.message


def test_a_model_is_opened_with_what_its_configuration_says_and_runs(tmp_path: Path) -> None:
    package = open_model(write_model(tmp_path / "abdomen-v2.0.0", config()))
    spec = package.spec
    assert spec.name == "abdomen-v2.0.0" and package.notices == ()
    assert spec.network.name == "SegResNetDS" and spec.output_channels == 4
    assert spec.channels == (Channel("CT", "CT"),)
    assert spec.grid.orientation == "RAS" and spec.grid.spacing == (1.5, 1.5, 2.5) and spec.grid.tolerance == 0.25
    assert spec.intensity == (Scale(1 / 250, 0), Squash("logistic")) and spec.steps_on_scan == 2
    assert spec.foreground == Foreground(margin=10, channel=0, grid="scan", axes="stored")
    assert spec.inference.patch == (16, 16, 16) and spec.inference.overlap == 0.625
    [network] = load_networks(package)
    assert network(torch.zeros(1, 1, 16, 16, 16)).shape == (1, 4, 16, 16, 16)


def test_the_store_takes_its_zip_with_the_files_in_a_folder_or_not(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "published/model", config())
    store = ModelStore(tmp_path / "store")
    for name, root in (("inner", folder.parent), ("outer", folder)):
        archive = shutil.make_archive(str(tmp_path / name), "zip", root)
        assert store.add(Path(archive), name=name).package is not None


def test_line_ends_and_lengths_in_names_are_no_reason_to_refuse_a_model(tmp_path: Path) -> None:
    rows = ['1,"left\nkidney"', "2," + "long " * 90, "3,liver\u202e"]
    settings = config(2, extra_modalities={"T2\n": "mri"})
    spec = open_model(labelled(write_model(tmp_path / "-m", settings), *rows)).spec
    assert [label.name[:11] for label in spec.labels] == ["left kidney", "long long l", "liver"]
    assert spec.channels[1].name == "T2"
    assert spec.name == "m"


def test_labels_have_the_codes_of_the_table(tmp_path: Path) -> None:
    rows = [f"2,kidney_left,{KIDNEY}", f"1,,{EDEMA}", "3,something else"]
    first, second, third = open_model(labelled(write_model(tmp_path / "m", config()), *rows)).spec.labels
    assert (first.value, first.name) == (1, "Edema") and (second.value, second.name) == (2, "kidney_left")
    assert first.terminology is not None and first.terminology.region == Concept("12738006", "SCT", "Brain")
    assert second.terminology is not None and second.terminology.modifier == Concept("7771000", "SCT", "Left")
    assert third.name == "something else" and third.terminology is None
    assert len({label.color for label in (first, second, third)}) == 3


def test_a_class_that_the_table_leaves_out_is_numbered_with_a_warning(tmp_path: Path) -> None:
    package = open_model(labelled(write_model(tmp_path / "m", config()), "1,a", "3,c"))
    assert [label.name for label in package.spec.labels] == ["a", "class 2", "c"]
    assert [notice.code for notice in package.notices] == [Code.MODEL_LABELS]


@pytest.mark.parametrize(
    "rows", [["4,too many"], ["0,background"], ["x,y"], ["1,a", "1,b"], ["-1,a"], ["99999999999,a"]]
)
def test_a_table_of_labels_that_is_not_the_networks_is_refused_with_its_line(tmp_path: Path, rows: list[str]) -> None:
    refused(labelled(write_model(tmp_path / "m", config()), *rows), "labels.csv, line", "LabelValue")


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", config())
    (folder / "labels.csv").write_bytes(b"\xff\xfe\x00")
    refused(folder, "labels.csv")
    (folder / "labels.csv").write_text('LabelValue,Name\n1,"' + "x" * 200_000)
    refused(folder, "labels.csv")
    (folder / "labels.csv").write_bytes(b"\n" * (1 << 23))
    refused(folder, "larger")


@pytest.mark.parametrize(
    ("mode", "steps"),
    [
        ("none", ()),
        ("ct", (Scale(1 / 250, 0), Squash("logistic"))),
        ("mri", (ZScore(nonzero=True),)),
        ("meanstd", (ZScore(nonzero=True),)),
        ("meanstdtanh", (ZScore(nonzero=True), Squash("tanh3"))),
        ("pet", (FromMinimum(), Squash("logistic"))),
    ],
)
def test_each_mode_has_its_steps(tmp_path: Path, mode: str, steps: tuple[Any, ...]) -> None:
    assert open_model(write_model(tmp_path / "m", config(normalize_mode=mode))).spec.intensity == steps


def test_inputs_have_names_and_modes_of_their_own(tmp_path: Path) -> None:
    settings = config(2, 3, modality="MRI", normalize_mode="meanstd", extra_modalities={"adc": "range"})
    spec = open_model(write_model(tmp_path / "m", settings)).spec
    assert [channel.name for channel in spec.channels] == ["image", "adc"]
    assert {channel.modality for channel in spec.channels} == {"MR"}
    assert spec.intensity_of(0) == (ZScore(nonzero=True),) and isinstance(spec.intensity_of(1)[0], Scale)
    assert spec.foreground is not None and spec.foreground.steps == 1 and spec.steps_on_scan == 2


@pytest.mark.parametrize("regions", [[[1, 2, 3], [1, 3], [3]], [[1, 2, 4], [1, 4], [4]], None])
def test_three_regions_are_painted_as_brats(tmp_path: Path, regions: Any) -> None:
    spec = open_model(write_model(tmp_path / "m", config(4, 3, sigmoid=True, class_index=regions))).spec
    assert spec.output.activation == "regions" and spec.output.paint == (2, 1, 3)
    assert spec.statistics == "grid" and spec.steps_on_scan == 0
    assert spec.foreground is not None and spec.foreground.channel is None and spec.foreground.axes == "turned"


def test_other_regions_are_painted_with_the_label_that_is_theirs_alone(tmp_path: Path) -> None:
    settings = config(1, 2, sigmoid=True, class_index=[[1, 2], [2]])
    assert open_model(write_model(tmp_path / "m", settings)).spec.output.paint == (1, 2)


@pytest.mark.parametrize(
    "regions", [None, [[1], [2]], [[1, 2], [1, 2]], [[1, 2, 3], [3]], [[1, 2]], "ab", [["a", "b"], ["b"]]]
)
def test_regions_that_are_not_one_within_the_other_are_refused(tmp_path: Path, regions: Any) -> None:
    refused(write_model(tmp_path / "m", config(1, 2, sigmoid=True, class_index=regions)), "class_index")


def changed(tmp_path: Path, change: dict[str, Any], network: dict[str, Any] | None = None) -> Path:
    """A model whose configuration alone is another than its weights were made with."""
    folder = write_model(tmp_path / "m", config())
    checkpoint = torch.load(folder / "model.pt", weights_only=True)
    checkpoint["config"].update(change)
    checkpoint["config"]["network"].update(network or {})
    torch.save(checkpoint, folder / "model.pt")
    return folder


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("normalize_mode", "quantile"),
        ("normalize_mode", None),
        ("normalize_mode", 3),
        ("intensity_bounds", None),
        ("intensity_bounds", [1.0, 1.0]),
        ("intensity_bounds", [1.0, float("nan")]),
        ("intensity_bounds", [1.0, "2"]),
        ("roi_size", [16, 16]),
        ("roi_size", [16, 16, 16.5]),
        ("roi_size", None),
        ("resample_resolution", [1, 1]),
        ("orientation_ras", "yes"),
        ("crop_foreground", 1),
        ("sigmoid", "no"),
        ("extra_modalities", {"adc": "range"}),
        ("extra_modalities", [1]),
        ("network", "SegResNet"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(tmp_path: Path, key: str, value: Any) -> None:
    if key == "network":
        folder = write_model(tmp_path / "m", config())
        checkpoint = torch.load(folder / "model.pt", weights_only=True)
        checkpoint["config"]["network"] = value
        torch.save(checkpoint, folder / "model.pt")
    else:
        folder = changed(tmp_path, {key: value})
    refused(folder, key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("_target_", "os.system"),
        ("_target_", "monai.networks.nets.UNet"),
        ("_target_", "$__import__('os')"),
        ("_target_", None),
        ("_requires_", ["$import os"]),
        ("init_filters", "$8"),
        ("blocks_down", ["@levels", 2]),
        ("act", ["relu", {"inplace": "$True"}]),
        ("norm", [[[[[[[["deep"]]]]]]]]),
        ("in_channels", "1"),
        ("out_channels", True),
        ("out_channels", 1),
        ("out_channels", 10**9),
    ],
)
def test_code_and_other_networks_in_the_configuration_are_refused(tmp_path: Path, key: str, value: Any) -> None:
    refused(changed(tmp_path, {}, {key: value}), key)


def test_a_list_that_holds_itself_is_refused(tmp_path: Path) -> None:
    endless: list[Any] = ["relu"]
    endless.append(endless)
    refused(changed(tmp_path, {}, {"act": endless}), "act")


def test_nvfusers_norm_is_the_plain_one(tmp_path: Path) -> None:
    package = open_model(changed(tmp_path, {}, {"norm": "INSTANCE_NVFUSER"}))
    assert package.spec.network.arguments["norm"] == "INSTANCE" and load_networks(package)


def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", config())
    torch.save({"a": torch.zeros(1)}, folder / "model.pt")
    refused(folder, "no checkpoint of Auto3DSeg")
    (folder / "model.pt").unlink()
    refused(folder, "labels.csv is there, but no model.pt")


def test_a_checkpoint_that_runs_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    folder = write_model(tmp_path / "m", config())
    checkpoint = torch.load(folder / "model.pt", weights_only=True)
    torch.save({**checkpoint, "config": Evil()}, folder / "model.pt")
    refused(folder, "model.pt", code=Code.MODEL_UNSAFE)
    (folder / "model.pt").write_bytes(pickle.dumps(Evil()))
    refused(folder, "model.pt", code=Code.MODEL_UNSAFE)
    assert not (tmp_path / "ran").exists()
