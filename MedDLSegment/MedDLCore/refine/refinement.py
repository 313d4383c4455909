"""A segmentation under correction: what stays in memory from click to click."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..admission import Options, admit
from ..click import Click
from ..clock import Clock, OnProgress
from ..errors import Notice
from ..importing import import_torch
from ..pipeline import Model, segment
from ..postprocess import decide
from ..preprocess import Clicked, Prepared, click_channels, mask_channels, prepare
from ..resample import resample
from ..volume import Geometry, LabelMap, Volume
from .change import Box, Change, check_listens, label_of
from .window import Window, on_scan, window_around

if TYPE_CHECKING:
    from torch import Tensor

    from ..inference import Slab


@dataclass(frozen=True, eq=False)
class _Step:
    """A click that was made, and what it replaced on both grids."""

    click: Click
    clicked: Clicked
    on_network: tuple[Box, NDArray[Any]]
    on_scan: tuple[Box, NDArray[Any]]


class Refinement:
    """Corrects a segmentation click by click.

    It keeps the prepared scan, the labels on the network's grid, which the network takes as its mask, and on the
    scan's. A click is one patch through the network; what lies outside the patch's inner part stays as it is. The
    model's clean-up is not repeated: what a person put there stays, however small.

    Attributes:
        notices: what the person should know.
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
            start: what there is, on any grid; structures are matched by name. None: the network runs on the whole scan.
            options: ``allow`` counts; the others would leave out what a click may bring in.
            on_progress: told of progress; what it raises ends it.

        Raises:
            MedDLError: CLICKS_MISMATCH for a model that does not listen; as ``pipeline.segment``.
        """
        check_listens(model.spec)
        self._model, self._spec = model, model.spec
        self._overlapping = self._spec.output.activation == "sigmoid"
        self._scan = volumes[0].geometry
        self._steps: list[_Step] = []
        self.notices: tuple[Notice, ...]
        self.seconds: dict[str, float] = {}
        self.computed_by: tuple[str, tuple[str, ...]] = (model.device.name, ())
        only = Options(allow=options.allow)
        if start is None:
            self._begin_alone(volumes, only, on_progress)
        else:
            self._begin_with(start, volumes, only, on_progress)

    @property
    def clicks(self) -> tuple[Click, ...]:
        """In the order in which they were made."""
        return tuple(step.click for step in self._steps)

    @property
    def label_map(self) -> LabelMap:
        """The result now, on the scan's grid. Structures that may overlap have a layer each."""
        labels = self._spec.labels
        if not self._overlapping:
            return LabelMap(self._found[0].copy(), self._scan, labels)
        layers = np.stack([self._found[label.value - 1] * label.value for label in labels])
        placed = tuple(replace(label, layer=n) for n, label in enumerate(labels))
        return LabelMap(layers if len(layers) > 1 else layers[0], self._scan, placed)

    def add(self, click: Click, on_progress: OnProgress | None = None) -> Change:
        """Makes a click.

        Raises:
            MedDLError: CLICKS_MISMATCH, REGION_OUTSIDE; NO_MEMORY, NETWORK_NONFINITE. Nothing has changed then.
        """
        label = label_of(click, self._spec, self._scan)
        clock = Clock(on_progress)
        with clock.stage("prepare"):
            at = np.round(self._grid.ras_to_index(click.point)[::-1]).astype(int)
            a, b, c = (min(max(int(n), 0), size - 1) for n, size in zip(at, self._grid.shape, strict=True))
            clicked = Clicked((a, b, c), label.value, click.positive)
            window = window_around((a, b, c), self._grid.shape, self._patch)
            seen = self._seen(window, [*(step.clicked for step in self._steps), clicked])
        found, onto, here = self._run(seen, window, clock)
        with clock.stage("finish"):
            inner = _all_layers(window.inner)
            before = self._on_network[inner].copy()
            self._on_network[inner] = found[_all_layers(window.inner_of_box)]
            replaced = self._found[_all_layers(onto)].copy()
            self._found[_all_layers(onto)] = here
            self._steps.append(_Step(click, clicked, (window.inner, before), (onto, replaced)))
            k, j, i = (part.start for part in onto)
            change = Change.between(replaced, here, (k, j, i))
        self.seconds = clock.seconds
        return change

    def undo(self) -> Change:
        """Takes the last click back.

        Raises:
            IndexError: there is none.
        """
        step = self._steps.pop()
        (box, before), (onto, replaced) = step.on_network, step.on_scan
        self._on_network[_all_layers(box)] = before
        k, j, i = (part.start for part in onto)
        change = Change.between(self._found[_all_layers(onto)], replaced, (k, j, i))
        self._found[_all_layers(onto)] = replaced
        return change

    def within(self, box: Box) -> NDArray[Any]:
        """What is in a box of the scan now, as ``Change.array`` has it."""
        part: NDArray[Any] = self._found[_all_layers(box)].copy()
        return part

    @property
    def _patch(self) -> tuple[int, int, int]:
        patch = self._spec.inference.patch
        assert patch is not None  # noqa: S101  the rules of a model that listens
        return patch

    def _begin_alone(self, volumes: Sequence[Volume], options: Options, on_progress: OnProgress | None) -> None:
        def watch(prepared: Prepared, slab: Slab) -> None:
            if slab.start == 0:
                self._keep(prepared)
            self._note(slab, self._on_network)

        result = segment(volumes, self._model, options, on_progress, watch)
        self.notices, self.seconds = result.notices, result.seconds
        self.computed_by = (result.device, result.backends)
        self._found = self._as_found(result.label_map, self._scan)

    def _begin_with(
        self, start: LabelMap, volumes: Sequence[Volume], options: Options, on_progress: OnProgress | None
    ) -> None:
        clock = Clock(on_progress)
        notices = admit(volumes, self._spec, options)
        import_torch()
        with clock.stage("prepare"):
            prepared = prepare(volumes, self._spec)
            self._keep(prepared)
            self._on_network[:] = self._as_found(start, self._grid)
            self._found = self._as_found(start, self._scan)
            clock.progress("prepare")(1, 1)
        self.notices = tuple(dict.fromkeys((*notices, *prepared.notices)))
        self.seconds = clock.seconds

    def _keep(self, prepared: Prepared) -> None:
        """Keeps the scan's channels; those of clicks are made anew for each patch."""
        import torch

        self._image = torch.as_tensor(prepared.array)[: len(self._spec.channels)].clone()
        self._grid = prepared.geometry
        self._on_network = self._empty(self._grid)

    def _empty(self, grid: Geometry) -> NDArray[Any]:
        highest = max(label.value for label in self._spec.labels)
        layers = highest if self._overlapping else 1
        return np.zeros((layers, *grid.shape), np.uint8 if self._overlapping or highest < 256 else np.uint16)

    def _as_found(self, label_map: LabelMap, grid: Geometry) -> NDArray[Any]:
        """Label values, or masks, of the model's structures on a grid."""
        found = self._empty(grid)
        known = {label.name.casefold(): label for label in label_map.labels}
        for label in self._spec.labels:
            if (given := known.get(label.name.casefold())) is None:
                continue
            mask = resample(label_map.mask(given).astype(np.uint8), label_map.geometry, grid, "nearest") > 0
            found[label.value - 1 if self._overlapping else 0][mask] = 1 if self._overlapping else label.value
        return found

    def _seen(self, window: Window, clicked: Sequence[Clicked]) -> Tensor:
        """What the network sees of the window: ``(C + 3 * labels, d0, d1, d2)``."""
        import torch

        clicks = self._spec.clicks
        assert clicks is not None  # noqa: S101
        start = [part.start for part in window.box]
        shape = [part.stop - part.start for part in window.box]
        moved = []
        for one in clicked:
            a, b, c = (n - s for n, s in zip(one.voxel, start, strict=True))
            moved.append(one._replace(voxel=(a, b, c)))
        box = _all_layers(window.box)
        balls = click_channels(moved, shape, self._grid.spacing[::-1].tolist(), clicks)
        masks = mask_channels(self._on_network[box], clicks, self._overlapping)
        image = self._image[box]
        return torch.cat([image, torch.from_numpy(np.concatenate([balls, masks])).to(image)])

    def _run(self, seen: Tensor, window: Window, clock: Clock) -> tuple[NDArray[Any], Box, NDArray[Any]]:
        """The labels of the window on the network's grid; and a box of the scan with what is in it then."""
        from ..inference import Predictor, predict

        spec, device = self._spec, self._model.device.name
        networks = self._model.engines or self._model.networks
        predictor = Predictor(networks, spec.output_channels, device, spec.inference.mirror_axes, 1)
        on_network = self._empty(self._grid.cropped([b.start for b in window.box], [b.stop for b in window.box]))
        onto, within = on_scan(window.inner, self._grid, self._scan)
        part = self._scan.cropped([b.start for b in onto], [b.stop for b in onto])

        def noted(slabs: Iterable[Slab]) -> Iterator[Slab]:
            for slab in slabs:
                self._note(slab, on_network)
                yield slab

        with predictor, clock.stage("finish"):
            slabs = clock.time_of("network", predict(seen, predictor, spec.inference, clock.progress("network")))
            decided = decide(noted(slabs), self._grid, part, spec.output, spec.labels, cut=window.cut)
        self.notices = tuple(dict.fromkeys((*self.notices, *predictor.notices)))
        self.computed_by = (predictor.device, tuple(sorted({*self.computed_by[1], *predictor.backends})))
        here = np.where(within, self._as_found(decided, part), self._found[_all_layers(onto)])
        return on_network, onto, here

    def _note(self, slab: Slab, into: NDArray[Any]) -> None:
        """A slab's labels, as the network will be told of them."""
        logits = slab.logits
        found = logits[: len(into)] > 0 if self._overlapping else logits.argmax(dim=0)[None]
        into[:, slab.start : slab.start + logits.shape[1]] = found.cpu().numpy()


def _all_layers(box: Box) -> tuple[slice, slice, slice, slice]:
    return slice(None), box[0], box[1], box[2]
