"""The segmentation that is being corrected: kept from click to click, so that one more costs one patch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from ..admission import Options
from ..click import Click
from ..clock import OnProgress, share
from ..errors import Notice
from ..pipeline import Model
from ..refine import Change, Refinement
from ..refine.box import Box, joined
from ..volume import Volume
from .arrays import give_array, give_label_map, take_label_map
from .messages import Correction


class Corrections:
    """Keeps the latest one. What a request gives is the same without it, only later."""

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._key: tuple[object, ...] | None = None
        self._kept: Refinement | None = None
        self._owed: list[Box] = []

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the person should know of the one that is kept."""
        return () if self._kept is None else self._kept.notices

    def forget(self) -> None:
        """Gives its memory back."""
        self._key, self._kept, self._owed = None, None, []

    def answer(
        self,
        correction: Correction,
        model: Model,
        volumes: Callable[[], Sequence[Volume]],
        options: Options,
        folder: Path,
        tell: OnProgress,
    ) -> Mapping[str, Any]:
        """Makes the clicks of a request, or takes some back. ``volumes`` are asked for where it begins.

        The first answer has the whole ``label_map`` (see ``arrays``). Those that follow have the box that has changed
        since: ``box``, from and to along K, J, I, or None where nothing changed, and ``array``, see ``refine.Change``.
        All have ``seconds`` of each stage of the last click. What was cancelled or refused midway is in the next one.

        Raises:
            MedDLError: as ``Refinement``.
        """
        key = (id(model), correction.job.scans, str(correction.start), options)
        if self._kept is None or key != self._key:
            return self._begin(correction, model, volumes(), options, folder, tell, key)
        kept = self._kept
        self._follow(kept, correction.clicks, tell)
        if not self._owed:
            return {"box": None, "array": None, "seconds": kept.seconds}
        box = joined(self._owed)
        given = give_array(kept.within(box), folder)
        self._owed.clear()
        return {"box": [(part.start, part.stop) for part in box], "array": given, "seconds": kept.seconds}

    def _begin(
        self,
        correction: Correction,
        model: Model,
        volumes: Sequence[Volume],
        options: Options,
        folder: Path,
        tell: OnProgress,
        key: tuple[object, ...],
    ) -> Mapping[str, Any]:
        self.forget()
        start = None if correction.start is None else take_label_map(correction.start, folder)
        runs = len(correction.clicks) + 1
        begun = Refinement(volumes, model, start, options, share(tell, 0, runs))
        for n, click in enumerate(correction.clicks, start=1):
            begun.add(click, share(tell, n, runs))
        given = give_label_map(begun.label_map, folder)
        self._key, self._kept = key, begun  # not before it was given: else only what changes since would follow
        return {"label_map": given, "seconds": begun.seconds}

    def _follow(self, kept: Refinement, clicks: Sequence[Click], tell: OnProgress) -> None:
        """From the clicks that were made to those that are asked for, by the shortest way."""
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(kept.clicks, clicks, strict=False)))
        while len(kept.clicks) > same:
            self._owe(kept.undo())
        for n, click in enumerate(clicks[same:]):
            self._owe(kept.add(click, share(tell, n, len(clicks) - same)))

    def _owe(self, change: Change) -> None:
        if not change.is_nothing:
            self._owed.append(change.box)
