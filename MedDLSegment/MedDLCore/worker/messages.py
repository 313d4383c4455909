"""The language of the worker: one JSON object per line, ASCII only, in both directions.

Requests have a ``request``, an ``id`` that the program chooses, and what the request needs:

    load, plan, segment, uncertainty   ``job``: a ``Job``
    refine                ``job``: a ``Correction``
    export                ``job``: an ``Export``
    collect               ``job``: a ``Collection``
    models, get, add, remove, examine, trust   ``job``: an ``Errand``; ``models`` needs none
    cancel                ``which``: the id of the request to cancel
    status
    shutdown              so does the end of its input

Events have an ``event``; those that answer a request have its ``id``. Each request ends in one ``result`` or one
``error``; before it come any number of others:

    hello       version, meddl, pid, folder: the first line
    ready       libraries, devices, memory (bytes): torch is imported; requests are taken before, too, and errands
                are answered, also where libraries are missing
    progress    id, stage, fraction (of the whole, 0 to 1), seconds_left (or null)
    warning     id, code, message
    heartbeat   id (or null), cpu_seconds, memory (bytes): every few seconds
    result      id and what the request asked for
    error       id, code, message, hint
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..click import Click
from ..errors import Code, MedDLError, Notice
from ..plain_data import from_plain
from ..spec import Channel

VERSION = 1
"""Of the language; raised whenever a program that speaks the old one would misunderstand."""

LONGEST_LINE = 1 << 24
"""Bytes. Voxels do not travel in lines: a longer one is a mistake."""

HEARTBEAT_SECONDS = 2.0

Kind = Literal[
    "load",
    "plan",
    "segment",
    "refine",
    "uncertainty",
    "models",
    "get",
    "add",
    "remove",
    "examine",
    "trust",
    "export",
    "collect",
    "status",
]
"""Requests that end in what was asked for."""

ERRANDS = ("models", "get", "add", "remove", "examine", "trust")
"""Requests that need no network, and are answered beside whatever runs."""

Row = tuple[float, float, float, float]


@dataclass(frozen=True)
class Scan:
    """A volume in the private folder.

    Attributes:
        array: name of its ``.npy`` file: ``(K, J, I)``, or ``(C, K, J, I)``.
        ijk_to_ras: the rows of the matrix, mm.
        modality: DICOM's term, or None where it is not known.
    """

    array: str
    ijk_to_ras: tuple[Row, Row, Row, Row]
    modality: str | None = None


@dataclass(frozen=True)
class Job:
    """What is to be run on what.

    Attributes:
        model: a name or a folder, see ``open_model``.
        scans: one for each channel of the model; none to load the model only.
        structures: names of the labels to keep; empty: all.
        region: only this box: smallest R, A, S and largest R, A, S, mm.
        allow: codes of refusals that the person overrides.
        crop_body: see ``admission.Options``.
        points: R, A, S of each, mm: around them a model looks that was trained on crops.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        threads: on the CPU; None: all cores.
        backend: ``auto``, ``torch``, ``openvino``.
        full_precision: float32 on every device.
        models: the folder of models; None: the person's own.
        figures_only: of ``uncertainty``, no map.
    """

    model: str
    scans: tuple[Scan, ...] = ()
    structures: tuple[str, ...] = ()
    region: tuple[float, float, float, float, float, float] | None = None
    allow: tuple[str, ...] = ()
    crop_body: bool = False
    points: tuple[tuple[float, float, float], ...] = ()
    device: str = "auto"
    threads: int | None = None
    backend: Literal["auto", "torch", "openvino"] = "auto"
    full_precision: bool = False
    models: str | None = None
    figures_only: bool = False


@dataclass(frozen=True)
class Correction:
    """A segmentation that a person corrects; the same one again and again, with more clicks or fewer.

    The worker keeps the latest: another request with the same ``job`` and ``start`` is answered with what has changed
    since, and pays for the clicks that are new.

    Attributes:
        job: model and scans; of the rest ``device``, ``threads``, ``backend``, ``full_precision``, ``models`` and
            ``allow`` count.
        clicks: all of them, in their order.
        start: what there is, see ``arrays.give_label_map``; None: what the model finds on its own.
        shown: for each click whose answer a person sees, what they see: the label map of a box of the scan, or None
            where it is what was answered. Those that follow are new, also where one was taken back at the same place.
            None: nobody tells.
    """

    job: Job
    clicks: tuple[Click, ...] = ()
    start: Mapping[str, Any] | None = None
    shown: tuple[Mapping[str, Any] | None, ...] | None = None


@dataclass(frozen=True)
class Errand:
    """What is to be done in the folder of models.

    Attributes:
        model: a name; to ``add``, a folder or a zip; to ``examine`` and ``trust``, a folder.
        accept_licence: the person has read the licence, and accepts it.
        sha256: of the files that ``examine`` told of, to ``trust`` them.
    """

    model: str = ""
    accept_licence: bool = False
    sha256: str = ""


@dataclass(frozen=True)
class Export:
    """A label map that is to be written as DICOM SEG.

    Attributes:
        files: of the DICOM series.
        label_map: see ``arrays.give_label_map``; on any grid of the series' patient.
        name, version, sha256: of the model that made it.
        assisted: a person had a part in it, see ``Algorithm``.
    """

    files: tuple[str, ...]
    label_map: Mapping[str, Any]
    name: str
    version: str
    sha256: str
    assisted: bool = False


@dataclass(frozen=True)
class Collection:
    """A corrected case that goes into a training set; see ``writers.add_to_training_set``.

    Attributes:
        folder: of the set: its whole path.
        scans: one for each channel.
        channels: what they are.
        label_map: see ``arrays.give_label_map``.
        structures: names of the set's structures: those that the label map lacks are empty in this case, and what else
            it has stays out; empty: all that it has.
        clicks: by which it was corrected.
        model: ``name`` and ``sha256`` of what found it first; empty: nothing did.
    """

    folder: str
    scans: tuple[Scan, ...]
    channels: tuple[Channel, ...]
    label_map: Mapping[str, Any]
    structures: tuple[str, ...] = ()
    clicks: tuple[Click, ...] = ()
    model: Mapping[str, str] = field(default_factory=dict)


Asked = Job | Correction | Errand | Export | Collection
"""What a request can say of itself."""


@dataclass(frozen=True)
class Event:
    """What the worker said.

    Attributes:
        kind: ``result``, ``progress`` ...
        id: of the request that it answers; None: of none.
        data: the rest.
    """

    kind: str
    id: int | None
    data: Mapping[str, Any]

    @property
    def is_end(self) -> bool:
        """Nothing follows for this request."""
        return self.kind in ("result", "error") and self.id is not None

    @property
    def error(self) -> MedDLError:
        """What an ``error`` tells."""
        code = next((code for code in Code if code.value == self.data.get("code")), Code.WORKER_LOST)  # INTERNAL
        return MedDLError(code, str(self.data.get("message", "")), str(self.data.get("hint", "")))

    @property
    def notice(self) -> Notice:
        """What a ``warning`` tells."""
        return Notice(Code(self.data["code"]), str(self.data["message"]))


def to_line(message: Mapping[str, Any]) -> bytes:
    """A message as it travels."""
    return json.dumps(message, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def read_event(line: bytes) -> Event | None:
    """An event of a line; None for a line that is none, which a library may have written."""
    try:
        data = json.loads(line)
        kind, number = data.pop("event"), data.pop("id", None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return Event(kind, number, data) if isinstance(kind, str) and isinstance(number, (int, type(None))) else None


def read_job(data: Any) -> Job:
    """The job of a request.

    Raises:
        MedDLError: REQUEST_INVALID, naming what is wrong with it.
    """
    job: Job = read_as(Job, data)
    return job


def read_correction(data: Any) -> Correction:
    """The correction of a request.

    Raises:
        MedDLError: REQUEST_INVALID, naming what is wrong with it.
    """
    correction: Correction = read_as(Correction, data)
    return correction


def read_errand(data: Any) -> Errand:
    """The errand of a request; what is None asks for nothing in particular.

    Raises:
        MedDLError: REQUEST_INVALID, naming what is wrong with it.
    """
    errand: Errand = read_as(Errand, {} if data is None else data)
    return errand


def read_export(data: Any) -> Export:
    """The export of a request.

    Raises:
        MedDLError: REQUEST_INVALID, naming what is wrong with it.
    """
    export: Export = read_as(Export, data)
    return export


def read_collection(data: Any) -> Collection:
    """The collection of a request.

    Raises:
        MedDLError: REQUEST_INVALID, naming what is wrong with it.
    """
    collection: Collection = read_as(Collection, data)
    return collection


def read_as(kind: type, data: Any) -> Any:
    """What comes with a request, as an instance of a dataclass.

    Raises:
        MedDLError: REQUEST_INVALID, naming what is wrong with it.
    """
    try:
        return from_plain(kind, data, "job")
    except MedDLError as error:
        raise MedDLError(Code.REQUEST_INVALID, error.message) from error
