"""What a description says of its network is compared with the network before the model is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from core.models.test_networks import EXAMPLES
from fixtures.packages import layer, threshold_package, threshold_spec
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, load_networks, loading, open_model, write_package
from MedDLCore.models.networks import build_network, check_outputs
from MedDLCore.spec import Grid, Inference, ModelSpec, Network, Output
from MedDLCore.volume import Label


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


def labels(*values: int) -> tuple[Label, ...]:
    return tuple(Label(value, f"structure {value}", (1, 2, 3)) for value in values)


def refused(action: Any, *arguments: Any) -> str:
    with pytest.raises(MedDLError) as caught:
        action(*arguments)
    assert caught.value.code is Code.MODEL_INVALID, caught.value
    return caught.value.message


def test_a_label_beyond_the_networks_outputs_is_refused_when_the_model_is_added(
    store: ModelStore, tmp_path: Path
) -> None:
    package = threshold_package(tmp_path / "m", labels=labels(1, 7))
    message = refused(store.add, package.folder)
    assert "2 channels" in message
    assert "up to 7 ('structure 7'), need 8" in message
    assert store.list() == []
    refused(load_networks, package)  # a model that was put into the store by hand


@pytest.mark.parametrize(("values", "fits"), [((1, 2), True), ((1, 3), False)])
def test_with_sigmoid_each_label_has_a_channel_of_its_own(
    store: ModelStore, tmp_path: Path, values: tuple[int, ...], fits: bool
) -> None:
    folder = threshold_package(tmp_path / "m", labels=labels(*values), output=Output("sigmoid")).folder
    if fits:
        assert store.add(folder).package is not None
    else:
        assert "with sigmoid" in refused(store.add, folder)


def test_more_outputs_than_labels_are_allowed(store: ModelStore, tmp_path: Path) -> None:
    spec = threshold_spec(network=Network("MeshNet", {"layers": [layer(1, 9)]}))
    weights = {"model.0.weight": torch.zeros(9, 1, 1, 1, 1), "model.0.bias": torch.zeros(9)}
    assert store.add(write_package(spec, weights, tmp_path / "m").folder).package is not None


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (("network", "arguments", "layers"), [layer(1, 4, 3), layer(4, 2)], "weights are not those"),
        (("network", "arguments", "layers"), [layer(2, 2)], "weights are not those"),
        (("network", "name"), "UNet", "UNet"),
        (("channels",), [{"name": "a"}, {"name": "b"}], "takes 1 channel(s)"),
    ],
)
def test_a_network_that_is_not_that_of_the_weights_is_refused_when_the_model_is_added(
    store: ModelStore, tmp_path: Path, place: tuple[str, ...], value: Any, problem: str
) -> None:
    path = threshold_package(tmp_path / "m").folder / "configs/metadata.json"
    data = json.loads(path.read_text())
    inner = data["meddl"]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(data))
    open_model(tmp_path / "m")
    assert problem in refused(store.add, tmp_path / "m")
    assert store.list() == []


def test_what_is_placed_into_the_store_is_checked_in_the_same_way(store: ModelStore, tmp_path: Path) -> None:
    package = threshold_package(tmp_path / "m", labels=labels(5))

    def place() -> None:
        with store.placing("placed") as folder:
            package.folder.rename(folder / "x")
            for path in list((folder / "x").iterdir()):
                path.rename(folder / path.name)
            (folder / "x").rmdir()

    assert "need 6" in refused(place)
    assert store.list() == []


def spec_of(name: str, **changes: Any) -> ModelSpec:
    return threshold_spec(network=Network(name, EXAMPLES[name]), **changes)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_outputs_of_every_network_on_the_list_are_known_without_data(name: str) -> None:
    network = build_network(Network(name, EXAMPLES[name])).eval()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    patch = Inference(patch=(32, 32, 32))
    check_outputs(network, spec_of(name, inference=patch))
    assert "2 channels" in refused(check_outputs, network, spec_of(name, inference=patch, labels=labels(2)))
    after = network.state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())


def test_a_patch_that_the_network_cannot_take_is_refused() -> None:
    network = build_network(Network("SwinUNETR", EXAMPLES["SwinUNETR"])).eval()
    message = refused(check_outputs, network, spec_of("SwinUNETR", inference=Inference(patch=(48, 32, 32))))
    assert "48x32x32" in message
    check_outputs(network, spec_of("SwinUNETR", inference=Inference(divisor=32)))
    check_outputs(network, spec_of("SwinUNETR", inference=Inference(divisor=32), grid=Grid(shape=(33, 64, 1))))


class _Halved(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[..., ::2].repeat(1, 2, 1, 1, 1)


class _Listed(nn.Module):
    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [image]


@pytest.mark.parametrize(("network", "problem"), [(_Halved(), "(1, 2, 16, 16, 8)"), (_Listed(), "list")])
def test_what_is_not_one_tensor_of_logits_of_the_patchs_size_is_refused(network: nn.Module, problem: str) -> None:
    assert problem in refused(check_outputs, network, threshold_spec())


def test_a_patch_of_a_whole_body_is_checked_without_its_memory() -> None:
    network = build_network(threshold_spec().network).eval()
    check_outputs(network, threshold_spec(inference=Inference(patch=(512, 1024, 1024))))


def test_where_torch_is_missing_the_hashes_are_compared_and_the_rest_waits(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slicer's own Python may have no torch; the worker's has."""
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda _: None)
    folder = threshold_package(tmp_path / "m", labels=labels(7)).folder
    assert store.add(folder).package is not None
    path = folder / "models/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(MedDLError) as caught:
        store.add(folder, overwrite=True)
    assert caught.value.code is Code.MODEL_CORRUPT
