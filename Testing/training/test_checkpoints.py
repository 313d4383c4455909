"""Checkpoints: none unreadable, a damaged one passed over with a warning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from MedDLCore.errors import Code, MedDLError
from MedDLTraining.loop.checkpoint import read_checkpoint, write_checkpoint


def state(n: int) -> dict[str, object]:
    return {"epoch": n, "network": {"weight": torch.full((50,), float(n))}, "history": [{"dice": {"liver": 0.5}}]}


def written(folder: Path, count: int) -> Path:
    for n in range(1, count + 1):
        write_checkpoint(state(n), folder, n)
    return folder


def test_the_newest_is_read_and_the_last_two_are_kept(tmp_path: Path) -> None:
    folder = written(tmp_path / "c", 4)
    found, notices = read_checkpoint(folder)
    assert found is not None and found["epoch"] == 4 and not notices
    assert float(found["network"]["weight"][0]) == 4
    assert sorted(path.name for path in folder.iterdir()) == [
        f"epoch_00000{n}.{suffix}" for n in (3, 4) for suffix in ("json", "pt")
    ]


@pytest.mark.parametrize("place", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_one_flipped_bit_is_noticed_and_the_one_before_is_taken(tmp_path: Path, place: float) -> None:
    folder = written(tmp_path / "c", 3)
    path = folder / "epoch_000003.pt"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)
    found, notices = read_checkpoint(folder)
    assert found is not None and found["epoch"] == 2
    assert [notice.code for notice in notices] == [Code.CHECKPOINT_DAMAGED]


@pytest.mark.parametrize("harm", ["cut off", "empty", "gone", "note cut off"])
def test_a_checkpoint_that_is_not_whole_is_passed_over(tmp_path: Path, harm: str) -> None:
    folder = written(tmp_path / "c", 3)
    path = folder / ("epoch_000003.json" if harm == "note cut off" else "epoch_000003.pt")
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: 0 if harm == "empty" else path.stat().st_size // 2])
    found, notices = read_checkpoint(folder)
    assert found is not None and found["epoch"] == 2 and len(notices) == 1


def test_where_no_checkpoint_is_whole_it_is_said_that_all_begins_anew(tmp_path: Path) -> None:
    folder = written(tmp_path / "c", 2)
    for path in folder.glob("*.pt"):
        path.write_bytes(b"")
    found, notices = read_checkpoint(folder)
    assert found is None and len(notices) == 2
    assert all("begins anew" in notice.message and "before" not in notice.message for notice in notices)


def test_a_disk_that_is_full_is_named_and_the_checkpoints_before_stay(tmp_path: Path) -> None:
    """torch writes through streams of its own that lose the system's reason."""
    resource = pytest.importorskip("resource")
    folder = written(tmp_path / "c", 2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(MedDLError) as refused:
            write_checkpoint({"network": {"weight": torch.ones(100_000)}}, folder, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused.value.code is Code.NO_SPACE
    found, notices = read_checkpoint(folder)
    assert found is not None and found["epoch"] == 2 and not notices
    assert len(list(folder.iterdir())) == 4


def test_a_checkpoint_that_nothing_vouches_for_yet_does_not_count_and_goes_with_the_next(tmp_path: Path) -> None:
    folder = written(tmp_path / "c", 2)
    (folder / "epoch_000003.pt").write_bytes(b"killed before its note")
    found, notices = read_checkpoint(folder)
    assert found is not None and found["epoch"] == 2 and not notices
    write_checkpoint(state(4), folder, 4)
    assert not (folder / "epoch_000003.pt").exists()


def test_a_file_that_would_run_code_is_not_opened_even_with_the_right_digest(tmp_path: Path) -> None:
    import hashlib
    import pickle

    folder = written(tmp_path / "c", 1)

    class Bad:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "ran",)

    content = pickle.dumps(Bad())
    (folder / "epoch_000002.pt").write_bytes(content)
    (folder / "epoch_000002.json").write_text(json.dumps({"sha256": hashlib.sha256(content).hexdigest()}))
    found, notices = read_checkpoint(folder)
    assert found is not None and found["epoch"] == 1 and len(notices) == 1
    assert not (tmp_path / "ran").exists()


def test_where_there_is_nothing_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "nowhere") == (None, ())
