"""The models to choose from: the worker's list, searched, and each of them in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from MedDLCore.plain_data import from_plain

from . import wording
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

NAMED_STRUCTURES = 12
"""So many structures are named in a tooltip."""


def readOffered(models: Iterable[Mapping[str, Any]]) -> tuple[Offered, ...]:
    """The worker's answer to ``models``, what can be opened first.

    Raises:
        MedDLError: MODEL_INVALID where it is none.
    """
    from MedDLCore.models.offered import Offered

    read = [from_plain(Offered, dict(model), "models") for model in models]
    return tuple(sorted(read, key=lambda model: (bool(model.problem), shownName(model).casefold())))


def matching(models: Sequence[Offered], text: str) -> tuple[Offered, ...]:
    """The models that have every word of the text in their name, title, modality, structures or licence."""
    words = text.casefold().split()
    return tuple(model for model in models if all(word in searched(model) for word in words))


def modelNamed(models: Iterable[Offered], name: str) -> Offered | None:
    """The model of this name."""
    return next((model for model in models if model.name == name), None)


def shownName(model: Offered) -> str:
    """What a person calls it."""
    return model.title or model.name


def modality(model: Offered) -> str:
    """``CT``, ``4 MR``, ``MR + PT``; empty where any will do or it is not known."""
    names = [given.modality or "" for given in model.inputs]
    if len(set(names)) == 1:
        return f"{len(names)} {names[0]}" if len(names) > 1 else names[0]
    return " + ".join(name or "?" for name in names)


def line(model: Offered) -> str:
    """The model in the list: ``Organs of the abdomen  (CT, 13 structures)``."""
    if model.problem:
        return _("{name}  (cannot be opened)").format(name=shownName(model))
    about = [modality(model), _structures(model)]
    about = [part for part in about if part]
    return f"{shownName(model)}  ({', '.join(about)})" if about else shownName(model)


def summary(model: Offered) -> str:
    """What must be known before it is run: inputs, licence, size, what its author measured."""
    if model.problem:
        return model.problem
    parts = []
    if len(model.inputs) > 1:
        parts.append(_("takes {inputs}").format(inputs=", ".join(given.name for given in model.inputs)))
    if model.crops:
        parts.append(_("looks at {extent} around each point").format(extent=model.crops))
    parts.append(model.licence.splitlines()[0] if model.licence else _("licence not stated"))
    if model.non_commercial:
        parts.append(_("NOT FOR COMMERCIAL USE"))
    parts.append(wording.size(model.size))
    if model.seconds is not None:
        parts.append(_("{time} at its author's").format(time=wording.duration(model.seconds)))
    if model.memory is not None:
        parts.append(_("{size} of memory").format(size=wording.size(model.memory)))
    return ", ".join(parts)


def tooltip(model: Offered) -> str:
    """All of it, over several lines."""
    found = ", ".join(model.structures[:NAMED_STRUCTURES])
    rest = len(model.structures) - NAMED_STRUCTURES
    more = _("{found} and {n} more").format(found=found, n=rest) if rest > 0 else found
    return "\n".join(part for part in (shownName(model), model.description, more, summary(model)) if part)


def _structures(model: Offered) -> str:
    if not model.structures:
        return ""
    return _("1 structure") if len(model.structures) == 1 else _("{n} structures").format(n=len(model.structures))


def searched(model: Offered) -> str:
    """Where the words of a search are looked for."""
    return " ".join((model.name, model.title, modality(model), *model.structures, model.licence)).casefold()
