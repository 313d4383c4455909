"""Which cases are judged."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from MedDLCore.errors import Code, MedDLError

from ..cases.division import TRAINING, WATCHED
from ..data import Case, DataSet


def cases_named(data_set: DataSet, names: Collection[str]) -> tuple[Case, ...]:
    """The cases of these names or pseudonyms, in the data set's order.

    Raises:
        MedDLError: DATA_INVALID for a name that no case has; the error of a case that was found but cannot be used.
    """
    wanted = set(names)
    for item in data_set.unusable:
        if wanted & {item.name, item.id}:
            raise item.error
    cases = tuple(case for case in data_set.cases if wanted & {case.name, case.id})
    if unknown := sorted(wanted - {text for case in cases for text in (case.name, case.id)}):
        some = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        raise MedDLError(Code.DATA_INVALID, f"There is no case {some}.", "Names are those that meddl check shows.")
    if not cases:
        raise MedDLError(Code.DATA_INVALID, "The list names no case.")
    return cases


def cases_of_part(data_set: DataSet, part: str) -> tuple[Case, ...]:
    """The cases of one part of the data set's first split, which may call it otherwise: ``val`` is ``validation``.

    Raises:
        MedDLError: DATA_INVALID where there is no split, or no such part of it; as ``cases_named``.
    """
    if not data_set.splits:
        raise MedDLError(Code.DATA_INVALID, "No split says what the parts are.", "Give it with --split.")
    parts = {name.casefold(): names for name, names in data_set.splits[0].parts}
    for name in (part.casefold(), *_synonyms(part)):
        if name in parts:
            return cases_named(data_set, parts[name])
    raise MedDLError(Code.DATA_INVALID, f"The split has no part {part}.", f"It has: {', '.join(parts)}.")


def _synonyms(part: str) -> Sequence[str]:
    groups = ([name.casefold() for name in group] for group in (TRAINING, WATCHED))
    return next((group for group in groups if part.casefold() in group), [])
