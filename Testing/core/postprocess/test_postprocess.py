"""From logits to labels on the scan's grid, and clean-up."""

from __future__ import annotations

import importlib
import tracemalloc

import numpy as np
import pytest

from fixtures.balls import ball_mask, turned
from fixtures.slabs import in_slabs
from MedDLCore.metrics import dice
from MedDLCore.postprocess import clean_up, decide, merge, only
from MedDLCore.resample import resample
from MedDLCore.spec import CleanUp, Output
from MedDLCore.volume import Geometry, Label, LabelMap


def labels(*values: int) -> list[Label]:
    return [Label(value, f"label {value}", (value % 256, 0, 0)) for value in values]


@pytest.fixture
def network() -> Geometry:
    return Geometry.from_parts((20, 22, 24), (2.0, 2.0, 2.0), turned(10, 1), (1, 2, 3))


@pytest.fixture
def logits(network: Geometry) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, *network.shape)).astype(np.float32)


@pytest.mark.parametrize("interpolate", ["logits", "probabilities", "labels"])
def test_on_the_networks_own_grid_every_way_is_the_argmax(
    network: Geometry, logits: np.ndarray, interpolate: str
) -> None:
    found = decide(in_slabs(logits), network, network, Output(interpolate=interpolate), labels(1, 2, 3, 4, 5))  # type: ignore[arg-type]
    assert np.array_equal(found.array, logits.argmax(axis=0))
    assert found.array.dtype == np.uint8


def test_interpolated_logits_are_the_argmax_of_all_classes_interpolated_at_once(
    network: Geometry, logits: np.ndarray
) -> None:
    scan = Geometry.from_parts((40, 30, 35), (1.0, 1.2, 0.9), turned(5, 2), (3, 4, 5))
    everything = np.stack([resample(channel, network, scan, "linear", fill=-99) for channel in logits])
    everything[0][everything[0] == -99] = 99
    found = decide(in_slabs(logits), network, scan, Output(), labels(1, 2, 3, 4, 5))
    assert np.array_equal(found.array, everything.argmax(axis=0))


def test_probabilities_are_interpolated_after_the_softmax(network: Geometry, logits: np.ndarray) -> None:
    scan = network.with_spacing((1.1, 1.1, 1.1))
    probabilities = np.exp(logits * 5) / np.exp(logits * 5).sum(axis=0)
    expected = np.stack([resample(p.astype(np.float32), network, scan, "linear") for p in probabilities]).argmax(axis=0)
    found = decide(in_slabs(logits * 5), network, scan, Output(interpolate="probabilities"), labels(1, 2, 3, 4, 5))
    assert (found.array == expected).mean() > 0.9999
    other = decide(in_slabs(logits * 5), network, scan, Output(interpolate="logits"), labels(1, 2, 3, 4, 5))
    assert (found.array != other.array).mean() > 0.01


def test_outside_the_networks_grid_is_background(network: Geometry) -> None:
    logits = np.zeros((2, *network.shape), np.float32)
    logits[1] = 5
    scan = network.with_shape((40, 40, 40))
    for interpolate in ("logits", "probabilities", "labels"):
        found = decide(in_slabs(logits), network, scan, Output(interpolate=interpolate), labels(1))  # type: ignore[arg-type]
        assert int(found.array.sum()) == np.prod(network.shape)


def test_classes_that_were_not_asked_for_still_win_their_voxels(network: Geometry, logits: np.ndarray) -> None:
    found = decide(in_slabs(logits), network, network, Output(), labels(3))
    assert np.array_equal(found.array, np.where(logits.argmax(axis=0) == 3, 3, 0))
    assert [label.value for label in found.labels] == [3]


def test_more_than_255_classes_need_two_bytes(network: Geometry) -> None:
    logits = np.zeros((301, *network.shape), np.float32)
    logits[300, 3:9] = 1
    found = decide(in_slabs(logits), network, network, Output(), labels(1, 5, 300))
    assert found.array.dtype == np.uint16
    assert set(np.unique(found.array)) == {0, 300}


@pytest.mark.parametrize("interpolate", ["logits", "probabilities", "labels"])
@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_sigmoid_channels_are_thresholded_each_on_its_own(
    network: Geometry, logits: np.ndarray, interpolate: str, threshold: float
) -> None:
    output = Output(activation="sigmoid", interpolate=interpolate, threshold=threshold)  # type: ignore[arg-type]
    found = decide(in_slabs(logits[:3]), network, network, output, labels(1, 2, 3))
    assert found.layers == 3
    for label in found.labels:
        assert np.array_equal(found.mask(label), 1 / (1 + np.exp(-logits[label.value - 1])) > threshold)


def test_sigmoid_channels_that_do_not_overlap_share_a_layer(network: Geometry) -> None:
    logits = np.full((3, *network.shape), -5, np.float32)
    logits[0, 2:5], logits[1, 8:10], logits[2, 4:9] = 5, 5, 5
    found = decide(in_slabs(logits), network, network, Output(activation="sigmoid"), labels(1, 2, 3))
    assert [label.layer for label in found.labels] == [0, 0, 1]
    assert all(np.array_equal(found.mask(label), logits[label.value - 1] > 0) for label in found.labels)


def a_map(geometry: Geometry, *masks: np.ndarray) -> LabelMap:
    array = np.zeros(geometry.shape, np.uint8)
    for value, mask in enumerate(masks, start=1):
        array[mask] = value
    return LabelMap(array, geometry, tuple(labels(*range(1, len(masks) + 1))))


def test_only_the_largest_component_stays_where_the_model_asks() -> None:
    geometry = Geometry.from_parts((30, 30, 30), (1, 1, 1))
    large, small = ball_mask(geometry, (10, 10, 10), 6), ball_mask(geometry, (24, 24, 24), 3)
    other = ball_mask(geometry, (24, 5, 5), 2) | ball_mask(geometry, (5, 24, 24), 2)
    found = clean_up(a_map(geometry, large | small, other), CleanUp(keep_largest=(1,)))
    assert np.array_equal(found.array == 1, large)
    assert np.array_equal(found.array == 2, other)


def test_diagonal_neighbours_are_connected() -> None:
    geometry = Geometry.from_parts((6, 6, 6), (1, 1, 1))
    diagonal = np.zeros(geometry.shape, bool)
    diagonal[range(6), range(6), range(6)] = True
    assert np.array_equal(clean_up(a_map(geometry, diagonal), CleanUp(keep_largest=(1,))).array == 1, diagonal)


def test_holes_are_filled_but_not_over_another_label() -> None:
    geometry = Geometry.from_parts((30, 30, 30), (1, 1, 1))
    whole, core = ball_mask(geometry, (15, 15, 15), 10), ball_mask(geometry, (15, 15, 15), 4)
    inner = ball_mask(geometry, (15, 15, 15), 2)
    found = clean_up(a_map(geometry, whole & ~core, inner), CleanUp(fill_holes=(1,)))
    assert np.array_equal(found.array == 1, whole & ~inner)
    assert np.array_equal(found.array == 2, inner)


def test_specks_are_measured_in_cubic_millimetres() -> None:
    geometry = Geometry.from_parts((30, 30, 30), (0.5, 0.5, 0.5))
    large, speck = ball_mask(geometry, (5, 5, 5), 3), ball_mask(geometry, (12, 12, 12), 0.6)
    found = clean_up(a_map(geometry, large | speck), CleanUp(minimum_volume=5.0))
    assert np.array_equal(found.array == 1, large)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_the_largest_component_is_the_largest_within_the_region(activation: str) -> None:
    """The larger one lay outside: the one inside was removed for it, and nothing was left."""
    geometry = Geometry.from_parts((30, 30, 30), (1, 1, 1))
    large, small = ball_mask(geometry, (9, 15, 15), 8), ball_mask(geometry, (24, 15, 15), 4)
    channel = np.where(large | small, 5, -5).astype(np.float32)
    logits = channel[None] if activation == "sigmoid" else np.stack([np.zeros_like(channel), channel])
    within = np.indices(geometry.shape)[2] >= 15
    settings = (Output(activation=activation), labels(1), CleanUp(keep_largest=(1,)))  # type: ignore[arg-type]
    found = decide(in_slabs(logits), geometry, geometry, *settings, within=within)
    assert np.array_equal(found.array == 1, small)
    assert np.array_equal(decide(in_slabs(logits), geometry, geometry, *settings).array == 1, large)


def test_the_bounding_box_of_a_structure_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("MedDLCore.postprocess.clean_up")
    found: list[object] = []
    original = module._box
    monkeypatch.setattr(module, "_box", lambda mask: found.append(mask) or original(mask))
    geometry = Geometry.from_parts((20, 20, 20), (1, 1, 1))
    mask = ball_mask(geometry, (9, 9, 9), 5)
    steps = CleanUp(keep_largest=(1,), fill_holes=(1,), minimum_volume=1)
    assert np.array_equal(clean_up(a_map(geometry, mask), steps).array == 1, mask)
    assert np.array_equal(module.clean_mask(mask, 1, steps, 1.0), mask)
    assert len(found) == 2


def test_looking_up_labels_takes_no_eight_bytes_for_each_voxel() -> None:
    geometry = Geometry.from_parts((60, 60, 60), (1, 1, 1))
    halves = np.indices(geometry.shape)[0] < 30
    label_map = a_map(geometry, halves, ~halves)
    only(label_map, labels(1))  # what it imports does not count
    tracemalloc.start()
    try:
        only(label_map, labels(1))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * halves.size


def test_a_clean_up_of_nothing_is_nothing() -> None:
    geometry = Geometry.from_parts((4, 4, 4), (1, 1, 1))
    empty = a_map(geometry, np.zeros(geometry.shape, bool))
    assert not clean_up(empty, CleanUp(keep_largest=(1,), fill_holes=(1,), minimum_volume=3)).array.any()


def test_dice_is_its_formula() -> None:
    a, b = np.zeros((3, 3, 3), bool), np.zeros((3, 3, 3), bool)
    assert dice(a, b) == 1
    a[0], b[0, 0] = True, True
    assert dice(a, b) == pytest.approx(2 * 3 / (9 + 3))
    with pytest.raises(ValueError, match="shape"):
        dice(a, b[:2])


@pytest.mark.parametrize("interpolate", ["logits", "probabilities", "labels"])
def test_a_very_sure_network_overflows_nothing(network: Geometry, interpolate: str) -> None:
    """A warning of ours is an error in these tests; exp(200) is none of float32's numbers."""
    logits = np.full((2, *network.shape), -200, np.float32)
    logits[1, 4:9] = 200
    for activation in ("sigmoid", "softmax"):
        output = Output(activation=activation, interpolate=interpolate)  # type: ignore[arg-type]
        found = decide(in_slabs(logits.copy()), network, network, output, labels(1))
        assert np.array_equal(found.array == 1, (logits[1] > 0) & (activation == "softmax"))


def test_only_what_was_asked_for_is_kept(network: Geometry) -> None:
    part_of = np.indices(network.shape)[0] // 5
    whole = a_map(network, *(part_of == n for n in range(3)))
    part = only(whole, labels(2))
    assert [label.value for label in part.labels] == [2]
    assert np.array_equal(part.array, np.where(whole.array == 2, 2, 0))
    assert only(whole, labels(1, 2, 3)) is whole


def test_a_hole_is_filled_whichever_structures_share_a_layer(network: Geometry) -> None:
    """The packing of overlapping structures into layers is storage and may not change what is found."""
    k, j, i = np.indices(network.shape)
    distance = np.sqrt((k - 10) ** 2 + (j - 10) ** 2 + (i - 10) ** 2)
    logits = np.full((2, *network.shape), -5, np.float32)
    logits[0, (distance < 8) & (distance > 3)] = 5
    logits[1, distance < 2] = 5
    output, steps = Output(activation="sigmoid"), CleanUp(fill_holes=(1,))
    apart = decide(in_slabs(logits), network, network, output, labels(1, 2), steps)
    logits[1, 10, 10, 15] = 5  # now they overlap, and need two layers
    overlapping = decide(in_slabs(logits), network, network, output, labels(1, 2), steps)
    for found in (apart, overlapping):
        assert np.array_equal(found.mask(found.labels[0]), distance < 8)


def test_regions_are_painted_one_over_the_other() -> None:
    grid = Geometry.from_parts((1, 1, 4), (1, 1, 1))
    logits = np.array([[1, 1, -1, -1], [-1, 1, 1, -1]], np.float32).reshape(2, 1, 1, 4)
    labels = (Label(1, "whole", (0, 0, 0)), Label(3, "core", (0, 0, 0)))
    for paint, expected in (((1, 3), [1, 3, 3, 0]), ((3, 1), [3, 1, 1, 0])):
        found = decide(in_slabs(logits, 99), grid, grid, Output("regions", paint=paint), labels)
        assert found.array.ravel().tolist() == expected


def test_an_axis_of_the_logits_on_its_own_takes_the_nearest_slice() -> None:
    network, scan = Geometry.from_parts((2, 1, 1), (1, 1, 5)), Geometry.from_parts((5, 1, 1), (1, 1, 2))
    logits = np.array([[0, 0], [-1, 9]], np.float32).reshape(2, 2, 1, 1)
    labels = (Label(1, "a", (0, 0, 0)),)
    found = decide(in_slabs(logits, 99), network, scan, Output(), labels, alone=0)
    assert found.array.ravel().tolist() == [0, 0, 1, 1, 1]


def test_the_upper_of_two_label_maps_counts() -> None:
    grid = Geometry.from_parts((1, 1, 4), (1, 1, 1))

    def found(values: list[int], *names: str) -> LabelMap:
        labels = tuple(Label(n, name, (0, 0, 0)) for n, name in enumerate(names, start=1))
        return LabelMap(np.array(values, np.uint8).reshape(1, 1, 4), grid, labels)

    labels = tuple(Label(n, name, (0, 0, 0)) for n, name in enumerate("abc", start=1))
    merged = merge(merge(None, found([1, 1, 2, 0], "a", "b"), labels), found([0, 1, 1, 0], "c"), labels)
    assert merged.array.ravel().tolist() == [1, 3, 3, 0]
    assert merged.labels == labels
