"""``metadata.json`` and ``LICENSE``: what a bundle says about itself, which decides nothing about the computation."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import Code, MedDLError, Notice
from ...spec import Channel
from ...spec_rules import LONGEST_LABEL, LONGEST_LINE, LONGEST_NAME
from ...text import one_line
from ...volume import Label
from ..anatomy import colored
from ..colours import colour

MODALITIES = {"CT": "CT", "MR": "MR", "MRI": "MR", "PET": "PT", "PT": "PT"}
"""A bundle's words for modalities, and DICOM's."""

BACKGROUND = "background"

MOST_FIGURES = 100
"""Measurements that are kept."""

MOST_CITED = 10_000
"""Characters of all references together."""

LICENCES = {
    "Apache License": "Apache-2.0",
    "MIT License": "MIT",
    "BSD 3-Clause": "BSD-3-Clause",
    "Attribution-NonCommercial-ShareAlike 4.0": "CC-BY-NC-SA-4.0",
    "Attribution-NonCommercial 4.0": "CC-BY-NC-4.0",
    "Attribution-ShareAlike 4.0": "CC-BY-SA-4.0",
    "Attribution 4.0": "CC-BY-4.0",
}
"""How a licence's text begins, and its SPDX name."""


def text(metadata: Mapping[str, Any], key: str) -> str:
    """A text of the metadata in one line; empty where there is none."""
    value = metadata.get(key)
    return one_line(value, LONGEST_LINE) if isinstance(value, str) else ""


def identifier(title: str) -> str:
    """A model's name from its title: letters, digits and ``_``."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", title).strip("_").lower()
    return name[:LONGEST_NAME].strip("_") or "monai_bundle"


def citation(metadata: Mapping[str, Any]) -> str:
    """The references."""
    references = metadata.get("references")
    known = [r for r in references if isinstance(r, str)] if isinstance(references, list) else []
    return one_line(" ".join(known), MOST_CITED)


def licence(metadata: Mapping[str, Any], folder: Path) -> str:
    """SPDX name of the licence in ``LICENSE`` where it is known, else its first line, else what the metadata say."""
    path = folder / "LICENSE"
    if path.is_file():
        start = _beginning(path)
        for beginning, name in LICENCES.items():
            if beginning.casefold() in start.casefold():
                return name
        lines = [line for line in (one_line(line, LONGEST_LINE) for line in start.splitlines()) if line]
        if lines:
            return lines[0]
    return text(metadata, "license") or text(metadata, "licence")


def _beginning(path: Path) -> str:
    """The first characters of a text in whatever encoding, without those that are none; empty where it is not read."""
    try:
        with path.open("rb") as file:
            start = file.read(2000)
    except OSError:
        return ""
    encoding = "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return start.decode(encoding, "ignore")


def figures(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The author's measurements."""
    measured = metadata.get("eval_metrics")
    if not isinstance(measured, Mapping):
        return {}
    plain = {key: value for key, value in measured.items() if isinstance(value, (int, float, str))}
    return {
        one_line(key, LONGEST_LABEL): one_line(value, LONGEST_LABEL) if isinstance(value, str) else value
        for key, value in itertools.islice(plain.items(), MOST_FIGURES)
    }


def inputs_named(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the inputs of ``network_data_format``; mostly one, ``image``."""
    inputs: Any = metadata.get("network_data_format")
    inputs = inputs.get("inputs") if isinstance(inputs, Mapping) else None
    return tuple(str(name) for name in inputs) if isinstance(inputs, Mapping) else ()


def channels(metadata: Mapping[str, Any], count: int, keys: Sequence[str] = ()) -> tuple[Channel, ...]:
    """The input volumes, with the names that the metadata have for them.

    Args:
        metadata: the bundle's.
        count: of the volumes.
        keys: under which the bundle loads them, for names that the metadata lack.
    """
    image = _first(metadata, "inputs")
    names = _numbered(image.get("channel_def"))
    if count > 1 and not names.keys() >= set(range(count)):
        given = next((given for given in (inputs_named(metadata), keys) if len(given) == count), ())
        names = {n: one_line(name, LONGEST_LABEL) for n, name in enumerate(given)} or names
    word = image.get("modality")
    modality = MODALITIES.get(word.strip().upper()) if isinstance(word, str) else None
    if modality is None and image.get("format") == "hounsfield":
        modality = "CT"
    single = "image" if count == 1 else "image {}"
    return tuple(Channel(names.get(n) or single.format(n + 1), modality) for n in range(count))


def labels(metadata: Mapping[str, Any], count: int, exclusive: bool) -> tuple[tuple[Label, ...], tuple[Notice, ...]]:
    """The structures, with the names that the metadata have for them.

    Args:
        metadata: the bundle's.
        count: channels of the network's output.
        exclusive: channel 0 is the background; otherwise each channel is a structure, its value the channel plus one.

    Returns:
        The labels, and MODEL_LABELS where names are missing.

    Raises:
        MedDLError: MODEL_INVALID where the background of exclusive classes is not channel 0.
    """
    prediction = _first(metadata, "outputs")
    names = _numbered(prediction.get("channel_def")) or _numbered(prediction.get("label_def"))
    if count == 1 and len(names) > 1:  # one channel, described by its values
        names = {0: names.get(1, "")}
    elsewhere = [channel for channel, name in names.items() if channel > 0 and name.casefold() == BACKGROUND]
    if exclusive and elsewhere:
        raise MedDLError(
            Code.MODEL_INVALID,
            f"metadata.json calls channel {elsewhere[0]} the background; of exclusive classes it is channel 0.",
        )
    found: list[Label] = []
    unnamed: list[int] = []
    for channel in range(1 if exclusive else 0, count):
        value = channel if exclusive else channel + 1
        name = names.get(channel, "")
        if not exclusive and name.casefold() == BACKGROUND:
            continue
        if not name:
            unnamed.append(value)
        found.append(Label(value, name or f"class {value}", colour(value)))
    if not unnamed:
        return colored(found), ()
    notice = Notice(Code.MODEL_LABELS, f"metadata.json does not name {len(unnamed)} of {len(found)} structures.")
    return colored(found), (notice,)


def _first(metadata: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The first input or output of ``network_data_format``; empty where there is none."""
    value: Any = metadata.get("network_data_format")
    value = value.get(kind) if isinstance(value, Mapping) else None
    items = [item for item in value.values() if isinstance(item, Mapping)] if isinstance(value, Mapping) else []
    named = value.get("pred" if kind == "outputs" else "image") if isinstance(value, Mapping) else None
    if isinstance(named, Mapping):
        return named
    return items[0] if items else {}


def _numbered(names: object) -> dict[int, str]:
    if not isinstance(names, Mapping):
        return {}
    return {
        int(key): one_line(name, LONGEST_LABEL)
        for key, name in names.items()
        if str(key).isdecimal() and len(str(key)) < 6 and isinstance(name, str)
    }
