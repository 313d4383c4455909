"""The segmentation that is being corrected: kept from click to click, so that one more costs one patch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile, zip_longest
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

_Made = tuple[Click, Mapping[str, Any] | None]
"""A click, and what was shown after it, if that was told."""


class Corrections:
    """Keeps the latest one. What a request gives is the same without it, only later."""

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._key: tuple[object, ...] = ()
        self._start: object = None
        self._kept: Refinement | None = None
        self._made: list[_Made] = []
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

        All have the box that has changed since the last answer: ``box``, from and to along K, J, I, or None where
        nothing changed; and ``seconds`` of each stage of the last click. The first answer after a beginning has the
        whole ``label_map`` (see ``arrays``), those that follow what is in the box: ``array``, see ``refine.Change``.
        What was cancelled or refused midway is in the next one.

        Raises:
            MedDLError: as ``Refinement``.
        """
        runs = 1 + len(correction.clicks)
        kept, begun = self._begun(correction, model, volumes, options, folder, share(tell, 0, runs))
        shown = correction.shown
        asked = list(zip_longest(correction.clicks, (shown or ())[: len(correction.clicks)]))
        self._follow(kept, asked, len(asked if shown is None else shown), folder, tell, int(begun))
        box = joined(self._owed) if self._owed else None
        answer: dict[str, Any] = {"box": box and [(part.start, part.stop) for part in box], "seconds": kept.seconds}
        if self._owes_all:
            answer["label_map"] = give_label_map(kept.label_map, folder)
        else:
            answer["array"] = box and give_array(kept.within(box), folder)
        self._owes_all, self._owed = False, []
        return answer

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
        self._made, self._owed = [], []
        return kept, True

    def _follow(
        self, kept: Refinement, asked: Sequence[_Made], seen: int, folder: Path, tell: OnProgress, runs: int
    ) -> None:
        """From the clicks that were made to those that are asked for, by the shortest way.

        ``seen``: so many of them may have been made before; ``runs``: of the network, before them.
        """
        made, old = self._made, asked[:seen]
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(made, old, strict=False)))
        told_since = same < min(len(made), len(old)) and made[same] == (old[same][0], None)
        while len(made) > same + told_since:
            self._owe(kept.undo())
            made.pop()
        for n, (click, shown) in enumerate(asked[same:]):
            if n or not told_since:
                self._owe(kept.add(click, share(tell, runs + n, runs + len(asked) - same)))
                made.append((click, None))
            if shown is not None:
                kept.amend(take_label_map(shown, folder))
                made[-1] = (click, shown)

    def _owe(self, change: Change) -> None:
        if not change.is_nothing:
            self._owed.append(change.box)
