"""Structures of one model are told apart by their names, whatever case they are written in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..errors import Code, Notice
from ..spec_rules import LONGEST_LABEL
from ..text import shown
from ..volume import Label
from .anatomy import coded

MOST_NAMED = 5
"""New names that a warning lists."""


def distinct(labels: Iterable[Label]) -> tuple[tuple[Label, ...], tuple[Notice, ...]]:
    """The labels, each later one of a name with a number behind it (``cyst``, ``cyst 2``), and a warning that says so.

    Without that, ``--structure`` could not choose one of them, and a table of volumes not tell them apart.
    """
    labels = tuple(labels)
    taken = {label.name.casefold() for label in labels}
    seen: set[str] = set()
    found: list[Label] = []
    renamed: list[str] = []
    for label in labels:
        name, number = label.name, 2
        if name.casefold() in seen:
            while (name := _numbered(label.name, number)).casefold() in taken:
                number += 1
            renamed.append(f"{label.value} is now {shown(name)}")
            (label,) = coded([label])  # by the name that it had
            taken.add(name.casefold())
        seen.add(name.casefold())
        found.append(replace(label, name=name))
    if not renamed:
        return labels, ()
    more = f" and {len(renamed) - MOST_NAMED} more" if len(renamed) > MOST_NAMED else ""
    message = f"Several structures of the model have the same name: {', '.join(renamed[:MOST_NAMED])}{more}."
    return tuple(found), (Notice(Code.MODEL_LABELS, message),)


def _numbered(name: str, number: int) -> str:
    suffix = f" {number}"
    return name[: LONGEST_LABEL - len(suffix)] + suffix
