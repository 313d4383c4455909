"""A report in words for the screen, and as JSON, which names cases by their pseudonyms alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checking import Report
from .facts import PERCENTILES, CaseFacts
from .findings import NOTHING_TO_DO, Finding, Severity

FORMAT_VERSION = 1
"""Raised whenever a key changes its meaning or goes."""

BINS = 32
NAMED = 6
"""Cases that are named with a finding on the screen; all are in the JSON."""

LISTED = 20
"""Findings of one fault that are shown on the screen."""

_AXES = ("R", "A", "S")


def as_json(report: Report) -> dict[str, Any]:
    """Findings, figures of each case, and histograms: plain JSON types, nothing of a patient."""
    data_set = report.data_set
    return {
        "format": FORMAT_VERSION,
        "cases": len(data_set.cases),
        "channels": [channel.name for channel in data_set.channels],
        "labels": [{"value": label.value, "name": label.name} for label in data_set.labels],
        "findings": [_finding(finding) for finding in report.findings],
        "spacing": {name: _histogram(values) for name, values in zip(_AXES, _spacings(report).T, strict=True)},
        "intensities": [_intensities(report, n) for n in range(len(data_set.channels))],
        "volumes_mL": {label.name: _spread(_volumes(report, label.name)) for label in data_set.labels},
        "per_case": [_case(case) for case in report.facts],
    }


def as_text(report: Report) -> str:
    """What a person reads: figures, findings with their consequence and remedy, and the answer about Dice."""
    return "\n".join([*_figures(report), "", *_findings(report), *_verdict(report)])


def _finding(finding: Finding) -> dict[str, Any]:
    effect = finding.effect
    return {
        "fault": finding.fault.value,
        "severity": finding.severity.value,
        "cases": list(finding.cases),
        "message": finding.message,
        "consequence": effect.consequence,
        "remedy": effect.remedy,
        "ruins_dice": effect.ruins,
    }


def _case(case: CaseFacts) -> dict[str, Any]:
    return {
        "case": case.id,
        "error": None if case.error is None else case.error.code.value,
        "images": [
            {
                "sha256": image.sha256,
                "modality": image.modality,
                "shape": list(image.geometry.shape),
                "spacing": [round(mm, 6) for mm in image.spacing],
                "orientation": image.geometry.orientation,
                "minimum": image.minimum,
                "maximum": image.maximum,
                "percentiles": dict(zip(map(str, PERCENTILES), image.percentiles, strict=True)),
            }
            for image in case.images
        ],
        "labels": {
            name: {"voxels": label.voxels, "volume_mL": label.volume / 1000, "drawn": label.drawn}
            for name, label in case.labels.items()
        },
    }


def _intensities(report: Report, channel: int) -> dict[str, Any]:
    images = [case.images[channel] for case in report.facts if len(case.images) > channel]
    pooled = [np.concatenate([*(getattr(image, name) for image in images), []]) for name in ("sample", "foreground")]
    return {name: _histogram(values) for name, values in zip(("all", "foreground"), pooled, strict=True)}


def _histogram(values: NDArray[Any]) -> dict[str, list[float]] | None:
    """Counts between edges; the outermost half percent at each end falls into the outer bins."""
    if not values.size:
        return None
    low, high = (float(value) for value in np.percentile(values, (0.5, 99.5)))
    counts, edges = np.histogram(np.clip(values, low, high), BINS, (low, high) if high > low else None)
    return {"counts": [int(n) for n in counts], "edges": [float(edge) for edge in edges]}


def _spread(values: NDArray[np.float64]) -> dict[str, float] | None:
    if not values.size:
        return None
    low, quarter, median, three, high = (float(value) for value in np.percentile(values, (0, 25, 50, 75, 100)))
    return {"cases": len(values), "minimum": low, "25 %": quarter, "median": median, "75 %": three, "maximum": high}


def _volumes(report: Report, label: str) -> NDArray[np.float64]:
    """mL, of the cases that have it."""
    return np.array(
        [c.labels[label].volume / 1000 for c in report.facts if label in c.labels and c.labels[label].voxels]
    )


def _spacings(report: Report) -> NDArray[np.float64]:
    return np.array([case.images[0].spacing for case in report.facts if case.images]).reshape(-1, 3)


def _figures(report: Report) -> Iterator[str]:
    data_set = report.data_set
    channels = "" if len(data_set.channels) == 1 else f", channels {', '.join(c.name for c in data_set.channels)}"
    yield f"{len(data_set.cases)} cases{channels}"
    images = [case.images[0] for case in report.facts if case.images]
    if images:
        shapes = np.array([image.geometry.reoriented("RAS").shape[::-1] for image in images])
        yield f"  voxels   {' x '.join(_range(column, '.0f') for column in shapes.T)} (R, A, S)"
        yield f"  spacing  {' x '.join(_range(column, '.3g') for column in _spacings(report).T)} mm"
    width = max((len(label.name) for label in data_set.labels), default=0)
    for label in data_set.labels:
        values = _volumes(report, label.name)
        size = f"{_range(values, '.3g')} mL, median {np.median(values):.3g}" if values.size else "nowhere"
        yield f"  {label.name:{width}}  {len(values):4} cases  {size}"


def _range(values: NDArray[Any], form: str) -> str:
    low, high = format(float(values.min()), form), format(float(values.max()), form)
    return low if low == high else f"{low}-{high}"


def _findings(report: Report) -> Iterator[str]:
    """Each fault once, with all that was found of it."""
    names = {case.id: case.name for case in report.data_set.cases}
    names |= {item.id: item.name for item in report.data_set.unusable}
    for fault, group in itertools.groupby(report.findings, key=lambda finding: finding.fault):
        findings = list(group)
        effect = findings[0].effect
        yield f"{effect.severity.value.upper()} {fault.value}"
        for finding in findings[:LISTED]:
            yield f"  {_who(finding.cases, names)}{finding.shown or finding.message}"
        if len(findings) > LISTED:
            yield f"  ... and {len(findings) - LISTED} more"
        yield f"  -> {effect.consequence}"
        for remedy in dict.fromkeys(finding.hint or effect.remedy for finding in findings):
            if remedy != NOTHING_TO_DO:
                yield f"  -> {remedy}"
        yield ""


def _who(cases: Sequence[str], names: dict[str, str]) -> str:
    if not cases:
        return ""
    more = len(cases) - NAMED
    listed = ", ".join(f"{names[case]} ({case})" for case in cases[:NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{listed}: "


def _verdict(report: Report) -> Iterator[str]:
    counts = {severity: len(report.of(severity)) for severity in Severity}
    yield ", ".join(f"{count} {severity.value}{'' if count == 1 else 's'}" for severity, count in counts.items())
    yield "Why would Dice be 0, or worthless?"
    reasons = dict.fromkeys(f"{finding.fault.value}: {finding.effect.consequence}" for finding in report.ruinous)
    yield from (f"  {reason}" for reason in reasons)
    if not reasons and report.of(Severity.ERROR):
        yield "  No training begins with these errors. Nothing else that was found would make it so."
    elif not reasons:
        yield "  Nothing that was found would make it so."
