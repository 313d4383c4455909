"""The person's folder of models: added whole or not at all, listed as it is, removed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from fixtures.packages import threshold_package, threshold_spec
from MedDLCore import atomic
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, load_networks, open_model, pack
from MedDLCore.models.store import default_folder


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return threshold_package(tmp_path / "source").folder


def refused(code: Code, action, *arguments, **more) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        action(*arguments, **more)
    assert caught.value.code is code, caught.value
    return caught.value


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_an_empty_store_lists_nothing_and_makes_no_folder(store: ModelStore) -> None:
    assert store.list() == []
    assert not store.path.exists()


def test_a_folder_and_a_zip_are_added_and_listed_with_their_size(
    store: ModelStore, source: Path, tmp_path: Path
) -> None:
    pack(source, tmp_path / "shared.zip")
    added = store.add(source)
    again = store.add(tmp_path / "shared.zip", name="from-zip")
    assert [model.name for model in store.list()] == ["from-zip", "threshold"]
    assert added.package is not None and again.package is not None
    assert added.package.sha256 == again.package.sha256
    assert added.size == sum(p.stat().st_size for p in source.rglob("*") if p.is_file())
    assert load_networks(open_model("from-zip", store))
    assert names(store.path) == [".opened", "from-zip", "threshold"]


def test_what_a_mac_adds_to_a_zip_is_left_out(store: ModelStore, source: Path, tmp_path: Path) -> None:
    (tmp_path / "top/__MACOSX").mkdir(parents=True)
    (tmp_path / "top/__MACOSX/._model").write_bytes(b"x")
    (tmp_path / "top/.DS_Store").write_bytes(b"x")
    shutil.copytree(source, tmp_path / "top/model")
    archive = shutil.make_archive(str(tmp_path / "mac"), "zip", tmp_path / "top")
    assert names(store.add(archive).folder) == ["LICENSE", "configs", "docs", "models"]


def test_names_are_unique_whatever_their_case(store: ModelStore, source: Path) -> None:
    store.add(source)
    refused(Code.MODEL_EXISTS, store.add, source)
    refused(Code.MODEL_EXISTS, store.add, source, name="THRESHOLD")
    replaced = store.add(source, name="THRESHOLD", overwrite=True)
    assert replaced.name == "threshold"
    assert names(store.path) == ["threshold"]


def test_overwriting_replaces_the_whole_folder(store: ModelStore, source: Path) -> None:
    folder = store.add(source).folder
    (folder / "mine.txt").write_text("x")
    store.add(source, overwrite=True)
    assert not (folder / "mine.txt").exists()


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/b", "a\\b", ".hidden", "x.", "", " x", "con", "NUL.txt", "; touch x", "ä"]
)
def test_a_name_that_is_no_plain_name_is_not_added_and_not_removed(store: ModelStore, source: Path, name: str) -> None:
    if name:
        refused(Code.MODEL_INVALID, store.add, source, name=name)
    store.add(source)
    refused(Code.MODEL_NOT_FOUND, store.remove, name)
    assert names(store.path) == ["threshold"]


def test_a_very_long_name_is_refused(store: ModelStore, source: Path) -> None:
    refused(Code.MODEL_INVALID, store.add, source, name="x" * 101)


def test_a_broken_model_is_listed_with_its_error_beside_the_others(store: ModelStore, source: Path) -> None:
    store.add(source)
    (store.path / "broken").mkdir()
    (store.path / "a file").write_text("x")
    broken, good = store.list()
    assert broken.package is None and broken.error is not None and broken.error.code is Code.MODEL_INVALID
    assert good.package is not None
    store.remove("broken")
    assert [model.name for model in store.list()] == ["threshold"]


def test_a_folder_copied_in_or_taken_out_by_hand_is_seen_at_once(store: ModelStore, source: Path) -> None:
    store.path.mkdir()
    shutil.copytree(source, store.path / "copied by hand")
    assert open_model("copied by hand", store).spec.labels == threshold_spec().labels
    moved = store.path.rename(store.path.with_name("moved"))
    assert store.list() == []
    assert [model.name for model in ModelStore(moved).list()] == ["copied by hand"]


def test_damaged_weights_are_not_added_and_leave_nothing(store: ModelStore, source: Path) -> None:
    path = source / "models/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    refused(Code.MODEL_CORRUPT, store.add, source)
    assert names(store.path) == []


def test_what_is_no_model_is_not_added(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    refused(Code.ARCHIVE_UNSAFE, store.add, tmp_path / "notes.txt")
    refused(Code.FILE_NOT_FOUND, store.add, tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    refused(Code.MODEL_INVALID, store.add, tmp_path / "empty")


def test_a_folder_with_a_link_is_not_added(store: ModelStore, source: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (source / "docs/link").symlink_to(tmp_path / "secret")
    assert "link" in refused(Code.MODEL_INVALID, store.add, source).message


def test_removing_a_linked_model_removes_only_the_link(store: ModelStore, source: Path) -> None:
    store.path.mkdir()
    (store.path / "linked").symlink_to(source, target_is_directory=True)
    store.remove("linked")
    assert names(store.path) == []
    assert open_model(source)


def test_leftovers_of_dead_processes_are_swept_and_those_of_live_ones_stay(store: ModelStore, source: Path) -> None:
    store.path.mkdir()
    dead = store.path / f"{atomic.TEMPORARY_PREFIX}{atomic._machine()}-999999999-0123456789abcdef"
    live = store.path / f"{atomic.TEMPORARY_PREFIX}{atomic._machine()}-{os.getpid()}-0123456789abcdef"
    elsewhere = store.path / f"{atomic.TEMPORARY_PREFIX}00000000-999999999-0123456789abcdef"
    for folder in (dead, live, elsewhere):
        (folder / "content").mkdir(parents=True)
    store.add(source)
    assert not dead.exists() and live.exists() and elsewhere.exists()
    assert [model.name for model in store.list()] == ["threshold"]


class Killed(BaseException):
    """Nothing of the process goes on after it."""


@pytest.mark.parametrize("renamed", ["nothing", "the old one", "both"])
def test_a_kill_while_a_model_is_replaced_leaves_the_old_one_or_the_new_one(
    renamed: str, store: ModelStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two renames both lay under names that are swept, and the next model took both away."""
    store.add(source)
    (store.path / "threshold" / "old.txt").write_text("old")
    rename, allowed = Path.rename, {"nothing": 0, "the old one": 1, "both": 2}[renamed]
    done: list[Path] = []

    def until_killed(path: Path, target: Path) -> Path:
        if len(done) == allowed:
            raise Killed
        done.append(rename(path, target))
        return done[-1]

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as dying, pytest.raises(Killed):
        dying.setattr(os, "getpid", lambda: 999_999_999)
        dying.setattr(Path, "rename", until_killed)
        dying.setattr(shutil, "rmtree", killed)
        store.add(source, overwrite=True)
    assert store.names() == (() if renamed == "the old one" else ("threshold",))
    store.add(source, name="other")
    assert names(store.path) == ["other", "threshold"]
    assert (store.path / "threshold" / "old.txt").exists() is (renamed != "both")
    assert store.stored("threshold").package is not None


def test_what_a_killed_process_left_beside_a_package_goes_with_the_next_one_there(tmp_path: Path) -> None:
    """Whoever was killed while publishing left a second copy of the model, hidden, for good."""
    left = [tmp_path / f"{atomic.TEMPORARY_PREFIX}{atomic._machine()}-999999999-{n}" for n in range(2)]
    (left[0] / "model").mkdir(parents=True)
    left[1].write_bytes(b"a file")
    threshold_package(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_store_that_cannot_be_written_says_so(store: ModelStore, source: Path) -> None:
    store.path.mkdir()
    store.path.chmod(0o500)
    refused(Code.OUTPUT_UNWRITABLE, store.add, source)


def test_a_store_below_a_file_says_so(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").write_text("x")
    refused(Code.OUTPUT_UNWRITABLE, ModelStore(tmp_path / "file/store").add, source)


def test_a_full_disk_leaves_the_old_model(store: ModelStore, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add(source)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    refused(Code.NO_SPACE, store.add, source, overwrite=True)
    assert names(store.path) == ["threshold"]
    assert store.stored("threshold").package is not None


def test_the_folder_is_the_persons_own_unless_the_environment_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "named"))
    assert ModelStore().path == tmp_path / "named"
    monkeypatch.delenv("MEDDL_MODELS")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "meddl/models"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert default_folder() == tmp_path / "MedDL/models"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_folder() == Path.home() / "Library/Application Support/MedDL/models"


def test_a_person_without_a_home_folder_is_told_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MEDDL_MODELS", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", homeless)
    assert "MEDDL_MODELS" in refused(Code.MODEL_NOT_FOUND, ModelStore).hint
    monkeypatch.setenv("MEDDL_MODELS", "~no-such-user/x")
    assert "'~no-such-user/x'" in refused(Code.MODEL_NOT_FOUND, ModelStore).message
