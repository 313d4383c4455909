"""What a click says goes on beyond its patch: along a bar that is longer, as far as a few patches reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fixtures.listening import listening
from fixtures.models import BALL
from MedDLCore.errors import Code, MedDLError
from MedDLCore.refine import Click, Refinement
from MedDLCore.spec import Grid
from MedDLCore.volume import Geometry, LabelMap, Volume

SHAPE = (16, 16, 90)
GRID = Geometry.from_parts(SHAPE, (1.0, 1.0, 1.0))


class Flood(nn.Module):
    """Class 1 is all that is bright, if some of it is clicked or was found; nothing, once it is denied."""

    runs = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(B, 4, ...)``."""
        Flood.runs += 1
        bright = images[:, :1] / 200
        known = (bright * (images[:, 1:2] + images[:, 3:4])).amax(dim=(1, 2, 3, 4), keepdim=True).clamp(max=1)
        denied = images[:, 2:3].amax(dim=(1, 2, 3, 4), keepdim=True)
        found = bright * known * (1 - denied)
        return torch.cat([0.5 - found, found - 0.5], dim=1)


def bar(last: int = 90) -> Volume:
    array = np.zeros(SHAPE, np.int16)
    array[6:10, 6:10, :last] = 200
    return Volume(array, GRID, "CT")


def test_a_structure_that_is_longer_than_the_patch_is_followed_for_a_few_patches() -> None:
    volume = bar(30)
    refinement = Refinement([volume], replace(listening(), networks=[Flood()]))
    Flood.runs = 0
    change = refinement.add(Click((4.0, 8.0, 8.0), "ball"))
    same = np.array_equal(refinement.label_map.array, volume.array > 100)
    assert same and 1 < Flood.runs <= 4
    assert change.box == (slice(6, 10), slice(6, 10), slice(0, 30))
    assert refinement.undo().box == change.box and not refinement.label_map.array.any()


def test_no_click_takes_more_than_a_few_patches() -> None:
    refinement = Refinement([bar()], replace(listening(), networks=[Flood()]))
    Flood.runs = 0
    refinement.add(Click((2.0, 8.0, 8.0), "ball"))
    found = np.flatnonzero(refinement.label_map.array[8, 8])
    assert Flood.runs == 4 and found.tolist() == list(range(found[-1] + 1)) and 35 < found[-1] < 50


def test_a_change_that_ends_within_the_patch_takes_one() -> None:
    refinement = Refinement([bar(12)], replace(listening(), networks=[Flood()]))
    Flood.runs = 0
    refinement.add(Click((4.0, 8.0, 8.0), "ball"))
    assert Flood.runs == 1 and refinement.label_map.array.sum() == 4 * 4 * 12


class Everywhere(nn.Module):
    """Class 1 is all of a patch in which it is clicked, or was found."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(B, 4, ...)``."""
        found = (images[:, 1:2] + images[:, 3:4]).amax(dim=(1, 2, 3, 4), keepdim=True).clamp(max=1)
        found = found * torch.ones_like(images[:, :1])
        return torch.cat([0.5 - found, found - 0.5], dim=1)


@pytest.mark.parametrize("is_given", [False, True])
def test_a_grid_that_is_larger_than_its_oblique_scan_is_corrected_like_any_other(is_given: bool) -> None:
    """Along the patient's axes it has corners outside the scan. A click whose effect went on there, and a beginning
    with what there is, whose memory was foreseen in a corner, were refused as GEOM_SINGULAR.
    """
    turned = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, np.sqrt(2)]]) / np.sqrt(2)
    grid = Geometry.from_parts((20, 60, 60), (1.0, 1.0, 1.0), turned)
    listens = listening(grid=Grid("RAS", spacing=(1.0, 1.0, 1.0), straight=True))
    volume = Volume(np.zeros(grid.shape, np.int16), grid, "CT")
    start = LabelMap(np.zeros(grid.shape, np.uint8), grid, (BALL,)) if is_given else None
    refinement = Refinement([volume], replace(listens, networks=[Everywhere()]), start)
    for i in range(0, 60, 4):
        r, a, s = grid.index_to_ras((i, 0, 10)).tolist()
        refinement.add(Click((r, a, s), "ball"))
        assert refinement.label_map.array[10, 0, i]
        refinement.undo()
    assert not refinement.label_map.array.any()


class Fickle(nn.Module):
    """What is clicked, and a wall that comes and goes with any click."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(B, 4, ...)``."""
        clicked = images[:, 1:2]
        found = torch.maximum(clicked, images[:, :1] / 200 * clicked.amax(dim=(1, 2, 3, 4), keepdim=True))
        return torch.cat([0.5 - found, found - 0.5], dim=1)


def test_what_has_nothing_to_do_with_the_click_is_not_followed() -> None:
    array = np.zeros(SHAPE, np.int16)
    array[:2] = 200
    runs: list[str] = []

    def tell(stage: str, done: int, of: int) -> None:
        runs.extend([stage] if stage == "network" and done == of else [])

    refinement = Refinement([Volume(array, GRID, "CT")], replace(listening(), networks=[Fickle()]))
    refinement.add(Click((40.0, 8.0, 9.0), "ball"), tell)
    assert len(runs) == 1 and refinement.label_map.array[0].any() and refinement.label_map.array[9, 8, 40]


def test_what_is_cancelled_between_two_patches_has_changed_nothing() -> None:
    refinement = Refinement([bar()], replace(listening(), networks=[Flood()]))
    runs = []

    def tell(stage: str, done: int, of: int) -> None:
        if stage == "network" and done == of:
            runs.append(stage)
            if len(runs) == 2:
                raise MedDLError(Code.CANCELLED, "Enough.")

    with pytest.raises(MedDLError):
        refinement.add(Click((4.0, 8.0, 8.0), "ball"), tell)
    assert not refinement.label_map.array.any() and refinement.clicks == ()
    refinement.add(Click((4.0, 8.0, 8.0), "ball"))
    again = Refinement([bar()], replace(listening(), networks=[Flood()]))
    again.add(Click((4.0, 8.0, 8.0), "ball"))
    assert np.array_equal(again.label_map.array, refinement.label_map.array)
