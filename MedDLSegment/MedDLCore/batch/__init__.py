"""Many scans, one model, one folder of results: what ``meddl batch`` does. Read ``driver`` first.

    source -> choosing -> driver -> site -> ledger -> reports

A source (``sources``) offers scans; rules (``rules``) and the model decide which of them run (``choosing``); the driver
gives them to sites, which read, segment and write them one after the other; the ledger knows what is done, so that a
run that was killed goes on where it was; the reports are made from the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazily import lazily

if TYPE_CHECKING:
    from .choosing import Choice, choose
    from .control import Control, Watcher
    from .driver import is_done, run_batch
    from .job import Job
    from .ledger import Entry, Ledger, State, claimed_for_a_batch
    from .reports import write_reports
    from .rules import Rules
    from .scan import Scan
    from .segmenters import Segmenter, WorkerSegmenter, open_for_a_batch
    from .site import LocalSite, Site
    from .sources import Source, open_source
else:
    __getattr__ = lazily(
        __name__,
        {
            "choosing": "Choice choose",
            "control": "Control Watcher",
            "driver": "is_done run_batch",
            "job": "Job",
            "ledger": "Entry Ledger State claimed_for_a_batch",
            "reports": "write_reports",
            "rules": "Rules",
            "scan": "Scan",
            "segmenters": "Segmenter WorkerSegmenter open_for_a_batch",
            "site": "LocalSite Site",
            "sources": "Source open_source",
        },
    )

__all__ = [
    "Choice",
    "Control",
    "Entry",
    "Job",
    "Ledger",
    "LocalSite",
    "Rules",
    "Scan",
    "Segmenter",
    "Site",
    "Source",
    "State",
    "Watcher",
    "WorkerSegmenter",
    "choose",
    "claimed_for_a_batch",
    "is_done",
    "open_for_a_batch",
    "open_source",
    "run_batch",
    "write_reports",
]
