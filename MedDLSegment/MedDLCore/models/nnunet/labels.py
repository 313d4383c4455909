"""``dataset.json``: the labels, or the regions and the order in which they are painted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import Code, Notice
from ...spec_rules import LONGEST_LABEL
from ...text import one_line, shown
from ...volume import Label
from ..anatomy import colored
from ..colours import colour
from ..distinct import distinct
from .refusal import refused
from .values import Table

DATASET_JSON = "dataset.json"
MOST_LABELS = 2000


@dataclass(frozen=True)
class Labels:
    """What a data set's network finds.

    Attributes:
        labels: structures of the result.
        paint: for regions, the value with which each output channel is painted; else empty.
        foreground: every value but 0 in the training labels: what a cascade hands on.
        notices: what a person should know.
    """

    labels: tuple[Label, ...]
    paint: tuple[int, ...]
    foreground: tuple[int, ...]
    notices: tuple[Notice, ...] = ()


def read_labels(dataset: Table) -> Labels:
    """Reads the labels.

    Raises:
        MedDLError: MODEL_INVALID.
    """
    named = {name: _values(dataset, name, value) for name, value in dataset.table("labels").values.items()}
    if named.pop("background", None) != [0]:
        raise refused(dataset.file, "the labels lack a background with the value 0")
    named.pop("ignore", None)
    if not 0 < len(named) <= MOST_LABELS:
        raise refused(dataset.file, f"there are {len(named)} labels; MedDL takes 1 to {MOST_LABELS}")
    foreground = tuple(sorted({value for values in named.values() for value in values} - {0}))
    if any(len(values) > 1 for values in named.values()):
        return _regions(dataset, named, foreground)
    if foreground != tuple(range(1, len(named) + 1)):
        raise refused(dataset.file, f"the labels' values {shown(list(foreground))} are not 1, 2, 3 and so on")
    labels, renamed = _labels({values[0]: name for name, values in named.items()})
    return Labels(labels, (), foreground, renamed)


def _regions(dataset: Table, named: dict[str, list[int]], foreground: tuple[int, ...]) -> Labels:
    regions = [name for name, values in named.items() if set(values) != {0}]
    paint = dataset.whole_numbers("regions_class_order", len(regions))
    if len(set(paint)) != len(paint) or not all(0 < value < 65536 for value in paint):
        raise dataset.wrong("regions_class_order", f"is {shown(paint)}, not a different value for each region")
    labels, renamed = _labels(dict(zip(paint, regions, strict=True)))
    message = "The labels are regions; a region's segment is without those that are painted over it."
    return Labels(labels, tuple(paint), foreground, (Notice(Code.MODEL_LABELS, message), *renamed))


def _labels(names: Mapping[int, str]) -> tuple[tuple[Label, ...], tuple[Notice, ...]]:
    labels = (Label(value, one_line(name, LONGEST_LABEL), colour(value)) for value, name in sorted(names.items()))
    return distinct(colored(labels))


def _values(dataset: Table, name: str, value: Any) -> list[int]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(item, int) and not isinstance(item, bool) for item in values):
        raise refused(dataset.file, f"the label {shown(name)} has the value {shown(value)}")
    if not all(0 <= item < 65536 for item in values):
        raise refused(dataset.file, f"the label {shown(name)} has the value {shown(value)}")
    return [int(item) for item in values]
