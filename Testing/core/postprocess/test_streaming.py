"""The result is made while the logits come, is that of interpolating everything, and holds little on the way."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fixtures.balls import turned
from fixtures.slabs import in_slabs
from MedDLCore import out_of_memory
from MedDLCore.inference import Slab
from MedDLCore.postprocess import blocks, decide
from MedDLCore.postprocess.layers import Layers
from MedDLCore.resample import resample
from MedDLCore.spec import CleanUp, Output
from MedDLCore.volume import Geometry, Label

CLASSES = 7
LABELS = tuple(Label(n, f"label {n}", (n, n, n)) for n in range(1, CLASSES))
NETWORK = Geometry.from_parts((21, 18, 23), (2.0, 2.5, 1.5), np.eye(3), (4.0, -3.0, 2.0))


def smooth(seed: int, classes: int = CLASSES, noise: float = 0.3) -> NDArray[np.float32]:
    """Logits of overlapping balls, with noise: many blocks of one label and many of several."""
    generator = np.random.default_rng(seed)
    at = np.indices(NETWORK.shape)
    logits = np.empty((classes, *NETWORK.shape), dtype=np.float32)
    for n, logit in enumerate(logits):
        centre = generator.uniform(0, NETWORK.shape)
        logit[:] = 4 + 4 * (n == 0) - np.sqrt(sum((x - c) ** 2 for x, c in zip(at, centre, strict=True)))
    return logits + generator.normal(0, noise, logits.shape).astype(np.float32)


def interpolated(logits: NDArray[Any], scan: Geometry) -> NDArray[Any]:
    """All classes, each interpolated at every voxel by SimpleITK."""
    return np.stack([resample(logit, NETWORK, scan, "linear", -99 if n else 99) for n, logit in enumerate(logits)])


FINER = NETWORK.with_spacing((0.7, 0.6, 0.8))
SCANS = {
    "finer": FINER,
    "coarser": NETWORK.with_spacing((3.1, 5.0, 4.0)),
    "much coarser": NETWORK.with_spacing((9.0, 9.0, 11.0)),
    "half a voxel aside": Geometry(NETWORK.shape, NETWORK.ijk_to_ras @ np.diag([1, 1, 1, 1.0]) + 0.4 * np.eye(4, k=3)),
    "larger": NETWORK.with_shape((30, 31, 33)).with_spacing((1.7, 1.9, 1.1)),
    "one slice": FINER.cropped((20, 0, 0), (21, *FINER.shape[1:])),
    "turned by 20 degrees": Geometry.from_parts((28, 26, 30), (1.4, 1.9, 1.6), turned(20, 1), (6, 0, 4)),
    **{
        f"{axes} stored {way}": FINER.reoriented(way)
        for axes, way in zip(("other", "opposite", "mixed"), ("ASR", "LPI", "SLP"), strict=True)
    },
}


@pytest.mark.parametrize("thickness", [1, 5, 40])
@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_it_is_the_argmax_of_all_classes_interpolated_everywhere(scan: Geometry, thickness: int) -> None:
    logits = smooth(1)
    found = decide(in_slabs(logits, thickness), NETWORK, scan, Output(), LABELS)
    assert np.array_equal(found.array, interpolated(logits, scan).argmax(axis=0))
    assert len(np.unique(found.array)) > 3


@pytest.mark.parametrize("thickness", [1, 2, 5])
def test_a_turned_scan_that_begins_slabs_later_is_not_shifted(thickness: int) -> None:
    logits = smooth(8)
    scan = Geometry.from_parts((6, 26, 30), (1.4, 0.9, 1.0), turned(20, 2), (19, 2, NETWORK.origin[2] + 11 * 1.5))
    found = decide(in_slabs(logits, thickness), NETWORK, scan, Output(), LABELS)
    assert np.array_equal(found.array, interpolated(logits, scan).argmax(axis=0))
    assert len(np.unique(found.array)) > 3


@pytest.mark.parametrize("noise", [0.0, 0.5, 50.0])
@pytest.mark.parametrize("scan", ["finer", "coarser", "turned by 20 degrees"])
def test_what_is_pruned_could_not_have_won(monkeypatch: pytest.MonkeyPatch, scan: str, noise: float) -> None:
    logits = smooth(2, noise=noise)
    pruned = decide(in_slabs(logits), NETWORK, SCANS[scan], Output(), LABELS).array
    rule = "MedDLCore.postprocess.rules.Largest"
    monkeypatch.setattr(f"{rule}.candidates", lambda _, greatest, __: torch.ones_like(greatest, dtype=torch.bool))
    assert np.array_equal(pruned, decide(in_slabs(logits), NETWORK, SCANS[scan], Output(), LABELS).array)


def test_few_classes_of_few_blocks_are_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    original = blocks._Supports.interpolated

    def counting(self: Any, channels: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        counted.append(len(channels))
        return original(self, channels, which)

    monkeypatch.setattr(blocks._Supports, "interpolated", counting)
    decide(in_slabs(smooth(3, noise=0.0), 40), NETWORK, FINER, Output(), LABELS)
    of_all = CLASSES * np.prod([-(-(n - 1) // blocks.SPAN) for n in NETWORK.shape])
    assert 0 < sum(counted) < 0.5 * of_all


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "regions"])
@pytest.mark.parametrize("scan", ["finer", "coarser", "one slice", "mixed stored SLP"])
def test_what_cannot_be_pruned_is_decided_plane_by_plane_to_the_same_result(
    monkeypatch: pytest.MonkeyPatch, activation: Any, scan: str
) -> None:
    logits = smooth(5, noise=50.0)
    output = Output(activation, paint=tuple(range(1, CLASSES)) if activation == "regions" else ())
    planes, original = [], blocks.decide_planes
    monkeypatch.setattr(blocks, "decide_planes", lambda *given: planes.append(given) or original(*given))
    found = decide(in_slabs(logits), NETWORK, SCANS[scan], output, LABELS)
    assert planes
    monkeypatch.setattr(blocks, "MUCH", np.inf)
    assert np.array_equal(found.array, decide(in_slabs(logits), NETWORK, SCANS[scan], output, LABELS).array)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "regions"])
@pytest.mark.parametrize("interpolate", ["logits", "probabilities", "labels"])
@pytest.mark.parametrize("scan", ["finer", "mixed stored SLP", "turned by 20 degrees"])
def test_it_does_not_depend_on_the_slabs(activation: Any, interpolate: Any, scan: str) -> None:
    logits = smooth(4)
    output = Output(activation, interpolate, paint=tuple(range(1, CLASSES)) if activation == "regions" else ())
    wanted = decide(in_slabs(logits, 99), NETWORK, SCANS[scan], output, LABELS)
    for thickness in (1, 4):
        found = decide(in_slabs(logits, thickness), NETWORK, SCANS[scan], output, LABELS)
        assert found.labels == wanted.labels
        assert np.array_equal(found.array, wanted.array)


@pytest.mark.parametrize("cut", [((3, 2), (0, 0), (0, 4)), ((0, 1), (5, 5), (1, 0)), ((0, 0), (0, 0), (0, 0))])
@pytest.mark.parametrize("scan", ["finer", "larger", "turned by 20 degrees", "opposite stored LPI"])
@pytest.mark.parametrize("interpolate", ["logits", "probabilities"])
def test_what_is_cut_off_the_networks_grid_counts_as_zeros(cut: Any, scan: str, interpolate: Any) -> None:
    logits = smooth(5)
    a, b, c = (slice(low, n - high) for n, (low, high) in zip(NETWORK.shape, cut, strict=True))
    whole = logits
    if interpolate == "probabilities":
        whole = np.exp(logits) / np.exp(logits).sum(axis=0)
    zeros = np.zeros_like(whole)
    zeros[:, a, b, c] = whole[:, a, b, c]
    found = decide(in_slabs(logits[:, a, b, c]), NETWORK, SCANS[scan], Output("softmax", interpolate), LABELS, cut=cut)
    scores = interpolated(zeros, SCANS[scan])
    somewhere = np.abs(scores).max(axis=0) > 1e-6  # a rounding error away from zeros, any class may be the largest
    assert np.array_equal(found.array, scores.argmax(axis=0) * somewhere)


def test_a_slab_is_used_before_the_next_one_is_made() -> None:
    """Else a whole scan's logits would be held."""
    progress: list[int] = []
    seen: list[int] = []

    def watched() -> Iterator[Slab]:
        for slab in in_slabs(smooth(6), 3):
            seen.append(progress[-1] if progress else 0)
            yield slab

    decide(watched(), NETWORK, FINER, Output(), LABELS, on_progress=lambda done, _: progress.append(done))
    assert all(after > before for before, after in itertools.pairwise(seen))
    assert progress[-1] == np.prod(FINER.shape)


def test_a_device_without_memory_for_the_labels_steps_down(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = smooth(7)
    wanted = decide(in_slabs(logits), NETWORK, FINER, Output(), LABELS).array
    original, failures, said = blocks._pooled, iter([True]), []

    def fails_once(*arguments: Any) -> torch.Tensor:
        if next(failures, False):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(*arguments)

    monkeypatch.setattr(blocks, "_pooled", fails_once)
    with pytest.raises(torch.OutOfMemoryError):
        decide(in_slabs(logits), NETWORK, FINER, Output(), LABELS)
    failures = iter([True])
    monkeypatch.setattr(out_of_memory, "ON_HOST", frozenset())
    found = decide(in_slabs(logits), NETWORK, FINER, Output(), LABELS, on_step_down=said.append)
    assert np.array_equal(found.array, wanted)
    assert len(said) == 1 and "no memory" in said[0]


def test_structures_that_meet_late_are_parted_and_share_layers_as_if_found_at_once() -> None:
    labels = [Label(n, str(n), (0, 0, 0)) for n in (1, 2, 3)]
    layers = Layers((6, 1, 1), labels)
    columns = {1: [1, 1, 0, 0, 1, 0], 2: [0, 0, 1, 1, 1, 0], 3: [1, 0, 0, 0, 0, 1]}
    for n in range(6):
        for value, column in columns.items():
            layers.add(value, np.full((1, 1, 1), bool(column[n])), lambda array, n=n: array[n : n + 1])
    for value, column in columns.items():
        assert layers.mask(value).ravel().tolist() == [bool(x) for x in column]
    assert len(layers.arrays()[0]) <= 3


def test_many_overlapping_structures_take_no_mask_each() -> None:
    shape, labels = (64, 64, 64), [Label(n, str(n), (0, 0, 0)) for n in range(1, 101)]
    mask = np.zeros(shape, dtype=np.bool_)
    tracemalloc.start()
    try:
        layers = Layers(shape, labels)
        for n in range(100):
            mask[:] = False
            mask[n % 64, n // 64 :: 2] = True
            layers.add(n + 1, mask)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(layers.arrays()[0]) == 1
    assert peak < 3 * mask.size


def test_clean_up_of_overlapping_structures_is_done_on_whole_structures() -> None:
    """Not on the part of them that a slab holds."""
    logits = np.full((2, *NETWORK.shape), -5, np.float32)
    logits[0, 2:18, 4:9, 4:9] = 5
    logits[0, 19:21, 14:16, 14:16] = 5
    labels = LABELS[:1]
    found = decide(in_slabs(logits, 3), NETWORK, NETWORK, Output("sigmoid"), labels, CleanUp(keep_largest=(1,)))
    wanted = logits[0] > 0
    wanted[19:] = False
    assert np.array_equal(found.array == 1, wanted)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_progress_never_goes_back_and_ends_once(activation: Any) -> None:
    told: list[float] = []
    tell = lambda done, of: told.append(done / of)  # noqa: E731
    decide(in_slabs(smooth(9), 3), NETWORK, FINER, Output(activation), LABELS, on_progress=tell)
    assert told == sorted(told)
    assert told.count(1.0) == 1
    assert told[-1] == 1.0
