"""The uncertainty of one scan, slab by slab as the network is run, and as a volume to lay over it.

A model is run several times, in different ways (``inference.disagreeing``). Of the probabilities p of each voxel,

    entropy       H[mean p]                    what the model is unsure of, for whatever reason
    disagreement  H[mean p] - mean H[p]        what its passes are sure of, each in its own way

The second is the mutual information between the prediction and what the passes differ in: BALD (Houlsby et al. 2011,
arXiv:1112.5745; for dropout Gal, Islam and Ghahramani 2017, arXiv:1703.02910; for ensembles Beluch et al. 2018). It
leaves out what no drawing would make clearer, a blurred border, and so it is what scans are ranked by. Patches of the
sliding window that overlap count as passes, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..admission import Options, check_memory
from ..clock import OnProgress
from ..errors import Code, MedDLError, Notice
from ..importing import import_torch
from ..pipeline import Model, plan, segment
from ..preprocess import Prepared, is_crop, network_grid
from ..resample import resample
from ..spec import ModelSpec
from ..volume import Geometry, Volume

if TYPE_CHECKING:
    from ..inference import Slab
    from ..inference.disagreeing import Way

POSSIBLE = 0.05
"""Voxels count that belong to something with at least this probability: else the air around would decide."""


FLOAT32 = 4


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """How sure a model is of a scan.

    Attributes:
        way: how the passes differed: ``ensemble``, ``dropout``, ``perturbed``.
        disagreement: mean over the voxels that count, nats. 0 where none does.
        entropy: alike.
        counted: the volume of these voxels, mL.
        found: the volume of what was found, mL.
        map: the disagreement of each voxel, ``(K, J, I)`` float32, on the scan's grid; None: it was not asked for.
        notices: what the person should know.
        seconds: wall time of each stage.
    """

    way: Way
    disagreement: float
    entropy: float
    counted: float
    found: float
    map: NDArray[np.float32] | None
    notices: tuple[Notice, ...]
    seconds: dict[str, float]


def measure(
    volumes: Sequence[Volume],
    model: Model,
    way: Way | None = None,
    options: Options = Options(),
    on_progress: OnProgress | None = None,
    with_map: bool = False,
) -> Uncertainty:
    """Measures how sure a model is of a scan.

    Args:
        volumes: one for each channel.
        model: one network, or one ensemble; another one may run before it.
        way: how passes differ; None: the best that the model allows, see ``inference.disagreeing.best_way``.
        options: ``allow`` counts, the rest is of the whole scan.
        on_progress: told of progress.
        with_map: a float for each voxel of the network's grid and the scan's is kept.

    Raises:
        MedDLError: MODEL_INVALID for a model in parts, or that runs its own code, or cannot be run in this way;
            POINTS_MISMATCH for one of crops where the scan is larger; as ``pipeline.segment``.
    """
    spec = model.spec
    if model.parts or model.package.trusted:
        raise MedDLError(
            Code.MODEL_INVALID,
            f"How sure {spec.name} is cannot be measured: it consists of several models, or runs its own code.",
            "Take a model that is one network, or one ensemble.",
        )
    if spec.crops is not None and not is_crop(volumes[0].geometry, spec):
        raise MedDLError(
            Code.POINTS_MISMATCH,
            f"How sure {spec.name} is can be measured of crops of about {spec.crops}; the scan is larger.",
            "Cut the scan to what is to be found (Crop Volume in Slicer).",
        )
    import_torch()
    from ..inference.disagreeing import Disagreeing, best_way, dropout_layers

    way = way or best_way(model.networks)
    lacks = {"ensemble": len(model.networks) < 2, "dropout": not dropout_layers(model.networks[0]), "perturbed": False}
    if lacks[way]:
        raise MedDLError(Code.MODEL_INVALID, f"The model {spec.name} has no {way}.", "Take another way.")
    exclusive = spec.output.activation == "softmax"
    mirrored = spec.inference.mirror_axes
    networks = Disagreeing(model.networks, way, spec.output_channels, exclusive, len(spec.channels), mirrored).eval()
    alone = replace(spec, inference=replace(spec.inference, mirror_axes=()))
    passing = replace(model, package=replace(model.package, spec=alone), networks=(networks,), engines=())
    tally, scan, options = _Tally(alone, exclusive, with_map), volumes[0].geometry, Options(allow=options.allow)
    if with_map:
        foreseen = plan(volumes, passing, options, timed=False)
        check_memory(replace(foreseen, memory=foreseen.memory + map_memory(scan, spec)), options)
    result = segment(volumes, passing, options, on_progress, tally)
    voxel = abs(float(np.linalg.det(scan.ijk_to_ras[:3, :3]))) / 1000
    found = float(np.count_nonzero(np.atleast_1d(result.label_map.array).reshape(-1, *scan.shape).any(axis=0))) * voxel
    shown = tally.on(scan) if with_map else None
    notices, seconds = result.notices, result.seconds
    return Uncertainty(way, tally.disagreement, tally.entropy, tally.volume, found, shown, notices, seconds)


def map_memory(scan: Geometry, spec: ModelSpec) -> int:
    """Bytes of the map: on the network's grid, where it is made, and on the scan's."""
    return FLOAT32 * (math.prod(network_grid(scan, spec.grid).shape) + math.prod(scan.shape))


class _Tally:
    """Adds up slabs as they come."""

    def __init__(self, spec: ModelSpec, exclusive: bool, with_map: bool) -> None:
        self._spec, self._exclusive, self._with_map = spec, exclusive, with_map
        self._known = self._voxels = 0
        self._sums = np.zeros(2)
        self._grid: Geometry | None = None
        self._map: NDArray[np.float32] | None = None
        self._place = (slice(None),) * 3

    def __call__(self, prepared: Prepared, slab: Slab) -> None:
        """Counts a slab, but for the slice that it shares with the one before."""
        from ..inference.disagreeing import entropy

        if self._grid is None:
            self._grid = prepared.geometry
            if self._with_map:
                self._map = np.zeros(prepared.geometry.shape, np.float32)
                ends = zip(prepared.cut, prepared.geometry.shape, strict=True)
                self._place = tuple(slice(low, n - high) for (low, high), n in ends)  # type: ignore[assignment]
        start = max(self._known, slab.start)
        self._known = slab.start + int(slab.logits.shape[1])
        logits = slab.logits[:, start - slab.start :]
        mean, expected = logits[:-1], -logits[-1]
        probability = mean.clamp(0, 1) if self._exclusive else mean.sigmoid()
        whole = entropy(probability[None], self._exclusive)[0, 0]
        differing = (whole - expected).clamp(min=0)
        possible = (1 - probability[0] if self._exclusive else probability.amax(dim=0)) >= POSSIBLE
        self._voxels += int(possible.sum())
        self._sums += [float(each[possible].double().sum()) for each in (differing, whole)]
        if self._map is not None:
            self._map[self._place][start : self._known] = differing.cpu().numpy()

    @property
    def disagreement(self) -> float:
        return float(self._sums[0]) / max(1, self._voxels)

    @property
    def entropy(self) -> float:
        return float(self._sums[1]) / max(1, self._voxels)

    @property
    def volume(self) -> float:
        """ML."""
        return 0.0 if self._grid is None else self._voxels * float(np.prod(self._grid.spacing)) / 1000

    def on(self, scan: Geometry) -> NDArray[np.float32]:
        """The map, brought onto the scan's grid."""
        assert self._map is not None and self._grid is not None  # noqa: S101
        shown: NDArray[np.float32] = resample(self._map, self._grid, scan, "linear").astype(np.float32, copy=False)
        return shown
