"""Our own grammar for a bundle's expressions, references and components."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from MedDLCore.models.monai_bundle.config import Component, Config
from MedDLCore.models.monai_bundle.refusal import OutsideError

VALUES = {
    "n": 3,
    "flag": False,
    "list": [1, 2, 3],
    "object": {"a": {"b": [5, "six"]}},
    "name": "model",
    "text": "an @name within a text",
    "lists": ["@list", "@n"],
    "raw": "%object::a",
    "labels": {"x": 0, "y": 1},
}


def config(**items: Any) -> Config:
    return Config("inference.json", {**VALUES, **items}, Path())


def outside(items: Mapping[str, Any], id: str = "x") -> str:
    with pytest.raises(OutsideError) as caught:
        config(**items)[id]
    assert caught.value.reason.where.startswith("inference.json: ")
    return str(caught.value.reason)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("$1 + 2 * 3 - 4 // 3", 6),
        ("$@n / 2", 1.5),
        ("$-@n", -3),
        ("$not @flag", True),
        ("$[1.5, 1.5] if @flag else [3.0, 3.0]", [3.0, 3.0]),
        ("$'low' if @flag or @n > 2 and @n != 4 else 'high'", "low"),
        ("$@list[-1] + @list[0]", 4),
        ("$@object['a']['b'][1]", "six"),
        ("$@object#a#b[0]", 5),
        ("$@object::a::b::0", 5),
        ("@object#a#b", [5, "six"]),
        ("$len(@labels) + len(@list)", 5),
        ("$@list + [4]", [1, 2, 3, 4]),
        ("$(1, 2)", [1, 2]),
        ("$'./models/' + @name + '.pt'", "./models/model.pt"),
        ("$@bundle_root + '/x'", "./x"),
        ("$torch.float32", "float32"),
        ("$numpy.int16", "int16"),
        ("$monai.utils.CommonKeys.IMAGE", "image"),
        ("$CommonKeys.PRED", "pred"),
        ("$None", None),
        ("$@flag is None", False),
        ("${'a': @n}", {"a": 3}),
        ("@lists", [[1, 2, 3], 3]),
        ("@raw", {"b": [5, "six"]}),
        ("@text", "an @name within a text"),
        ("a plain text", "a plain text"),
        ("me@home", "me@home"),
        ("@", "@"),
        ("$torch.from_numpy(@list)", [1, 2, 3]),
    ],
)
def test_an_expression_has_the_value_that_python_would_give_it(written: str, value: Any) -> None:
    found = config(x=written)["x"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("$__import__('os').system('touch x')", "calls __import__('os').system"),
        ("$os.environ['HOME']", "os.environ is not a name"),
        ("$open('/etc/passwd')", "calls open"),
        ("$torch.hub.load('a', 'b')", "calls torch.hub.load"),
        ("$@network.to(@device)", "calls @network.to"),
        ("$[i for i in @list]", "not in the grammar"),
        ("$(lambda: 1)()", "calls"),
        ("$lambda x: x", "not in the grammar"),
        ("$@list.append(1)", "calls @list.append"),
        ("$().__class__.__bases__[0]", "is not a name that MedDL reads"),
        ("$f'{@n}'", "f'{@n}' is not in the grammar"),
        ("$(x := 3)", "not in the grammar"),
        ("$9**9**9**9", "Pow is not in the grammar"),
        ("$'a' * 10000000", "calculates with something else"),
        ("$10**9", "Pow"),
        ("$9007199254740993 * 2", "too large"),
        ("$@n << 60", "LShift"),
        ("$@n % 2", "Mod"),
        ("$1 / 0", "has no value"),
        ("$@list[7]", "has no value"),
        ("$@object['z']", "has no value"),
        ("$@list['a']", "takes an item"),
        ("$@list[0:2]", "not in the grammar"),
        ("$@name + 1", "calculates with something else"),
        ("$-@name", "USub"),
        ("$len(@n)", "has no value"),
        ("$len(@list, 2)", "calls len"),
        ("$1 < 2 < 3", "not in the grammar"),
        ("$b'bytes'", "is not plain data"),
        ("$1j", "is not plain data"),
        ("$...", "is not plain data"),
        ("$'see @name'", "a reference within a text"),
        ("$meddl_reference_0", "is too long"),
        ("$" + "(" * 3000 + ")" * 3000, "is too long"),
        ("$" + "(" * 300 + "1" + ")" * 300, "is not an expression"),
        ("$" + "-" * 2000 + "1", "is not an expression"),
        ("$1 +", "is not an expression"),
        ("$\x00", "is not an expression"),
        ("$@nothing", "refers to nothing"),
        ("@object::z", "refers to nothing"),
        ("@list::7", "refers to nothing"),
        ("@x", "refers to itself"),
        ("$[@x]", "refers to itself"),
        ("%other.json::n", "another file"),
        ("@##n", "relative"),
        ("${1: 2}", "key that is not a text"),
    ],
)
def test_what_lies_outside_the_grammar_is_refused_and_named(written: str, problem: str) -> None:
    assert problem in outside({"x": written})


def test_references_in_a_circle_are_refused() -> None:
    assert "refers to itself" in outside({"x": "@y", "y": "$[@z]", "z": "@x"})


def test_a_chain_of_too_many_references_is_refused() -> None:
    chain = {f"c{n}": f"@c{n + 1}" for n in range(200)}
    assert "through too many" in outside({**chain, "x": "@c0"})


def test_a_few_bytes_cannot_unfold_to_gigabytes() -> None:
    doubling = {f"d{n}": f"$@d{n + 1} + @d{n + 1}" for n in range(40)}
    assert "too long" in outside({**doubling, "d40": [0], "x": "@d0"})
    nested = {f"n{n}": [f"@n{n + 1}"] * 10 for n in range(40)}
    assert "too much data" in outside({**nested, "n40": [0], "x": "@n0"})
    texts = {f"t{n}": f"$@t{n + 1} + @t{n + 1}" for n in range(40)}
    assert "too long" in outside({**texts, "t40": "a", "x": "@t0"})


def test_a_component_is_its_name_and_arguments_that_are_resolved_when_they_are_asked_for() -> None:
    raw = {"_target_": "monai.networks.nets.UNet", "_desc_": "a net", "in": "@n", "device": "$torch.device('cuda')"}
    component = config(x=raw)["x"]
    assert isinstance(component, Component)
    assert component.target == "monai.networks.nets.UNet" and set(component.raw) == {"in", "device"}
    assert component["in"] == 3
    with pytest.raises(OutsideError, match=r"inference.json: x::device: .* calls torch.device"):
        component["device"]


def test_the_same_id_is_the_same_component() -> None:
    found = config(x={"_target_": "Compose"}, y="$@x", z="@x")
    assert found["y"] is found["x"] is found["z"]


@pytest.mark.parametrize("disabled", [True, "true", " True ", "$not @flag", "$@n == 3"])
def test_what_is_disabled_is_left_out(disabled: Any) -> None:
    item = {"_target_": "A", "_disabled_": disabled}
    found = config(x=[item, 1], y={"a": item, "b": 2}, z={"_target_": "B", "c": item})
    assert found["x"] == [1] and found["y"] == {"b": 2} and dict(found["z"].raw) == {}


@pytest.mark.parametrize("disabled", [False, "false", "$@flag", "no"])
def test_what_is_not_disabled_stays(disabled: Any) -> None:
    assert len(config(x=[{"_target_": "A", "_disabled_": disabled}])["x"]) == 1


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"_target_": "$print"}, "is not the name of a class"),
        ({"_target_": ["UNet"]}, "is not the name of a class"),
        ({"_target_": "a b"}, "is not the name of a class"),
        ({"_target_": "UNet", "_mode_": "callable"}, "_mode_"),
        ({"_target_": "UNet", "_requires_": ["$print(1)"]}, "would run before"),
    ],
)
def test_components_that_would_do_more_than_be_made_are_refused(raw: dict[str, Any], problem: str) -> None:
    assert problem in outside({"x": raw})


def test_bundle_root_is_the_bundle_s_folder_whatever_a_configuration_says() -> None:
    assert config(bundle_root="/etc", x="$@bundle_root + '/passwd'")["x"] == "./passwd"


def test_a_long_text_is_shown_in_part_and_without_control_characters() -> None:
    reason = outside({"x": "$evil(" + "'\x1b[31m'," * 200 + ")"})
    assert len(reason) < 500 and "\x1b" not in reason
