"""When two segments are the same structure: by their codes, where there are none by their names, never by number."""

from __future__ import annotations

from MedDLCore.models.anatomy import LEFT, RIGHT, normalised, structure_named
from MedDLCore.volume import GENERIC_TERMINOLOGY, Concept, Terminology

from .case import Segment

SIDES = {LEFT.value: LEFT, RIGHT.value: RIGHT}

Codes = tuple[str, str, str, str]
"""Type, modifier, region and region modifier, each ``scheme:value`` or ``""``."""


def codes_of(segment: Segment) -> Codes | None:
    """What a segment is, as codes that can be compared; None where neither its code nor its name says it.

    Its own code comes first. Slicer gives new segments the code "Tissue", which says nothing. Codes of other schemes
    than SNOMED CT are looked up by their meaning. A side in the name counts where the code has none: "left kidney",
    coded Kidney, is not "right kidney", coded Kidney.
    """
    if segment.terminology is not None and segment.terminology.type.value != GENERIC_TERMINOLOGY.type.value:
        codes = _codes(_in_snomed(segment.terminology))
        known = codes_of_name(segment.name)
        side = side_in_name(segment.name)
        if side is not None and known != codes and not {codes[1], codes[3]} & {_text(LEFT), _text(RIGHT)}:
            return (codes[0], codes[1] or _text(side), codes[2], codes[3])
        return codes
    return codes_of_name(segment.name)


def codes_of_name(name: str) -> Codes | None:
    """What the table of anatomy says of a name; None where it does not know it."""
    structure = structure_named(name)
    return None if structure is None else _codes(structure.terminology)


def name_key(name: str) -> str:
    """The name without what does not matter: case, punctuation, British spelling, the place of the side."""
    words = normalised(name)
    if words is None:
        return " ".join(name.casefold().split())
    text, side = words
    return f"{text}, {side.meaning.casefold()}" if side else text


def side_in_name(name: str) -> Concept | None:
    """Left or right, where the name says one of them."""
    words = normalised(name)
    return None if words is None else words[1]


def terminology_of_segment(segment: Segment) -> Terminology | None:
    """The code that stands for the segment: its own, or the table's for its name."""
    if segment.terminology is not None and segment.terminology.type.value != GENERIC_TERMINOLOGY.type.value:
        return segment.terminology
    structure = structure_named(segment.name)
    return None if structure is None else structure.terminology


def _in_snomed(terminology: Terminology) -> Terminology:
    """The same in SNOMED CT, where the code is of another scheme (SRT, in older DICOM) and its meaning is known."""
    if terminology.type.scheme == "SCT":
        return terminology
    modifier = terminology.modifier.meaning if terminology.modifier else ""
    structure = structure_named(f"{modifier} {terminology.type.meaning}")
    return terminology if structure is None else structure.terminology


def _codes(terminology: Terminology) -> Codes:
    parts = (terminology.type, terminology.modifier, terminology.region, terminology.region_modifier)
    kind, modifier, region, region_modifier = (_text(part) for part in parts)
    return kind, modifier, region, region_modifier


def _text(concept: Concept | None) -> str:
    return "" if concept is None else f"{concept.scheme}:{concept.value}"
