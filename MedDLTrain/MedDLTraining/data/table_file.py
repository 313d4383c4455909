"""The table of labels as a file that a person can edit: CSV for spreadsheets, JSON for programs.

Each row says which label a segment becomes; an empty label leaves the segment out. ``*`` in the first column means
every case; a row with a case's id or name goes before it. Two segments with one label are merged.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from MedDLCore.atomic import atomic_path
from MedDLCore.errors import Code, MedDLError
from MedDLCore.text import one_line
from MedDLCore.writers.statistics import spreadsheet_cell

from .case import Case
from .label_table import Assignment, LabelTable, kind_of, table_of

COLUMNS = ("case", "segment", "code", "label")
LONGEST_NAME = 200


def write_table(table: LabelTable, path: Path, each_of: Sequence[Case] = ()) -> None:
    """Writes a table.

    Args:
        table: what to write.
        path: ends in ``.csv`` or ``.json``; its folder exists.
        each_of: write a row for every segment of each of these cases, by their ids; empty: the table's own rows.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE, NO_SPACE.
    """
    rows = _one_by_one(table, each_of) if each_of else table.rows
    if path.suffix.lower() == ".json":
        text = json.dumps({"rows": [asdict(row) for row in rows]}, indent=2, ensure_ascii=False) + "\n"
    else:
        stream = io.StringIO()
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: spreadsheet_cell(value) for key, value in asdict(row).items()} for row in rows)
        text = stream.getvalue()
    with atomic_path(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def read_table(path: Path, cases: Sequence[Case]) -> LabelTable:
    """Reads a table that was written here and edited.

    Args:
        path: the file.
        cases: whose segments it must tell of; a row may name a case by its id or its name.

    Raises:
        MedDLError: FILE_NOT_FOUND; DATA_INVALID where it is malformed, contradicts itself, names a case or a segment
            that is not there, or lacks one.
    """
    return table_of(_rows(path), cases)


def _one_by_one(table: LabelTable, cases: Sequence[Case]) -> list[Assignment]:
    rows = []
    for case in cases:
        for segment in case.segments:
            label = table.label_of(case, segment)
            rows.append(Assignment(case.id, *kind_of(segment), "" if label is None else label.name))
    return rows


def _rows(path: Path) -> list[Assignment]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        found: Any = json.loads(text)["rows"] if path.suffix.lower() == ".json" else _csv(text)
        rows = [{column: row[column] for column in COLUMNS} for row in found]
    except FileNotFoundError as error:
        raise MedDLError(Code.FILE_NOT_FOUND, f"There is no file {path.name}.") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error, RecursionError) as error:
        raise _wrong(path, f"is not a table with the columns {', '.join(COLUMNS)}") from error
    if not all(isinstance(value, str) for row in rows for value in row.values()):
        raise _wrong(path, "has a cell that is no text")
    rows = [{**row, "label": one_line(row["label"], LONGEST_NAME)} for row in rows]
    return [Assignment(**row) for row in rows]


def _csv(text: str) -> list[dict[str, str]]:
    """Spreadsheets of some countries write semicolons. The apostrophe before a formula is none of the name."""
    delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    return [{key: _without_apostrophe(value) for key, value in row.items()} for row in rows]


def _without_apostrophe(cell: str | None) -> str:
    if cell is None:
        raise ValueError("a cell is missing")
    bare = cell.removeprefix("'")
    return bare if spreadsheet_cell(bare) == cell else cell


def _wrong(path: Path, problem: str) -> MedDLError:
    return MedDLError(
        Code.DATA_INVALID, f"{path.name} {problem}.", "Write the table anew with --write-labels, and edit that."
    )
