"""Which scans of a scene are the inputs of one case: proposed by names and studies, changed by the person.

No Qt and no scene. A scan on which something was drawn begins a case; the others of its patient are found beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from MedDLSegmentLib.translation import _

SEPARATORS = re.compile(r"[_\-. ]+")

Choices = Mapping[str, Mapping[str, str]]
"""The keys of the scans that a person chose, by the key of the case and the channel; an empty key: none."""


@dataclass(frozen=True)
class SceneScan:
    """A scan of the scene.

    Attributes:
        id: of its node.
        name: of its node.
        study: its study in the subject hierarchy; 0: none.
        isDrawn: something was drawn on it.
    """

    id: str
    name: str
    study: int = 0
    isDrawn: bool = False

    @property
    def key(self) -> str:
        """What a choice knows it by: an ID that a scene has given anew, to another scan, is not mistaken for it."""
        return f"{self.id} {self.name}"


@dataclass(frozen=True)
class CaseInputs:
    """A case of the scene.

    Attributes:
        drawn: the scan on which it was drawn; its name is the case's.
        scans: one for each channel, or one where there are no channels; None: not found.
    """

    drawn: SceneScan
    scans: tuple[SceneScan | None, ...]


def channelsOf(text: str) -> tuple[str, ...]:
    """``"T1, FLAIR"`` -> ``("T1", "FLAIR")``."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def casesOf(scans: Sequence[SceneScan], channels: Sequence[str], choices: Choices) -> tuple[CaseInputs, ...]:
    """The cases of a scene.

    A scan is of the channel that its name holds as whole words, the longest such channel. It belongs to a case where
    what else its name says is the same as in the name of the case's drawn scan, or else where it is the only scan of
    its channel in the same study. A drawn scan that names no channel is the one channel that is not found.

    Args:
        scans: all of the scene, in its order.
        channels: names; empty: each drawn scan is a case of one input.
        choices: come before what is proposed.
    """
    if not channels:
        return tuple(CaseInputs(scan, (scan,)) for scan in scans if scan.isDrawn)
    cases: list[CaseInputs] = []
    taken: set[SceneScan] = set()
    for scan in scans:
        if scan.isDrawn and scan not in taken:
            found = _chosen(_proposed(scan, scans, channels), channels, choices.get(scan.key, {}), scans)
            taken |= {each for each in found if each is not None}
            cases.append(CaseInputs(scan, found))
    return tuple(cases)


def problemOf(cases: Sequence[CaseInputs], channels: Sequence[str]) -> str:
    """Why nothing can be learnt from these cases; empty: it can."""
    for case in cases:
        lacking = [channel for channel, scan in zip(channels, case.scans, strict=False) if scan is None]
        if lacking:
            return _("Choose the volume for {channel} of the case {name}.").format(
                channel=lacking[0], name=case.drawn.name
            )
        if len(set(case.scans)) < len(case.scans):
            return _("One volume is chosen for several inputs of the case {name}.").format(name=case.drawn.name)
    return ""


def chosen(choices: Choices, case: CaseInputs, channel: str, scan: SceneScan | None) -> dict[str, dict[str, str]]:
    """The choices with one more; None: no scan."""
    known = {key: dict(of_case) for key, of_case in choices.items()}
    known.setdefault(case.drawn.key, {})[channel] = "" if scan is None else scan.key
    return known


def toText(choices: Choices) -> str:
    """As a parameter of the scene."""
    return json.dumps(choices)


def fromText(text: str) -> dict[str, dict[str, str]]:
    """From it; empty where it is none, which a foreign scene may hold."""
    try:
        return {
            str(key): {str(channel): str(scan) for channel, scan in of_case.items()}
            for key, of_case in json.loads(text or "{}").items()
        }
    except (ValueError, AttributeError):
        return {}


def _chosen(
    proposed: Sequence[SceneScan | None],
    channels: Sequence[str],
    of_case: Mapping[str, str],
    scans: Sequence[SceneScan],
) -> tuple[SceneScan | None, ...]:
    by_key: dict[str, SceneScan | None] = {"": None, **{scan.key: scan for scan in scans}}
    return tuple(
        by_key.get(of_case.get(channel, ""), scan) if channel in of_case else scan
        for channel, scan in zip(channels, proposed, strict=True)
    )


def _proposed(drawn: SceneScan, scans: Sequence[SceneScan], channels: Sequence[str]) -> tuple[SceneScan | None, ...]:
    own, rest = _channelOf(drawn.name, channels)
    found: dict[str, SceneScan | None] = {}
    for channel in channels:
        fitting = [scan for scan in scans if scan != drawn and _channelOf(scan.name, channels)[0] == channel]
        fitting = [scan for scan in fitting if not scan.study or not drawn.study or scan.study == drawn.study]
        alike = _only(fitting, lambda scan: _channelOf(scan.name, channels)[1] == rest)
        beside = _only(fitting, lambda scan: bool(drawn.study) and scan.study == drawn.study)
        found[channel] = drawn if channel == own else alike or beside
    missing = [channel for channel in channels if found[channel] is None]
    if own is None and len(missing) == 1:
        found[missing[0]] = drawn
    return tuple(found[channel] for channel in channels)


def _only(scans: Iterable[SceneScan], fits: Callable[[SceneScan], bool]) -> SceneScan | None:
    found = [scan for scan in scans if fits(scan)]
    return found[0] if len(found) == 1 else None


def _channelOf(name: str, channels: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """The channel that a name says, and the words that are left of it."""
    words = _words(name)
    for channel in sorted(channels, key=lambda each: -len(_words(each))):
        its = _words(channel)
        for start in range(len(words) - len(its), -1, -1):
            if words[start : start + len(its)] == its:
                return channel, words[:start] + words[start + len(its) :]
    return None, words


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in SEPARATORS.split(name) if word)
