"""From the name of a structure to its code: the table ``anatomy.csv``, for models that say no codes themselves.

Names are compared word by word, never by likeness: a name that is not in the table stays without a code, and the person
is told (LABEL_UNCODED). Case, punctuation, British spelling and the place of the side do not matter: ``left_kidney``,
``Kidney (L)``, ``KidneyLeft`` and ``Left-Kidney`` are one name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ..volume import Concept, Label, Terminology

FILE = Path(__file__).with_name("anatomy.csv")

LEFT = Concept("7771000", "SCT", "Left")
RIGHT = Concept("24028007", "SCT", "Right")

CATEGORIES: Mapping[str, Concept] = MappingProxyType(
    {
        "anatomical structure": Concept("123037004", "SCT", "Anatomical Structure"),
        "tissue": Concept("85756007", "SCT", "Tissue"),
        "morphologically altered structure": Concept("49755003", "SCT", "Morphologically Altered Structure"),
        "body substance": Concept("91720002", "SCT", "Body Substance"),
        "physical object": Concept("260787004", "SCT", "Physical object"),
    }
)
"""The categories of the table (DICOM PS3.16 CID 7150), with the meanings that Slicer gives them."""

_SIDES = {"left": LEFT, "lh": LEFT, "right": RIGHT, "rh": RIGHT}
_SIDES_AT_THE_ENDS = {"l": LEFT, "r": RIGHT}
"""Words that name a side; the second only as the first or last word."""

_JOINED = re.compile(r"(?<=[a-z])(?=(?:Left|Right)(?![a-z]))|(?<=Left)(?=[A-Z])|(?<=Right)(?=[A-Z])")
"""Where a side is joined to the rest of a name, as in ``KidneyLeft``."""

_SPELLINGS = {
    "caecum": "cecum",
    "coeliac": "celiac",
    "grey": "gray",
    "haemorrhage": "hemorrhage",
    "oedema": "edema",
    "oesophagus": "esophagus",
    "tumour": "tumor",
    "tumours": "tumors",
}

Color = tuple[int, int, int]
Name = tuple[str, Concept | None]
"""The words of a name without its side, and the side."""


@dataclass(frozen=True)
class Structure:
    """What the table knows of a name.

    Attributes:
        terminology: its code.
        color: the colour that Slicer recommends for it, None where Slicer has none.
    """

    terminology: Terminology
    color: Color | None


def coded(labels: Iterable[Label]) -> tuple[Label, ...]:
    """The labels, with codes of the table where the model gives none; the model's own codes stay."""
    return tuple(label if label.terminology else _with_code(label) for label in labels)


def colored(labels: Iterable[Label]) -> tuple[Label, ...]:
    """The labels of a model that says no colours, in Slicer's own where it has one that no label before has."""
    found: list[Label] = []
    taken: set[Color] = set()
    for label in labels:
        structure = structure_named(label.name)
        color = structure.color if structure and structure.color not in taken else None
        found.append(replace(label, color=color or label.color))
        taken.add(found[-1].color)
    return tuple(found)


def structure_named(name: str) -> Structure | None:
    """What the table knows of a structure by this name; None for a name that it does not hold."""
    words = normalised(name)
    return None if words is None else table().get(words)


def normalised(name: str) -> Name | None:
    """A name as the table compares it; None where it names no thing, or both sides."""
    words = [_SPELLINGS.get(word, word) for word in re.findall(r"[^\W_]+", _JOINED.sub(" ", name).casefold())]
    sides = {_SIDES[word] for word in words if word in _SIDES}
    words = [word for word in words if word not in _SIDES]
    for end in (0, -1):
        if words and words[end] in _SIDES_AT_THE_ENDS:
            sides.add(_SIDES_AT_THE_ENDS[words.pop(end)])
    if not words or len(sides) > 1:
        return None
    return " ".join(words), next(iter(sides), None)


@cache
def table() -> Mapping[Name, Structure]:
    """The whole table by normalised name."""
    structures: dict[Name, Structure] = {}
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            for name in row["names"].split("; "):
                structures |= _entries(name, row)
    return MappingProxyType(structures)


def _entries(name: str, row: Mapping[str, str]) -> dict[Name, Structure]:
    """A name's entries: one, or where it takes a side, one without, one left, one right."""
    words = normalised(name)
    if words is None:
        raise ValueError(f"{FILE.name}: {name!r} is no name")
    red_green_blue = [int(part) for part in row["color"].split()]
    color = (red_green_blue[0], red_green_blue[1], red_green_blue[2]) if red_green_blue else None
    category, kind = CATEGORIES[row["category"]], _concept(row["type"])
    modifier, region = (_concept(row[key]) if row[key] else None for key in ("modifier", "region"))
    plain = Terminology(category, kind, modifier, region)
    entries = {words: Structure(plain, color)}
    for side in (LEFT, RIGHT) if row["sides"] else ():
        sided = replace(plain, modifier=side) if row["sides"] == "both" else replace(plain, region_modifier=side)
        entries[words[0], side] = Structure(sided, color)
    return entries


def _concept(cell: str) -> Concept:
    """``SCT:10200004 Liver`` -> the concept."""
    code, _, meaning = cell.partition(" ")
    scheme, _, value = code.partition(":")
    return Concept(value, scheme, meaning)


def _with_code(label: Label) -> Label:
    structure = structure_named(label.name)
    return label if structure is None else replace(label, terminology=structure.terminology)
