"""What the network sees of a scan, or of a box in it: kept from click to click."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..clock import Clock
from ..errors import Notice
from ..pipeline import Model
from ..postprocess import decide
from ..preprocess import Clicked, Prepared, click_channels, click_spacing, mask_channels
from ..resample import resample
from ..spec import FloatTriple
from ..volume import Geometry
from .box import Box, all_layers, holds, moved, start_of, whole
from .found import Found, found_of, label_map_of, nothing, overlapping
from .heeding import heed
from .window import Window, box_around, on_scan

if TYPE_CHECKING:
    from torch import Tensor

    from ..inference import Slab


@dataclass(frozen=True, eq=False)
class Look:
    """What the network says of a window.

    Attributes:
        on_network: the labels of the window's inner part, on the network's grid.
        onto: a box of the sight's own part of the scan.
        part: the grid of that box.
        on_scan: the labels there.
        within: ``(k, j, i)``: which of its voxels the window decides.
        device: where the network was at the end.
        backends: what computed it.
        notices: what the person should know.
    """

    on_network: Found
    onto: Box
    part: Geometry
    on_scan: Found
    within: NDArray[np.bool_]
    device: str
    backends: frozenset[str]
    notices: tuple[Notice, ...]


class Sight:
    """The prepared channels of a part of the scan, and the labels on their grid, which the network takes as its mask.

    Attributes:
        box: the part, in the scan.
        scan: its grid: that of the scan's voxels there.
        grid: the network's.
        found: on the network's grid. Whoever has it may change it.
    """

    def __init__(self, model: Model, prepared: Prepared, scan: Geometry, box: Box) -> None:
        """Keeps the scan's channels; those of clicks are made anew for each patch."""
        import torch

        self._model, self._spec = model, model.spec
        self._image = torch.as_tensor(prepared.array)[: len(self._spec.channels)].clone()
        self._alone = prepared.alone
        self.box, self.scan, self.grid = box, scan, prepared.geometry
        self.found = nothing(self._spec, self.grid)

    def distance(self, point: FloatTriple) -> float:
        """How far a point lies from the middle of the part, mm."""
        return float(np.linalg.norm(self.scan.corners().mean(axis=0) - point))

    def clicked(self, point: FloatTriple, label: int, positive: bool) -> Clicked:
        """A click on the network's grid: on its nearest voxel where the point, RAS mm, lies in the part."""
        at = np.round(self.grid.ras_to_index(point)[::-1]).astype(int).tolist()
        if holds(whole(self.scan.shape), np.round(self.scan.ras_to_index(point)[::-1]).tolist()):
            at = [min(max(n, 0), size - 1) for n, size in zip(at, self.grid.shape, strict=True)]
        return Clicked((at[0], at[1], at[2]), label, positive)

    def tell(self, found: Found) -> None:
        """Takes what was found elsewhere, on the grid of its part of the scan."""
        self.found = found_of(label_map_of(found, self._spec, self.scan), self._spec, self.grid)

    def amend(self, box: Box, found: Found, where: NDArray[np.bool_]) -> tuple[Box, Found]:
        """Takes what was found elsewhere in a box of the scan, ``where`` it differs, as far as the part reaches.

        Returns:
            The box of the network's grid that has changed, and what was there.
        """
        own = moved(box, [-n for n in start_of(self.box)])
        onto, within = on_scan(own, self.scan, self.grid)
        before: Found = self.found[all_layers(onto)].copy()
        if before.size:
            part = self.grid.cropped([b.start for b in onto], [b.stop for b in onto])
            given = self.scan.cropped([b.start for b in own], [b.stop for b in own])
            now = found_of(label_map_of(found, self._spec, given), self._spec, part)
            differs = resample(where.astype(np.uint8), given, part, "nearest") > 0
            np.copyto(self.found[all_layers(onto)], now, where=within & differs)
        return onto, before

    def note(self, slab: Slab) -> None:
        """Takes a slab's labels, as the network will be told of them."""
        self._note(slab, self.found)

    def reaches(self, window: Window) -> bool:
        """Whether there may be voxels of the scan where a window counts."""
        return all(part.start < part.stop for part in box_around(window.inner, self.grid, self.scan))

    def look(self, window: Window, clicked: Sequence[Clicked], clock: Clock) -> Look:
        """Runs the network over a window. Nothing is changed."""
        from ..inference import Predictor, predict

        model, spec = self._model, self._spec
        with clock.stage("prepare"):
            heard = _in_window(clicked, window)
            seen = self._seen(window, heard)
        axes = spec.inference.mirror_axes
        predictor = Predictor(model.engines or model.networks, spec.output_channels, model.device.name, axes, 1)
        on_network = nothing(spec, self.grid.cropped([b.start for b in window.box], [b.stop for b in window.box]))
        onto, within = on_scan(window.inner, self.grid, self.scan)
        part = self.scan.cropped([b.start for b in onto], [b.stop for b in onto])

        with predictor, clock.stage("finish"):
            slabs = clock.time_of("network", predict(seen, predictor, spec.inference, clock.progress("network")))
            whole_of_it = _joined(slabs, on_network.shape[1:])
            self._heed(whole_of_it, heard)
            self._note(whole_of_it, on_network)
            decided = decide(
                [whole_of_it], self.grid, part, spec.output, spec.labels, cut=window.cut, alone=self._alone
            )
            here = found_of(decided, spec, part)
        inner = on_network[all_layers(window.inner_of_box)]
        notices = tuple(predictor.notices)
        return Look(inner, onto, part, here, within, predictor.device, predictor.backends, notices)

    def _seen(self, window: Window, clicked: Sequence[Clicked]) -> Tensor:
        """What the network sees of the window: ``(C + 3 * labels, d0, d1, d2)``. The clicks are the window's."""
        import torch

        clicks = self._spec.clicks
        assert clicks is not None  # noqa: S101
        shape = [part.stop - part.start for part in window.box]
        box = all_layers(window.box)
        balls = click_channels(clicked, shape, click_spacing(self._spec.grid), clicks)
        masks = mask_channels(self.found[box], clicks, overlapping(self._spec))
        image = self._image[box]
        return torch.cat([image, torch.from_numpy(np.concatenate([balls, masks])).to(image)])

    def _heed(self, slab: Slab, clicked: Sequence[Clicked]) -> None:
        """Of a window as one slab, its clicks."""
        clicks = self._spec.clicks
        assert clicks is not None  # noqa: S101
        heed(slab.logits, clicked, clicks, click_spacing(self._spec.grid), overlapping(self._spec))

    def _note(self, slab: Slab, into: Found) -> None:
        logits = slab.logits
        found = logits[: len(into)] > 0 if overlapping(self._spec) else logits.argmax(dim=0)[None]
        into[:, slab.start : slab.start + logits.shape[1]] = found.cpu().numpy()


def _in_window(clicked: Sequence[Clicked], window: Window) -> list[Clicked]:
    """Clicks on the grid of a window; they may lie outside."""
    start = [part.start for part in window.box]
    heard = []
    for one in clicked:
        a, b, c = (n - s for n, s in zip(one.voxel, start, strict=True))
        heard.append(one._replace(voxel=(a, b, c)))
    return heard


def _joined(slabs: Iterable[Slab], shape: Sequence[int]) -> Slab:
    """A window's slabs as one: each is a view of memory that the next one takes again."""
    from ..inference import Slab

    logits = None
    for slab in slabs:
        if logits is None:
            logits = slab.logits.new_empty((len(slab.logits), *shape))
        logits[:, slab.start : slab.start + slab.logits.shape[1]] = slab.logits
    assert logits is not None  # noqa: S101  a window is not empty
    return Slab(0, logits)
