"""Which structures of a model are wanted: as the panel shows it, and as the parameter keeps it.

The parameter is a list of names; an empty one means all, so that a model whose structures are not known can run. A
choice of none is a list without a name that the model has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered


NONE_CHOSEN = [""]
"""The parameter for a choice of none."""


def chosenStructures(parameter: Sequence[str], model: Offered | None) -> tuple[str, ...]:
    """The chosen structures of the model, in its order."""
    known = model.structures if model is not None else ()
    return known if not parameter else tuple(name for name in known if name in parameter)


def parameterFor(chosen: Sequence[str], model: Offered | None) -> list[str]:
    """What the parameter keeps of a choice."""
    known = model.structures if model is not None else ()
    if not known or set(known) <= set(chosen):
        return []
    return [name for name in known if name in chosen] or list(NONE_CHOSEN)


def numberChosen(parameter: Sequence[str], model: Offered | None) -> int | None:
    """How many structures are chosen; None: all."""
    return None if not parameter else len(chosenStructures(parameter, model))
