"""Names of output files: they never leave the output folder, never clash, and never tell who the patient is."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ..errors import Code, MedDLError
from ..volume import Source

LONGEST = 64
"""Characters in a stem, at most."""

_HASH_DIGITS = 8
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
"""Device names of Windows: reserved with any suffix."""
_SUFFIXES = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")


def output_stem(source: Source, *, content_sha256: str = "", anonymous: bool = False) -> str:
    """The stem of the names of all outputs of one volume: 64 characters of ``[A-Za-z0-9._-]`` at most.

    A DICOM series is named by a hash of its SeriesInstanceUID, because patient and study names, and the UID itself,
    point to a person. A single file keeps the name that a person gave it, made safe: it is what they look for, and
    they chose it. Where file names hold patient names, ``anonymous`` names the result by the scan's content instead.

    Args:
        source: where the volume came from.
        content_sha256: hexadecimal, from ``manifest.content_hash``; for ``anonymous``, and for volumes without a file.
        anonymous: never use the input's name.

    Returns:
        The same stem for the same input, on every machine.
    """
    if source.series_uid:
        stem = "series-" + _digits(source.series_uid, 16)
    elif source.files and not anonymous and source.format != "DICOM":
        stem = safe_name(_without_suffix(source.files[0].name))
    elif content_sha256:
        stem = "scan-" + content_sha256[:16]
    else:
        raise ValueError("a volume without a file or a series needs content_sha256 for its name")
    return safe_name(f"{stem}_{source.part}") if source.part else stem


def output_path(folder: Path, stem: str, suffix: str) -> Path:
    """``folder / (stem + suffix)``.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE where that would lie elsewhere.
    """
    path = folder / (stem + suffix)
    if path.parent != folder or not path.resolve().is_relative_to(folder.resolve()):
        raise MedDLError(Code.OUTPUT_UNWRITABLE, "The result's name leads out of the output folder.")
    return path


def safe_name(text: str) -> str:
    """``text`` itself where it is a safe name; otherwise what is safe of it and 8 digits of its SHA-256."""
    cleaned = _UNSAFE.sub("_", text).lstrip(".-").rstrip(".")
    if _RESERVED.fullmatch(cleaned.split(".")[0]):
        cleaned = "_" + cleaned
    if cleaned == text and 0 < len(text) <= LONGEST:
        return text
    kept = cleaned[: LONGEST - _HASH_DIGITS - 1].rstrip(".")
    return f"{kept}-{_digits(text, _HASH_DIGITS)}" if kept else f"scan-{_digits(text, _HASH_DIGITS)}"


def _without_suffix(name: str) -> str:
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(name).stem


def _digits(text: str, count: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:count]
