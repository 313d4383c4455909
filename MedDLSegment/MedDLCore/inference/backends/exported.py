"""Exports that are kept on the disk: made once for each network and patch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from ... import __version__
from ...atomic import atomic_group
from ...errors import MedDLError
from ...plain_data import from_plain
from ...system_errors import named_errors
from ..head import Head, without
from .exporting import export
from .openvino_backend import OpenVINOBackend
from .openvino_library import openvino, openvino_version


@dataclass(frozen=True)
class _Note:
    """What lies beside an export.

    Attributes:
        versions: of what made it.
        xml, bin: SHA-256 of its files.
    """

    versions: str
    xml: str
    bin: str


class Exported:
    """A network as OpenVINO takes it.

    The files ``openvino-C-D0-D1-D2``, or ``openvino-features-C-D0-D1-D2`` where the head is left to later, with the
    suffixes ``.xml``, ``.bin`` and ``.json`` lie in the folder of this very network. What is damaged, or was made by
    other versions, is made anew.
    """

    def __init__(self, network: nn.Module, shape: Sequence[int], folder: Path | None, head: Head | None = None) -> None:
        """Exports nothing yet.

        Args:
            network: on the CPU.
            shape: ``(C, d0, d1, d2)`` of a patch.
            folder: for exports and notes on this network and no other; it need not exist. None: nothing is kept.
            head: what is left to later, and not exported.
        """
        self._network, self._shape, self._folder = network, tuple(shape), folder
        self._head = head
        self._stem = "-".join(["openvino", *(["features"] if head is not None else []), *map(str, shape)])

    @property
    def is_kept(self) -> bool:
        """Whether an export was made by these versions; ``open`` sees whether it is whole."""
        note = self._note()
        return note is not None and note.versions == versions()

    def open(self) -> OpenVINOBackend:
        """The network, compiled for as many threads as torch has; exported first where it must be.

        Raises:
            NotExportedError: where it cannot be.
            RuntimeError: what OpenVINO raises.
            ImportError: where OpenVINO is broken.
        """
        kept = self._whole()
        if kept is None:
            with without(self._head):
                model = export(self._network, (1, *self._shape))
            kept = self._keep(model)
            if kept is None:
                return OpenVINOBackend(model, torch.get_num_threads())
        return OpenVINOBackend(kept, torch.get_num_threads())

    def _whole(self) -> Path | None:
        """The kept export, if it is what was written."""
        note = self._note()
        if self._folder is None or note is None or note.versions != versions():
            return None
        xml = self._folder / f"{self._stem}.xml"
        with suppress(OSError):
            if (_sha256(xml), _sha256(xml.with_suffix(".bin"))) == (note.xml, note.bin):
                return xml
        return None

    def _note(self) -> _Note | None:
        if self._folder is None:
            return None
        with suppress(OSError, ValueError, RecursionError, MedDLError):
            text = (self._folder / f"{self._stem}.json").read_text(encoding="utf-8")
            note: _Note = from_plain(_Note, json.loads(text), self._stem)
            return note
        return None

    def _keep(self, model: object) -> Path | None:
        """Writes the export; None where it cannot be written, which is no reason to fail."""
        if self._folder is None:
            return None
        last = f"{self._stem}.json"
        with suppress(MedDLError, RuntimeError):  # RuntimeError: how OpenVINO says that it could not write
            with named_errors(self._folder.name):
                self._folder.mkdir(parents=True, exist_ok=True)
            with atomic_group(self._folder, last) as staging:
                xml = staging / f"{self._stem}.xml"
                openvino().save_model(model, str(xml), compress_to_fp16=False)
                note = _Note(versions(), _sha256(xml), _sha256(xml.with_suffix(".bin")))
                (staging / last).write_text(json.dumps(asdict(note)), encoding="utf-8")
            return self._folder / xml.name
        return None


def versions() -> str:
    """Of everything that an export depends on, beside the network."""
    return f"MedDL {__version__}, torch {torch.__version__}, openvino {openvino_version()}"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
