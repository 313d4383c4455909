"""``labels.csv``: the names of the classes, and their codes in the columns of DICOM's names."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from ...errors import Code, MedDLError, Notice
from ...spec_rules import LONGEST_LABEL
from ...text import one_line, shown
from ...volume import Concept, Label, Terminology
from ..anatomy import structure_named
from ..colours import colour

MOST_BYTES = 1 << 22
"""A table of labels larger than this is none."""

CATEGORY = "SegmentedPropertyCategoryCodeSequence"
TYPE = "SegmentedPropertyTypeCodeSequence"
MODIFIER = "SegmentedPropertyTypeModifierCodeSequence"
REGION = "AnatomicRegionSequence"
REGION_MODIFIER = "AnatomicRegionModifierSequence"


def read_labels(path: Path, classes: int) -> tuple[tuple[Label, ...], tuple[Notice, ...]]:
    """Reads the labels by value.

    Args:
        path: the file.
        classes: values that the network can give, from 1 on.

    Returns:
        A label for each class, and MODEL_LABELS where the file does not name one.

    Raises:
        MedDLError: MODEL_INVALID, naming the line.
    """
    labels: dict[int, Label] = {}
    for line, row in _rows(path):
        text = (row.get("LabelValue") or "").strip()
        if not text.isdecimal() or not 0 < int(text[:9]) <= classes:
            raise _invalid(path, line, f"LabelValue is {shown(text)}; the network has {classes} classes")
        value = int(text)
        if value in labels:
            raise _invalid(path, line, f"LabelValue {value} is there twice")
        labels[value] = _label(value, row, _codes(row))
    unnamed = [value for value in range(1, classes + 1) if value not in labels]
    for value in unnamed:
        labels[value] = Label(value, f"class {value}", colour(value))
    message = f"{path.name} does not name the classes {', '.join(map(str, unnamed[:10]))}; they are numbered."
    notices = (Notice(Code.MODEL_LABELS, message),) if unnamed else ()
    return tuple(labels[value] for value in sorted(labels)), notices


def _rows(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    """Line numbers and rows. A row may be shorter than the header: the last columns are empty then."""
    if path.stat().st_size > MOST_BYTES:
        raise MedDLError(Code.MODEL_INVALID, f"{path.name} is larger than {MOST_BYTES >> 20} MiB.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MedDLError(Code.MODEL_INVALID, f"{path.name} is not a table of comma-separated values.") from error


def _label(value: int, row: Mapping[str, str], terminology: Terminology | None) -> Label:
    meaning = terminology.type.meaning if terminology else ""
    name = one_line(row.get("Name") or "", LONGEST_LABEL) or meaning or f"class {value}"
    known = structure_named(name) or structure_named(meaning)
    return Label(value, name, (known.color if known else None) or colour(value), terminology)


def _codes(row: Mapping[str, str]) -> Terminology | None:
    category, kind = _concept(row, CATEGORY), _concept(row, TYPE)
    if category is None or kind is None:
        return None
    return Terminology(category, kind, _concept(row, MODIFIER), _concept(row, REGION), _concept(row, REGION_MODIFIER))


def _concept(row: Mapping[str, str], sequence: str) -> Concept | None:
    parts = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
    value, scheme, meaning = (one_line(row.get(f"{sequence}.{part}") or "", LONGEST_LABEL) for part in parts)
    return Concept(value, scheme, meaning or value) if value and scheme else None


def _invalid(path: Path, line: int, problem: str) -> MedDLError:
    return MedDLError(Code.MODEL_INVALID, f"{path.name}, line {line}: {problem}.")
