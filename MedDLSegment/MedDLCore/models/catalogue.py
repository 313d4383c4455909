"""The models that can be downloaded: ``catalogue.json``, which comes with MedDL and changes only with it.

An entry is of one of two kinds. Weights alone come with a spec, which makes them a model. What its publisher already
packed as a model (a MONAI bundle, an Auto3DSeg checkpoint with its labels) describes itself, and is read as any folder
is; the entry only says what a person must know before downloading it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from ..errors import Code, MedDLError
from ..spec import Channel, ModelSpec
from .description import read_json, spec_from_description

FILE = Path(__file__).with_name("catalogue.json")

ALGORITHMS = ("sha256", "sha1", "md5")
"""Digests that publishers give, the strongest first."""


@dataclass(frozen=True)
class Licence:
    """The terms of a model.

    Attributes:
        name: as its publisher states it.
        url: where they are.
        text: in full where they are short; else what else must be known, such as the terms of the training data.
        non_commercial: they, or those of the training data, forbid commercial use.
    """

    name: str
    url: str
    text: str = ""
    non_commercial: bool = False

    def __str__(self) -> str:
        warning = "NOT FOR COMMERCIAL USE." if self.non_commercial else ""
        return "\n\n".join(part for part in (f"{self.name} ({self.url})", warning, self.text) if part)


@dataclass(frozen=True)
class RemoteFile:
    """One file to download.

    Attributes:
        url: its address, https.
        file: where it goes in the package; None: it is a zip, and what it holds is the package.
        size: bytes; None where the publisher does not say.
        sha256, sha1, md5: hexadecimal, as far as the publisher gives them. A file without ``sha256`` is pinned by the
            SHA-256 of its first download (see ``pins.py``).
    """

    url: str
    file: str | None = None
    size: int | None = None
    sha256: str | None = None
    sha1: str | None = None
    md5: str | None = None

    @property
    def name(self) -> str:
        """The file's name as a browser saves it."""
        return urlsplit(self.url).path.rpartition("/")[2]

    @property
    def digests(self) -> Mapping[str, str]:
        """What the publisher gives, by algorithm."""
        given = {algorithm: getattr(self, algorithm) for algorithm in ALGORITHMS}
        return {algorithm: digest.lower() for algorithm, digest in given.items() if digest}


@dataclass(frozen=True)
class Entry:
    """A model that can be downloaded.

    Attributes:
        name: what ``meddl models get`` is given.
        title, description, citation, source: what a person reads.
        channels: input volumes.
        structures: names of what it segments.
        licence: must be accepted first.
        files: what is downloaded. A zip comes before the files that lie beside its content.
        spec: of weights alone, which are then among the files; None where the files describe themselves.
    """

    name: str
    title: str
    description: str
    citation: str
    source: str
    channels: tuple[Channel, ...]
    structures: tuple[str, ...]
    licence: Licence
    files: tuple[RemoteFile, ...]
    spec: ModelSpec | None = None

    @classmethod
    def of_spec(cls, spec: ModelSpec, licence: Licence, files: tuple[RemoteFile, ...]) -> Entry:
        """The entry of weights alone."""
        names = tuple(label.name for label in spec.labels)
        about = (spec.name, spec.title, spec.description, spec.citation, spec.source)
        return cls(*about, spec.channels, names, licence, files, spec)

    @property
    def size(self) -> int | None:
        """Bytes to download; None where a publisher does not say."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None

    @property
    def digests(self) -> str:
        """What the files are compared with, in words."""
        given = {next(iter(file.digests), None) for file in self.files}
        named = ", ".join(algorithm.upper() for algorithm in ALGORITHMS if algorithm in given)
        pinned = "its publisher gives no digest: pinned at the first download" if None in given else ""
        return "; ".join(part for part in (f"the publisher's {named}" if named else "", pinned) if part)


@cache
def catalogue() -> Mapping[str, Entry]:
    """All entries by name."""
    entries = [_entry(item) for item in read_json(FILE)["models"]]
    return MappingProxyType({item.name: item for item in entries})


def entry(name: str) -> Entry:
    """The entry of this name; case does not matter.

    Raises:
        MedDLError: MODEL_NOT_FOUND, with near matches.
    """
    by_folded_name = {known.casefold(): item for known, item in catalogue().items()}
    if name.casefold() in by_folded_name:
        return by_folded_name[name.casefold()]
    near = difflib.get_close_matches(name.casefold(), by_folded_name) or list(by_folded_name)
    raise MedDLError(
        Code.MODEL_NOT_FOUND,
        f"The catalogue has no model named {name!r}.",
        f"It has: {', '.join(by_folded_name[item].name for item in near)}.",
    )


def spec_of_weights(sha256: str) -> ModelSpec | None:
    """The spec whose only weights have this SHA-256."""
    specs = (item.spec for item in catalogue().values() if item.spec is not None)
    return next((spec for spec in specs if [weights.sha256 for weights in spec.weights] == [sha256]), None)


def _entry(item: Mapping[str, Any]) -> Entry:
    content = dict(item)
    files = tuple(RemoteFile(**file) for file in content.pop("files"))
    licence = Licence(**content.pop("licence"))
    if "spec" in content:
        return Entry.of_spec(spec_from_description(content.pop("spec"), FILE.name), licence, files)
    channels = tuple(Channel(**channel) for channel in content.pop("channels"))
    structures = tuple(content.pop("structures"))
    return Entry(**content, channels=channels, structures=structures, licence=licence, files=files)
