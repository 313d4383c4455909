"""Which scans a person wants: a few conditions, one a line, in a small file that can be shared.

    # CT of the thorax, axial, 1 to 3 mm, the thinnest series of each study
    modality = CT
    body part ~ chest|thorax
    plane = axial
    thickness = 1..3
    keep = thinnest per study

``=`` and ``!=`` compare without regard to case; a number or a date can be a range, ``1..3``, ``2020-01-01..``; several
values are separated by commas. ``~`` and ``!~`` search for a regular expression. ``<``, ``<=``, ``>``, ``>=`` compare
numbers and dates. What a scan does not say fulfils no condition but ``!=`` and ``!~``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Code, MedDLError
from ..text import shown
from .scan import Scan

Value = str | float | None

FIELDS: Mapping[str, Callable[[Scan], Value]] = {
    "modality": lambda scan: scan.modality,
    "bodypart": lambda scan: scan.body_part,
    "description": lambda scan: scan.description,
    "study": lambda scan: scan.study_description,
    "date": lambda scan: scan.date,
    "patient": lambda scan: scan.patient,
    "name": lambda scan: scan.name,
    "slices": lambda scan: scan.slices,
    "thickness": lambda scan: scan.header.thickness,
    "plane": lambda scan: scan.header.plane,
}
"""What can be asked, the cheapest first: the last two open a file."""

NUMBERS = frozenset({"slices", "thickness"})

PERSONAL = frozenset({"description", "study", "date", "patient", "name"})
"""Fields in which a person can be named."""

KEEPS = ("thinnest", "longest", "newest")
GROUPS: Mapping[str, Callable[[Scan], str]] = {
    "study": lambda scan: scan.study_uid or scan.key,
    "patient": lambda scan: scan.patient or scan.key,
}

LONGEST_FILE = 100_000
LONGEST_PATTERN = 200
"""Characters."""

_SHOWN = {"bodypart": "body part"}
_CONDITION = re.compile(r"\s*([A-Za-z][A-Za-z _-]*?)\s*(!=|!~|<=|>=|=|~|<|>)\s*(.*?)\s*")
_KEEP = re.compile(rf"({'|'.join(KEEPS)})\s+(?:per|of each)\s+({'|'.join(GROUPS)})", re.IGNORECASE)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        field: of ``FIELDS``.
        sign: ``=``, ``!=``, ``~``, ``!~``, ``<``, ``<=``, ``>``, ``>=``.
        value: what the field is compared with, as it was written.
    """

    field: str
    sign: str
    value: str

    def __post_init__(self) -> None:
        if self.sign in ("~", "!~"):
            _pattern(self)
        elif self.sign in _COMPARE or self.field in ("date", *NUMBERS) or ".." in self.value:
            for text in re.split(r",|\.\.", self.value):
                if text.strip():
                    self._comparable(text)

    def __str__(self) -> str:
        return f"{_SHOWN.get(self.field, self.field)} {self.sign} {self.value}"

    @property
    def anonymous(self) -> str:
        """The condition without a value that can name a person."""
        return f"{self.field} {self.sign} ..." if self.field in PERSONAL else str(self)

    def holds(self, scan: Scan) -> bool:
        """Whether the scan fulfils it."""
        value = FIELDS[self.field](scan)
        if value is None or value == "":
            return self.sign in ("!=", "!~")
        if self.sign in ("~", "!~"):
            return (_pattern(self).search(str(value)) is not None) == (self.sign == "~")
        if self.sign in _COMPARE:
            limit = self._comparable(self.value)
            return _COMPARE[self.sign](_as_long(value, limit), limit)
        return any(self._equals(value, text.strip()) for text in self.value.split(",")) == (self.sign == "=")

    def _equals(self, value: str | float, text: str) -> bool:
        low, dots, high = (part.strip() for part in text.partition(".."))
        if dots:
            least, most = (self._comparable(part) if part else value for part in (low, high))
            return _COMPARE["<="](least, _as_long(value, least)) and _COMPARE["<="](_as_long(value, most), most)
        if self.field == "date" or self.field in NUMBERS:
            wanted = self._comparable(text)
            return _as_long(value, wanted) == wanted
        return str(value).casefold() == text.casefold()

    def _comparable(self, text: str) -> float | str:
        """A number, or a date as it sorts."""
        if self.field == "date":
            if re.fullmatch(r"\d{4}(-\d\d){0,2}", text.strip()):
                return text.strip()
            raise _invalid(f"{shown(text)} is no date as 2020-01-31, 2020-01 or 2020")
        if self.field not in NUMBERS:
            raise _invalid(f"{self.field} is a text: it has no order, and no range")
        try:
            return float(text)
        except ValueError:
            raise _invalid(f"{shown(text)} is not a number") from None


@dataclass(frozen=True)
class Keep:
    """Of several scans of a study or patient, which one is kept: ``thinnest``, ``longest`` or ``newest``."""

    which: str
    group: str

    def __str__(self) -> str:
        return f"keep = {self.which} per {self.group}"

    def best(self, scans: Sequence[Scan]) -> set[str]:
        """The keys of the scans that are kept."""
        groups: dict[str, list[Scan]] = {}
        for scan in scans:
            groups.setdefault(GROUPS[self.group](scan), []).append(scan)
        return {min(group, key=self._rank).key for group in groups.values()}

    def _rank(self, scan: Scan) -> tuple[object, ...]:
        slices = -(scan.slices or 0)
        if self.which == "thinnest":
            thickness = scan.header.thickness
            return (float("inf") if thickness is None else thickness, slices, scan.key)
        if self.which == "newest":
            return (tuple(-ord(c) for c in scan.date), slices, scan.key)
        return (slices, scan.key)


@dataclass(frozen=True)
class Rules:
    """All conditions must hold; ``keep`` chooses among the scans that then remain and can run."""

    conditions: tuple[Condition, ...] = ()
    keep: Keep | None = None

    def unmet(self, scan: Scan) -> Condition | None:
        """The first condition that does not hold; those that open a file come last."""
        order = list(FIELDS)
        by_cost = sorted(self.conditions, key=lambda condition: order.index(condition.field))
        return next((condition for condition in by_cost if not condition.holds(scan)), None)

    @classmethod
    def parse(cls, lines: Iterable[str]) -> Rules:
        """The rules of lines of text; ``#`` begins a comment.

        Raises:
            MedDLError: RULE_INVALID, quoting the line.
        """
        conditions: list[Condition] = []
        keep: Keep | None = None
        for line in lines:
            text = re.sub(r"(^|\s)#.*", "", line).strip()
            if not text:
                continue
            found = _CONDITION.fullmatch(text)
            if found is None:
                raise _invalid(f"{shown(text)} is no condition, as modality = CT is")
            name, sign, value = re.sub(r"[ _-]", "", found[1]).casefold(), found[2], found[3]
            if name == "keep":
                if keep is not None:
                    raise _invalid("keep stands there twice")
                keep = _keep(value)
            elif name not in FIELDS:
                known = ", ".join(_SHOWN.get(name, name) for name in FIELDS)
                raise _invalid(f"{shown(found[1])} is nothing that can be asked; there are: {known}, keep")
            elif not value:
                raise _invalid(f"{shown(text)} has no value")
            else:
                conditions.append(Condition(name, sign, value))
        return cls(tuple(conditions), keep)

    @classmethod
    def read(cls, path: Path) -> Rules:
        """The rules of a file (UTF-8).

        Raises:
            MedDLError: FILE_NOT_FOUND, FILE_UNREADABLE, RULE_INVALID.
        """
        if not path.exists():
            raise MedDLError(Code.FILE_NOT_FOUND, f"There is no file {path.name}.")
        try:
            with path.open(encoding="utf-8-sig") as file:
                text = file.read(LONGEST_FILE + 1)
        except (OSError, ValueError) as error:
            raise MedDLError(
                Code.FILE_UNREADABLE, f"{path.name} could not be read as text.", "Give a text file of rules."
            ) from error
        if len(text) > LONGEST_FILE:
            raise _invalid(f"{path.name} is too long for a file of rules")
        return cls.parse(text.splitlines())

    def and_also(self, other: Rules) -> Rules:
        """Both; the other's ``keep`` takes the place of this one's."""
        return Rules((*self.conditions, *other.conditions), other.keep or self.keep)


def _keep(value: str) -> Keep:
    found = _KEEP.fullmatch(value)
    if found is None:
        raise _invalid(f"{shown(value)} is none of: {', '.join(KEEPS)}, each per study or per patient")
    return Keep(found[1].casefold(), found[2].casefold())


def _as_long(value: str | float, as_this: str | float) -> str | float:
    """A date as exactly as the one that it is compared with: every day of 2020 is 2020."""
    return value[: len(as_this)] if isinstance(value, str) and isinstance(as_this, str) else value


def _pattern(condition: Condition) -> re.Pattern[str]:
    if len(condition.value) > LONGEST_PATTERN:
        raise _invalid(f"a regular expression has at most {LONGEST_PATTERN} characters")
    try:
        return re.compile(condition.value, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise _invalid(f"{shown(condition.value)} is not a regular expression: {error}") from error


def _invalid(problem: str) -> MedDLError:
    return MedDLError(Code.RULE_INVALID, f"A rule cannot be understood: {problem}.")
