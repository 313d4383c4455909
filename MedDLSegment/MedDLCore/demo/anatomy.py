"""The phantom's labelled organs: what they are called and coded, where they lie, and how their shape is made.

Body coordinates: RAS mm around the middle of the trunk, so +x is the patient's right: the liver has positive x. The
trunk is about 300 mm wide and 210 mm deep. Codes are SNOMED CT's (DICOM PS3.16); the category is the one of Slicer's
general anatomy list.
"""

from __future__ import annotations

import numpy as np

from ..volume import Concept, Label, Terminology
from .shapes import Ellipsoid, Field, Points, joined, tube

_CATEGORY = Concept("123037004", "SCT", "Anatomical Structure")
_RIGHT, _LEFT = Concept("24028007", "SCT", "Right"), Concept("7771000", "SCT", "Left")
_KIDNEY = Concept("64033007", "SCT", "Kidney")

LABELS = (
    Label(1, "liver", (221, 130, 101), Terminology(_CATEGORY, Concept("10200004", "SCT", "Liver"))),
    Label(2, "spleen", (157, 108, 162), Terminology(_CATEGORY, Concept("78961009", "SCT", "Spleen"))),
    Label(3, "right kidney", (210, 190, 70), Terminology(_CATEGORY, _KIDNEY, _RIGHT)),
    Label(4, "left kidney", (90, 160, 200), Terminology(_CATEGORY, _KIDNEY, _LEFT)),
    Label(5, "stomach", (120, 190, 120), Terminology(_CATEGORY, Concept("69695003", "SCT", "Stomach"))),
    Label(6, "heart", (206, 70, 84), Terminology(_CATEGORY, Concept("80891009", "SCT", "Heart"))),
    Label(7, "aorta", (230, 60, 170), Terminology(_CATEGORY, Concept("15825003", "SCT", "Aorta"))),
)
"""What the phantom knows the truth of, and the network finds."""

_PARTS = {
    "liver": (
        Ellipsoid((62, -8, 8), (55, 60, 68), (0, 12, -12)),
        Ellipsoid((10, 38, 34), (62, 30, 30), (0, -14, 8)),
    ),
    "spleen": (Ellipsoid((-88, -36, 18), (24, 40, 46), (18, 10, 18)),),
    "right kidney": (Ellipsoid((56, -48, -66), (27, 25, 50), (-8, 8, 0)),),
    "left kidney": (Ellipsoid((-56, -48, -46), (27, 25, 51), (-8, -8, 0)),),
    "stomach": (
        Ellipsoid((-58, 8, 32), (32, 34, 34)),
        Ellipsoid((-44, 34, 0), (27, 26, 44), (18, -20, 0)),
        Ellipsoid((-10, 44, -32), (40, 20, 20), (0, -14, 0)),
    ),
    "heart": (
        Ellipsoid((-22, 26, 92), (52, 38, 42), (0, 26, 24)),
        Ellipsoid((14, 14, 112), (30, 30, 34)),
    ),
}
_FILLET = {"liver": 26.0, "stomach": 16.0, "heart": 14.0}
_HILUM = {
    "right kidney": Ellipsoid((34, -44, -66), (15, 13, 16)),
    "left kidney": Ellipsoid((-34, -44, -46), (15, 13, 16)),
}
_AORTA = (
    (-16, -28, -170),
    (-14, -34, -40),
    (-20, -38, 60),
    (-22, -32, 118),
    (-12, -12, 134),
    (6, 6, 128),
    (2, 12, 104),
)


def organ_shapes(rng: np.random.Generator, points: Points, diaphragm: Field, cavity: Field) -> dict[str, Field]:
    """Signed distance, mm, of each labelled organ of one individual, in the order in which later ones win.

    Args:
        rng: where chance comes from; always asked for equally many numbers.
        points: ``(3, K, J, I)`` body coordinates.
        diaphragm: height above the diaphragm, mm.
        cavity: distance to the inner face of the body wall.
    """
    varied = {name: tuple(part.varied(rng) for part in parts) for name, parts in _PARTS.items()}
    hilum_shift, aorta_radius, aorta_shift = rng.normal(0, 2, 2), rng.uniform(10, 13.5), rng.normal(0, 3, (7, 3))
    shapes: dict[str, Field] = {}
    for name, parts in varied.items():
        shape = parts[0](points)
        for part in parts[1:]:
            shape = joined(shape, part(points), _FILLET[name])
        if name in _HILUM:
            base = _PARTS[name][0].centre
            moved = np.subtract(parts[0].centre, base)
            moved[1:] += hilum_shift
            centre = np.add(_HILUM[name].centre, moved)
            hollow = Ellipsoid((centre[0], centre[1], centre[2]), _HILUM[name].radii)
            shape = np.maximum(shape, -hollow(points))
        side = -diaphragm if name == "heart" else diaphragm
        shapes[name] = np.maximum(np.maximum(shape, side + 3), cavity + 2)
    shapes["aorta"] = tube(points, np.asarray(_AORTA) + aorta_shift, aorta_radius)
    order = ("heart", "liver", "stomach", "spleen", "left kidney", "right kidney", "aorta")
    return {name: shapes[name] for name in order}
