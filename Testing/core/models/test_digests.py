"""Gigabytes of weights are read as often as it takes to know that they are the ones that were meant."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from fixtures.nnunet_folder import results_folder
from fixtures.packages import threshold_package
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelPackage, digests, load_networks, loading, open_model
from MedDLCore.models.weights import read_state_dict, sha256_of


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was hashed, by its folder's name. Files need not rest before."""
    counter: Counter[str] = Counter()

    def counted(path: Path) -> str:
        counter[path.parent.name] += 1
        return sha256_of(path)

    monkeypatch.setattr(digests, "sha256_of", counted)
    monkeypatch.setattr(digests, "SETTLED_NS", -(10**18))
    monkeypatch.setattr(digests, "_known", {})
    return counter


def changed(path: Path) -> None:
    """One bit, at a place that holds weights; the size and the time of the content stay."""
    about = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def corrupt(package: ModelPackage) -> str:
    with pytest.raises(MedDLError) as caught:
        load_networks(package)
    assert caught.value.code is Code.MODEL_CORRUPT
    return caught.value.message


def test_weights_of_a_foreign_model_are_hashed_once_on_their_way_to_a_run(tmp_path: Path, read: Counter[str]) -> None:
    package = open_model(results_folder(tmp_path / "model", folds=("fold_0", "fold_1")))
    assert len(load_networks(package)) == len(load_networks(package)) == 2
    assert read == {"fold_0": 1, "fold_1": 1}


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows keeps no time of a file's last change beside its content's"
)
def test_a_file_that_was_written_after_it_was_opened_is_hashed_again_and_refused(
    tmp_path: Path, read: Counter[str]
) -> None:
    package = open_model(results_folder(tmp_path / "model"))
    changed(tmp_path / "model/fold_0/checkpoint_final.pth")
    assert "is not the published file" in corrupt(package)
    assert read["fold_0"] == 2


def test_a_file_that_took_the_place_of_another_is_hashed_again(tmp_path: Path, read: Counter[str]) -> None:
    package = threshold_package(tmp_path / "model")
    load_networks(package)
    path = tmp_path / "model/models/model.safetensors"
    content = path.read_bytes()
    path.rename(tmp_path / "old")
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    corrupt(package)


def test_a_file_that_was_written_a_moment_ago_may_change_within_a_tick_and_is_hashed_each_time(
    tmp_path: Path, read: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", 10**18)
    package = open_model(results_folder(tmp_path / "model"))
    load_networks(package)
    assert read["fold_0"] == 2


def test_weights_that_change_while_they_are_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = open_model(results_folder(tmp_path / "model"))

    def reads_and_is_overtaken(path: Path) -> dict[str, torch.Tensor]:
        state = read_state_dict(path)
        changed(path)
        os.utime(path)
        return state

    monkeypatch.setattr(loading, "read_state_dict", reads_and_is_overtaken)
    assert "changed while they were read" in corrupt(package)


def test_a_checkpoint_that_changes_after_it_was_loaded_does_not_change_the_network(tmp_path: Path) -> None:
    (network,) = load_networks(open_model(results_folder(tmp_path / "model")))
    path = tmp_path / "model/fold_0/checkpoint_final.pth"
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert all(bool(tensor.any()) for tensor in network.parameters() if tensor.ndim > 1)


def test_tensors_that_are_one_in_a_checkpoint_are_one_in_memory(tmp_path: Path) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    torch.save({"a": weight, "b": weight, "turned": weight.T}, tmp_path / "model.pt")
    state = read_state_dict(tmp_path / "model.pt")
    assert len({tensor.untyped_storage().data_ptr() for tensor in state.values()}) == 1
    assert torch.equal(state["a"], weight) and torch.equal(state["turned"], weight.T)


def test_a_tensor_that_repeats_one_number_takes_no_more_memory_than_the_file(tmp_path: Path) -> None:
    """It claims to be a terabyte."""
    torch.save({"a": torch.ones(1).expand(500_000, 500_000)}, tmp_path / "model.pt")
    assert read_state_dict(tmp_path / "model.pt")["a"].untyped_storage().nbytes() == 4


def test_a_checkpoint_with_a_misleading_suffix_is_told_by_its_content(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "weights.safetensors")
    assert torch.equal(read_state_dict(tmp_path / "weights.safetensors")["a"], torch.ones(3))


def test_a_flipped_bit_in_a_checkpoint_that_nobody_published_a_digest_of_reaches_no_network(tmp_path: Path) -> None:
    """PyTorch does not compare the records of its files with their checksums: half of the flips went into weights."""
    folder = results_folder(tmp_path / "model")
    path = folder / "fold_0/checkpoint_final.pth"
    good = path.read_bytes()
    (whole,) = load_networks(open_model(folder))
    refusals: Counter[Code] = Counter()
    for n in range(60):
        bad = bytearray(good)
        bad[n * len(good) // 60] ^= 1 << (n % 8)
        path.write_bytes(bad)
        try:
            (network,) = load_networks(open_model(folder))
        except MedDLError as error:
            refusals[error.code] += 1
            continue  # else it was in bytes that mean nothing
        assert all(map(torch.equal, network.state_dict().values(), whole.state_dict().values()))
    assert refusals.keys() <= {Code.MODEL_CORRUPT, Code.MODEL_INVALID, Code.MODEL_UNSAFE}
    assert refusals[Code.MODEL_CORRUPT] > 20


def test_a_checkpoint_written_without_checksums_is_read(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(compute_crc32=False)
    try:
        torch.save({"a": torch.arange(5.0)}, tmp_path / "model.pt")
    finally:
        torch.serialization.set_crc32_options(compute_crc32=True)
    assert torch.equal(read_state_dict(tmp_path / "model.pt")["a"], torch.arange(5.0))
