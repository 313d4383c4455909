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
