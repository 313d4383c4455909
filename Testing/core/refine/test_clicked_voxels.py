"""At its voxel of the scan a click has its way, wherever that lies on the network's grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fixtures.listening import listening
from MedDLCore.errors import Code, MedDLError
from MedDLCore.pipeline import Model
from MedDLCore.refine import Click, Refinement, segment_with_clicks
from MedDLCore.spec import FloatTriple, Grid
from MedDLCore.volume import Geometry, LabelMap, Volume

VOXEL = (1.0, 0.8, 3.0)
SHAPE = (21, 30, 31)
NAMES = ("ball", "other")


def noise(seed: int) -> Volume:
    """No voxel says anything of the next one."""
    array = np.random.default_rng(seed).integers(-1000, 1000, SHAPE).astype(np.int16)
    return Volume(array, Geometry.from_parts(SHAPE, VOXEL, None, (-10.0, 5.0, 20.0)), "CT")


def stubborn(spacing: FloatTriple | None, overlapping: bool) -> Model:
    """Sure of each voxel, and deaf."""
    listens = listening(2, overlapping, grid=Grid("RAS", spacing=spacing))
    with torch.no_grad():
        for network in listens.networks:
            network.weight[:, 1:] = 0.0
            network.weight[-2:, 0] = torch.tensor([1.0, -1.0])[:, None, None, None]
            network.bias[-2:] = torch.tensor([-100.0, 50.0])
    return listens


def has(found: LabelMap, name: str, voxel: tuple[int, int, int]) -> bool:
    (label,) = (label for label in found.labels if label.name == name)
    return bool(found.mask(label)[voxel])


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 1.0), (2.0, 2.0, 5.0), (3.0, 3.0, 3.0)])
def test_the_last_click_on_each_voxel_holds_on_a_finer_and_on_a_coarser_grid(
    spacing: FloatTriple | None, overlapping: bool
) -> None:
    volume, listens = noise(0), stubborn(spacing, overlapping)
    draw = np.random.default_rng(1)
    refinement = Refinement([volume], listens)
    states, said = [], dict[tuple[str, tuple[int, int, int]], bool]()
    for _ in range(12):
        voxel: tuple[int, int, int] = tuple(int(draw.integers(n)) for n in SHAPE)  # type: ignore[assignment]
        name = NAMES[draw.integers(2)]
        states.append(refinement.label_map)
        said[name, voxel] = not has(states[-1], name, voxel)
        r, a, s = volume.geometry.index_to_ras(voxel[::-1]).tolist()
        refinement.add(Click((r, a, s), name, said[name, voxel]))
        now = refinement.label_map
        assert all(has(now, name, voxel) is there for (name, voxel), there in said.items())
    replayed = segment_with_clicks([volume], listens, refinement.clicks).label_map
    assert np.array_equal(replayed.array, refinement.label_map.array)
    for state in reversed(states):
        refinement.undo()
        assert np.array_equal(refinement.label_map.array, state.array)


def test_a_click_on_a_face_of_the_scan_that_the_networks_grid_does_not_reach_holds() -> None:
    """Whole voxels of 2.4 mm hold 24 of 25 mm: the outermost slices lie beyond their faces."""
    grid = Geometry.from_parts((25, 25, 25), (1.0, 1.0, 1.0), None, (0.0, 0.0, 0.0))
    listens = listening(grid=Grid("RAS", spacing=(2.4, 2.4, 2.4)))
    for voxel in ((0, 12, 12), (12, 24, 12), (24, 0, 24)):
        refinement = Refinement([Volume(np.zeros(grid.shape, np.int16), grid, "CT")], listens)
        r, a, s = grid.index_to_ras(voxel[::-1]).tolist()
        change = refinement.add(Click((r, a, s), "ball"))
        assert has(refinement.label_map, "ball", voxel)
        assert all(part.start <= n < part.stop for part, n in zip(change.box, voxel, strict=True))


def test_a_click_beyond_a_grid_of_fixed_shape_is_refused_and_not_heard_at_the_grids_face() -> None:
    grid = Geometry.from_parts((40, 44, 48), (1.0, 1.0, 1.0), None, (0.0, 0.0, 0.0))
    listens = listening(grid=Grid("RAS", spacing=(1.0, 1.0, 1.0), shape=(20, 20, 20)))
    refinement = Refinement([Volume(np.zeros(grid.shape, np.int16), grid, "CT")], listens)
    with pytest.raises(MedDLError, match="sees only the middle") as caught:
        refinement.add(Click((24.0, 22.0, 2.0), "ball"))
    assert caught.value.code is Code.REGION_OUTSIDE
    assert not refinement.label_map.array.any()
    refinement.add(Click((24.0, 22.0, 10.0), "ball"))
    assert has(refinement.label_map, "ball", (10, 22, 24))
