"""Corrections by clicks, on a network whose answer is known: a threshold, and what is clicked, not what is denied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fixtures.listening import RADIUS, listening, obedient
from fixtures.models import BALL, model, spec
from MedDLCore.errors import Code, MedDLError
from MedDLCore.pipeline import segment
from MedDLCore.refine import Click, Refinement, segment_with_clicks
from MedDLCore.spec import Grid, Inference, Output
from MedDLCore.volume import Geometry, Label, LabelMap, Volume

SHAPE = (40, 44, 48)


def geometry(shape: Sequence[int] = SHAPE, direction: np.ndarray | None = None, spacing: float = 1.0) -> Geometry:
    return Geometry.from_parts(shape, (spacing,) * 3, direction, (-10.0, 5.0, 20.0))


def scan(grid: Geometry | None = None) -> Volume:
    """200 in one octant, 0 elsewhere."""
    grid = grid or geometry()
    array = np.zeros(grid.shape, np.int16)
    array[:12, :12, :12] = 200
    return Volume(array, grid, "CT")


def at(grid: Geometry, k: int, j: int, i: int) -> tuple[float, float, float]:
    r, a, s = grid.index_to_ras((i, j, k)).tolist()
    return r, a, s


def distance(grid: Geometry, point: tuple[float, float, float]) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    return np.asarray(np.linalg.norm(grid.index_to_ras(np.stack([i, j, k], axis=-1)) - np.array(point), axis=-1))


def test_without_a_click_the_result_is_the_pipelines() -> None:
    volume, listens = scan(), listening()
    assert np.array_equal(Refinement([volume], listens).label_map.array, segment([volume], listens).label_map.array)
    assert np.array_equal(Refinement([volume], listens).label_map.array, volume.array > 100)


def test_a_click_changes_its_ball_and_the_change_is_the_smallest_box_around_it() -> None:
    volume = scan()
    refinement = Refinement([volume], listening())
    point = at(volume.geometry, 25, 30, 20)
    before = refinement.label_map.array
    change = refinement.add(Click(point, "Ball"))
    ball = distance(volume.geometry, point) <= RADIUS
    assert np.array_equal(refinement.label_map.array, before | ball)
    assert change.box == (slice(22, 29), slice(27, 34), slice(17, 24))
    before[change.box] = change.array[0]
    assert np.array_equal(before, refinement.label_map.array)


def test_a_negative_click_takes_away_and_a_click_that_changes_nothing_says_so() -> None:
    volume = scan()
    refinement = Refinement([volume], listening())
    point = at(volume.geometry, 6, 6, 6)
    assert refinement.add(Click(point, "ball")).is_nothing
    refinement.add(Click(point, "ball", positive=False))
    expected = (volume.array > 100) & ~(distance(volume.geometry, point) <= RADIUS)
    assert np.array_equal(refinement.label_map.array, expected)


def test_undoing_is_replaying_without_the_last_click() -> None:
    volume, listens = scan(), listening()
    points = [(25, 30, 20), (27, 30, 20), (6, 6, 6), (39, 43, 47)]
    clicks = [Click(at(volume.geometry, *p), "ball", positive=n != 2) for n, p in enumerate(points)]
    states, refinement = [], Refinement([volume], listens)
    for click in clicks:
        states.append(refinement.label_map.array)
        refinement.add(click)
    for n in range(len(clicks), 0, -1):
        current = refinement.label_map.array
        change = refinement.undo()
        current[change.box] = change.array[0]
        assert np.array_equal(current, states[n - 1])
        assert np.array_equal(refinement.label_map.array, states[n - 1])
        replayed = segment_with_clicks([volume], listens, clicks[: n - 1]).label_map.array
        assert np.array_equal(replayed, states[n - 1])
    assert refinement.clicks == ()
    with pytest.raises(IndexError):
        refinement.undo()


@pytest.mark.parametrize("overlapping", [False, True])
def test_a_click_names_a_structure_and_neighbours_stay_unless_classes_exclude_each_other(overlapping: bool) -> None:
    volume = scan()
    refinement = Refinement([volume], listening(2, overlapping))
    point = at(volume.geometry, 6, 6, 6)
    refinement.add(Click(point, "other"))
    ball = distance(volume.geometry, point) <= RADIUS
    result = refinement.label_map
    assert np.array_equal(result.mask(result.labels[1]), ball)
    inside = volume.array > 100
    assert np.array_equal(result.mask(result.labels[0]), inside if overlapping else inside & ~ball)


def turned() -> np.ndarray:
    a, b = np.radians(25), np.radians(-40)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return np.asarray(about_z @ about_x)


@pytest.mark.parametrize("direction", [np.diag([-1.0, -1.0, 1.0]), np.eye(3)[[1, 2, 0]], turned()], ids=str)
@pytest.mark.parametrize("straight", [False, True])
@pytest.mark.parametrize("spacing", [1.0, 1.5])
def test_a_click_lands_where_it_was_made_on_any_grid(direction: np.ndarray, straight: bool, spacing: float) -> None:
    grid = geometry(direction=direction, spacing=spacing)
    listens = listening(grid=Grid("RAS", spacing=(1.0, 1.0, 1.0), straight=straight))
    refinement = Refinement([scan(grid)], listens)
    point = at(grid, 25, 30, 20)
    before = refinement.label_map.array > 0
    refinement.add(Click(point, "ball"))
    grown = (refinement.label_map.array > 0) & ~before
    far = distance(grid, point)
    assert grown[far < RADIUS - 1].all() and not grown[far > RADIUS + 2].any()
    assert np.array_equal(grown & before, np.zeros_like(before))


def test_on_a_scans_own_grid_a_click_is_as_many_voxels_wide_as_in_training_which_knows_no_spacing() -> None:
    for spacing in (0.25, 4.0):
        grid = geometry((24, 24, 24), spacing=spacing)
        refinement = Refinement([Volume(np.zeros(grid.shape, np.int16), grid, "CT")], listening())
        refinement.add(Click(at(grid, 12, 11, 10), "ball"))
        assert np.array_equal(
            refinement.label_map.array > 0, distance(grid, at(grid, 12, 11, 10)) <= (RADIUS + 1e-6) * spacing
        )


def test_near_the_end_of_the_grid_and_in_a_scan_smaller_than_the_patch_clicks_reach_the_border() -> None:
    for shape, voxel in (((40, 44, 48), (39, 0, 47)), ((12, 12, 9), (0, 11, 8))):
        grid = geometry(shape)
        volume = Volume(np.zeros(shape, np.int16), grid, "CT")
        refinement = Refinement([volume], listening())
        refinement.add(Click(at(grid, *voxel), "ball"))
        assert np.array_equal(refinement.label_map.array > 0, distance(grid, at(grid, *voxel)) <= RADIUS)


class Echo(nn.Module):
    """Class 1 is what was found, grown by a voxel where there is a click anywhere in the patch."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(B, 4, ...)``."""
        clicked = images[:, 1:3].amax(dim=(1, 2, 3, 4), keepdim=True)
        grown = nn.functional.max_pool3d(images[:, 3:4], 3, 1, 1)
        found = torch.where(clicked > 0, grown, images[:, :1] / 200)
        return torch.cat([0.5 - found, found - 0.5], dim=1)


class Doubt(nn.Module):
    """Class 1 is where the image is bright, and nowhere once there is a click in the patch."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(B, 4, ...)``."""
        found = images[:, :1] / 200 - images[:, 1:3].amax(dim=(1, 2, 3, 4), keepdim=True)
        return torch.cat([0.5 - found, found - 0.5], dim=1)


def test_the_network_sees_what_it_found_before() -> None:
    volume = scan()
    listens = replace(listening(), networks=[Echo()])
    refinement = Refinement([volume], listens)
    refinement.add(Click(at(volume.geometry, 8, 8, 8), "ball"))
    result = refinement.label_map.array
    assert result[:13, :13, :13].all() and result.sum() == 13**3
    start = LabelMap((volume.array > 100).astype(np.uint8), volume.geometry, (BALL,))
    given = Refinement([volume], listens, start)
    given.add(Click(at(volume.geometry, 8, 8, 8), "ball"))
    assert np.array_equal(given.label_map.array, result)


def test_the_network_goes_on_from_what_a_person_let_a_click_have() -> None:
    volume = scan()
    refinement = Refinement([volume], replace(listening(), networks=[Echo()]))
    found = refinement.label_map.array
    click, again = Click(at(volume.geometry, 8, 8, 8), "ball"), Click(at(volume.geometry, 7, 8, 8), "ball")
    box = refinement.add(click).box
    grown = refinement.label_map.array
    assert grown.sum() == 13**3
    part = volume.geometry.cropped([b.start for b in box], [b.stop for b in box])
    refinement.amend(LabelMap(found[box].copy(), part, (BALL,)))
    assert np.array_equal(refinement.label_map.array, found)
    assert refinement.add(again).box == box and np.array_equal(refinement.label_map.array, grown), "grown once"
    refinement.undo()
    assert np.array_equal(refinement.label_map.array, found)
    refinement.undo()
    refinement.add(click)
    assert np.array_equal(refinement.label_map.array, grown), "nothing of it is left"


@pytest.mark.parametrize("spacing", [0.5, 1.0, 1.7])
def test_what_a_person_sees_is_taken_on_any_grid(spacing: float) -> None:
    grid = geometry(direction=turned(), spacing=spacing)
    refinement = Refinement([scan(grid)], listening(grid=Grid("RAS", spacing=(1.0, 1.0, 1.0))))
    before, click = refinement.label_map.array, Click(at(grid, 20, 22, 24), "ball")
    box = refinement.add(click).box
    after = refinement.label_map.array
    part = grid.cropped([b.start for b in box], [b.stop for b in box])
    refinement.amend(LabelMap(np.zeros(part.shape, np.uint8), part, (BALL,)))
    assert refinement.add(Click(click.point, "ball")).box == box
    assert np.array_equal(refinement.label_map.array, after)
    refinement.undo()
    assert refinement.undo().is_nothing and np.array_equal(refinement.label_map.array, before)


def test_only_the_inner_part_of_the_patch_changes() -> None:
    volume = Volume(np.full(SHAPE, 200, np.int16), geometry(), "CT")
    refinement = Refinement([volume], replace(listening(), networks=[Doubt()]))
    refinement.add(Click(at(volume.geometry, 20, 2, 30), "ball"))
    lost = np.argwhere(refinement.label_map.array == 0)
    assert lost.min(axis=0).tolist() == [14, 0, 24] and lost.max(axis=0).tolist() == [25, 13, 35]


def test_in_thick_slices_the_voxel_that_is_clicked_takes_part_wherever_in_it_the_click_lies() -> None:
    grid = Geometry.from_parts((9, 30, 30), (1.0, 1.0, 7.0), turned(), (-10.0, 5.0, 20.0))
    volume = Volume(np.zeros(grid.shape, np.int16), grid, "CT")
    for spacing in (None, (1.0, 1.0, 1.0), (3.0, 3.0, 9.0)):
        refinement = Refinement([volume], listening(grid=Grid("RAS", spacing=spacing)))
        r, a, s = grid.index_to_ras((12.3, 14.6, 4.45)).tolist()
        refinement.add(Click((r, a, s), "ball"))
        found = refinement.label_map.array > 0
        assert found[4, 15, 12] and (spacing is None or not found[[2, 6]].any())


def test_a_ball_has_the_voxels_that_it_had_in_training_where_the_grid_is_a_little_coarser_than_asked_for() -> None:
    """40 voxels of 1 mm are 13 of 3.08 mm: a ball of 3 mm reached its neighbours in training, and must do so here."""
    counts = []
    for size in (39, 40):
        volume = Volume(np.zeros((size,) * 3, np.int16), geometry((size,) * 3), "CT")
        refinement = Refinement([volume], listening(grid=Grid("RAS", spacing=(RADIUS,) * 3, rule="extent")))
        refinement.add(Click(at(volume.geometry, size // 2, size // 2, size // 2), "ball"))
        counts.append(np.count_nonzero(refinement.label_map.array))
    assert counts[1] > 0.9 * counts[0] > 100


@pytest.mark.parametrize("direction", [None, turned(), np.eye(3)[[1, 2, 0]]])
def test_a_click_that_says_nothing_new_changes_nothing_in_thick_slices_either(direction: np.ndarray | None) -> None:
    """Of these the network's result takes its nearest slices, also on the way back from a patch."""
    grid = Geometry.from_parts((12, 60, 66), (0.83, 0.83, 5.3), direction, (-10.0, 5.0, 20.0))
    k, j, i = np.indices(grid.shape)
    inside = (j - 30) ** 2 + (i - 30) ** 2 < (6 + k) ** 2
    array = 200 * inside + np.random.default_rng(0).normal(0, 20, grid.shape)
    volume = Volume(array.astype(np.int16), grid, "CT")
    wanted = Grid("RAS", spacing=(1.0, 1.0, 4.0), rule="extent", interpolation="cubic", apart=3.0)
    listens = listening(grid=wanted, output=Output("softmax", apart=3.0), inference=Inference(patch=(32, 32, 8)))
    refinement = Refinement([volume], listens)
    assert refinement.label_map.array.any()
    assert refinement.add(Click(at(grid, 6, 55, 55), "ball", positive=False)).is_nothing


def test_what_there_is_already_is_begun_with_by_the_names_of_its_structures() -> None:
    volume = scan()
    drawn = np.zeros(volume.array.shape, np.uint8)
    drawn[30:33, 30:33, 30:33], drawn[35:, 35:, 35:] = 7, 9
    start = LabelMap(drawn, volume.geometry, (Label(7, "Other", (1, 1, 1)), Label(9, "stranger", (2, 2, 2))))
    refinement = Refinement([volume], listening(2), start)
    assert np.array_equal(refinement.label_map.array, 2 * (drawn == 7))
    refinement.add(Click(at(volume.geometry, 10, 30, 30), "ball"))
    assert (refinement.label_map.array[drawn == 7] == 2).all(), "what lies outside the patch stays"


def test_what_cannot_be_clicked_is_refused_and_changes_nothing() -> None:
    volume = scan()
    refinement = Refinement([volume], listening())
    for click, code in (
        (Click(at(volume.geometry, 5, 5, 5), "spleen"), Code.CLICKS_MISMATCH),
        (Click((500.0, 0.0, 0.0), "ball"), Code.REGION_OUTSIDE),
    ):
        with pytest.raises(MedDLError) as caught:
            refinement.add(click)
        assert caught.value.code is code
        with pytest.raises(MedDLError):
            segment_with_clicks([volume], listening(), [click])
    assert refinement.clicks == () and np.array_equal(refinement.label_map.array, volume.array > 100)
    with pytest.raises(MedDLError, match="does not listen") as caught:
        Refinement([volume], model(obedient(), spec()))
    assert caught.value.code is Code.CLICKS_MISMATCH


@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 1.0), (2.0, 2.0, 5.0)])
@pytest.mark.parametrize("overlapping", [False, True])
def test_a_network_that_does_not_heed_its_clicks_is_made_to_at_their_voxels(
    overlapping: bool, spacing: tuple[float, float, float] | None
) -> None:
    """``scan`` on an oblique grid of thick slices; the network is a threshold and hears nothing."""
    grid = Geometry.from_parts((20, 40, 40), (1.0, 1.0, 3.0), turned(), (-10.0, 5.0, 20.0))
    volume, listens = scan(grid), listening(overlapping=overlapping, grid=Grid("RAS", spacing=spacing))
    with torch.no_grad():
        listens.networks[0].weight[:, 1:] = 0.0
    refinement = Refinement([volume], listens)
    before = refinement.label_map.array > 0
    added, denied = (16, 30, 25), (6, 5, 4)
    refinement.add(Click(at(grid, *added), "ball"))
    refinement.add(Click(at(grid, *denied), "ball", positive=False))
    after = refinement.label_map.array > 0
    assert after[added] and not before[added] and before[denied] and not after[denied]
    near = np.minimum(distance(grid, at(grid, *added)), distance(grid, at(grid, *denied)))
    far = near > 2 * RADIUS * (grid.spacing.max() if spacing is None else 1) + 3
    assert far.any() and np.array_equal(after[far], before[far])


def test_where_a_click_has_its_way_does_not_end_with_a_slab_of_the_logits() -> None:
    volume = scan()
    listens = listening(inference=Inference(patch=(32, 32, 32)))
    with torch.no_grad():
        listens.networks[0].weight[:, 1:] = 0.0
    for first_slice in range(10, 34):
        refinement, point = Refinement([volume], listens), at(volume.geometry, first_slice, 30, 24)
        refinement.add(Click(point, "ball"))
        added = refinement.label_map.array[:, 14:, 14:] > 0
        assert added[distance(volume.geometry, point)[:, 14:, 14:] <= RADIUS].all()
        assert not added[distance(volume.geometry, point)[:, 14:, 14:] > RADIUS + 1].any()
