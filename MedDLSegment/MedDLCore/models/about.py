"""What the catalogue says about a model that describes itself, kept beside it: ``meddl-about.json``.

Published models often lack their licence, their citation, or the names and the order of their inputs. Nothing in this
file changes what a model computes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from ..errors import Code, MedDLError
from ..spec import ModelSpec
from .catalogue import Entry
from .description import read_json

FILE = "meddl-about.json"

TEXTS = ("title", "description", "licence", "citation", "source")


def write_about(entry: Entry, folder: Path) -> None:
    """Writes the file into a package."""
    terms = f"{entry.licence.name} ({entry.licence.url})"
    texts = {name: terms if name == "licence" else getattr(entry, name) for name in TEXTS}
    about = {**texts, "inputs": [channel.name for channel in entry.channels]}
    (folder / FILE).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def with_about(spec: ModelSpec, folder: Path) -> ModelSpec:
    """The spec with what the file says, if there is one. Names of inputs count where their number is the model's.

    Raises:
        MedDLError: MODEL_INVALID.
    """
    path = folder / FILE
    if not path.is_file():
        return spec
    about = read_json(path)
    inputs = about.pop("inputs", [])
    plain = isinstance(inputs, list) and all(isinstance(text, str) for text in (*inputs, *about.values()))
    if not plain or not set(about) <= set(TEXTS):
        raise MedDLError(Code.MODEL_INVALID, f"{FILE} does not hold texts about a model.")
    channels = spec.channels
    if len(inputs) == len(channels):
        channels = tuple(replace(channel, name=name) for channel, name in zip(channels, inputs, strict=True))
    return replace(spec, channels=channels, **about)
