"""Points that a person has set in Slicer: its markups (``.mrk.json``), and the older lists of fiducials (``.fcsv``).

Both say whether their coordinates are LPS or RAS; a file that does not is refused. Points that were placed count,
those that are yet to be placed, or missing, do not.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import Code, MedDLError
from ..spec import FloatTriple
from ..text import shown

SUFFIXES = (".json", ".fcsv")

MOST_BYTES = 16 * 2**20

_TO_RAS = {"RAS": (1.0, 1.0, 1.0), "LPS": (-1.0, -1.0, 1.0), "0": (1.0, 1.0, 1.0), "1": (-1.0, -1.0, 1.0)}
"""Signs of the three coordinates. Numbers are those of older lists."""

_COLUMNS = "id,x,y,z"
"""With which the columns of a list begin."""


def read_points(path: Path) -> tuple[FloatTriple, ...]:
    """Reads the points of a file, RAS mm.

    Raises:
        MedDLError: FILE_NOT_FOUND; FILE_UNREADABLE for what is no list of points, or does not say where they lie.
    """
    if not path.is_file():
        raise MedDLError(Code.FILE_NOT_FOUND, f"There is no file {path.name}.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
        text = path.read_text(encoding="utf-8-sig")
        points = tuple(_listed(text.splitlines()) if path.suffix.lower() == ".fcsv" else _marked(json.loads(text)))
        if not points:
            raise ValueError("no point was placed")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise MedDLError(
            Code.FILE_UNREADABLE,
            f"{path.name} holds no points that MedDL reads: {error}.",
            "Save a point list from Slicer as .mrk.json or .fcsv, or give the points themselves as R,A,S in mm.",
        ) from error
    return points


def _marked(content: Any) -> Iterable[FloatTriple]:
    """The points of every point list of a ``.mrk.json``."""
    for markup in content["markups"]:
        if markup["type"] != "Fiducial":
            raise ValueError(f"it holds a markup of the type {shown(markup['type'])}, not points")
        if markup.get("coordinateUnits", "mm") not in ("mm", ["mm"] * 3):
            raise ValueError(f"its coordinates are in {shown(markup['coordinateUnits'])}")
        for point in markup["controlPoints"]:
            if point.get("positionStatus", "defined") == "defined":
                yield _in_ras(point["position"], markup.get("coordinateSystem"))


def _listed(lines: Sequence[str]) -> Iterable[FloatTriple]:
    """The points of a ``.fcsv``: a header of lines with ``#``, then one line for each."""
    header = dict(line.lstrip("# ").split(" = ", 1) for line in lines if line.startswith("#") and " = " in line)
    if not header.get("columns", _COLUMNS).replace(" ", "").startswith(_COLUMNS):
        raise ValueError(f"its columns are {shown(header['columns'])}")
    for row in csv.reader(line for line in lines if line.strip() and not line.startswith("#")):
        yield _in_ras([float(text) for text in row[1:4]], header.get("CoordinateSystem"))


def _in_ras(position: Sequence[float], system: str | None) -> FloatTriple:
    signs = _TO_RAS.get(str(system).strip())
    if signs is None:
        raise ValueError(f"its coordinate system is {shown(system)}")
    r, a, s = (sign * float(value) for sign, value in zip(signs, position, strict=True))
    if not all(map(math.isfinite, (r, a, s))):
        raise ValueError("a coordinate is not finite")
    return r, a, s
