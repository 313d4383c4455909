"""S2: a description chooses a network from our list. It cannot name code, nor make a constructor take the machine."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from fixtures.packages import layer
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.networks import build_network
from MedDLCore.spec import Network

ROOT = Path(__file__).resolve().parents[2]
UNET = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [2]}
RESNET = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "init_filters": 8}


def refused(name: str, arguments: dict[str, Any], device: str = "meta") -> str:
    with pytest.raises(MedDLError) as caught:
        build_network(Network(name, arguments), device)
    assert caught.value.code is Code.MODEL_INVALID, caught.value
    return caught.value.message


@pytest.mark.parametrize(
    "name",
    ["os.system", "torch.nn.Sequential", "monai.networks.nets.UNet", "__class__", "Unet", "SegResNetVAE", "", "../x"],
)
def test_a_name_that_is_not_on_the_list_is_refused(name: str) -> None:
    assert "is not one that MedDL knows" in refused(name, {})


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("UNet", {**UNET, "command": "touch x"}, "arguments.command"),
        ("UNet", {**UNET, "__class__": "x"}, "arguments.__class__"),
        ("UNet", {**UNET, "spatial_dims": 1}, "three dimensions"),
        ("UNet", {k: v for k, v in UNET.items() if k != "channels"}, "arguments.channels: UNet needs it"),
        ("UNet", {**UNET, "channels": "many"}, "does not take"),
        ("UNet", {**UNET, "channels": []}, "does not take"),
        ("UNet", {**UNET, "norm": ["no_such_norm", {}]}, "does not take"),
        ("UNet", {**UNET, "act": print}, "not plain data"),
        ("UNet", {**UNET, "dropout": float("nan")}, "out of bounds"),
        ("UNet", {**UNET, "channels": [4] * 10_001}, "too deep or too long"),
        ("UNet", {**UNET, "act": [[[[[[[["relu"]]]]]]]]}, "too deep or too long"),
        ("UNet", {**UNET, "act": [["x"] * 200] * 200}, "too long"),
        ("FlexibleUNet", {**RESNET, "pretrained": True}, "no such argument"),
        ("SegResNetDS", {**RESNET, "preprocess": "print"}, "no such argument"),
        ("MeshNet", {"layers": 5}, "does not take"),
        ("MeshNet", {"layers": [5]}, "does not take"),
    ],
)
def test_arguments_that_the_constructor_does_not_take_as_data_are_refused(
    name: str, arguments: dict[str, Any], problem: str
) -> None:
    assert problem in refused(name, arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("UNet", {**UNET, "channels": [10**9, 10**9]}),
        ("UNet", {**UNET, "channels": [10**5, 10**5]}),
        ("UNet", {**UNET, "num_res_units": 10**9}),
        ("SegResNet", {**RESNET, "init_filters": 2**28}),
        ("BasicUNet", {"spatial_dims": 3, "features": [10**9] * 6}),
        ("MeshNet", {"layers": [layer(1, 10**6, 101)]}),
    ],
)
def test_a_network_that_would_take_the_whole_machine_is_refused_before_it_does(
    name: str, arguments: dict[str, Any]
) -> None:
    message = refused(name, arguments, device="cpu")
    assert "larger than" in message or "overflow" in message or "out of range" in message, message


def test_no_code_of_ours_opens_pickles_or_evaluates_text() -> None:
    """Every ``torch.load`` is restricted by a literal; ``pickle.load``, ``eval`` and the like are not there at all.

    But for ``exec("")``, which runs nothing and by that ends an interrupt that CPython holds for uncaught.
    """
    forbidden = {"eval", "exec", "compile", "__import__", "pickle.load", "pickle.loads", "pickle.Unpickler"}
    forbidden |= {
        "torch.jit.load",
        "torch.package.PackageImporter",
        "os.system",
        "os.popen",
        "yaml.load",
        "joblib.load",
    }
    wrong = []
    for path in (*ROOT.glob("MedDLSegment/**/*.py"), *ROOT.glob("MedDLTrain/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if ast.unparse(node) == "exec('')":
                continue
            called = ast.unparse(node.func)
            literals = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
            unrestricted = called.endswith("torch.load") and literals.get("weights_only") is not True
            if called in forbidden or unrestricted or literals.get("allow_pickle") or literals.get("shell"):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} calls {called}")
    assert not wrong, "\n".join(wrong)
