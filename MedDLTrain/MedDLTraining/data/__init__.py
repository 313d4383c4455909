"""Data sets: scans with their segmentations, from wherever they lie, under one table of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from MedDLCore.lazily import lazily

if TYPE_CHECKING:
    from .case import Case, ImageSource, Segment, TruthSource, Unusable
    from .data_set import DataSet, Loaded, data_set_of
    from .export import export_data_set
    from .label_table import Assignment, LabelTable, propose, table_of
    from .opening import open_cases, open_folder, open_nodes
    from .split import Split, read_splits
    from .table_file import read_table, write_table
else:
    __getattr__ = lazily(
        __name__,
        {
            "case": "Case ImageSource Segment TruthSource Unusable",
            "data_set": "DataSet Loaded data_set_of",
            "export": "export_data_set",
            "label_table": "Assignment LabelTable propose table_of",
            "opening": "open_cases open_folder open_nodes",
            "split": "Split read_splits",
            "table_file": "read_table write_table",
        },
    )

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
    "export_data_set",
    "open_cases",
    "open_folder",
    "open_nodes",
    "propose",
    "read_splits",
    "read_table",
    "table_of",
    "write_table",
]
