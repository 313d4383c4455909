"""What was drawn: missing, empty, overlapping, unnamed, or of another size than elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from ..data.data_set import DataSet
from ..data.identity import name_key
from .facts import CaseFacts
from .findings import Fault, Finding
from .outliers import outliers

VOLUME_FACTOR = 3.0
"""A structure this many times as large as usual, or this many times smaller, can be an outlier."""


def find_in_structures(facts: Sequence[CaseFacts], data_set: DataSet) -> Iterator[Finding]:
    """Everything about the voxels of structures. Of a label map off its scan nothing more is said."""
    read = [case for case in facts if case.images and not case.apart]
    bare = {case.id for case in read if not any(label.voxels for label in case.labels.values())}
    if bare and len(bare) < len(read):
        message = f"{len(bare)} of {len(read)} cases have no voxel of any structure."
        yield Finding(Fault.NO_FOREGROUND, message, tuple(sorted(bare)))
    if read and not data_set.labels:
        yield Finding(Fault.LABEL_NEVER, f"No structure was drawn in any of {len(read)} cases.")
    for label in data_set.labels:
        yield from _of_label(label.name, [case for case in read if case.id not in bare], len(read))
    overlapping = [case for case in read if case.overlap]
    if overlapping and data_set.exclusive:
        most = max(case.overlap for case in overlapping)
        message = f"Structures overlap in {len(overlapping)} of {len(read)} cases, by up to {most} voxels."
        yield Finding(Fault.SEGMENTS_OVERLAP, message, tuple(case.id for case in overlapping))


def _of_label(name: str, cases: Sequence[CaseFacts], count: int) -> Iterator[Finding]:
    there = [case for case in cases if case.labels[name].voxels]
    if not there:
        if count:
            yield Finding(Fault.LABEL_NEVER, f"{name} has no voxel in any of {count} cases.")
        return
    for fault, word, drawn in (
        (Fault.SEGMENT_MISSING, "was not drawn", False),
        (Fault.SEGMENT_EMPTY, "is empty", True),
    ):
        lacking = [case.id for case in cases if not case.labels[name].voxels and case.labels[name].drawn is drawn]
        if lacking:
            yield Finding(fault, f"{name} {word} in {len(lacking)} of {count} cases.", tuple(lacking))
    volumes = [case.labels[name].volume for case in there]
    usual = float(np.median(volumes))
    for n in np.flatnonzero(outliers(volumes, VOLUME_FACTOR)):
        message = f"{name} has {_millilitres(volumes[n])}; usual in this data set are {_millilitres(usual)}."
        yield Finding(Fault.VOLUME_OUTLIER, message, (there[n].id,))


def find_in_names(facts: Sequence[CaseFacts], data_set: DataSet) -> Iterator[Finding]:
    """Everything about the values, names and codes of structures."""
    unknown: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for case in facts:
        if case.unknown:
            unknown[case.unknown].append(case.id)
    for values, cases in unknown.items():
        listed = ", ".join(map(str, values[:20])) + (" ..." if len(values) > 20 else "")
        yield Finding(Fault.VALUES_UNKNOWN, f"Label maps have values that nothing names: {listed}.", tuple(cases))
    stored = data_set.stored_values
    if stored and stored != tuple(range(1, len(stored) + 1)):
        yield Finding(Fault.LABEL_GAPS, f"The values of the labels are {', '.join(map(str, stored))}.")
    if not data_set.named:
        yield Finding(Fault.LABELS_UNNAMED, "Nothing names the values of the label maps.")
    for name, codes in data_set.table.contradictions:
        yield Finding(Fault.CODES_CONTRADICT, f"{name} has several codes: {'; '.join(codes)}.")
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for row in data_set.table.rows:
        names[row.label].setdefault(name_key(row.segment), row.segment)
    for label, segments in names.items():
        if label and len(segments) > 1:
            yield Finding(Fault.NAMES_MERGED, f"{' and '.join(segments.values())} are one label: {label}.")
    shared: dict[str, list[str]] = defaultdict(list)
    for case in facts:
        for label in case.shared:
            shared[label].append(case.id)
    for label, cases in shared.items():
        yield Finding(Fault.SEGMENTS_MERGED, f"Several segments become {label}.", tuple(cases))


def _millilitres(volume: float) -> str:
    return f"{volume / 1000:.3g} mL"
