"""A segmentation under correction: what stays in memory from click to click."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..admission import Options, admit
from ..click import Click
from ..clock import Clock, OnProgress, share
from ..errors import Code, Notice
from ..pipeline import Model
from ..preprocess import cut_around, is_crop
from ..spec import FloatTriple
from ..volume import LabelMap, Volume
from .box import Box, all_layers, around, box_of, covered, grown, holds, joined, moved, start_of, whole
from .change import Change, check_listens, label_of
from .found import Found, found_of, label_map_of, mask_of, nothing, overlapping
from .opening import Opened, open_alone, open_with
from .sight import Sight
from .spread import MOST, connected, cut_off
from .window import Window, centred_in, window_around


@dataclass(eq=False)
class _Step:
    """A click that was made, and what it replaced, oldest first: where, and what was there.

    Attributes:
        point: the middle of the scan's voxel that was clicked, RAS mm.
        value: of the label that is meant.
        opened: the click opened its sight.
        notices: what it brought.
    """

    click: Click
    point: FloatTriple
    value: int
    sight: Sight
    opened: bool = False
    on_network: list[tuple[Box, Found]] = field(default_factory=list)
    on_scan: list[tuple[Box, Found]] = field(default_factory=list)
    notices: tuple[Notice, ...] = ()


class Refinement:
    """Corrects a segmentation click by click.

    It keeps the prepared scan with labels on the network's grid (``Sight``) and labels on the scan's. A click is one
    patch through the network, or a few where what it says goes on beyond (``spread``); what lies outside their inner
    parts stays as it is. At its voxel a click has its way, whatever the network says (``heeding``), and where the
    scan's voxels lie between the network's, or beyond them. The model's clean-up is not repeated: what a person put
    there stays, however small.

    Of a scan larger than the crops that a model was trained on, the network sees boxes around clicks: a click outside
    all of them opens one, which begins with what is there. Where nothing is there, a click that adds begins with what
    the network finds in the box on its own.

    Attributes:
        seconds: wall time of each stage of the last click.
        computed_by: what the network ran on last, and the backends so far; see ``Segmentation``.
    """

    def __init__(
        self,
        volumes: Sequence[Volume],
        model: Model,
        start: LabelMap | None = None,
        options: Options = Options(),
        on_progress: OnProgress | None = None,
    ) -> None:
        """Begins with what the network finds on its own, or with what there is.

        Args:
            volumes: one for each channel of the model; the first decides the result's grid.
            model: that listens to clicks.
            start: what there is, on any grid; structures are matched by name. None: the network runs on the whole scan,
                unless it was trained on crops and the scan is larger.
            options: ``allow`` counts; the others would leave out what a click may bring in.
            on_progress: told of progress; what it raises ends it.

        Raises:
            MedDLError: CLICKS_MISMATCH for a model that does not listen; as ``pipeline.segment``.
        """
        check_listens(model.spec)
        self._volumes, self._model, self._spec = tuple(volumes), model, model.spec
        self._scan, self._options = volumes[0].geometry, Options(allow=options.allow)
        self._steps: list[_Step] = []
        self._sights: list[Sight] = []
        self.seconds: dict[str, float] = {}
        self.computed_by: tuple[str, tuple[str, ...]] = (model.device.name, ())
        given = None if start is None else found_of(start, self._spec, self._scan)
        if self._spec.crops is not None and not is_crop(self._scan, self._spec):
            self._first = admit(volumes, self._spec, self._options, points_follow=True)
            self._found = nothing(self._spec, self._scan) if given is None else given
        else:
            opened = self._open(self._volumes, whole(self._scan.shape), given, on_progress)
            self._found, self.seconds, self._first = opened.found, opened.seconds, opened.notices
            self._sights.append(opened.sight)
            self._volumes = ()  # nothing more is asked of them

    @property
    def clicks(self) -> tuple[Click, ...]:
        """In the order in which they were made."""
        return tuple(step.click for step in self._steps)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the person should know: of the beginning, and of the clicks that were not taken back."""
        return tuple(dict.fromkeys((*self._first, *(notice for step in self._steps for notice in step.notices))))

    @property
    def label_map(self) -> LabelMap:
        """The result now, on the scan's grid. Structures that may overlap have a layer each."""
        return label_map_of(self._found, self._spec, self._scan)

    def add(self, click: Click, on_progress: OnProgress | None = None) -> Change:
        """Makes a click.

        Raises:
            MedDLError: CLICKS_MISMATCH, REGION_OUTSIDE; NO_MEMORY, NETWORK_NONFINITE. Nothing has changed then.
        """
        value = label_of(click, self._spec, self._scan).value
        step, clock = self._begun(click, value, on_progress)
        with ExitStack() as unless_done:
            unless_done.callback(self._take_back, step)
            self._carry_out(step, clock)
            unless_done.pop_all()
        self._steps.append(step)
        if step.opened:
            self._sights.append(step.sight)
        self.seconds = clock.seconds
        box = joined([box for box, _ in step.on_scan])
        before = self.within(box)
        for part, replaced in reversed(step.on_scan):
            before[all_layers(moved(part, [-n for n in start_of(box)]))] = replaced
        return Change.between(before, self._found[all_layers(box)], start_of(box))

    def undo(self) -> Change:
        """Takes the last click back.

        Raises:
            IndexError: there is none.
        """
        step = self._steps.pop()
        box = joined([box for box, _ in step.on_scan])
        now = self.within(box)
        self._take_back(step)
        if step.opened:
            self._sights.pop()
        return Change.between(now, self._found[all_layers(box)], start_of(box))

    def amend(self, shown: LabelMap) -> None:
        """What a person sees after the last click, in a box: they may not have let it have all that it brought.

        It belongs to that click, and is taken back with it.

        Args:
            shown: on voxels of the scan's grid; structures are matched by name.
        """
        box, step = box_of(shown.geometry, self._scan), self._steps[-1]
        now, before = found_of(shown, self._spec, shown.geometry), self.within(box)
        if (now == before).all():
            return
        step.on_network.append(step.sight.amend(box, now, (now != before).any(axis=0)))
        step.on_scan.append((box, before))
        self._found[all_layers(box)] = now

    def begin_again(self, start: LabelMap) -> None:
        """Begins with what there is now, without a click. What is prepared of the whole scan stays."""
        found = found_of(start, self._spec, self._scan)
        if self._volumes:
            self._sights.clear()  # where a box lies, its first click says
        for sight in self._sights:
            sight.tell(found)
        self._found, self._first, self.seconds = found, _told(self._first), {}
        self._steps.clear()

    def within(self, box: Box) -> NDArray[Any]:
        """What is in a box of the scan now, as ``Change.array`` has it."""
        part: NDArray[Any] = self._found[all_layers(box)].copy()
        return part

    def _open(self, volumes: Sequence[Volume], box: Box, given: Found | None, on_progress: OnProgress | None) -> Opened:
        if given is None:
            opened = open_alone(volumes, self._model, box, self._options, on_progress)
        else:
            opened = open_with(given, volumes, self._model, box, self._options, on_progress)
        self.computed_by = (opened.device, tuple(sorted({*self.computed_by[1], *opened.backends})))
        return opened

    def _begun(self, click: Click, value: int, on_progress: OnProgress | None) -> tuple[_Step, Clock]:
        """The step of a click before the network has heard of it."""
        at = [round(float(n)) for n in self._scan.ras_to_index(click.point)[::-1]]
        k, j, i = (min(max(n, 0), size - 1) for n, size in zip(at, self._scan.shape, strict=True))
        r, a, s = self._scan.index_to_ras((i, j, k)).tolist()
        seeing = [sight for sight in self._sights if holds(sight.box, (k, j, i))]
        if not seeing:
            return self._begun_in_box(click, (r, a, s), value, on_progress)
        sight = min(seeing, key=lambda one: one.distance((r, a, s)))
        step = _Step(click, (r, a, s), value, sight)
        if self._steps and self._steps[-1].sight is not sight:  # which may have changed what both see
            step.on_network.append((whole(sight.grid.shape), sight.found))
            sight.tell(self.within(sight.box))
        return step, Clock(on_progress)

    def _begun_in_box(
        self, click: Click, point: FloatTriple, value: int, on_progress: OnProgress | None
    ) -> tuple[_Step, Clock]:
        """The same where no sight sees the click yet."""
        volumes = cut_around(self._volumes, self._spec, point)
        box = box_of(volumes[0].geometry, self._scan)
        there = self.within(box)
        alone = click.positive and not there.any()
        opened = self._open(volumes, box, None if alone else there, share(on_progress, 0, 2))
        step = _Step(
            click, point, value, opened.sight, opened=True, on_scan=[(box, there)], notices=_told(opened.notices)
        )
        self._found[all_layers(box)] = opened.found
        return step, Clock(share(on_progress, 1, 2), opened.seconds)

    def _carry_out(self, step: _Step, clock: Clock) -> None:
        """The patch around the click, and others where what it says goes on."""
        waiting, done = [(0, step.sight.clicked(step.point, step.value, True).voxel)], list[Window]()
        while waiting and len(done) < MOST:
            _, voxel = waiting.pop(max(range(len(waiting)), key=lambda n: waiting[n][0]))
            window = window_around(voxel, step.sight.grid.shape, self._patch)
            if window.box not in [other.box for other in done] and step.sight.reaches(window):
                waiting += cut_off(self._looked(step, window, done, clock), window)
                done.append(window)
        for one in (*self._steps, step):
            self._hold(one, step)

    def _looked(self, step: _Step, window: Window, done: Sequence[Window], clock: Clock) -> NDArray[np.bool_]:
        """Runs the network on a patch, which decides what none of those ``done`` has: where what was said goes on."""
        sight = step.sight
        clicked = [sight.clicked(one.point, one.value, one.click.positive) for one in (*self._steps, step)]
        look = sight.look(window, clicked, clock)
        with clock.stage("finish"):
            earlier = [other.inner for other in done]
            fresh, within = ~covered(window.inner, earlier), look.within
            for inner in earlier:
                within = within & ~centred_in(inner, sight.grid, look.part)
            before = self._replace(sight.found, window.inner, look.on_network, fresh, step.on_network)
            self._replace(self._found, moved(look.onto, start_of(sight.box)), look.on_scan, within, step.on_scan)
            is_there, was_there = (
                mask_of(each, step.value, self._spec) for each in (sight.found[all_layers(window.inner)], before)
            )
            brought = is_there & ~was_there if step.click.positive else was_there & ~is_there
            begins = [grown(inner) for inner in earlier] or [around(clicked[-1].voxel)]
            goes_on = connected(brought, covered(window.inner, begins))
        step.notices += _told(look.notices)
        self.computed_by = (look.device, tuple(sorted({*self.computed_by[1], *look.backends})))
        return goes_on

    def _hold(self, one: _Step, step: _Step) -> None:
        """Lets a click have the voxel of the scan that it was made on, in case ``step`` has not."""
        k, j, i = np.rint(self._scan.ras_to_index(one.point)[::-1]).astype(int).tolist()
        voxel = around((k, j, i))
        now = self.within(voxel)
        if bool(mask_of(now, one.value, self._spec).all()) is one.click.positive:
            return
        if overlapping(self._spec):
            now[one.value - 1] = one.click.positive
        else:
            at = one.sight.clicked(one.point, one.value, one.click.positive).voxel
            nearest = int(one.sight.found[0][at])
            now[:] = one.value if one.click.positive else nearest if nearest != one.value else 0
        self._replace(self._found, voxel, now, np.ones((1, 1, 1), np.bool_), step.on_scan)

    @staticmethod
    def _replace(
        found: Found, box: Box, now: Found, where: NDArray[np.bool_], replaced: list[tuple[Box, Found]]
    ) -> Found:
        """Writes a part, and notes what was there."""
        before: Found = found[all_layers(box)].copy()
        replaced.append((box, before))
        np.copyto(found[all_layers(box)], now, where=where)
        return before

    def _take_back(self, step: _Step) -> None:
        for box, before in reversed(step.on_network):
            step.sight.found[all_layers(box)] = before
        for box, before in reversed(step.on_scan):
            self._found[all_layers(box)] = before

    @property
    def _patch(self) -> tuple[int, int, int]:
        patch = self._spec.inference.patch
        assert patch is not None  # noqa: S101  the rules of a model that listens
        return patch


def _told(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    """That nothing was there before a click says little."""
    return tuple(notice for notice in notices if notice.code is not Code.EMPTY_RESULT)
