"""A stranger's texts reach terminals, and do nothing there: no escape sequences, no rewritten lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from fixtures.packages import threshold_package, threshold_weights
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit, MedDLError, Notice
from MedDLCore.models import ModelStore, open_model
from MedDLCore.text import is_harmless, printable

ESCAPE = "\x1b]0;owned\x07\x1b[2J"
OTHERS = ["\x9b31m", "a\rb", "a\bb", "\x7f", "\0", "\u202egnp.exe", "\u2066x", "\u2028", "\ud800"]

PLACES: list[tuple[Any, ...]] = [
    ("title",),
    ("description",),
    ("licence",),
    ("citation",),
    ("source",),
    ("version",),
    ("channels", 0, "name"),
    ("channels", 0, "modality"),
    ("labels", 0, "name"),
    ("labels", 0, "terminology"),
    ("measured", "seconds"),
    ("weights", 0, "file"),
    ("network", "name"),
    ("network", "arguments", "activation"),
]


@pytest.fixture(autouse=True)
def a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "store"))


def with_value(folder: Path, place: tuple[Any, ...], value: Any) -> Path:
    path = threshold_package(folder).folder / "configs/metadata.json"
    data = json.loads(path.read_text())
    inner = data["meddl"]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(data))
    return folder


def refused(action: Any, *arguments: Any) -> str:
    with pytest.raises(MedDLError) as caught:
        action(*arguments)
    assert caught.value.code is Code.MODEL_INVALID
    assert caught.value.message.isprintable()
    return caught.value.message


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_a_description_with_escape_sequences_is_refused_and_quoted_without_them(
    tmp_path: Path, place: tuple[Any, ...]
) -> None:
    concept = {"value": "1", "scheme": "SCT", "meaning": ESCAPE}
    value = {"category": concept, "type": concept} if place[-1] == "terminology" else ESCAPE
    message = refused(open_model, with_value(tmp_path / "m", place, value))
    assert "control characters" in message
    assert "x1b" in message


@pytest.mark.parametrize("text", OTHERS, ids=ascii)
def test_no_other_character_that_steers_a_terminal_is_accepted_either(tmp_path: Path, text: str) -> None:
    assert not is_harmless(text, lines=True)
    refused(open_model, with_value(tmp_path / "m", ("description",), f"See {text}"))


@pytest.mark.parametrize("place", [("measured",), ("network", "arguments"), ("grid",)])
def test_the_keys_of_a_description_are_texts_too(tmp_path: Path, place: tuple[Any, ...]) -> None:
    refused(open_model, with_value(tmp_path / "m", (*place, ESCAPE), 1))


def test_lines_and_tabs_are_for_long_texts_and_every_script_is_welcome(tmp_path: Path) -> None:
    text = "Zeile eins\n\tZeile zwei\n\u8089\u810f\u3000\u05db\u05d1\u05d3 foie\u00a0droit"
    for place in ("description", "licence", "citation"):
        spec = open_model(with_value(tmp_path / place, (place,), text)).spec
        assert getattr(spec, place) == text
    for place in ("title", "version", "source"):
        refused(open_model, with_value(tmp_path / place, (place,), text))


def test_every_error_and_warning_is_printable_whatever_it_quotes() -> None:
    assert MedDLError(Code.MODEL_INVALID, ESCAPE, ESCAPE).message == r"\x1b]0;owned\x07\x1b[2J"
    assert MedDLError(Code.MODEL_INVALID, "x", ESCAPE).hint.isprintable()
    assert str(MedDLError(Code.MODEL_INVALID, ESCAPE)).isprintable()
    assert Notice(Code.MODEL_LABELS, ESCAPE).message.isprintable()
    assert printable("two\n\tlines\u202e") == "two\n\tlines\\u202e"
    for text in OTHERS:
        assert is_harmless(printable(text))
    assert MedDLError(Code.LICENCE_NOT_ACCEPTED, "first:\n\nMIT").message == "first:\n\nMIT"


def test_names_of_tensors_are_printed_without_escapes_and_cut(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    path = with_value(folder, ("weights", 0, "file"), "models/model.bin") / "configs/metadata.json"
    weights = {**threshold_weights(), ESCAPE: torch.zeros(1), "x" * 100_000: torch.zeros(1)}
    save_file(weights, folder / "models/model.bin")
    data = json.loads(path.read_text())["meddl"]
    data["weights"][0]["sha256"] = None
    path.unlink()
    (folder / "meddl.json").write_text(json.dumps(data))
    message = refused(ModelStore().add, folder)
    assert "2 unexpected" in message
    assert len(message) < 1000


def meshnet_folder(folder: Path, header: str = "", key: str = "header", label: str = "brain") -> Path:
    layers = threshold_package(folder.parent / "source").spec.network.arguments["layers"]
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps({"layers": layers, key: header}))
    colours = {channel: [0, 1] for channel in "RGB"}
    (folder / "colormap.json").write_text(json.dumps({"labels": ["background", label], **colours}))
    save_file(threshold_weights(), folder / "model.pth")
    return folder


def test_the_texts_of_a_meshnet_folder_are_cleaned(tmp_path: Path) -> None:
    spec = open_model(meshnet_folder(tmp_path / "m", header=f"Brain {ESCAPE}", label=ESCAPE)).spec
    assert spec.title == "Brain ]0;owned[2J"
    assert [label.name for label in spec.labels] == ["]0;owned[2J"]


def test_a_key_with_escape_sequences_in_a_meshnet_folder_is_refused(tmp_path: Path) -> None:
    assert "not a known key" in refused(open_model, meshnet_folder(tmp_path / "m", key=ESCAPE))


def test_listing_a_folder_with_escape_sequences_in_its_name_prints_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threshold_package(tmp_path / "store" / "evil\x1b[2J\rname")
    assert run(["models", "list"]) == Exit.OK
    said = capsys.readouterr().out
    assert is_harmless(said, lines=True)
    assert r"evil\x1b[2J\rname" in said
