"""S6: zips that try to write elsewhere, to hide one file behind another, or to fill the disk."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.packages import threshold_package
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, archive, pack
from MedDLCore.models.archive import unpack


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "inner" / "store")


def model_zip(tmp_path: Path) -> Path:
    """A good zip of a model, to which an attack adds its member."""
    path = tmp_path / "model.zip"
    pack(threshold_package(tmp_path / "model").folder, path)
    return path


def refused(store: ModelStore, path: Path, tmp_path: Path) -> str:
    """Adding is refused, and no file is anywhere that was not there before."""
    before = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    with pytest.raises(MedDLError) as caught:
        store.add(path)
    assert caught.value.code is Code.ARCHIVE_UNSAFE, caught.value
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == before
    assert store.list() == []
    return caught.value.message


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "model/../../evil",
        "/evil",
        "//host/evil",
        "C:/evil",
        "C:evil",
        "..\\evil",
        "model\\..\\..\\evil",
        "\\\\host\\evil",
        "model/./x",
        "model//x",
        "model/..",
        "model/... ",
        "model/trailing.",
        "model/trailing ",
        "model/con",
        "model/NUL.txt",
        "model/com1.safetensors",
        "aux /x",
        "model/a:stream",
        "model/new\nline",
        "model/" + "x" * 500,
        "model/" + "x" * 300,
        "model/" + "\u00e4" * 200,
        "model/\x1b[31mred",
        "model/\x9b31mred",
        "model/txt.\u202eexe",
    ],
)
def test_a_member_whose_name_leaves_the_folder_or_fits_no_system_is_refused(
    store: ModelStore, tmp_path: Path, name: str
) -> None:
    path = model_zip(tmp_path)
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(name, "x")
    assert refused(store, path, tmp_path).isprintable()


def test_a_name_that_is_cut_at_a_zero_byte_is_refused(store: ModelStore, tmp_path: Path) -> None:
    path = model_zip(tmp_path)
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("model/zeroQ.txt", "x")
    path.write_bytes(path.read_bytes().replace(b"model/zeroQ.txt", b"model/zero\0.txt"))
    refused(store, path, tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_link_or_special_file_is_refused(store: ModelStore, tmp_path: Path, kind: int) -> None:
    path = model_zip(tmp_path)
    info = zipfile.ZipInfo("model/link")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(info, "/etc/passwd")
    assert "link" in refused(store, path, tmp_path)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["model/x", "model/x"], "twice"),
        (["model/x", "model/X"], "twice"),
        (["model/\u00e4", "model/a\u0308"], "twice"),
        (["model/x", "model/x/y"], "within a file"),
        (["model/a/x", "model/A/y"], "only in case"),
        (["model/a/x", "MODEL/a/y"], "only in case"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_collide_on_some_system_are_refused(
    store: ModelStore, tmp_path: Path, names: list[str], problem: str
) -> None:
    path = model_zip(tmp_path)
    with zipfile.ZipFile(path, "a") as opened:
        for name in names:
            opened.writestr(name, "x")
    assert problem in refused(store, path, tmp_path)


def test_an_encrypted_member_is_refused(store: ModelStore, tmp_path: Path) -> None:
    path = model_zip(tmp_path)
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(data)
    assert "encrypted" in refused(store, path, tmp_path)


def test_an_unusual_compression_is_refused(store: ModelStore, tmp_path: Path) -> None:
    path = model_zip(tmp_path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as opened:
        opened.writestr("model/x", "x" * 1000)
    assert "unusual" in refused(store, path, tmp_path)


def test_too_many_members_are_refused(store: ModelStore, tmp_path: Path) -> None:
    path = model_zip(tmp_path)
    with zipfile.ZipFile(path, "a") as opened:
        for n in range(10_001):
            opened.writestr(f"model/{n}", "")
    assert "10000" in refused(store, path, tmp_path)


def test_a_bomb_is_refused_by_what_it_declares(store: ModelStore, tmp_path: Path) -> None:
    path = model_zip(tmp_path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("model/zeros", bytes(50_000_000))
    assert "200 times" in refused(store, path, tmp_path)


def test_a_bomb_that_declares_a_small_size_is_stopped_while_it_unpacks(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sizes in both of the zip's headers lie; a reader that trusts the stream would write 50 MB."""
    path = model_zip(tmp_path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("model/zeros", bytes(50_000_000))
    data = path.read_bytes()
    true, lie = struct.pack("<I", 50_000_000), struct.pack("<I", 1000)
    assert data.count(true) == 2
    path.write_bytes(data.replace(true, lie))
    refused(store, path, tmp_path)


def test_bytes_are_counted_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members that each are small enough, but together are not what the archive could hold."""
    path = model_zip(tmp_path)
    (tmp_path / "into").mkdir()
    monkeypatch.setattr(archive, "_checked", lambda members, _: [m for m in members if not m.is_dir()])
    monkeypatch.setattr(archive, "MOST_BYTES", 100)
    with pytest.raises(MedDLError) as caught:
        unpack(path, tmp_path / "into")
    assert caught.value.code is Code.ARCHIVE_UNSAFE
    assert sum(p.stat().st_size for p in (tmp_path / "into").rglob("*") if p.is_file()) <= 100


def test_more_than_the_largest_model_is_refused(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    assert "GiB" in refused(store, model_zip(tmp_path), tmp_path)


def test_members_that_overlap_are_counted_once_for_each_time_they_unpack(store: ModelStore, tmp_path: Path) -> None:
    """One compressed kernel that many entries of the directory point to (D. Fifield, 2019)."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    kernel = bytes(1_000_000)
    body = packed.compress(kernel) + packed.flush()
    crc = zlib.crc32(kernel)
    name = b"model/kernel"
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, len(body), len(kernel), len(name), 0) + name
    entries = b""
    for _ in range(100):
        head = struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 33, crc, len(body), len(kernel), len(name), 0, 0, 0, 0, 0, 0
        )
        entries += head + name
    start = len(local) + len(body)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 100, 100, len(entries), start, 0)
    (tmp_path / "overlap.zip").write_bytes(local + body + entries + end)
    assert "200 times" in refused(store, tmp_path / "overlap.zip", tmp_path)


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(data: bytes) -> bytes:
    position = data.index(b"model.0.weight") + 20
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize("damage", [_cut, _flip])
def test_a_damaged_zip_is_refused(store: ModelStore, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = model_zip(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    refused(store, path, tmp_path)


def test_a_packed_model_comes_back_equal_and_packs_to_equal_bytes(store: ModelStore, tmp_path: Path) -> None:
    path = model_zip(tmp_path)
    folder = store.add(path).folder
    for file in (tmp_path / "model").rglob("*"):
        if file.is_file():
            assert (folder / file.relative_to(tmp_path / "model")).read_bytes() == file.read_bytes()
    (tmp_path / "again").mkdir()
    folder.rename(tmp_path / "again/model")
    pack(tmp_path / "again/model", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == path.read_bytes()


def test_packing_refuses_links_and_never_writes_over_a_file(tmp_path: Path) -> None:
    path = model_zip(tmp_path)
    with pytest.raises(MedDLError) as caught:
        pack(tmp_path / "model", path)
    assert caught.value.code is Code.OUTPUT_EXISTS
    (tmp_path / "model/link").symlink_to("/etc/passwd")
    with pytest.raises(MedDLError) as caught:
        pack(tmp_path / "model", tmp_path / "other.zip")
    assert caught.value.code is Code.MODEL_INVALID
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "model.zip"]
