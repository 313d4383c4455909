"""Data sets: scans with their segmentations, from wherever they lie, under one table of labels."""

from .case import Case, ImageSource, Segment, TruthSource, Unusable
from .data_set import DataSet, Loaded, data_set_of
from .label_table import Assignment, LabelTable, propose
from .split import Split

__all__ = [
    "Assignment",
    "Case",
    "DataSet",
    "ImageSource",
    "LabelTable",
    "Loaded",
    "Segment",
    "Split",
    "TruthSource",
    "Unusable",
    "data_set_of",
    "propose",
]
