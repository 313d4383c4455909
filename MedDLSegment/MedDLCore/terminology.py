"""The coded meaning of a segment as one line of text, the way 3D Slicer stores it in a segment's tag.

The line has seven parts, joined by ``~``; a code is ``scheme^value^meaning``, and ``^^`` where there is none::

    category list~category~type~type modifier~anatomic list~region~region modifier

Slicer has no escape for the characters that separate the parts.
"""

from __future__ import annotations

from .errors import Code, Notice
from .volume import GENERIC_TERMINOLOGY, Concept, Label, LabelMap, Terminology

TAG = "TerminologyEntry"
"""The name of the segment tag that holds the line."""

CATEGORY_LIST = "Segmentation category and type - 3D Slicer General Anatomy list"
REGION_LIST = "Anatomic codes - DICOM master list"
"""The lists of codes, among those that Slicer brings, in which it looks an entry up."""

_SEPARATORS = str.maketrans("~^|\r\n\t", "      ")
"""What separates parts, codes and (``|``) segment tags: such a character in a text becomes a space."""


def terminology_of(label: Label) -> Terminology:
    """What the label means; the generic code where the model gives none."""
    return label.terminology or GENERIC_TERMINOLOGY


def label_notices(label_map: LabelMap) -> tuple[Notice, ...]:
    """One LABEL_UNCODED warning that names the labels for which the generic code is written; none if all have codes."""
    uncoded = [label.name for label in label_map.labels if label.terminology is None]
    if not uncoded:
        return ()
    return (Notice(Code.LABEL_UNCODED, f"A generic code was written for {len(uncoded)}: {', '.join(uncoded)}."),)


def serialize_terminology(terminology: Terminology) -> str:
    """The terminology as Slicer's line of text."""
    parts = (
        CATEGORY_LIST,
        _text(terminology.category),
        _text(terminology.type),
        _text(terminology.modifier),
        REGION_LIST,
        _text(terminology.region),
        _text(terminology.region_modifier),
    )
    return "~".join(parts)


def parse_terminology(line: str) -> Terminology | None:
    """Reads a line that Slicer or ``serialize_terminology`` wrote.

    Returns:
        None where the line is none, or names no category or no type.
    """
    parts = line.split("~")
    if len(parts) != 7:
        return None
    category, kind, modifier, region, region_modifier = (_concept(parts[n]) for n in (1, 2, 3, 5, 6))
    if category is None or kind is None:
        return None
    return Terminology(category, kind, modifier, region, region_modifier)


def _text(concept: Concept | None) -> str:
    if concept is None:
        return "^^"
    return "^".join(part.translate(_SEPARATORS).strip() for part in (concept.scheme, concept.value, concept.meaning))


def _concept(text: str) -> Concept | None:
    scheme, _, rest = text.partition("^")
    value, _, meaning = rest.partition("^")
    return Concept(value, scheme, meaning) if scheme and value else None
