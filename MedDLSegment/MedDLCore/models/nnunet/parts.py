"""Networks that share a task: each finds some of the structures, and together they are one model.

TotalSegmentator (Wasserthal et al. 2023, doi:10.1148/ryai.230024) keeps its main task so, from
``Dataset291_TotalSegmentator_part1_organs_1559subj`` to ``Dataset295_TotalSegmentator_part5_ribs_1559subj``. It numbers
the structures of the parts one after the other, and where two parts find something, the later one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import Code, MedDLError
from ...spec import Weights
from ...spec_rules import plain_name
from ...volume import Label
from ..anatomy import colored
from ..colours import colour
from ..described import Described

PART = re.compile(r"Dataset(\d{3,})_(.+)_part(\d{1,2})_.*")


def tasks_in_parts(datasets: Iterable[Path]) -> dict[str, list[Path]]:
    """The tasks of which every part is there, each with its folders in their order.

    The numbers of a task's data sets rise with its parts. Of two tasks of one name, the one with higher numbers is the
    newer one, and counts.
    """
    found: dict[tuple[int, str], dict[int, Path]] = {}
    for folder in datasets:
        if match := PART.fullmatch(folder.name):
            part = int(match[3])
            found.setdefault((int(match[1]) - part, match[2]), {})[part] = folder
    tasks = {}
    for (_, name), parts in sorted(found.items()):
        if len(parts) > 1 and sorted(parts) == list(range(1, len(parts) + 1)):
            tasks[name] = [parts[part] for part in sorted(parts)]
    return tasks


def merged(folder: Path, parts: Sequence[Described], name: str) -> Described:
    """One model of several.

    Args:
        folder: in which all of them lie.
        parts: in their order.
        name: of the task.

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
    plain = plain_name(name, first.name)
    spec = replace(first, name=plain, title=name, labels=colored(labels.values()), weights=tuple(weights))
    return Described(spec, folder, tuple(dict.fromkeys(n for part in parts for n in part.notices)), parts=tuple(parts))
