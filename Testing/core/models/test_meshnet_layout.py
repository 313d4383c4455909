"""Models as brainchop publishes them: model.json, colormap.json, model.pth."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from fixtures.packages import layer
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import load_networks, open_model
from MedDLCore.models.anatomy import coded
from MedDLCore.models.catalogue import catalogue
from MedDLCore.spec import Grid, Percentiles

LAYERS = [layer(1, 4, 3), layer(4, 4, 3, dilation=2), layer(4, 3)]
NAMES = ["background", "one", "two"]
COLORS = {"R": [0, 255, 205], "G": [0, 250, 62], "B": [0, 245, 78]}


def model_folder(folder: Path, colormap: Any = None, **description: Any) -> Path:
    folder.mkdir(parents=True)
    content = {"header": "A test", "bnorm": False, "dropout_p": 0, "bias": True, "layers": LAYERS, **description}
    (folder / "model.json").write_text(json.dumps(content))
    if colormap is not None:
        (folder / "colormap.json").write_text(json.dumps(colormap))
    generator = torch.Generator().manual_seed(2)
    state = {}
    for n, item in enumerate(LAYERS):
        k = item["kernel_size"]
        state[f"model.{2 * n}.weight"] = torch.randn(
            item["out_channels"], item["in_channels"], k, k, k, generator=generator
        )
        state[f"model.{2 * n}.bias"] = torch.randn(item["out_channels"], generator=generator)
    save_file(state, folder / "model.pth")
    return folder


def forward_by_hand(folder: Path, image: torch.Tensor) -> torch.Tensor:
    """The network as model.json describes it, with torch's functions and nothing of ours."""
    description = json.loads((folder / "model.json").read_text())
    state = load_file(folder / "model.pth")
    layers = description["layers"]
    for n, item in enumerate(layers):
        image = functional.conv3d(
            image,
            state[f"model.{2 * n}.weight"],
            state[f"model.{2 * n}.bias"],
            padding=item["padding"],
            dilation=item["dilation"],
        )
        if n < len(layers) - 1:
            image = functional.elu(image) if description.get("elu") else functional.relu(image)
    return image


def refused(folder: Path) -> str:
    with pytest.raises(MedDLError) as caught:
        open_model(folder)
    assert caught.value.code is Code.MODEL_INVALID
    return caught.value.message


@pytest.mark.parametrize("elu", [False, True])
def test_a_model_is_read_and_computes_what_its_description_says(tmp_path: Path, elu: bool) -> None:
    folder = model_folder(tmp_path / "my model", {"labels": NAMES, **COLORS}, elu=elu)
    package = open_model(folder)
    assert package.notices == ()
    assert package.spec.name == "my_model"
    assert [(label.value, label.name, label.color) for label in package.spec.labels] == [
        (1, "one", (255, 250, 245)),
        (2, "two", (205, 62, 78)),
    ]
    assert package.spec.grid == Grid(
        orientation="LIA", spacing=(1.0, 1.0, 1.0), shape=(256, 256, 256), straight=True, interpolation="cubic"
    )
    assert package.spec.intensity == (Percentiles(0.0, 100.0),)
    assert package.spec.inference.patch is None
    image = torch.rand(1, 1, 12, 13, 14)
    with torch.inference_mode():
        assert torch.equal(load_networks(package)[0](image), forward_by_hand(folder, image))


@pytest.mark.parametrize("colormap", [None, {"labels": ["background", "brain"], "R": [0, 1], "G": [0, 0], "B": [0, 0]}])
def test_classes_that_the_colormap_does_not_name_are_numbered_with_a_warning(tmp_path: Path, colormap: Any) -> None:
    package = open_model(model_folder(tmp_path / "m", colormap))
    assert [label.name for label in package.spec.labels] == ["class 1", "class 2"]
    assert [notice.code for notice in package.notices] == [Code.MODEL_LABELS]


@pytest.mark.parametrize(
    ("colormap", "description", "problem"),
    [
        ({"labels": "abc", **COLORS}, {}, "labels"),
        ({"labels": NAMES, **COLORS, "R": [0, 256, 1]}, {}, "R, G, B"),
        ({"labels": NAMES, **COLORS, "B": [0, 1]}, {}, "R, G, B"),
        (None, {"swish": True}, "swish"),
        (None, {"layers": []}, "layers"),
        (None, {"layers": [{"in_channels": 1}]}, "out_channels"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(
    tmp_path: Path, colormap: Any, description: dict[str, Any], problem: str
) -> None:
    assert problem in refused(model_folder(tmp_path / "m", colormap, **description))


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    (folder / "model.pth").unlink()
    assert "model.pth" in refused(folder)


def test_weights_with_batch_normalisation_are_not_taken_for_weights_without(tmp_path: Path) -> None:
    with pytest.raises(MedDLError) as caught:
        load_networks(open_model(model_folder(tmp_path / "m", bnorm=True)))
    assert caught.value.code is Code.MODEL_INVALID


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "entry", "classes"),
    [("brainchop_model5_gw_ae", "brain-tissue-t1", 3), ("brainchop_model30chan50cls", "brain-structures-t1", 50)],
)
def test_the_published_networks_are_known_by_their_weights(
    shared_models: Path, name: str, entry: str, classes: int
) -> None:
    package = open_model(shared_models / name)
    assert package.spec.labels == coded(catalogue()[entry].spec.labels)
    assert package.spec.intensity == catalogue()[entry].spec.intensity
    assert package.notices == ()
    image = torch.rand(1, 1, 32, 32, 32)
    with torch.inference_mode():
        got = load_networks(package)[0](image)
        wanted = forward_by_hand(shared_models / name, image)
    assert got.shape == (1, classes, 32, 32, 32)
    assert torch.allclose(got, wanted, rtol=0, atol=1e-5)


@pytest.mark.shared
def test_a_published_network_with_other_weights_is_not_named_by_the_wrong_colormap(
    shared_models: Path, tmp_path: Path
) -> None:
    source = shared_models / "brainchop_model5_gw_ae"
    for file in ("model.json", "colormap.json"):
        (tmp_path / file).write_bytes((source / file).read_bytes())
    state = load_file(source / "model.pth")
    save_file({key: tensor * 1.01 for key, tensor in state.items()}, tmp_path / "model.pth")
    package = open_model(tmp_path)
    assert [label.name for label in package.spec.labels] == ["class 1", "class 2"]
    assert re.search("names 2 classes; the network has 3", package.notices[0].message)
