"""The table of labels: which segment of which case becomes which label. Proposed here, and a person can change it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.colours import colour
from MedDLCore.volume import Label

from .case import Case, Segment
from .identity import Codes, codes_of, name_key, terminology_of_segment

EVERY_CASE = "*"

Kind = tuple[str, str]
"""A segment's name and its codes as text: segments that agree in both are one kind."""


@dataclass(frozen=True)
class Assignment:
    """A row of the table.

    Attributes:
        case: a case's id, or ``*``. A row for one case goes before one for every case.
        segment: the segment's name, exactly.
        code: its codes as text, ``SCT:64033007 SCT:7771000``; ``""`` where it has none.
        label: the name of the label that it becomes; ``""``: it is left out, and counts as background.
    """

    case: str
    segment: str
    code: str
    label: str


@dataclass(frozen=True)
class LabelTable:
    """Rows, and the labels that they lead to.

    Attributes:
        labels: values 1, 2, 3 ... in the order of their first row.
        rows: in the order in which a person reads them.
        contradictions: names that stand for different codes, each with these codes: likely a mistake.
    """

    labels: tuple[Label, ...]
    rows: tuple[Assignment, ...]
    contradictions: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def label_of(self, case: Case, segment: Segment) -> Label | None:
        """The label that a segment becomes; None where it is left out.

        Raises:
            MedDLError: DATA_INVALID where the table has no row for it.
        """
        name, code = kind_of(segment)
        for who in (case.id, EVERY_CASE):
            if (found := self._by_key.get((who, name, code))) is not None:
                return self._by_name.get(found)
        raise MedDLError(
            Code.DATA_INVALID,
            f"The table of labels has no row for the segment {name} ({code or 'no code'}) of {case.id}.",
            "Add the row, with an empty label to leave the segment out.",
        )

    def ordered_as(self, names: Sequence[str]) -> LabelTable:
        """The same labels, numbered in the order of ``names``, which are all of theirs."""
        labels = tuple(replace(self._by_name[name], value=value) for value, name in enumerate(names, start=1))
        place = {name: n for n, name in enumerate((*names, ""))}
        return replace(self, labels=labels, rows=tuple(sorted(self.rows, key=lambda row: place[row.label])))

    @cached_property
    def _by_key(self) -> Mapping[tuple[str, str, str], str]:
        return {(row.case, row.segment, row.code): row.label for row in self.rows}

    @cached_property
    def _by_name(self) -> Mapping[str, Label]:
        return {label.name: label for label in self.labels}


def kind_of(segment: Segment) -> Kind:
    """What the table compares of a segment."""
    codes = codes_of(segment)
    return segment.name, "" if codes is None else code_text(codes)


def code_text(codes: Codes) -> str:
    """The codes in one cell: ``SCT:64033007 SCT:7771000``; a part that is missing before another is ``-``."""
    return " ".join(part or "-" for part in codes).rstrip("- ")


def propose(cases: Iterable[Case]) -> LabelTable:
    """Takes segments of one meaning for one label.

    Segments with one code are one structure, whatever they are called. Segments without a code are one where their
    names are the same but for case, punctuation and the place of the side; they join the one code that segments of
    their name have. A name with several codes is a contradiction: each code becomes a label of its own.
    """
    kinds = _kinds(cases)
    codes_by_name: dict[str, set[str]] = defaultdict(set)
    for name, code in kinds:
        if code:
            codes_by_name[name_key(name)].add(code)
    groups: dict[str, list[Kind]] = defaultdict(list)
    for name, code in kinds:
        key = name_key(name)
        of_name = codes_by_name[key]
        groups[code or (next(iter(of_name)) if len(of_name) == 1 else f"name {key}")].append((name, code))
    names = _label_names(list(groups.values()), kinds)
    rows = tuple(
        Assignment(EVERY_CASE, segment, code, name)
        for name, group in zip(names, groups.values(), strict=True)
        for segment, code in group
    )
    doubtful = tuple((name, tuple(sorted(codes))) for name, codes in codes_by_name.items() if len(codes) > 1)
    examples = {kind: example for kind, (_, example) in kinds.items()}
    return LabelTable(labels_of(rows, examples), rows, doubtful)


def labels_of(rows: Sequence[Assignment], examples: Mapping[Kind, Segment]) -> tuple[Label, ...]:
    """The labels of rows, numbered in their order; code and colour are those of a label's first segment that has one.

    Args:
        rows: of a table.
        examples: a segment of each kind.
    """
    by_label: dict[str, list[Segment]] = defaultdict(list)
    for row in rows:
        if row.label:
            example = examples.get((row.segment, row.code))
            by_label[row.label] += [example] if example else []
    labels = []
    for value, (name, segments) in enumerate(by_label.items(), start=1):
        terms = [term for segment in segments if (term := terminology_of_segment(segment)) is not None]
        colors = [segment.color for segment in segments if segment.color is not None]
        labels.append(Label(value, name, colors[0] if colors else colour(value), terms[0] if terms else None))
    return tuple(labels)


def table_of(rows: Iterable[Assignment], cases: Sequence[Case]) -> LabelTable:
    """The table of rows that a person has changed.

    Args:
        rows: one may name a case by its id or its name.
        cases: whose segments the rows must tell of.

    Raises:
        MedDLError: DATA_INVALID where it contradicts itself, names a case or a segment that is not there, or lacks one.
    """
    ids = {case.name: case.id for case in cases} | {case.id: case.id for case in cases} | {EVERY_CASE: EVERY_CASE}
    examples = examples_of(cases)
    named: list[Assignment] = []
    labels_by_key: dict[tuple[str, str, str], str] = {}
    for row in rows:
        if row.case not in ids:
            raise _wrong(f"names a case that is not there: {row.case}")
        if (row.segment, row.code) not in examples:
            raise _wrong(f"names a segment that no case has: {row.segment} ({row.code or 'no code'})")
        named.append(replace(row, case=ids[row.case]))
        if labels_by_key.setdefault((named[-1].case, row.segment, row.code), row.label) != row.label:
            raise _wrong(f"gives the segment {row.segment} two labels")
    table = LabelTable(labels_of(named, examples), tuple(named))
    for case in cases:
        for segment in case.segments:
            table.label_of(case, segment)
    return table


def _wrong(problem: str) -> MedDLError:
    return MedDLError(Code.DATA_INVALID, f"The table of labels {problem}.", "Write the table anew, and edit that.")


def examples_of(cases: Iterable[Case]) -> dict[Kind, Segment]:
    """A segment of each kind that the cases have, in the order in which they come."""
    return {kind: example for kind, (_, example) in _kinds(cases).items()}


def _kinds(cases: Iterable[Case]) -> dict[Kind, tuple[int, Segment]]:
    """How often each kind occurs, and an example of it."""
    counts: Counter[Kind] = Counter()
    examples: dict[Kind, Segment] = {}
    for case in cases:
        for segment in case.segments:
            kind = kind_of(segment)
            counts[kind] += 1
            examples.setdefault(kind, segment)
    return {kind: (counts[kind], example) for kind, example in examples.items()}


def _label_names(groups: list[list[Kind]], kinds: Mapping[Kind, tuple[int, Segment]]) -> list[str]:
    """What each group is called: the name that most of its segments have; with the code where another has it too."""
    names = [max(group, key=lambda kind: kinds[kind][0])[0] for group in groups]
    same = Counter(name.casefold() for name in names)
    codes = [next((code for _, code in group if code), "no code") for group in groups]
    return [f"{name} ({code})" if same[name.casefold()] > 1 else name for name, code in zip(names, codes, strict=True)]
