"""Descriptions from strangers: any key with any value opens as a valid model or is refused by a code."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.packages import threshold_package
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import catalogue, load_networks, open_model

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**12,
    10**30,
    "",
    "x",
    "\0",
    "../x",
    [],
    {},
    [[]],
    [-1, -1, -1],
    ["a"] * 3,
    {"kind": []},
    [{"kind": {}}],
    {"a": {"b": [1]}},
]

CASES = 400


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*here, key)
        yield from places(item, (*here, key))


def test_any_value_anywhere_is_accepted_or_refused_by_a_code(tmp_path: Path) -> None:
    terminology = catalogue()["brain-tissue-t1"].spec.to_json()["labels"][0]["terminology"]
    path = threshold_package(tmp_path / "m").folder / "configs/metadata.json"
    good = json.loads(path.read_text())
    good["meddl"]["labels"][0]["terminology"] = terminology
    good["meddl"]["intensity"] = [{"kind": "percentiles", "lower": 1, "upper": 99}]
    cases = [(place, value) for place in places(good["meddl"]) for value in VALUES]
    codes = set()
    for place, value in random.Random(3).sample(cases, CASES):
        bad = copy.deepcopy(good)
        inner = bad["meddl"]
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        path.write_text(json.dumps(bad))
        try:
            load_networks(open_model(tmp_path / "m"))
        except MedDLError as error:
            codes.add(error.code)
    assert codes <= {Code.MODEL_INVALID, Code.MODEL_CORRUPT}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("labels", 0, "color"), [0, 0, 256]),
        (("labels", 0, "name"), "two\nlines"),
        (("labels", 0, "name"), " "),
        (("grid", "shape"), [-1, -1, -1]),
        (("grid", "shape"), [10**6, 1, 1]),
        (("grid", "spacing"), [1e-9, 1.0, 1.0]),
        (("inference", "patch"), [10**12, 1, 1]),
        (("inference", "batch"), 10**30),
        (("inference", "divisor"), 10**9),
        (("intensity",), [{"kind": "percentiles", "lower": 99, "upper": 1}]),
        (("intensity",), [{"kind": "percentiles", "lower": 1, "upper": 101}]),
        (("intensity",), [{"kind": "window", "low": 5, "high": 5}]),
        (("intensity",), [{"kind": "fixed_zscore", "low": 0, "high": 1, "mean": 0, "std": 0}]),
        (("intensity",), [{"kind": "fixed_zscore", "low": 0, "high": 1, "mean": 0, "std": -3}]),
        (("inference", "mirror_axes"), [0, 0]),
        (("inference", "sigma"), 0),
        (("clean_up", "minimum_volume"), -1),
        (("name",), "a" * 300),
        (("inference", "sigma"), 1e-300),
        (("inference", "sigma"), 1e9),
        (("inference", "padding_value"), 1e300),
        (("inference", "padding_value"), 10**400),
        (("inference", "patch"), [1024, 1024, 1024]),
        (("inference", "divisor"), 65536),
        (("grid", "shape"), [65536, 65536, 1]),
        (("intensity",), [{"kind": "scale", "factor": 1e300}]),
        (("intensity",), [{"kind": "scale", "factor": 1e-300}]),
        (("intensity",), [{"kind": "scale", "offset": -1e300}]),
        (("intensity",), [{"kind": "window", "low": -1e308, "high": 1e308}]),
        (("intensity",), [{"kind": "window", "low": 0, "high": 1, "out_high": 1e308}]),
        (("intensity",), [{"kind": "clip", "low": -1e308, "high": 1e308}]),
        (("intensity",), [{"kind": "fixed_zscore", "low": 0, "high": 1, "mean": 0, "std": 1e-300}]),
        (("minimum_shape",), [-1, 1, 1]),
        (("minimum_shape",), [10**9, 1, 1]),
        (("clean_up", "minimum_volume"), 1e300),
        (("labels", 0, "name"), "x" * 100_000),
        (("labels", 0, "layer"), 7),
        (("labels", 0, "layer"), -1),
        (("channels", 0, "name"), "x" * 100_000),
        (("channels", 0, "modality"), "x" * 100_000),
        (("title",), "x" * 100_000),
        (("licence",), "x" * 1_000_000),
        (("measured",), {"dice": "x" * 100_000}),
        (("measured",), {"dice": [0.5] * 100_000}),
        (("measured",), {"dice": json.loads("[" * 300 + "]" * 300)}),
        (("network", "arguments"), {"layers": json.loads("[" * 300 + "]" * 300)}),
        (("name",), "-rf"),
        (("name",), "--json"),
        (("name",), "_"),
    ],
)
def test_a_number_out_of_all_proportion_is_refused(tmp_path: Path, place: tuple[Any, ...], value: Any) -> None:
    path = threshold_package(tmp_path / "m").folder / "configs/metadata.json"
    data = json.loads(path.read_text())
    inner = data["meddl"]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(data))
    with pytest.raises(MedDLError) as caught:
        open_model(tmp_path / "m")
    assert caught.value.code is Code.MODEL_INVALID


@pytest.mark.parametrize(
    "files",
    [
        ["models/model.safetensors"] * 2,
        ["models/model.safetensors", "models\\.\\MODEL.safetensors"],
        [f"models/{n}.safetensors" for n in range(33)],
    ],
)
def test_an_ensemble_that_names_a_file_twice_or_has_hundreds_of_members_is_refused(
    tmp_path: Path, files: list[str]
) -> None:
    path = threshold_package(tmp_path / "m").folder / "configs/metadata.json"
    data = json.loads(path.read_text())
    data["meddl"]["weights"] = [{**data["meddl"]["weights"][0], "file": file} for file in files]
    path.write_text(json.dumps(data))
    with pytest.raises(MedDLError) as caught:
        open_model(tmp_path / "m")
    assert caught.value.code is Code.MODEL_INVALID
    assert "model.weights" in caught.value.message


def test_what_a_refusal_quotes_of_a_description_is_short(tmp_path: Path) -> None:
    path = threshold_package(tmp_path / "m").folder / "configs/metadata.json"
    good = json.loads(path.read_text())
    for key, value in ((("x" * 10**6), 1), ("title", ["x" * 10**6] * 5), ("name", "x" * 10**6)):
        path.write_text(json.dumps({**good, "meddl": {**good["meddl"], key: value}}))
        with pytest.raises(MedDLError) as caught:
            open_model(tmp_path / "m")
        assert caught.value.code is Code.MODEL_INVALID
        assert len(caught.value.message) < 500
