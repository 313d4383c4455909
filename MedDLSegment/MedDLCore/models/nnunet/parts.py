"""Networks that share a task: each finds some of the structures, and together they are one model.

TotalSegmentator (Wasserthal et al. 2023, doi:10.1148/ryai.230024) keeps its main task so, from
``Dataset291_TotalSegmentator_part1_organs_1559subj`` to ``Dataset295_TotalSegmentator_part5_ribs_1559subj``. It numbers
the structures of the parts one after the other, and where two parts find something, the later one counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import Code, MedDLError
from ...spec import LONGEST_NAME, Weights
from ...volume import Label
from ..described import Described
from .labels import colour

PART = re.compile(r"Dataset(\d{3,})_(.+)_part(\d{1,2})_.*")


def numbered_parts(datasets: Sequence[Path]) -> list[Path] | None:
    """The folders of a task in parts, in their order, where every folder is one of its parts; else None."""
    parts: dict[int, Path] = {}
    tasks = set()
    for folder in datasets:
        match = PART.fullmatch(folder.name)
        if match is None:
            return None
        number, base, part = int(match[1]), match[2], int(match[3])
        tasks.add((folder.parent, base, number - part))
        parts[part] = folder
    complete = len(tasks) == 1 and sorted(parts) == list(range(1, len(datasets) + 1))
    return [parts[part] for part in sorted(parts)] if complete else None


def merged(folder: Path, parts: Sequence[Described], name: str = "") -> Described:
    """One model of several.

    Args:
        folder: in which all of them lie.
        parts: in their order.
        name: of the model; from the first data set's if empty.

    Raises:
        MedDLError: MODEL_INVALID where the parts take different scans, or find regions.
    """
    first = parts[0].spec
    labels: dict[str, Label] = {}
    weights: list[Weights] = []
    for part in parts:
        if [channel.modality for channel in part.spec.channels] != [channel.modality for channel in first.channels]:
            raise MedDLError(Code.MODEL_INVALID, f"{part.spec.name} takes other scans than {first.name}.")
        if part.spec.output.activation != "softmax":
            raise MedDLError(Code.MODEL_INVALID, f"{part.spec.name} finds regions, which cannot be a part of a model.")
        for label in part.spec.labels:
            value = len(labels) + 1
            labels.setdefault(label.name, replace(label, value=value, color=colour(value)))
        weights += [
            replace(file, file=(part.folder / file.file).relative_to(folder).as_posix()) for file in part.spec.weights
        ]
    match = PART.fullmatch(parts[0].folder.parent.name)
    base = name or (match[2] if match else first.name)
    spec = replace(first, name=base[:LONGEST_NAME], title=base, labels=tuple(labels.values()), weights=tuple(weights))
    return Described(spec, folder, tuple(dict.fromkeys(n for part in parts for n in part.notices)), parts=tuple(parts))
