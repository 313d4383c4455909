"""The models that can be downloaded: ``catalogue.json``, which comes with MedDL and changes only with it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ..errors import Code, MedDLError
from ..spec import ModelSpec
from .description import read_json, spec_from_description

FILE = Path(__file__).with_name("catalogue.json")


@dataclass(frozen=True)
class Licence:
    """The terms of a model: their name, where they are, and in full where they are short."""

    name: str
    url: str
    text: str

    def __str__(self) -> str:
        return "\n\n".join(part for part in (f"{self.name} ({self.url})", self.text) if part)


@dataclass(frozen=True)
class RemoteFile:
    """One file to download.

    Attributes:
        url: its address, https.
        size: bytes.
        sha256: hexadecimal.
        file: where it goes in the package.
    """

    url: str
    size: int
    sha256: str
    file: str


@dataclass(frozen=True)
class Entry:
    """A model that can be downloaded.

    Attributes:
        name: what ``meddl models get`` is given.
        modality: DICOM's term.
        licence: must be accepted first.
        files: what is downloaded.
        spec: the model; its weights are among the files.
    """

    name: str
    modality: str
    licence: Licence
    files: tuple[RemoteFile, ...]
    spec: ModelSpec

    @property
    def title(self) -> str:
        """What a person reads."""
        return self.spec.title

    @property
    def description(self) -> str:
        """What the model does, in a few sentences."""
        return self.spec.description

    @property
    def citation(self) -> str:
        """What to cite."""
        return self.spec.citation

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)


@cache
def catalogue() -> Mapping[str, Entry]:
    """All entries by name."""
    data = read_json(FILE)
    entries = []
    for item in data["models"]:
        spec = spec_from_description(item["spec"], FILE.name)
        files = tuple(RemoteFile(**file) for file in item["files"])
        entries.append(Entry(spec.name, item["modality"], Licence(**item["licence"]), files, spec))
    return MappingProxyType({entry.name: entry for entry in entries})


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


def entry_of_weights(sha256: str) -> Entry | None:
    """The entry whose only weights have this SHA-256."""
    for item in catalogue().values():
        if [weights.sha256 for weights in item.spec.weights] == [sha256]:
            return item
    return None
