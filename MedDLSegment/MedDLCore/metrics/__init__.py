"""Scores of a segmentation against the truth: functions of masks and their grid."""

from .boxes import bounding_box, boxes_of_values, joined
from .confusion import confusion
from .overlap import Overlap, dice, dice_by_label, overlap
from .scores import Scores, score
from .surfaces import SurfaceDistances, surface_distances

__all__ = [
    "Overlap",
    "Scores",
    "SurfaceDistances",
    "bounding_box",
    "boxes_of_values",
    "confusion",
    "dice",
    "dice_by_label",
    "joined",
    "overlap",
    "score",
    "surface_distances",
]
