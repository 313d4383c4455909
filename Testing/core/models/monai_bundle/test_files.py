"""A bundle's files: plain data, and weights read without running anything in them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.monai_bundle.config_files import read_inference
from MedDLCore.models.monai_bundle.stored_arrays import StoredArrays


def folder_with(tmp_path: Path, name: str, content: str) -> Path:
    (tmp_path / "configs").mkdir(exist_ok=True)
    (tmp_path / "configs" / name).write_text(content, encoding="utf-8")
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(MedDLError) as caught:
        read_inference(folder)
    assert caught.value.code is Code.MODEL_INVALID
    return caught.value.message


def test_json_and_yaml_are_read_as_the_same_data(tmp_path: Path) -> None:
    yaml = 'a: [1, 2.5, true, null, "$@b"]\nb: {c: x}\n3: three\n'
    _, from_yaml = read_inference(folder_with(tmp_path, "inference.yaml", yaml))
    content = {"a": [1, 2.5, True, None, "$@b"], "b": {"c": "x"}, "3": "three"}
    name, from_json = read_inference(folder_with(tmp_path, "inference.json", json.dumps(content)))
    assert name == "inference.json"  # it counts before the other
    assert from_yaml == from_json == content


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a: !!python/object/apply:os.system ['touch x']", "not valid YAML"),
        ("a: !!python/name:os.system", "not valid YAML"),
        ("a: &x [1]\nb: [*x, *x]", "anchors"),
        ("a: 1\na: 2", "twice"),
        ("a: .nan", "not plain data"),
        ("a: .inf", "not plain data"),
        ("a: 2024-01-01", "not plain data"),
        ("a: !!binary aGk=", "not plain data"),
        ("- 1\n- 2", "does not hold an object"),
        ("", "does not hold an object"),
        ("a: [", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
        ("a: " + "[" * 40 + "]" * 40, "too deeply"),
        ("? [1, 2]\n: 3", "not valid YAML"),
    ],
)
def test_yaml_that_is_more_than_data_is_refused(content: str, problem: str, tmp_path: Path) -> None:
    assert problem in refused(folder_with(tmp_path, "inference.yaml", content))


def test_a_bundle_without_an_inference_configuration_is_refused(tmp_path: Path) -> None:
    assert "no inference configuration" in refused(tmp_path)


def saved(tmp_path: Path, content: Any) -> StoredArrays:
    torch.save(content, tmp_path / "code.pt")
    return StoredArrays(tmp_path, "./code.pt")


def test_arrays_and_numbers_of_a_stored_file_are_plain_data(tmp_path: Path) -> None:
    content = {
        "array": np.eye(2),
        "whole": np.array([1, 2], dtype=np.int64),
        "flags": np.array([True, False]),
        "tensor": torch.tensor([1.5]),
        "number": np.float64(0.5),
        "list": [1, 2],
        "text": "x",
    }
    stored = saved(tmp_path, content)
    assert {key: stored[key] for key in content} == {
        "array": [[1.0, 0.0], [0.0, 1.0]],
        "whole": [1, 2],
        "flags": [True, False],
        "tensor": [1.5],
        "number": 0.5,
        "list": [1, 2],
        "text": "x",
    }


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("kind", ["zip", "array of objects", "old format"])
def test_a_stored_file_that_would_run_code_is_refused_and_nothing_ran(kind: str, tmp_path: Path) -> None:
    evil = Evil(tmp_path / "marker")
    path = tmp_path / "code.pt"
    if kind == "old format":
        path.write_bytes(pickle.dumps({"a": evil}))
    else:
        value = np.array([evil], dtype=object) if kind == "array of objects" else evil
        torch.save({"a": value}, path)
    with pytest.raises(MedDLError) as caught:
        StoredArrays(tmp_path, "code.pt")["a"]
    assert caught.value.code is Code.MODEL_UNSAFE
    assert not evil.marker.exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([1, 2], "named values"),
        ({"a": np.full(3, np.nan)}, "not an array"),
        ({"a": np.zeros(10_001)}, "not an array"),
        ({"a": {"b": 1}}, "not plain data"),
        ({"a": ["x", "y"]}, "not an array"),
    ],
)
def test_a_stored_file_that_holds_something_else_is_refused(content: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(MedDLError, match=problem):
        saved(tmp_path, content)["a"]


def test_a_stored_file_lies_in_the_bundle_or_nowhere(tmp_path: Path) -> None:
    with pytest.raises(MedDLError, match="outside"):
        StoredArrays(tmp_path, "../code.pt")
    with pytest.raises(MedDLError, match="missing"):
        StoredArrays(tmp_path, "code.pt")["a"]
