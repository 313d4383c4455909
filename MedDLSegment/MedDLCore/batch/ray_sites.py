"""The same batch on several machines, under Ray: each keeps a worker warm, and all see the files under the same paths.

Orders and outcomes travel, which are paths, tables and codes; scans and results stay where they are. What a DICOMweb
server keeps, each machine fetches itself, with the credentials of its own environment: none travel. The driver alone
writes the ledger, and stores results on the server. A machine that is lost costs the scan that it was at, which another
one repeats. Ray's dashboard and usage statistics stay off.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from ..clock import OnProgress
from ..errors import Code, MedDLError
from ..models import open_model
from ..worker import Job as WorkerJob
from .headers import UNKNOWN
from .scan import Scan
from .segmenters import WorkerSegmenter
from .site import LocalSite, Order, Outcome, SiteLostError

LOOK_SECONDS = 0.2
"""How often is looked whether a scan is done, and whether the batch is cancelled."""

KNOCK_SECONDS = 10.0

START_SECONDS = 300.0
"""How long a machine may take to start its worker and import what it needs."""


class _RemoteSite:
    """Lives on another machine, as a Ray actor: a site like that of one machine."""

    def __init__(self, job: WorkerJob) -> None:
        package = open_model(job.model)
        self._segmenter = WorkerSegmenter(package, job)
        self._site = LocalSite(self._segmenter)
        self._digest = package.sha256
        self._cancelled = False
        self._stage = ("read", 0, 1)

    def digest(self) -> str:
        """Of the model as this machine has it."""
        return self._digest

    def run(self, order: Order, ahead: Scan | None) -> Outcome:
        """See ``Site``."""
        from ..readers.dicom_tags import silent_pydicom

        self._cancelled = False
        with silent_pydicom():
            return self._site.run(order, ahead, self._tell)

    def stage(self) -> tuple[str, int, int]:
        """How far it is."""
        return self._stage

    def cancel(self) -> None:
        """What runs ends soon."""
        self._cancelled = True

    def close(self) -> None:
        """Ends the worker."""
        self._site.__exit__(None, None, None)
        self._segmenter.__exit__(None, None, None)

    def _tell(self, stage: str, done: int, of: int) -> None:
        self._stage = (stage, done, of)
        if self._cancelled:
            raise MedDLError(Code.CANCELLED, "Cancelled.")


class RaySite:
    """One worker of a Ray cluster, wherever Ray starts it. See ``Site``."""

    def __init__(self, ray: Any, actor: Any) -> None:
        """Takes Ray and its handle of a ``_RemoteSite``."""
        self._ray, self._actor = ray, actor

    def run(self, order: Order, ahead: Scan | None, tell: OnProgress) -> Outcome:
        """See ``Site``."""
        from ray.exceptions import RayActorError, RayError

        try:
            running = self._actor.run.remote(_without_source(order), None if ahead is None else _bare(ahead))
            while not self._ray.wait([running], timeout=LOOK_SECONDS)[0]:
                self._told(tell)
            outcome: Outcome = self._ray.get(running)
        except RayActorError as error:
            raise SiteLostError from error
        except RayError as error:
            lost = MedDLError(Code.WORKER_LOST, f"Ray could not run the scan ({type(error).__name__}).")
            return Outcome("", (), lost, 0.0)
        return outcome

    def _told(self, tell: OnProgress) -> None:
        """Passes on how far it is; where ``tell`` raises, what runs is cancelled, and its end is the outcome."""
        try:
            tell(*self._ray.get(self._actor.stage.remote()))
        except MedDLError:
            self._actor.cancel.remote()


def _without_source(order: Order) -> Order:
    return replace(order, scan=_bare(order.scan))


def _bare(scan: Scan) -> Scan:
    """Without what a machine that only segments does not need: what reads headers, and what they say of a patient."""
    return Scan(
        scan.key, scan.folder, scan.files, scan.instances,
        modality=scan.modality, is_dicom=scan.is_dicom, open_header=_no_header, remote=scan.remote,
    )  # fmt: skip


def _no_header(_: object) -> Any:
    return UNKNOWN


@contextmanager
def ray_sites(address: str, job: WorkerJob, sha256: str, workers: int | None = None) -> Iterator[list[RaySite]]:
    """Workers on all machines of a cluster, one on each unless told otherwise.

    Args:
        address: ``machine:port`` of the cluster's head, or ``auto``: one that runs on this machine.
        job: names the model, by a path that all machines know, and what it runs on.
        sha256: of the model; a machine that has another one is refused.
        workers: on all machines together; None: one on each.

    Raises:
        MedDLError: EXTRA_MISSING, WORKER_LOST, MODEL_CORRUPT.
    """
    ray = _connected(address)
    try:
        alive = [node for node in ray.nodes() if node["Alive"]]
        count = workers or len(alive)
        each = max(1.0, sum(node["Resources"].get("CPU", 0) for node in alive) // count)
        needs = {"num_cpus": each, "num_gpus": _cards(alive, job) / count, "max_concurrency": 2}
        kind = ray.remote(_RemoteSite).options(scheduling_strategy="SPREAD", **needs)
        threads = replace(job, threads=job.threads or int(each))
        actors = [kind.remote(threads) for _ in range(count)]
        yield _started(ray, actors, sha256)
        with suppress(Exception):
            ray.wait([actor.close.remote() for actor in actors], num_returns=len(actors), timeout=LOOK_SECONDS * 25)
    finally:
        ray.shutdown()


def _connected(address: str) -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError as error:
        raise MedDLError(
            Code.EXTRA_MISSING, "Several machines need the package ray.", "pip install 'meddl[ray]'"
        ) from error
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _knock(address)
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        raise MedDLError(
            Code.WORKER_LOST, "There is no Ray cluster at this address.", "ray start --head, and give machine:port."
        ) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray takes it, and would end this process without its end
    return ray


def _knock(address: str) -> None:
    """Raises OSError at once where nobody listens: Ray itself would try for minutes."""
    machine, colon, port = address.rpartition(":")
    if colon:
        socket.create_connection((machine.strip("[]"), int(port)), KNOCK_SECONDS).close()


def _cards(alive: list[Any], job: WorkerJob) -> float:
    return 0.0 if job.device == "cpu" else sum(node["Resources"].get("GPU", 0) for node in alive)


def _started(ray: Any, actors: list[Any], sha256: str) -> list[RaySite]:
    """Those that came up, with the model that this machine has."""
    from ray.exceptions import RayError

    end = time.monotonic() + START_SECONDS
    sites = []
    for actor in actors:
        try:
            digest = ray.get(actor.digest.remote(), timeout=max(1.0, end - time.monotonic()))
        except RayError:
            continue
        if digest != sha256:
            raise MedDLError(Code.MODEL_CORRUPT, "A machine of the cluster has other files of the model.")
        sites.append(RaySite(ray, actor))
    if not sites:
        raise MedDLError(Code.WORKER_LOST, "No machine of the cluster could start a worker.")
    return sites
