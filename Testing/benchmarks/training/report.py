"""The tables of the studies, of the jobs that are done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from .cases import LABELS
from .figures import Mean, Scores, difference, mean_of
from .jobs import ENGINES
from .ledger import STAGES

Result = Mapping[str, Any]
MEASURES = {"dice": "Dice", "hd95": "HD95 (mm)"}
CLASSES = (*LABELS, "mean")


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """What the jobs of one study came to, as plain data: rows by group, differences between the engines."""
    rows = {name: _row(members) for name, members in _groups(results).items()}
    paired = _groups([r for r in results if r["job"]["study"] == "versus"])
    return {"rows": rows, "differences": _differences(paired) if set(paired) == set(ENGINES) else {}}


def table(summarised: Mapping[str, Any]) -> str:
    """``summary`` for a person."""
    lines = [f"{'':22}{'':10}" + "".join(f"{name:>28}" for name in CLASSES)]
    for name, row in summarised["rows"].items():
        lines += _lines(name, row)
        seconds = ", ".join(f"{stage} {row['seconds'][stage]:.0f}" for stage in STAGES)
        lines.append(f"{'':22}{row['jobs']} trained; CPU-seconds of each: {seconds}")
    if summarised["differences"]:
        lines += _lines(" - ".join(reversed(ENGINES)), summarised["differences"])
    return "\n".join(lines)


def _lines(name: str, row: Mapping[str, Any]) -> Iterator[str]:
    for measure, title in MEASURES.items():
        cells = "".join(f"{Mean(**row[measure][label])!s:>28}" for label in CLASSES)
        yield f"{name:22}{title:10}{cells}"
        name = ""


def _groups(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Jobs that differ in their seed alone, or in their fold."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        job = result["job"]
        if not result["scores"]:
            continue
        name = job["engine"]
        if job["study"] == "curve":
            name = f"{'tuned' if job['start'] else 'scratch'}, {len(job['learnt']) + len(job['watched'])} cases"
        elif job["study"] == "cross":
            name = f"{job['engine']}, {len(job['learnt'])} + {len(job['watched'])}"
        groups.setdefault(name, []).append(result)
    return groups


def _row(members: Sequence[Result]) -> dict[str, Any]:
    seconds = {stage: float(np.mean([member["seconds"][stage] for member in members])) for stage in STAGES}
    return {
        **_each(lambda measure, label: mean_of(_scores(members, measure, label))),
        "seconds": seconds,
        "jobs": len(members),
    }


def _differences(paired: Mapping[str, Sequence[Result]]) -> dict[str, Any]:
    """Over the seeds that both engines have."""
    theirs, ours = ({member["job"]["seed"]: member for member in paired[engine]} for engine in ENGINES)
    both = sorted(set(theirs) & set(ours))
    if not both:
        return {}
    one, other = [ours[seed] for seed in both], [theirs[seed] for seed in both]
    return _each(lambda measure, label: difference(_scores(one, measure, label), _scores(other, measure, label)))


def _each(of: Any) -> dict[str, Any]:
    return {measure: {label: asdict(of(measure, label)) for label in CLASSES} for measure in MEASURES}


def _scores(members: Sequence[Result], measure: str, label: str) -> Scores:
    """``(seeds, cases)``. Where the members have other cases each, as folds have, there is one seed."""
    same = len({tuple(member["scores"]) for member in members}) == 1
    rows = [[_score(scores, measure, label) for scores in member["scores"].values()] for member in members]
    return np.array(rows if same else [[score for row in rows for score in row]])


def _score(scores: Mapping[str, Mapping[str, float]], measure: str, label: str) -> float:
    return float(np.mean([scores[name][measure] for name in LABELS]) if label == "mean" else scores[label][measure])
