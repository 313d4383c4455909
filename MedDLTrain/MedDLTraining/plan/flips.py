"""Which axes patches may be flipped along: none where left and right are different labels."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from MedDLCore.models.anatomy import normalised
from MedDLCore.volume import Label, parse_orientation

from ..check.facts import CaseFacts

SIDES = {
    *("left", "right", "lh", "rh", "lt", "rt", "sin", "dex", "sinister", "dexter", "sinistra", "dextra"),
    *("links", "rechts", "linke", "rechte", "linker", "rechter", "linkes", "rechtes"),
    *("gauche", "droit", "droite", "izquierdo", "izquierda", "derecho", "derecha"),
    *("esquerdo", "esquerda", "direito", "direita", "sinistro", "destro", "destra"),
}
"""Words in the names of labels that tell the two sides of a patient apart."""

TWINS = 2.0
"""The larger of a left and a right structure has at most so many times the volume of the smaller one."""

BESIDE = 2.0
"""They lie side by side: so many times as far from left to right as along any other axis."""


def flips(labels: Sequence[Label], orientation: str | None, facts: Sequence[CaseFacts] = ()) -> tuple[int, ...]:
    """The network axis from left to right, unless a label would get the place of another one there.

    A body in the mirror is a body; upside down, or front to back, it is none, and a network that must know it all the
    same learns less in the same time. The axis is left out where names or codes of labels tell the two sides apart
    (left kidney, right kidney), and where two labels lie as a left and a right one do, whatever they are called: a
    network that sees them exchanged in half of its patches learns neither. Of a grid without an orientation, nothing is
    known.

    Args:
        labels: of the data set.
        orientation: of the network's axes.
        facts: of the cases that are learnt from.
    """
    if orientation is None or any(_has_side(label) for label in labels):
        return ()
    if any(_are_twins(a.name, b.name, facts) for a, b in itertools.combinations(labels, 2)):
        return ()
    axes, _ = parse_orientation(orientation)
    return tuple(n for n, world in enumerate(axes) if world == 0)


def _has_side(label: Label) -> bool:
    terms = label.terminology
    concepts = (terms.type, terms.modifier, terms.region_modifier) if terms else ()
    texts = [label.name, *(concept.meaning for concept in concepts if concept is not None)]
    named = normalised(_apart(label.name))
    return (named is not None and named[1] is not None) or any(SIDES & _words(text) for text in texts)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", _apart(text).casefold()))


def _apart(text: str) -> str:
    """``rightLung`` and ``LKidney`` as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)


def _are_twins(first: str, second: str, facts: Sequence[CaseFacts]) -> bool:
    """Alike in size, side by side, and in every case in the same order."""
    pairs = [(case.labels[first], case.labels[second]) for case in facts if {first, second} <= set(case.labels)]
    both = [(a, b) for a, b in pairs if a.centroid is not None and b.centroid is not None]
    if not both:
        return False
    offsets = np.array([np.subtract(b.centroid, a.centroid) for a, b in both])  # type: ignore[arg-type]
    right, *others = np.abs(np.median(offsets, axis=0))
    ratio = float(np.median([b.volume / a.volume for a, b in both]))
    in_order = abs(int(np.sign(offsets[:, 0]).sum())) == len(both)
    return in_order and 1 / TWINS <= ratio <= TWINS and bool(right > BESIDE * max(others))
