"""What the network learns from, and that it learns."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from MedDLCore.demo.cases import FIRST_TRAINING_SEED, training_case, training_patches
from MedDLCore.demo.network import SPEC
from MedDLCore.demo.train import HELD_OUT, train
from MedDLCore.spec import Grid, Inference, ModelSpec, Network


def a_coarse_model() -> ModelSpec:
    """A grid of 12 mm, so that a step takes no time."""
    arguments = {**SPEC.network.arguments, "channels": [8, 16], "strides": [2], "num_res_units": 1}
    return replace(
        SPEC,
        network=Network("UNet", arguments),
        grid=Grid(orientation="RAS", spacing=(12.0, 12.0, 12.0), straight=True),
        inference=Inference(patch=(24, 24, 16), padding_value=-1.0),
    )


def test_a_training_case_lies_in_the_networks_axes_with_right_and_left_as_they_are() -> None:
    for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 3):
        image, truth = training_case(a_coarse_model(), seed)
        assert image.shape == (1, *truth.shape) and image.dtype == np.float32
        assert image.min() >= -1 and image.max() <= 1
        at = {label.name: np.argwhere(truth == label.value).mean(axis=0) for label in SPEC.labels}
        assert at["liver"][0] > at["spleen"][0] + 5 and at["right kidney"][0] > at["left kidney"][0] + 4  # 12 mm each
        assert at["heart"][2] > at["liver"][2] + 3 and at["stomach"][1] > at["spleen"][1]


def test_patches_are_the_same_for_a_seed_and_of_the_declared_size() -> None:
    spec = a_coarse_model()
    first, again, other = (list(training_patches(spec, 4, seed)) for seed in (0, 0, 1))
    for (image, truth), (same_image, same_truth) in zip(first, again, strict=True):
        assert image.shape == (1, 24, 24, 16) and truth.shape == (24, 24, 16)
        assert np.array_equal(image, same_image) and np.array_equal(truth, same_truth)
    assert not np.array_equal(first[0][0], other[0][0])


def test_a_volume_smaller_than_the_patch_is_extended_on_both_sides() -> None:
    spec = replace(a_coarse_model(), inference=Inference(patch=(48, 48, 48), padding_value=-1.0))
    ((image, truth),) = training_patches(spec, 1)
    assert image.shape == (1, 48, 48, 48) and truth.shape == (48, 48, 48)
    assert (image[0, 0] == -1).all() and (image[0, -1] == -1).all() and not truth[0].any()
    assert set(np.unique(truth)) == set(range(8))


def test_a_model_without_patches_is_refused() -> None:
    with pytest.raises(ValueError, match="patches"):
        next(training_patches(replace(SPEC, inference=Inference()), 1))


def test_no_phantom_is_both_learned_from_and_measured_on() -> None:
    assert max(HELD_OUT) < FIRST_TRAINING_SEED


def test_training_learns_and_is_the_same_every_time() -> None:
    import torch

    from MedDLCore.models.networks import build_network

    spec = a_coarse_model()
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        networks.append(build_network(spec.network))
    losses = list(train(spec, networks[0], steps=16))
    assert list(itertools.islice(train(spec, networks[1], steps=16), 4)) == losses[:4]
    assert np.mean(losses[-4:]) < 0.85 * np.mean(losses[:4])
    assert not networks[0].training
