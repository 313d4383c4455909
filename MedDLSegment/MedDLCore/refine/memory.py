"""How much memory a correction needs, before it begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..admission import Options
from ..pipeline import Model, plan
from ..postprocess import deciding_memory
from ..preprocess import network_grid, preparing_memory
from ..spec import ModelSpec
from ..volume import Geometry, Volume
from .box import whole
from .found import found_memory
from .window import box_around

if TYPE_CHECKING:
    from ..inference import Plan

FLOAT32 = 4


def needed_alone(volumes: Sequence[Volume], model: Model, options: Options) -> Plan:
    """What a correction needs that begins with what the network finds: the run, and beside it what is kept."""
    foreseen = plan(volumes, model, options, timed=False)
    kept = kept_memory(network_grid(volumes[0].geometry, model.spec.grid), volumes[0].geometry, model.spec)
    return replace(foreseen, memory=foreseen.memory + kept)


def needed_with(volumes: Sequence[Volume], model: Model) -> Plan:
    """What one needs that begins with what there is: preparing the scan, what is kept, and one patch."""
    from ..inference import free_memory, make_plan

    spec, scan = model.spec, volumes[0].geometry
    grid = network_grid(scan, spec.grid)
    size = [min(n, p) for n, p in zip(grid.shape, spec.inference.patch or grid.shape, strict=True)]
    low = [(n - p) // 2 for n, p in zip(grid.shape, size, strict=True)]  # in the middle: its corners may miss the scan
    patch = grid.cropped(low, [start + p for start, p in zip(low, size, strict=True)])
    onto = box_around(whole(patch.shape), patch, scan)
    part = scan.cropped([one.start for one in onto], [one.stop for one in onto])
    deciding = deciding_memory(patch, part, spec, len(spec.labels))
    return make_plan(
        spec,
        model.networks,
        model.device,
        free_memory(),
        patch.shape,
        preparing_memory(volumes, spec),
        kept_memory(grid, scan, spec) + deciding.result,
        deciding.piece,
        deciding.cleaning,
    )


def kept_memory(network: Geometry, scan: Geometry, spec: ModelSpec) -> int:
    """Bytes that stay from click to click: the scan's channels on the network's grid, and labels there and here."""
    image = FLOAT32 * len(spec.channels) * math.prod(network.shape)
    return image + found_memory(spec, network) + found_memory(spec, scan)
