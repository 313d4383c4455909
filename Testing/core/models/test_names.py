"""Messages and models are named after what the person gave, never after a temporary folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import save_file

from fixtures.packages import layer, threshold_weights
from MedDLCore.atomic import TEMPORARY_PREFIX
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, open_model


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


def meshnet(folder: Path) -> Path:
    """A model without a name of its own: it is called what its folder is called."""
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({"layers": [layer(1, 2)]}))
    save_file(threshold_weights(), folder / "model.pth")
    return folder


def zipped(folder: Path, archive: Path) -> Path:
    return Path(shutil.make_archive(str(archive.with_suffix("")), "zip", folder))


def refused(code: Code, action, *arguments) -> str:
    with pytest.raises(MedDLError) as caught:
        action(*arguments)
    assert caught.value.code is code, caught.value
    assert TEMPORARY_PREFIX not in caught.value.message
    return caught.value.message


def test_a_model_without_a_name_is_called_what_its_folder_or_zip_is_called(store: ModelStore, tmp_path: Path) -> None:
    folder = meshnet(tmp_path / "my brain")
    assert store.add(folder).name == "my_brain"
    added = store.add(zipped(folder, tmp_path / "their brain.zip"))
    assert added.name == "their_brain"
    assert added.package is not None
    assert added.package.spec.name == "their_brain"
    (tmp_path / "wrapping").mkdir()
    folder.rename(tmp_path / "wrapping/inner brain")
    assert store.add(zipped(tmp_path / "wrapping", tmp_path / "outer.zip")).name == "inner_brain"


@pytest.mark.parametrize("name", ["-rf", "--json", "_x", "...", "\u8089", "x" * 200, "x." * 64])
def test_whatever_a_folder_is_called_its_model_has_a_name(store: ModelStore, tmp_path: Path, name: str) -> None:
    added = store.add(meshnet(tmp_path / name))
    assert added.name[0].isalnum()
    assert store.add(zipped(tmp_path / name, tmp_path / f"{name}.zip"), overwrite=True).name == added.name


def test_the_folder_in_which_one_stands_has_a_name(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(meshnet(tmp_path / "here"))
    assert open_model(".", store).spec.name == "here"
    assert store.add(".").name == "here"
    monkeypatch.chdir(tmp_path)
    assert f"The folder {tmp_path.name} holds no model" in refused(Code.MODEL_INVALID, open_model, ".", store)
    assert f"The folder {tmp_path.name} holds no model" in refused(Code.MODEL_INVALID, store.add, ".")
    root = Path(tmp_path.anchor)
    assert f"The folder {root} holds no model" in refused(Code.MODEL_INVALID, open_model, str(root), store)
    assert f"The folder {root} holds no model" in refused(Code.MODEL_INVALID, store.add, root)


def test_a_folder_or_a_zip_without_a_model_is_named(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("x" * 100)
    assert "The folder notes holds no model" in refused(Code.MODEL_INVALID, store.add, tmp_path / "notes")
    archive = zipped(tmp_path / "notes", tmp_path / "letters.zip")
    assert "The folder letters holds no model" in refused(Code.MODEL_INVALID, store.add, archive)


def test_a_folder_with_more_than_a_model_is_named(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("MedDLCore.models.archive.MOST_MEMBERS", 1)
    assert "crowd holds 2 files" in refused(Code.MODEL_INVALID, store.add, meshnet(tmp_path / "crowd"))


def test_a_download_that_is_no_model_is_named_by_the_model(store: ModelStore) -> None:
    def place() -> None:
        with store.placing("wanted"):
            pass

    assert "The folder wanted holds no model" in refused(Code.MODEL_INVALID, place)


def test_the_only_model_of_a_zip_is_found_however_it_was_packed(store: ModelStore, tmp_path: Path) -> None:
    meshnet(tmp_path / "all/from the cluster/2024/my brain")
    (tmp_path / "all/from the cluster/notes").mkdir()
    (tmp_path / "all/read me.txt").write_text("Look three folders below.")
    added = store.add(zipped(tmp_path / "all", tmp_path / "backup.zip"))
    assert added.name == "my_brain"
    assert sorted(path.name for path in added.folder.iterdir()) == ["model.json", "model.pth"]


def test_of_several_models_in_a_zip_none_is_guessed(store: ModelStore, tmp_path: Path) -> None:
    for name in ("a/first", "b/second"):
        meshnet(tmp_path / "all" / name)
    message = refused(Code.MODEL_INVALID, store.add, zipped(tmp_path / "all", tmp_path / "two.zip"))
    assert message == "two holds 2 models: 'a/first', 'b/second'."
    assert store.list() == []


def test_where_a_model_was_looked_for_is_said(store: ModelStore, tmp_path: Path) -> None:
    meshnet(tmp_path / "all/1/2/3/4/5/6/7")
    message = refused(Code.MODEL_INVALID, store.add, zipped(tmp_path / "all", tmp_path / "deep.zip"))
    assert message == "The folder 1 holds no model that MedDL reads, nor do the 5 folders below it, up to 5 deep."


@pytest.mark.parametrize("name", ["...zip", "..zip", ".zip", ". .zip"])
def test_a_zip_whose_stem_is_a_place_is_unpacked_within_the_store(store: ModelStore, tmp_path: Path, name: str) -> None:
    archive = zipped(meshnet(tmp_path / "m"), tmp_path / "a.zip").rename(tmp_path / name)
    before = {path for path in tmp_path.rglob("*") if store.path not in path.parents}
    added = store.add(archive)
    assert added.package is not None
    after = {path for path in tmp_path.rglob("*") if store.path not in path.parents}
    assert after - before == {store.path}
    assert [path.name for path in store.path.iterdir()] == [added.name]
