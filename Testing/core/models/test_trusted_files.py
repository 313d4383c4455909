"""Consent is for the very files that were shown, in the place where they lay."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.trusted import Consents, file_set


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts/own.py").write_text("print(1)\n")
    (folder / "model.pt").write_bytes(b"weights")
    return folder


def _one_byte(folder: Path) -> None:
    (folder / "model.pt").write_bytes(b"weightS")


def _one_byte_keeping_its_times(folder: Path) -> None:
    path = folder / "scripts/own.py"
    before = path.stat()
    path.write_text("print(2)\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "one byte": _one_byte,
    "one byte of a program, with the old times": _one_byte_keeping_its_times,
    "a file more": lambda folder: (folder / "more.py").write_text(""),
    "a hidden file more": lambda folder: (folder / ".hidden").write_text(""),
    "a file less": lambda folder: (folder / "model.pt").unlink(),
    "another name": lambda folder: (folder / "model.pt").rename(folder / "model.pth"),
    "another folder within": lambda folder: (folder / "scripts").rename(folder / "code"),
    "contents changed about": lambda folder: (
        (folder / "model.pt").rename(folder / "x"),
        (folder / "scripts/own.py").rename(folder / "model.pt"),
        (folder / "x").rename(folder / "scripts/own.py"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_voids_the_consent(bundle: Path, tmp_path: Path, change: str) -> None:
    consents = Consents(tmp_path / "store")
    assert consents.since(bundle, file_set(bundle)) is None
    consents.grant(bundle, file_set(bundle))
    assert consents.since(bundle, file_set(bundle)) is not None
    CHANGES[change](bundle)
    assert consents.since(bundle, file_set(bundle)) is None
    assert consents.is_known(bundle)


def test_a_bundle_that_moves_is_not_trusted_there(bundle: Path, tmp_path: Path) -> None:
    consents = Consents(tmp_path / "store")
    consents.grant(bundle, file_set(bundle))
    bundle.rename(tmp_path / "elsewhere")
    assert consents.since(tmp_path / "elsewhere", file_set(tmp_path / "elsewhere")) is None
    (tmp_path / "elsewhere").rename(bundle)
    assert consents.since(bundle, file_set(bundle)) is not None


def test_what_changes_between_showing_and_agreeing_is_not_agreed_to(bundle: Path, tmp_path: Path) -> None:
    shown = file_set(bundle)
    _one_byte(bundle)
    consents = Consents(tmp_path / "store")
    consents.grant(bundle, shown)
    assert consents.since(bundle, file_set(bundle)) is None


def test_a_consent_is_taken_back_alone(bundle: Path, tmp_path: Path) -> None:
    consents = Consents(tmp_path / "store")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("x")
    for folder in (bundle, tmp_path / "other"):
        consents.grant(folder, file_set(folder))
    assert consents.revoke(bundle) and not consents.revoke(bundle)
    assert consents.since(bundle, file_set(bundle)) is None and not consents.is_known(bundle)
    assert consents.since(tmp_path / "other", file_set(tmp_path / "other")) is not None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"folders": 5}', '{"folders": {"x": 5}}', "\0", "[" * 100_000])
def test_a_damaged_list_of_consents_trusts_nothing(bundle: Path, tmp_path: Path, text: str) -> None:
    consents = Consents(tmp_path / "store")
    consents.grant(bundle, file_set(bundle))
    consents.path.write_text(text)
    assert consents.since(bundle, file_set(bundle)) is None
    consents.grant(bundle, file_set(bundle))
    assert consents.since(bundle, file_set(bundle)) is not None


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_the_list_is_the_persons_own(bundle: Path, tmp_path: Path) -> None:
    consents = Consents(tmp_path / "store")
    consents.grant(bundle, file_set(bundle))
    assert stat.S_IMODE(consents.path.stat().st_mode) == 0o600


def _file_link(folder: Path) -> None:
    (folder / "link.py").symlink_to(folder.parent / "outside.py")


def _folder_link(folder: Path) -> None:
    (folder / "scripts/link").symlink_to(folder.parent)


@pytest.mark.parametrize("add", [_file_link, _folder_link, lambda folder: os.mkfifo(folder / "pipe")])
def test_a_bundle_with_links_or_special_files_cannot_be_trusted(bundle: Path, add: Callable[[Path], object]) -> None:
    add(bundle)
    with pytest.raises(MedDLError) as caught:
        file_set(bundle)
    assert caught.value.code is Code.MODEL_UNSAFE


def test_programs_are_told_from_data(bundle: Path) -> None:
    assert [file.name for file in file_set(bundle).programs] == ["scripts/own.py"]
    assert [file.name for file in file_set(bundle).files] == ["model.pt", "scripts/own.py"]
    assert file_set(bundle).size == len(b"weights") + len("print(1)\n")
