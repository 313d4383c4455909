"""Whether probabilities are true: of all voxels to which the network gives 0.8, four fifths should be the structure.

Each structure is judged on its own (class-wise calibration, Kull et al. 2019), on the network's grid, as the network
says it, before interpolation and clean-up. Nearly every voxel of a scan is surely nothing, which would hide everything
else: only the box around the drawn structures, ``MARGIN`` wider, counts (as Mehrtash et al. 2020 do,
doi:10.1109/TMI.2020.3006437). Slabs are counted as they come: nothing of the size of classes x volume exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.metrics import bounding_box
from MedDLCore.preprocess import Prepared
from MedDLCore.spec import ModelSpec
from MedDLCore.volume import LabelMap

from ..cases import layer_on_network_grid
from .structures import Structure

if TYPE_CHECKING:
    from torch import Tensor

    from MedDLCore.inference import Slab

BINS = 10
MARGIN = 20.0
"""mm."""


@dataclass(frozen=True)
class Reliability:
    """Voxels by the probability that they were given, in ``BINS`` bins of equal width.

    Attributes:
        voxels: in each bin.
        confidence: the sum of their probabilities.
        true: how many of them are the structure.
    """

    voxels: tuple[int, ...]
    confidence: tuple[float, ...]
    true: tuple[int, ...]

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            tuple(map(sum, zip(self.voxels, other.voxels, strict=True))),
            tuple(map(sum, zip(self.confidence, other.confidence, strict=True))),
            tuple(map(sum, zip(self.true, other.true, strict=True))),
        )

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini et al. 2015): the mean gap, weighted by voxels. NaN without voxels."""
        gaps = [abs(true - confidence) for true, confidence in zip(self.true, self.confidence, strict=True)]
        return sum(gaps) / sum(self.voxels) if any(self.voxels) else float("nan")

    @property
    def curve(self) -> tuple[tuple[float, float], ...]:
        """Mean probability and the part that is true, of each bin that has voxels."""
        bins = zip(self.confidence, self.true, self.voxels, strict=True)
        return tuple((confidence / voxels, true / voxels) for confidence, true, voxels in bins if voxels)


def why_not(spec: ModelSpec, alone: bool) -> str | None:
    """Why a model's probabilities are not looked at; None: they are.

    Args:
        spec: of the model.
        alone: it is one network or one ensemble, which we run.
    """
    if not alone:
        return "it consists of several models, or runs its own code"
    if spec.output.activation == "regions":
        return "its outputs are regions that hold each other, not structures"
    return None


class Tally:
    """Counts the slabs of one case. Give it to ``pipeline.segment`` as ``on_slab``."""

    def __init__(self, truth: LabelMap, structures: Sequence[Structure], spec: ModelSpec) -> None:
        """Counts by ``truth``, on the first scan's grid."""
        self._truth, self._structures, self._spec = truth, structures, spec
        self._counts = {structure.name: np.zeros((3, BINS)) for structure in structures}
        self._layers: list[NDArray[Any]] = []
        self._box: tuple[slice, slice, slice] | None = None
        self._known = 0

    def __call__(self, prepared: Prepared, slab: Slab) -> None:
        """Counts a slab, but for the slice that it shares with the one before."""
        if self._box is None:
            self._layers, self._box = self._placed(prepared)
        depth, rows, columns = self._box
        start = max(self._known, slab.start, depth.start)
        self._known = slab.start + int(slab.logits.shape[1])
        stop = min(self._known, depth.stop)
        if start >= stop:
            return
        logits = slab.logits[:, start - slab.start : stop - slab.start, rows, columns]
        probability = self._probabilities(logits)
        for structure in self._structures:
            label = structure.in_truth(self._truth)
            true = self._layers[label.layer][start:stop, rows, columns] == label.value
            self._count(structure, probability(structure).double().cpu().numpy().ravel(), true.ravel())

    @property
    def reliability(self) -> dict[str, Reliability]:
        """What was counted, by structure."""
        return {name: _reliability(counts) for name, counts in self._counts.items()}

    def _placed(self, prepared: Prepared) -> tuple[list[NDArray[Any]], tuple[slice, slice, slice]]:
        """The truth on the network's grid, and the box that counts: all of it where nothing was drawn."""
        truth, spec = self._truth, self._spec
        layers = [layer_on_network_grid(truth.layer(n), truth, prepared, spec) for n in range(truth.layers)]
        shape = layers[0].shape
        drawn = bounding_box(np.any([layer > 0 for layer in layers], axis=0))
        if drawn is None:
            return layers, (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
        margins = [int(np.ceil(MARGIN / mm)) for mm in prepared.geometry.spacing[::-1]]
        a, b, c = (
            slice(max(0, part.start - margin), min(n, part.stop + margin))
            for part, margin, n in zip(drawn, margins, shape, strict=True)
        )
        return layers, (a, b, c)

    def _probabilities(self, logits: Tensor) -> Callable[[Structure], Tensor]:
        if self._spec.output.activation == "sigmoid":
            return lambda structure: logits[structure.found - 1].sigmoid()
        total = logits.logsumexp(dim=0)
        return lambda structure: (logits[structure.found] - total).exp()

    def _count(self, structure: Structure, probability: NDArray[np.float64], true: NDArray[np.bool_]) -> None:
        bins = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
        counts = self._counts[structure.name]
        for row, weights in enumerate((None, probability, true)):
            counts[row] += np.bincount(bins, weights, BINS)


def _reliability(counts: NDArray[np.float64]) -> Reliability:
    voxels, confidence, true = counts.tolist()
    return Reliability(tuple(map(int, voxels)), tuple(confidence), tuple(map(int, true)))
