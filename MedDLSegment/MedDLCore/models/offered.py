"""What a person can choose from on this machine, and what must be known of each model to choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MedDLError
from .catalogue import catalogue

if TYPE_CHECKING:
    from ..spec import ModelSpec
    from .nnunet.totalsegmentator import Installed
    from .store import ModelStore, StoredModel


@dataclass(frozen=True)
class Input:
    """One scan that a model takes: its name (``T1``), and the modality it must have, or None."""

    name: str
    modality: str | None = None


@dataclass(frozen=True)
class Offered:
    """One model of this machine.

    Attributes:
        name: by which it is opened.
        title, description: what a person reads.
        inputs: the scans that it takes, in their order; empty where that is known only once it is opened.
        structures: names of what it finds; empty where that is known only once it is opened.
        licence: its terms, by name; empty where they are not known.
        non_commercial: they forbid commercial use.
        size: bytes of its files.
        seconds, memory: what its author measured: seconds, and bytes; None where nothing is told.
        crops: how large the crops were that it was trained on, in words: it looks around points that a person names.
            Empty: it looks at whole scans.
        problem: why it cannot be opened; empty: it can.
        origin: ``added`` to this person's folder of models, ``shipped`` with MedDL, ``trusted`` where it lies, or
            ``totalsegmentator``: what TotalSegmentator has on this machine.
    """

    name: str
    title: str = ""
    description: str = ""
    inputs: tuple[Input, ...] = ()
    structures: tuple[str, ...] = ()
    licence: str = ""
    non_commercial: bool = False
    size: int = 0
    seconds: float | None = None
    memory: float | None = None
    crops: str = ""
    problem: str = ""
    origin: str = "added"


def offered_models(store: ModelStore | None = None) -> list[Offered]:
    """The models of the store, those that come with MedDL, and those that TotalSegmentator has on this machine.

    Args:
        store: the person's own if None.
    """
    from .store import ModelStore

    rows: dict[str, Offered] = {}
    for row in _rows(store or ModelStore()):
        rows.setdefault(row.name, row)
    return list(rows.values())


def _rows(store: ModelStore) -> Iterator[Offered]:
    from .nnunet.totalsegmentator import installed
    from .opening import open_model, shipped_models
    from .trusted import Consents

    for model in store.list():
        yield _of_the_store(model)
    for folder in shipped_models():
        yield replace(_described(folder.name, open_model(folder, store).spec, _size(folder)), origin="shipped")
    for folder in Consents(store.path).folders():
        if folder.is_dir():
            yield replace(_of_trusted(folder, store), origin="trusted")
    for found in installed():
        yield _of_totalsegmentator(found)


def _of_the_store(model: StoredModel) -> Offered:
    if model.package is None:
        problem = model.error.message if model.error is not None else ""
        return Offered(model.name, size=model.size, problem=problem or "It cannot be opened.")
    return _described(model.name, model.package.spec, model.size)


def _of_trusted(folder: Path, store: ModelStore) -> Offered:
    """Its name is its folder, which alone is trusted."""
    from .opening import open_model

    try:
        return _described(str(folder), open_model(folder, store).spec, _size(folder))
    except MedDLError as error:
        return Offered(str(folder), folder.name, size=_size(folder), problem=error.message)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _described(name: str, spec: ModelSpec, size: int) -> Offered:
    known = catalogue().get(name)
    return Offered(
        name,
        spec.title,
        spec.description,
        tuple(Input(channel.name, channel.modality) for channel in spec.channels),
        tuple(label.name for label in spec.labels),
        known.licence.name if known is not None else spec.licence,
        known is not None and known.licence.non_commercial,
        size,
        _number(spec.measured, "seconds"),
        _number(spec.measured, "memory_bytes"),
        "" if spec.crops is None else str(spec.crops),
    )


def _of_totalsegmentator(found: Installed) -> Offered:
    """Its licence, TotalSegmentator alone knows."""
    inputs = tuple(Input(modality or "image", modality) for modality in found.modalities)
    return Offered(found.name, inputs=inputs, structures=found.structures, size=found.size, origin="totalsegmentator")


def _number(measured: Mapping[str, Any], key: str) -> float | None:
    """A figure of the model's author, whose form is free."""
    value = measured.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
