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
        self._key: tuple[object, ...] = ()
        self._start: object = None
        self._kept: Refinement | None = None
        self._owed: list[Box] = []
        self._owes_all = True

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the person should know of the one that is kept."""
        return () if self._kept is None else self._kept.notices

    def answer(
        self,
        correction: Correction,
        model: Model,
        volumes: Callable[[], Sequence[Volume]],
        options: Options,
        folder: Path,
        tell: OnProgress,
    ) -> Mapping[str, Any]:
        """Makes the clicks of a request, or takes some back.

        ``volumes`` are asked for where the scan or the model is another one. Where only the ``start`` is, as after an
        edit by hand, the scan stays prepared.

        The first answer after a beginning has the whole ``label_map`` (see ``arrays``). Those that follow have the box
        that has changed since: ``box``, from and to along K, J, I, or None where nothing changed, and ``array``, see
        ``refine.Change``. All have ``seconds`` of each stage of the last click. What was cancelled or refused midway is
        in the next one.

        Raises:
            MedDLError: as ``Refinement``.
        """
        runs = 1 + len(correction.clicks)
        kept, begun = self._begun(correction, model, volumes, options, folder, share(tell, 0, runs))
        self._follow(kept, correction.clicks, tell, int(begun))
        seconds = kept.seconds
        if self._owes_all:
            given = give_label_map(kept.label_map, folder)
            self._owes_all, self._owed = False, []
            return {"label_map": given, "seconds": seconds}
        if not self._owed:
            return {"box": None, "array": None, "seconds": seconds}
        box = joined(self._owed)
        array = give_array(kept.within(box), folder)
        self._owed = []
        return {"box": [(part.start, part.stop) for part in box], "array": array, "seconds": seconds}

    def _begun(
        self,
        correction: Correction,
        model: Model,
        volumes: Callable[[], Sequence[Volume]],
        options: Options,
        folder: Path,
        tell: OnProgress | None,
    ) -> tuple[Refinement, bool]:
        """The one that is asked for, and whether it begins now."""
        key, start = (id(model), correction.job.scans, options), correction.start
        kept = self._kept if key == self._key else None
        if kept is not None and start == self._start:
            return kept, False
        begin = None if start is None else take_label_map(start, folder)
        if kept is not None and begin is not None:
            kept.begin_again(begin)
        else:
            self._kept = None  # its memory is needed
            self._kept = kept = Refinement(volumes(), model, begin, options, tell)
        self._key, self._start, self._owes_all = key, start, True
        return kept, True

    def _follow(self, kept: Refinement, clicks: Sequence[Click], tell: OnProgress, runs: int) -> None:
        """From the clicks that were made to those that are asked for, by the shortest way. ``runs``: before them."""
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(kept.clicks, clicks, strict=False)))
        while len(kept.clicks) > same:
            self._owe(kept.undo())
        for n, click in enumerate(clicks[same:]):
            self._owe(kept.add(click, share(tell, runs + n, runs + len(clicks) - same)))

    def _owe(self, change: Change) -> None:
        if not change.is_nothing:
            self._owed.append(change.box)
