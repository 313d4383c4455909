"""What the page of models knows, and what follows from it. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from MedDLCore.spec import Channel

from . import offered_models, wording
from .button import Button
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.catalogue import Entry
    from MedDLCore.models.offered import Input, Offered

MOST_LISTED = 40
"""So many reasons and programs of a bundle are shown. All files are always counted and hashed."""


@dataclass(frozen=True)
class Row:
    """A model of the list: on this machine, or to be had.

    Attributes:
        name: by which it is opened, or got.
        offered: what is known of it where it is on this machine.
        entry: of the catalogue, where it is not.
    """

    name: str
    offered: Offered | None = None
    entry: Entry | None = None


@dataclass(frozen=True)
class Work:
    """What is being done.

    Attributes:
        kind: ``get``, ``add``, ``remove``, ``examine``, ``trust``.
        name: a model's, or a file's.
        fraction: 0 to 1; 0 where it is not known.
        cancelling: the person has cancelled it.
    """

    kind: str
    name: str
    fraction: float = 0.0
    cancelling: bool = False


@dataclass(frozen=True)
class Examined:
    """A folder with code of its own, as ``examine`` told of it."""

    folder: str
    reasons: tuple[str, ...]
    programs: tuple[str, ...]
    files: int
    size: int
    sha256: str

    @classmethod
    def of(cls, folder: str, told: Mapping[str, Any]) -> Examined:
        """From the worker's answer."""
        return cls(
            folder,
            tuple(map(str, told["reasons"])),
            tuple(map(str, told["programs"])),
            int(told["files"]),
            int(told["size"]),
            str(told["sha256"]),
        )


@dataclass(frozen=True)
class ModelsState:
    """All that the page shows.

    Attributes:
        models: of this machine; None: the worker has not told yet.
        entries: of the catalogue, by name.
        chosen: the name of a row.
        agreed: the person has ticked that they accept what is shown.
        work: None: nothing is being done.
        examined: a folder that asks for trust.
        said: how the last work ended.
        memory: bytes of this machine; 0: not known.
    """

    models: tuple[Offered, ...] | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)
    chosen: str = ""
    agreed: bool = False
    work: Work | None = None
    examined: Examined | None = None
    said: str = ""
    memory: int = 0

    def with_(self, **changes: Any) -> ModelsState:
        """The state after a change. What was agreed to was what was shown: another choice begins anew."""
        if ("chosen" in changes and changes["chosen"] != self.chosen) or "examined" in changes:
            changes.setdefault("agreed", False)
        return replace(self, **changes)

    @property
    def rows(self) -> tuple[Row, ...]:
        """Models of this machine, then those that can be had."""
        here = tuple(Row(model.name, offered=model) for model in self.models or ())
        names = {row.name for row in here}
        there = [Row(entry.name, entry=entry) for name, entry in self.entries.items() if name not in names]
        return (*here, *sorted(there, key=lambda row: row.entry.title.casefold() if row.entry else ""))

    @property
    def row(self) -> Row | None:
        """The chosen one."""
        return next((row for row in self.rows if row.name == self.chosen), None)


def matching(rows: tuple[Row, ...], text: str) -> tuple[Row, ...]:
    """The rows that have every word of the text in their title, modality, structures or licence."""
    words = text.casefold().split()
    return tuple(row for row in rows if all(word in _searched(row) for word in words))


def line(row: Row) -> str:
    """The row in the list."""
    if row.offered is not None:
        return offered_models.line(row.offered)
    assert row.entry is not None  # noqa: S101  it is one of the two
    if row.entry.size is None:
        return _("{title}  (to download)").format(title=row.entry.title)
    return _("{title}  (to download, {size})").format(title=row.entry.title, size=wording.size(row.entry.size))


def details(state: ModelsState) -> str:
    """All that a person should know of what is chosen, before they use, get or trust it."""
    if state.examined is not None:
        return _warning(state.examined)
    row = state.row
    if row is None:
        return _("Choose a model to read about it.")
    return _aboutOffered(row.offered, state.memory) if row.offered is not None else _aboutEntry(row.entry)


def agreeText(state: ModelsState) -> str:
    """What the tick says; empty: there is nothing to agree to."""
    if state.examined is not None:
        return _("I trust these files to run on this computer")
    if state.row is not None and state.row.entry is not None:
        return _("I have read the licence and accept it")
    return ""


def mainButton(state: ModelsState) -> Button:
    """Get, Trust, or Cancel while something goes on."""
    if state.work is not None:
        if state.work.cancelling or state.work.kind in ("remove", "trust"):
            return Button(_("Cancel"), False, _("It ends within a few seconds."))
        return Button(_("Cancel"), True, _("Ends it. A download goes on there the next time."))
    if state.examined is not None:
        why = "" if state.agreed else _("Read what would run, and tick that you trust it.")
        return Button(_("Trust"), state.agreed, why or _("Lets this very folder, as it is now, run its own code."))
    if state.row is None or state.row.entry is None:
        return Button(_("Get"), False, _("Choose a model that is not on this machine yet."))
    why = "" if state.agreed else _("Read the licence, and tick that you accept it.")
    return Button(_("Get"), state.agreed, why or _("Downloads it from {host}.").format(host=_hosts(state.row.entry)))


def removeButton(state: ModelsState) -> Button:
    """Remove, or, of a folder that was trusted, trust no more."""
    model = state.row.offered if state.row is not None and state.examined is None else None
    trusted = model is not None and model.origin == "trusted"
    text = _("Trust no more") if trusted else _("Remove")
    if state.work is not None:
        return Button(text, False, _("Wait for what goes on."))
    if model is None:
        return Button(text, False, _("Choose a model of this machine."))
    if model.origin == "shipped":
        return Button(text, False, _("This model comes with MedDL."))
    if model.origin == "totalsegmentator":
        return Button(text, False, _("This model belongs to TotalSegmentator."))
    if trusted:
        return Button(text, True, _("Its code runs no more. Its files stay."))
    return Button(text, True, _("Deletes its {size}.").format(size=wording.size(model.size)))


def statusLine(state: ModelsState) -> str:
    """What goes on, or how it ended."""
    if state.work is None:
        return state.said
    words = {
        "get": _("Downloading {name}"),
        "add": _("Adding {name}"),
        "remove": _("Removing {name}"),
        "examine": _("Looking at {name}"),
        "trust": _("Looking at {name}"),
    }[state.work.kind].format(name=state.work.name)
    if state.work.cancelling:
        return _("Cancelling ...")
    if state.work.fraction >= 1:
        return _("Checking {name} ...").format(name=state.work.name)
    if state.work.fraction:
        return _("{what}: {percent} %").format(what=words, percent=round(100 * state.work.fraction))
    return _("{what} ...").format(what=words)


def doneText(kind: str, name: str) -> str:
    """How a work ended well."""
    return {
        "get": _("{name} is there, and can be chosen."),
        "add": _("{name} is there, and can be chosen."),
        "remove": _("{name} was removed."),
        "trust": _("{name} is trusted, with these very files, and can be chosen."),
        "examine": "",
    }[kind].format(name=name)


def fits(model: Offered, memory: int) -> str:
    """Whether what its author measured fits this machine; empty where one of the two is not known."""
    if model.memory is None or not memory:
        return ""
    words = {"needed": wording.size(model.memory), "there": wording.size(memory)}
    if model.memory > memory:
        return _("Needs {needed} of memory: MORE THAN THIS MACHINE HAS ({there})").format(**words)
    return _("Needs {needed} of memory: fits this machine ({there})").format(**words)


def _aboutOffered(model: Offered, memory: int) -> str:
    inputs = _inputs(model.inputs)
    measured = "" if model.seconds is None else wording.duration(model.seconds)
    lines = [
        offered_models.shownName(model),
        model.problem,
        model.description,
        "",
        _("Takes: {inputs}").format(inputs=inputs) if inputs else "",
        _("Looks at {extent} around each point").format(extent=model.crops) if model.crops else "",
        _("Finds: {structures}").format(structures=", ".join(model.structures)) if model.structures else "",
        _("Licence: {licence}").format(licence=model.licence or _("not stated")),
        _("NOT FOR COMMERCIAL USE") if model.non_commercial else "",
        _("Measured by its author: {time}").format(time=measured) if measured else "",
        fits(model, memory),
        _("On the disk: {size}").format(size=wording.size(model.size)),
        {
            "shipped": _("It comes with MedDL."),
            "totalsegmentator": _("It belongs to TotalSegmentator on this machine."),
            "trusted": _("It runs its own code, because you trust this folder: {folder}").format(folder=model.name),
        }.get(model.origin, ""),
    ]
    return "\n".join(line for n, line in enumerate(lines) if line or n == 3)


def _aboutEntry(entry: Entry | None) -> str:
    assert entry is not None  # noqa: S101
    size = wording.size(entry.size) if entry.size is not None else _("size not stated")
    lines = [
        entry.title,
        entry.description,
        "",
        _("Licence: {name}, {url}").format(name=entry.licence.name, url=entry.licence.url),
        _("NOT FOR COMMERCIAL USE") if entry.licence.non_commercial else "",
        _("To download: {size}, from {host}").format(size=size, host=_hosts(entry)),
        _("Takes: {inputs}").format(inputs=_inputs(entry.channels)),
        _("Finds: {structures}").format(structures=", ".join(entry.structures)),
        _("Please cite: {citation}").format(citation=entry.citation),
    ]
    shown = "\n".join(line for n, line in enumerate(lines) if line or n == 2)
    return f"{shown}\n\n{entry.licence.text}".strip()


def _inputs(inputs: Sequence[Input | Channel]) -> str:
    """``CT``, or ``T1 (MR), FLAIR (MR)``."""
    words = []
    for given in inputs:
        modality = given.modality or _("any modality")
        words.append(modality if given.name == modality else f"{given.name} ({modality})")
    return ", ".join(words)


def _warning(examined: Examined) -> str:
    return "\n".join(
        [
            _("WARNING: {folder} wants to run its own code.").format(folder=examined.folder),
            "",
            _(
                "MedDL cannot read it as data. If you trust it, programs of this folder, and what its configuration "
                "names, run with your rights: they may read and change your files, and use the network. Trust it only "
                "if you know where it comes from. Trust ends when one byte of it changes."
            ),
            "",
            _("What is not data:"),
            *_shortened(examined.reasons),
            _("Programs:"),
            *_shortened(examined.programs or (_("none; the configuration itself can be a program"),)),
            _("{files} files, {size}, SHA-256 {sha256}").format(
                files=examined.files, size=wording.size(examined.size), sha256=examined.sha256
            ),
        ]
    )


def _shortened(lines: tuple[str, ...]) -> list[str]:
    shown = [f"  {line}" for line in lines[:MOST_LISTED]]
    rest = len(lines) - MOST_LISTED
    return [*shown, _("  and {n} more").format(n=rest)] if rest > 0 else shown


def _hosts(entry: Entry) -> str:
    return ", ".join(sorted({urlsplit(file.url).hostname or "" for file in entry.files}))


def _searched(row: Row) -> str:
    if row.offered is not None:
        return offered_models.searched(row.offered)
    assert row.entry is not None  # noqa: S101
    entry = row.entry
    modalities = [channel.modality or "" for channel in entry.channels]
    return " ".join((entry.name, entry.title, *modalities, *entry.structures, entry.licence.name)).casefold()
