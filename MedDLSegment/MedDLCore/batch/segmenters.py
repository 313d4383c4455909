"""What runs the network on one scan of a batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from ..admission import Options
from ..clock import OnProgress
from ..errors import Code, MedDLError, Notice
from ..models import ModelPackage, open_model
from ..pipeline import Segmentation
from ..volume import Volume
from ..worker import Event, Job, Scan, Worker, give_volume, take_label_map
from ..writers import SegmentStatistics
from .dicomweb import CREDENTIALS

_FINE = 1000
"""A worker tells its progress as a fraction; stages count in whole numbers."""


class Segmenter(Protocol):
    """Runs one model on scans, one after the other."""

    package: ModelPackage

    def segment(self, volume: Volume, options: Options, tell: OnProgress) -> Segmentation:
        """Segments a scan. What it gave before need not outlast this.

        Raises:
            MedDLError: as ``pipeline.segment``, and WORKER_LOST, WORKER_STALLED. What ``tell`` raises.
        """
        ...


def open_for_a_batch(name: str) -> ModelPackage:
    """The model that every scan of a batch is given to.

    Raises:
        MedDLError: CHANNELS_MISMATCH where it takes several scans at a time; as ``open_model``.
    """
    package = open_model(name)
    if len(package.spec.channels) > 1:
        raise MedDLError(
            Code.CHANNELS_MISMATCH,
            f"A batch gives a model one scan at a time; {package.spec.name} takes {len(package.spec.channels)}.",
            "Run meddl segment on the scans of each patient.",
        )
    return package


class WorkerSegmenter:
    """Segments in a process of its own, which stays warm, and is started again where it has ended.

    So a scan for which the memory does not suffice, or on which a graphics card's driver crashes, costs its own result
    and not the batch; and meanwhile this process reads the next scan. Use as a context manager.
    """

    def __init__(self, package: ModelPackage, job: Job, log: Path | None = None) -> None:
        """Starts nothing yet.

        Args:
            package: the model.
            job: names the model and the machine's part; its scans and the person's choices are filled in here.
            log: where what the process prints is appended; None: nowhere.
        """
        self.package = package
        self._job = job
        self._worker = Worker(environment=_without_credentials(), log=log)
        self._last: Path | None = None

    def __enter__(self) -> WorkerSegmenter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.close()

    def segment(self, volume: Volume, options: Options, tell: OnProgress) -> Segmentation:
        """See ``Segmenter``."""
        folder = self._worker.folder
        if self._last is not None:
            with suppress(OSError):  # Windows keeps it while it is mapped; it goes with its folder
                self._last.unlink()
        scan = give_volume(volume, folder)
        try:
            found = self._worker.run("segment", self._request(options, scan), _to(tell))
        finally:
            (folder / scan.array).unlink(missing_ok=True)
        manifest = found["manifest"]
        self._check_model(manifest["model"]["sha256"])
        self._last = folder / found["label_map"]["array"]
        told = [Notice(Code(notice["code"]), notice["message"]) for notice in manifest["notices"]]
        return Segmentation(
            take_label_map(found["label_map"], folder),
            tuple(dict.fromkeys((*volume.notices, *told))),
            dict(manifest["seconds"]),
            manifest["device"],
            tuple(manifest["backends"]),
            None,
            tuple(SegmentStatistics(**row) for row in found["statistics"]),
        )

    def measure(
        self, volume: Volume, options: Options, tell: OnProgress
    ) -> tuple[Mapping[str, Any], tuple[Notice, ...]]:
        """See ``ranking.Measurer``."""
        folder, told = self._worker.folder, list[Notice]()
        scan = give_volume(volume, folder)

        def heard(event: Event) -> None:
            if event.kind == "warning":
                told.append(event.notice)
            follow(event)

        follow = _to(tell)
        try:
            asked = replace(self._request(options, scan), figures_only=True)
            figures = self._worker.run("uncertainty", asked, heard)
        finally:
            (folder / scan.array).unlink(missing_ok=True)
        self._check_model(figures["sha256"])
        return figures, tuple(dict.fromkeys((*volume.notices, *told)))

    def _check_model(self, sha256: str) -> None:
        if sha256 != self.package.sha256:
            raise MedDLError(Code.MODEL_CORRUPT, "The model's files have changed since the batch was started.")

    def _request(self, options: Options, scan: Scan) -> Job:
        region = options.region
        return replace(
            self._job,
            scans=(scan,),
            structures=options.structures,
            region=None if region is None else (*region.low, *region.high),
            allow=tuple(sorted(code.value for code in options.allow)),
            crop_body=options.crop_body,
        )


def _without_credentials() -> dict[str, str]:
    """The environment of a process that runs models, which may be strangers': those of servers are not its concern."""
    return {name: value for name, value in os.environ.items() if name not in CREDENTIALS}


def _to(tell: OnProgress) -> Callable[[Event], None]:
    """Progress as the pipeline tells it; while nothing is told, ``waiting`` gives the chance to cancel."""
    stage, done = "load", 0

    def on_event(event: Event) -> None:
        nonlocal stage, done
        if event.kind == "progress":
            stage, done = event.data["stage"], round(event.data["fraction"] * _FINE)
        if event.kind in ("progress", "waiting"):
            tell(stage, done, _FINE)

    return on_event
