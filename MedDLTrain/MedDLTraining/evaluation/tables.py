"""The figures as CSV: UTF-8, RFC 4180, numbers with a point; a cell of what cannot be told is empty."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from MedDLCore.atomic import atomic_path
from MedDLCore.writers.statistics import spreadsheet_cell

from .intervals import Interval
from .summary import SCORES, Evaluation

OF_A_CASE = ("dice", "f1", "iou", "precision", "recall", "hd95", "mean_surface_distance", "surface_dice",
             "truth_volume", "found_volume", "volume_error", "volume_error_percent")  # fmt: skip
"""``f1`` of voxels is the same number as ``dice``; both are there for who looks for either."""

UNITS = {
    "hd95": "hd95_mm",
    "mean_surface_distance": "mean_surface_distance_mm",
    "truth_volume": "truth_volume_mL",
    "found_volume": "found_volume_mL",
    "volume_error": "volume_error_mL",
}
"""Names of columns that have a unit."""

ALL = "(mean)"


def write_tables(evaluation: Evaluation, folder: Path) -> None:
    """Writes ``cases.csv``, ``summary.csv`` and ``confusion.csv``.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    _write(
        folder / "cases.csv", ("case", "structure", *(UNITS.get(name, name) for name in OF_A_CASE)), _cases(evaluation)
    )
    header = ("structure", "score", "mean", "low", "high", "cases", "missed", "invented")
    _write(folder / "summary.csv", header, _summary(evaluation))
    names = ["background", *(structure.name for structure in evaluation.structures)]
    rows = ([name, *map(str, row)] for name, row in zip(names, evaluation.confusion.tolist(), strict=True))
    _write(folder / "confusion.csv", ("truth \\ found, voxels", *names), rows)


def _cases(evaluation: Evaluation) -> Iterable[Sequence[str]]:
    for case in sorted(evaluation.cases, key=lambda case: case.id):
        for name, scores in case.scores.items():
            yield [case.id, name, *(_number(getattr(scores, column)) for column in OF_A_CASE)]


def _summary(evaluation: Evaluation) -> Iterable[Sequence[str]]:
    for summary in evaluation.summaries:
        for key in SCORES:
            yield _row(summary.name, key, summary.scores[key], str(summary.missed), str(summary.invented))
        if summary.reliability is not None:
            yield [summary.name, "calibration_error", _number(summary.reliability.error), "", "", "", "", ""]
    for key in SCORES:
        yield _row(ALL, key, evaluation.mean[key], "", "")


def _row(name: str, key: str, its: Interval, missed: str, invented: str) -> Sequence[str]:
    return [
        name,
        UNITS.get(key, key),
        _number(its.mean),
        _number(its.low),
        _number(its.high),
        str(its.cases),
        missed,
        invented,
    ]


def _number(value: float) -> str:
    return "" if value != value else f"{value:.6g}"


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with atomic_path(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow([spreadsheet_cell(cell) for cell in header])
        for name, *cells in rows:
            writer.writerow(
                [spreadsheet_cell(name), *(cell if _is_number(cell) else spreadsheet_cell(cell) for cell in cells)]
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
