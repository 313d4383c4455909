"""The run manifest: what went in, what was run on it, what came out. Reproducible, and silent about the patient."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..atomic import atomic_path
from ..errors import EXPLANATIONS, Notice
from ..volume import Volume

FORMAT_VERSION = 1
"""Raised whenever a key changes its meaning or goes."""

_LIBRARIES = ("numpy", "SimpleITK", "pydicom", "highdicom", "torch", "openvino", "monai", "safetensors")


@dataclass(frozen=True)
class InputRecord:
    """A volume that went in, by content.

    Attributes:
        sha256: from ``content_hash``.
        modality: DICOM's term, or None.
        shape: voxels along K, J, I.
        spacing: mm along i, j, k.
    """

    sha256: str
    modality: str | None
    shape: tuple[int, ...]
    spacing: tuple[float, ...]

    @classmethod
    def of(cls, volume: Volume) -> InputRecord:
        """The record of a volume."""
        spacing = tuple(round(float(mm), 6) for mm in volume.geometry.spacing)
        return cls(content_hash(volume), volume.modality, volume.geometry.shape, spacing)


@dataclass(frozen=True)
class OutputRecord:
    """A file that came out: its kind (``nrrd``, ``dicomseg``, ``statistics``, ...), size in bytes, and SHA-256.

    Not its name: a name that a person gave to the input can name a patient.
    """

    kind: str
    size: int
    sha256: str

    @classmethod
    def of(cls, kind: str, path: Path) -> OutputRecord:
        """The record of a written file."""
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return cls(kind, path.stat().st_size, digest.hexdigest())


@dataclass(frozen=True)
class Manifest:
    """One run on one case.

    Attributes:
        inputs: one for each channel's volume.
        model_name, model_version, model_sha256: what was run.
        device: what it ran on at the end, e.g. ``cpu``, ``cuda:0``.
        backends: what computed the networks, e.g. ``torch``, ``openvino``; both where both had a share.
        seconds: wall time of each stage.
        notices: every warning of the run.
        outputs: the files beside the manifest.
        settings: what the person chose that changes the result; JSON values, no paths.
        versions: of MedDL, Python and the libraries.
    """

    inputs: tuple[InputRecord, ...]
    model_name: str
    model_version: str
    model_sha256: str
    device: str
    seconds: Mapping[str, float]
    notices: tuple[Notice, ...] = ()
    outputs: tuple[OutputRecord, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=lambda: library_versions())
    backends: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types.

        A notice about files is given by its code's general meaning, because its message names files of the input.
        """
        return {
            "format_version": FORMAT_VERSION,
            "inputs": [asdict(record) for record in self.inputs],
            "model": {"name": self.model_name, "version": self.model_version, "sha256": self.model_sha256},
            "settings": dict(self.settings),
            "device": self.device,
            "backends": list(self.backends),
            "seconds": dict(self.seconds),
            "notices": [{"code": notice.code.value, "message": _message(notice)} for notice in self.notices],
            "outputs": [asdict(record) for record in self.outputs],
            "versions": dict(self.versions),
        }


def content_hash(volume: Volume) -> str:
    """SHA-256 over voxels, dtype, shape and affine, and over nothing of a header: equal scans give equal hashes.

    The affine is rounded to a millionth of a millimetre.
    """
    affine = np.round(volume.geometry.ijk_to_ras, 6) + 0.0
    array = volume.array
    digest = hashlib.sha256(f"{array.dtype.name} {array.shape} {affine.tolist()}".encode())
    for block in array.reshape(-1, *array.shape[-2:]):
        digest.update(np.ascontiguousarray(block, dtype=array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Versions of MedDL, Python and the libraries that are installed; imports none of them."""
    installed = ((name, _installed(name)) for name in _LIBRARIES)
    versions = {name: version for name, version in installed if version}
    return {"MedDL": __version__, "Python": platform.python_version(), **versions}


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Writes the manifest as JSON (UTF-8, indented).

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    text = json.dumps(manifest.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _message(notice: Notice) -> str:
    return EXPLANATIONS[notice.code].meaning if notice.code.value.startswith("FILE_") else notice.message
