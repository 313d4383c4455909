"""The same scan, or the same patient, more than once, and on which side of the split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ..data.data_set import DataSet
from ..data.split import Split
from .facts import CaseFacts
from .findings import Fault, Finding

NAME_THEM = "Cases were added or taken away since: write a split with the names of cases, which stay."
"""What to do about a split of pseudonyms."""


def find_copies(facts: Sequence[CaseFacts], data_set: DataSet) -> Iterator[Finding]:
    """Scans that are there twice, and patients that are; across a split where there is one."""
    scans: dict[tuple[str, ...], list[CaseFacts]] = defaultdict(list)
    patients: dict[str, list[str]] = defaultdict(list)
    for case in facts:
        if case.images:
            scans[tuple(image.sha256 for image in case.images)].append(case)
        if case.patient:
            patients[case.patient].append(case.id)
    for same in scans.values():
        if len(same) > 1:
            labels = (
                "with different label maps"
                if len({case.truth_sha256 for case in same}) > 1
                else "with the same label map"
            )
            yield Finding(
                Fault.DUPLICATE, f"{len(same)} cases are one scan, {labels}.", tuple(case.id for case in same)
            )
    copies = [[case.id for case in same] for same in scans.values() if len(same) > 1]
    repeated = [cases for cases in patients.values() if len(cases) > 1]
    if repeated and not data_set.splits:
        cases = tuple(case for group in repeated for case in group)
        yield Finding(Fault.PATIENT_REPEATS, f"{len(repeated)} patients have several cases.", cases)
    if not patients:
        yield from _in_folders(data_set)
    for split in data_set.splits:
        yield from _of_others(split, facts)
        yield from _across(split, data_set, copies, repeated)


def _in_folders(data_set: DataSet) -> Iterator[Finding]:
    """Cases of which nobody says whose they are, several in each of several folders, as ``patient7/CT`` is."""
    folders: dict[str, list[str]] = defaultdict(list)
    for case in data_set.cases:
        folder, slash, _ = case.name.rpartition("/")
        folders[folder if slash else ""].append(case.id)
    several = [cases for folder, cases in folders.items() if folder and len(cases) > 1]
    if len(several) > 1:
        message = f"{len(several)} folders hold several cases each, and nothing says who the patients are."
        yield Finding(Fault.PATIENT_UNKNOWN, message)


def _of_others(split: Split, facts: Sequence[CaseFacts]) -> Iterator[Finding]:
    """What a split of a training means by a pseudonym that is another case's now."""
    others = tuple(case.id for case in facts if case.contents and split.means_another(case.id, case.contents))
    if others:
        message = f"The split was written for other scans by the pseudonyms of {len(others)} cases."
        yield Finding(Fault.SPLIT_UNKNOWN, message, others, hint=NAME_THEM)


def _across(
    split: Split, data_set: DataSet, copies: Sequence[Sequence[str]], patients: Sequence[Sequence[str]]
) -> Iterator[Finding]:
    """What stands on two sides of one split."""
    where = f" ({split.title})" if split.title else ""
    ids = {case.name: case.id for case in data_set.cases} | {case.id: case.id for case in data_set.cases}
    parts: dict[str, set[str]] = defaultdict(set)
    unknown: list[str] = []
    for part, names in split.parts:
        for name in names:
            if name in ids:
                parts[ids[name]].add(part)
            else:
                unknown.append(name)
    twice = tuple(sorted(case for case, its in parts.items() if len(its) > 1))
    if twice:
        yield Finding(Fault.SPLIT_TWICE, f"{len(twice)} cases stand in several parts of the split{where}.", twice)
    if unknown:
        shown = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        yield Finding(
            Fault.SPLIT_UNKNOWN,
            f"The split{where} names {len(unknown)} cases that are not there.",
            shown=f"The split{where} names {len(unknown)} cases that are not there: {shown}.",
        )
    for fault, groups, what in (
        (Fault.DUPLICATE_IN_SPLIT, copies, "The same scan"),
        (Fault.PATIENT_IN_SPLIT, patients, "The same patient"),
    ):
        for group in groups:
            sides = sorted({part for case in group for part in parts.get(case, ())})
            if len(sides) > 1:
                message = f"{what} stands in {' and '.join(sides)}{where}."
                yield Finding(fault, message, tuple(case for case in group if case in parts))
