"""The check before a training: why would Dice be 0? One case is in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from MedDLCore.errors import EXPLANATIONS, Code, MedDLError

from ..data.case import Case
from ..data.data_set import DataSet, Loaded
from .copies import find_copies
from .facts import CaseFacts, examine
from .findings import Fault, Finding, Severity
from .intensities import find_in_intensities
from .placement import find_misplaced, find_odd_grids
from .sides import find_mirrored, find_swapped
from .structures import find_in_names, find_in_structures

FEW = 4
"""With fewer cases, a warning."""

_FAULT_OF = {
    Code.PAIR_MISSING: Fault.NO_PAIR,
    Code.PAIR_AMBIGUOUS: Fault.NO_PAIR,
    Code.CONTOURS_ONLY: Fault.NO_PAIR,
    Code.CHANNELS_MISMATCH: Fault.CHANNELS_MISSING,
    Code.LABELS_APART: Fault.GEOMETRY_MISMATCH,
}
_ORDER = list(Severity)


@dataclass(frozen=True, eq=False)
class Report:
    """What the check found.

    Attributes:
        data_set: what was checked.
        facts: of each case, in the data set's order: what a plan of the training needs as well.
        findings: errors first.
    """

    data_set: DataSet
    facts: tuple[CaseFacts, ...]
    findings: tuple[Finding, ...]

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings that are so bad."""
        return tuple(finding for finding in self.findings if finding.severity is severity)

    @property
    def ruinous(self) -> tuple[Finding, ...]:
        """The answers to "Why will Dice be 0?"."""
        return tuple(finding for finding in self.findings if finding.effect.ruins)

    def refuse_errors(self) -> None:
        """No training begins on data with an error in it.

        Raises:
            MedDLError: DATA_INVALID.
        """
        errors = self.of(Severity.ERROR)
        if errors:
            kinds = ", ".join(dict.fromkeys(finding.fault.value for finding in errors))
            raise MedDLError(
                Code.DATA_INVALID,
                f"The check found {len(errors)} error(s) in the training data: {kinds}.",
                "Correct them, or leave the cases out; the check says what to do for each: meddl check FOLDER.",
            )


def check(
    data_set: DataSet,
    on_case: Callable[[Case, Loaded], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Goes through a data set, case by case.

    Args:
        data_set: what would be trained on.
        on_case: is given each case that can be read, while it is in memory: to draw it.
        on_progress: told how many cases are done.
    """
    facts = []
    for n, case in enumerate(data_set.cases, start=1):
        found, loaded = examine(case, data_set)
        facts.append(found)
        if on_case is not None and loaded is not None:
            on_case(case, loaded)
        if on_progress is not None:
            on_progress(n, len(data_set.cases))
    faults = list(Fault)
    findings = sorted(_findings(facts, data_set), key=lambda f: (_ORDER.index(f.severity), faults.index(f.fault)))
    return Report(data_set, tuple(facts), tuple(findings))


def _findings(facts: Sequence[CaseFacts], data_set: DataSet) -> Iterator[Finding]:
    for item in data_set.unusable:
        yield _of_error(item.id, item.error)
    for case in facts:
        if case.error is not None:
            yield _of_error(case.id, case.error)
    yield from _counts(data_set)
    yield from find_misplaced(facts)
    yield from find_in_structures(facts, data_set)
    yield from find_in_names(facts, data_set)
    yield from find_swapped(facts, data_set)
    yield from find_mirrored(facts, data_set)
    yield from find_in_intensities(facts, data_set)
    yield from find_odd_grids(facts)
    yield from find_copies(facts, data_set)


def _of_error(case: str, error: MedDLError) -> Finding:
    fault = _FAULT_OF.get(error.code, Fault.UNREADABLE)
    return Finding(fault, f"{error.code.value}: {EXPLANATIONS[error.code].meaning}", (case,), str(error), error.hint)


def _counts(data_set: DataSet) -> Iterator[Finding]:
    count = len(data_set.cases)
    if data_set.declared is not None and data_set.declared != count + len(data_set.unusable):
        message = f"The description says {data_set.declared} cases; there are {count + len(data_set.unusable)}."
        yield Finding(Fault.COUNT_DIFFERS, message)
    if count < FEW:
        yield Finding(
            Fault.FEW_CASES, f"There {'is' if count == 1 else 'are'} {count} case{'' if count == 1 else 's'}."
        )
