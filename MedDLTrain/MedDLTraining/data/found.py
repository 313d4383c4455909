"""What looking through a folder gives, before cases get their pseudonyms."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Channel

from .case import Case, Unusable

HOW_PAIRS_ARE_NAMED = (
    "Add what is missing, under the scan's name: images/a.nii.gz and labels/a.nii.gz, a.nii.gz and a_label.nii.gz, "
    "a.nrrd and a.seg.nrrd. Or leave it out with --leave-out NAME."
)

DIGITS = 4
"""Of a pseudonym's number, at least."""


@dataclass(frozen=True, eq=False)
class Found:
    """Cases and what cannot be one.

    Attributes:
        cases: without ids.
        unusable: without ids.
        channels: what the images of each case are.
        stored_values: the values of the data set's own numbering, if it has one.
        exclusive: structures are meant not to overlap.
        declared: how many cases the description says there are; None: it does not say.
        named: the values of the label maps have names.
    """

    cases: tuple[Case, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    channels: tuple[Channel, ...] = (Channel("image"),)
    stored_values: tuple[int, ...] = ()
    exclusive: bool = True
    declared: int | None = None
    named: bool = True

    def with_ids(self) -> Found:
        """Pseudonyms in the order of the names: the same for the same files.

        Splits and people name cases either way; so no pseudonym is the name of another case.
        """
        cases = sorted(self.cases, key=lambda case: case.name)
        unusable = sorted(self.unusable, key=lambda item: item.name)
        own = [case.name for case in cases], [item.name for item in unusable]
        names = {name for its in own for name in its}
        return replace(
            self,
            cases=tuple(map(_under, cases, _pseudonyms("case", own[0], names))),
            unusable=tuple(map(_under, unusable, _pseudonyms("unused", own[1], names))),
        )


Item = TypeVar("Item", Case, Unusable)


def _under(item: Item, pseudonym: str) -> Item:
    return replace(item, id=pseudonym)


def _pseudonyms(word: str, own: Sequence[str], names: Collection[str]) -> list[str]:
    """``word_0001`` and so on for those with their ``own`` names; with more digits where one is the name of another."""
    longer = ([f"{word}_{n:0{digits}d}" for n in range(1, len(own) + 1)] for digits in itertools.count(DIGITS))
    return next(its for its in longer if all(a == b or a not in names for a, b in zip(its, own, strict=True)))


def alone(name: str, what: str, lacks: str) -> Unusable:
    """A scan without a segmentation, or the other way round."""
    return Unusable("", name, MedDLError(Code.PAIR_MISSING, f"The {what} {name} has no {lacks}.", HOW_PAIRS_ARE_NAMED))


def patient_digest(text: str) -> str:
    """What is kept of who the patient is: enough to tell whether two are the same. ``""`` for nobody."""
    return hashlib.sha256(f"patient {text}".encode("utf-8", "surrogatepass")).hexdigest()[:16] if text else ""
