"""Which structure of a prediction is which of the truth: by code, where there is none by name, never by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.volume import Label, LabelMap

from ..data import Segment
from ..data.identity import codes_of, name_key

Color = tuple[int, int, int]

PALETTE: tuple[Color, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
)
"""Colours that people with any kind of colour vision can tell apart (Okabe & Ito 2008)."""


@dataclass(frozen=True)
class Structure:
    """What is compared.

    Attributes:
        name: as the data set calls it.
        truth: its value in the data set.
        found: its value in predictions.
        color: in pictures and charts.
    """

    name: str
    truth: int
    found: int
    color: Color

    def in_truth(self, label_map: LabelMap) -> Label:
        """Its label in a truth: the layer may be another one in each case."""
        return next(label for label in label_map.labels if label.value == self.truth)

    def in_found(self, label_map: LabelMap) -> Label:
        """Its label in a prediction."""
        return next(label for label in label_map.labels if label.value == self.found)


def matched(truth: Sequence[Label], found: Sequence[Label]) -> tuple[tuple[Structure, ...], tuple[Notice, ...]]:
    """The structures that both sides have, and warnings of those that one side lacks.

    Args:
        truth: labels of the data set.
        found: labels of the model, or of predictions.

    Raises:
        MedDLError: LABEL_UNKNOWN where there is none in common.
    """
    partners = {label.value: _partner(label, found) for label in truth}
    structures = tuple(
        Structure(label.name, label.value, partner.value, PALETTE[n % len(PALETTE)])
        for n, label in enumerate(truth)
        if (partner := partners[label.value]) is not None
    )
    not_found = [label.name for label in truth if partners[label.value] is None]
    taken = {structure.found for structure in structures}
    not_drawn = [label.name for label in found if label.value not in taken]
    if not structures:
        raise MedDLError(
            Code.LABEL_UNKNOWN,
            f"The data set has {', '.join(not_found)}; what is judged finds {', '.join(not_drawn)}.",
            "Name the labels alike in a table of labels (meddl check --write-labels), and give it with --labels.",
        )
    notices = []
    if not_found:
        notices.append(
            Notice(Code.LABEL_UNKNOWN, f"Not judged, for the predictions lack them: {', '.join(not_found)}.")
        )
    if not_drawn:
        notices.append(Notice(Code.LABEL_UNKNOWN, f"Not judged, for the truth lacks them: {', '.join(not_drawn)}."))
    return structures, tuple(notices)


def recoloured(label_map: LabelMap, structures: Sequence[Structure], as_found: bool) -> LabelMap:
    """The label map with the structures' names and colours, and no other labels: for a picture."""
    labels = tuple(
        replace(one.in_found(label_map) if as_found else one.in_truth(label_map), name=one.name, color=one.color)
        for one in structures
    )
    kept = {(label.layer, label.value) for label in labels}
    dropped = [label for label in label_map.labels if (label.layer, label.value) not in kept]
    if not dropped:
        return LabelMap(label_map.array, label_map.geometry, labels)
    array = label_map.array.copy()
    for label in dropped:
        layer = array if array.ndim == 3 else array[label.layer]
        layer[layer == label.value] = 0
    return LabelMap(array, label_map.geometry, labels)


def _partner(label: Label, offered: Sequence[Label]) -> Label | None:
    """The one label of the same meaning; among several, the one of the same name."""
    same = [other for other in offered if _same(label, other)]
    if len(same) > 1:
        same = [other for other in same if name_key(other.name) == name_key(label.name)]
    return same[0] if len(same) == 1 else None


def _same(one: Label, other: Label) -> bool:
    codes = [codes_of(Segment(label.name, (), label.terminology)) for label in (one, other)]
    if None in codes:
        return name_key(one.name) == name_key(other.name)
    return codes[0] == codes[1]
