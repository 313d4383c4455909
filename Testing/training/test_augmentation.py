"""Augmentation against what is known: a ball that moves, statistics that stay, draws that repeat."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures.trainings import OFF, STILL, data_in_memory, tiny_plan
from MedDLCore.spec import Grid, Inference
from MedDLTraining.loop.augmentation import Draws, augment
from MedDLTraining.loop.augmentation.space import vary_space
from MedDLTraining.loop.augmentation.values import EFFECTS, blur, low_resolution
from MedDLTraining.loop.sampling import source_shape
from MedDLTraining.plan import Augmentation, Effect, Plan

PATCH = (32, 28, 24)
SOURCE = source_shape(PATCH)
MM = (1.0, 1.0, 1.0)


def always(low: float, high: float | None = None) -> Effect:
    return Effect(1.0, low, low if high is None else high)


def ball(*centre: float, radius: float = 4.0, shape: tuple[int, ...] = SOURCE) -> Tensor:
    """``(1, 1, *shape)``: 1 inside. The centre is in voxels from the middle."""
    axes = [torch.arange(n) - (n - 1) / 2 - c for n, c in zip(shape, centre, strict=True)]
    a, b, c = torch.meshgrid(*axes, indexing="ij")
    return (a**2 + b**2 + c**2 < radius**2).float()[None, None]


def centre_of(mask: Tensor) -> list[float]:
    places = (mask[0, 0] > 0.5).nonzero().float().mean(0)
    return [float(p) - (n - 1) / 2 for p, n in zip(places, mask.shape[2:], strict=True)]


def moved(settings: Augmentation, image: Tensor, mm: tuple[float, ...] = MM, seed: int = 0) -> tuple[Tensor, Tensor]:
    return vary_space(image, image.clone(), PATCH, mm, settings, Draws(seed))


def test_without_effects_the_patch_is_the_middle_of_its_surroundings_exactly() -> None:
    image = torch.randn((2, 3, *SOURCE), generator=torch.Generator().manual_seed(0))
    result, truth = vary_space(image, image[:, :1].round(), PATCH, MM, STILL, Draws(0))
    a, b, c = ((s - p) // 2 for s, p in zip(SOURCE, PATCH, strict=True))
    middle = image[:, :, a : a + PATCH[0], b : b + PATCH[1], c : c + PATCH[2]]
    assert torch.equal(result, middle) and torch.equal(truth, middle[:, :1].round())


def test_a_grid_that_changes_nothing_gives_the_middle_too() -> None:
    image = torch.randn((2, 1, *SOURCE), generator=torch.Generator().manual_seed(0))
    result, _ = vary_space(image, torch.zeros_like(image), PATCH, MM, replace(STILL, scaling=always(1.0)), Draws(0))
    wanted, _ = vary_space(image, torch.zeros_like(image), PATCH, MM, STILL, Draws(0))
    torch.testing.assert_close(result, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("mm", "about"), [((1.0, 1.0, 4.0), 2), ((4.0, 1.0, 1.0), 0), ((1.0, 5.0, 1.0), 1)])
def test_a_rotation_turns_a_ball_about_the_axis_of_the_long_voxels(mm: tuple[float, ...], about: int) -> None:
    p, q = (axis for axis in range(3) if axis != about)
    centre = [0.0, 0.0, 0.0]
    centre[p] = 8.0
    image, truth = moved(replace(STILL, rotation=always(30.0)), ball(*centre), mm)
    wanted = [0.0, 0.0, 0.0]
    wanted[p], wanted[q] = 8 * math.cos(math.pi / 6), 8 * math.sin(math.pi / 6)
    for found in (centre_of(image), centre_of(truth)):
        assert abs(found[p] - wanted[p]) < 0.3 and abs(abs(found[q]) - wanted[q]) < 0.3
        assert abs(found[about]) < 0.3
    assert centre_of(image)[q] == pytest.approx(centre_of(truth)[q], abs=0.3)


def test_a_rotation_is_one_of_millimetres_not_of_voxels() -> None:
    """A ball at 8 mm stays at 8 mm, and stays a ball, where voxels are twice as long along one axis."""
    mm = (1.0, 2.0, 1.0)
    axes = [(torch.arange(n) - (n - 1) / 2) * m for n, m in zip(SOURCE, mm, strict=True)]
    a, b, c = torch.meshgrid(*axes, indexing="ij")
    image = ((a - 8) ** 2 + b**2 + c**2 < 16).float()[None, None]
    turned, _ = moved(replace(STILL, rotation=always(30.0)), image, mm)
    found = [f * m for f, m in zip(centre_of(turned), mm, strict=True)]
    assert math.hypot(*found) == pytest.approx(8, abs=0.4)
    assert abs(found[1]) > 1.5
    assert float(turned.sum()) == pytest.approx(float(image.sum()), rel=0.08)


def test_scaling_makes_things_as_much_larger_as_it_says() -> None:
    image, truth = moved(replace(STILL, scaling=always(1.3)), ball(5, 0, 0))
    assert centre_of(truth)[0] == pytest.approx(6.5, abs=0.2)
    assert float(truth.sum()) == pytest.approx(1.3**3 * float(ball(0, 0, 0).sum()), rel=0.08)
    assert centre_of(image)[0] == pytest.approx(6.5, abs=0.2)


def test_a_flip_happens_along_the_plan_s_axes_only_and_to_half_of_the_patches() -> None:
    image = ball(6, 5, 4).repeat(40, 1, 1, 1, 1)
    result, truth = moved(replace(STILL, flips=(1,)), image)
    sides = [centre_of(one[None]) for one in result]
    assert {(round(a), abs(round(b)), round(c)) for a, b, c in sides} == {(6, 5, 4)}
    assert 10 < sum(b < 0 for _, b, _ in sides) < 30
    assert torch.equal(result, truth)


def test_an_elastic_deformation_moves_image_and_truth_alike_and_keeps_them_whole() -> None:
    image, truth = moved(replace(STILL, elastic=always(0.05)), ball(0, 0, 0, radius=7))
    still, _ = moved(STILL, ball(0, 0, 0, radius=7))
    assert not torch.equal(truth, still)
    overlap = 2 * ((image > 0.5) & (truth > 0.5)).sum() / ((image > 0.5).sum() + (truth > 0.5).sum())
    assert overlap > 0.97
    assert float(truth.sum()) == pytest.approx(float(still.sum()), rel=0.4)


def test_every_voxel_takes_the_label_of_which_most_lies_there() -> None:
    """Twelve labels side by side: more than are interpolated at once. None is invented between two of them."""
    stripes = (torch.arange(SOURCE[0]) // 3 + 1).float()[None, None, :, None, None].expand(1, 1, *SOURCE).clone()
    image, truth = vary_space(stripes, stripes, PATCH, MM, replace(STILL, scaling=always(0.9)), Draws(0))
    assert set(truth.unique().tolist()) <= set(stripes.unique().tolist()) | {0.0}
    inside = truth[:, :, 4:-4, 4:-4, 4:-4]
    assert (inside - image[:, :, 4:-4, 4:-4, 4:-4]).abs().max() <= 0.5 + 1e-4


def test_overlapping_masks_stay_masks() -> None:
    masks = torch.cat([ball(0, 0, 0, radius=7), ball(2, 0, 0, radius=5)], dim=1)
    _, truth = vary_space(masks[:, :1], masks, PATCH, MM, replace(STILL, rotation=always(20.0)), Draws(0))
    assert set(truth.unique().tolist()) == {0.0, 1.0}
    assert ((truth[:, 0] > 0) & (truth[:, 1] > 0)).any()


def test_what_lies_outside_has_the_padding_s_value() -> None:
    image = torch.full((1, 1, *SOURCE), 5.0)
    small = replace(STILL, scaling=always(0.4))
    result, _ = vary_space(image, torch.zeros_like(image), PATCH, MM, small, Draws(0), padding=-3.0)
    assert result[0, 0, 0, 0, 0] == -3 and result[0, 0, 16, 14, 12] == 5


IMAGES = torch.randn((3, 2, 12, 14, 10), generator=torch.Generator().manual_seed(3)) + ball(0, 0, 0, shape=(12, 14, 10))


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_on_values_changes_them_and_gives_finite_ones(name: str) -> None:
    settings = getattr(Augmentation(), name)
    strengths = torch.full((3,), settings.low + 0.8 * (settings.high - settings.low))
    result = EFFECTS[name](IMAGES.clone(), strengths, Draws(0))
    assert result.shape == IMAGES.shape and torch.isfinite(result).all()
    assert not torch.allclose(result, IMAGES, atol=1e-3)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_survives_a_patch_of_one_value_and_a_single_slice(name: str) -> None:
    flat = torch.full((1, 1, 8, 8, 1), 2.0)
    result = EFFECTS[name](flat, torch.tensor([0.9]), Draws(0))
    assert result.shape == flat.shape and torch.isfinite(result).all()


def test_gamma_keeps_mean_and_deviation_and_contrast_the_range() -> None:
    bent = EFFECTS["gamma"](IMAGES, torch.full((3,), 1.5), Draws(0))
    torch.testing.assert_close(bent.mean(dim=(2, 3, 4)), IMAGES.mean(dim=(2, 3, 4)), atol=1e-4, rtol=0)
    torch.testing.assert_close(bent.std(dim=(2, 3, 4)), IMAGES.std(dim=(2, 3, 4)), atol=1e-3, rtol=0)
    more = EFFECTS["contrast"](IMAGES, torch.full((3,), 1.4), Draws(0))
    assert more.std() > IMAGES.std()
    assert more.amax() <= IMAGES.amax() and more.amin() >= IMAGES.amin()


def test_blurring_an_impulse_gives_the_gaussian_and_keeps_the_sum() -> None:
    image = torch.zeros((1, 1, 15, 15, 15))
    image[0, 0, 7, 7, 7] = 1
    result = blur(image, torch.tensor([0.8]), Draws(0))[0, 0]
    assert float(result.sum()) == pytest.approx(1, abs=1e-5)
    assert float(result[8, 7, 7] / result[7, 7, 7]) == pytest.approx(math.exp(-0.5 / 0.64), rel=1e-4)
    assert float(result[7, 9, 7] / result[7, 7, 7]) == pytest.approx(math.exp(-2 / 0.64), rel=1e-4)


def test_a_lower_resolution_loses_what_is_fine_and_keeps_what_is_coarse() -> None:
    axis = torch.arange(24).float()
    fine, coarse = torch.cos(math.pi * axis), torch.cos(2 * math.pi * axis / 24)
    for wave, kept in ((fine, False), (coarse, True)):
        image = wave[:, None, None].expand(24, 24, 24)[None, None]
        result = low_resolution(image, torch.tensor([0.4]), Draws(0))
        part = float((result * image).mean() / (image * image).mean())
        assert (part > 0.8) is kept


def batch(plan: Plan) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    source = source_shape(plan.patch)
    return torch.randn((4, 1, *source), generator=generator), ball(0, 0, 0, shape=source).repeat(4, 1, 1, 1, 1)


def test_the_same_draws_give_the_same_batch_and_others_another() -> None:
    plan = tiny_plan(data_in_memory(1), augmentation=Augmentation(flips=(0,)))

    def varied(seed: int) -> Any:
        return augment(*batch(plan), plan, Draws(seed))

    for one, other in zip(varied(5), varied(5), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(varied(5)[0], varied(6)[0])


def test_a_patch_is_varied_alike_in_whoever_s_share_it_is() -> None:
    every = {
        name: replace(getattr(Augmentation(), name), probability=0.6) for name in (*EFFECTS, "rotation", "elastic")
    }
    plan = tiny_plan(data_in_memory(1), augmentation=Augmentation(flips=(0, 2), **every))
    images, truth = batch(plan)
    whole = augment(images, truth, plan, Draws(9))
    parts = [
        augment(images[part], truth[part], plan, Draws(9, first=part.start)) for part in (slice(0, 1), slice(1, 4))
    ]
    for tensor, *shares in zip(whole, *parts, strict=True):
        torch.testing.assert_close(torch.cat(shares), tensor, atol=1e-5, rtol=0)


def test_values_change_without_the_truth() -> None:
    plan = tiny_plan(data_in_memory(1), augmentation=replace(STILL, noise=always(0.2), gamma=always(1.3)))
    images, truth = batch(plan)
    varied, same = augment(images, truth, plan, Draws(0))
    a, b, c = (slice((s - p) // 2, (s + p) // 2) for s, p in zip(images.shape[2:], plan.patch, strict=True))
    assert torch.equal(same, truth[:, :, a, b, c])
    assert not torch.allclose(varied, images[:, :, a, b, c], atol=0.01)


def test_patches_of_one_slice_are_turned_within_the_slice() -> None:
    plan = tiny_plan(
        data_in_memory(1),
        inference=Inference(patch=(24, 24, 1)),
        grid=Grid(spacing=(1.0, 1.0, 5.0), rule="extent"),
        augmentation=replace(STILL, rotation=always(30.0), elastic=OFF, flips=(2,)),
    )
    image = ball(6, 0, 0, shape=source_shape(plan.patch))
    result, truth = augment(image, image.clone(), plan, Draws(0))
    assert result.shape == (1, 1, 24, 24, 1)
    x, y, z = centre_of(truth)
    assert math.hypot(x, y) == pytest.approx(6, abs=0.3) and abs(y) > 2 and z == 0
