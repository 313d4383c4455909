"""The extension as CMake packages it, and its modules in the test host."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import subprocess
from pathlib import Path

import pytest

from gui.host.package_folder import listed
from gui.run import MODULES, ROOT, run


def test_slicer_packages_every_file_of_a_module() -> None:
    """What a list lacks, an installed extension lacks; what is listed and is not there ends the build."""
    for name in MODULES:
        module = ROOT / name
        there = {
            path.relative_to(module).as_posix()
            for path in module.rglob("*")
            if path.is_file() and path.suffix not in (".pyc", ".mo") and path.name != "CMakeLists.txt"
            and not any(part.endswith((".egg-info", "__pycache__")) for part in path.parts)
        }  # fmt: skip
        names = listed(module)
        assert set(names) == there
        assert len(names) == len(set(names))


def test_the_extension_lists_the_modules_and_depends_on_pytorch() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert tuple(re.findall(r"add_subdirectory\((\w+)\)", text)) == MODULES
    assert re.search(r"set\(EXTENSION_DEPENDS PyTorch\)", text)


def test_the_entry_of_the_extensions_index_is_made_from_cmake(tmp_path: Path) -> None:
    index = runpy.run_path(str(ROOT / "Resources" / "extension_index.py"))
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert index["problems"](cmake) == []
    entry = index["entry"](cmake)
    assert entry["scm_url"].endswith("/SlicerMedDL.git") and entry["build_dependencies"] == ["PyTorch"]
    there = index["moved"](cmake, "else/SlicerOther")
    assert index["entry"](there)["scm_url"] == "https://github.com/else/SlicerOther.git"
    assert there.count("else/SlicerOther") == cmake.count("/SlicerMedDL") and "/SlicerMedDL" not in there
    broken = cmake.replace("Icons/MedDL.png", "Icons/None.png")
    assert index["problems"](broken) == [found for found in index["problems"](broken) if "is not there" in found] != []


def test_the_address_of_the_repository_stands_in_one_file() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not listed:
        pytest.skip("this is no checkout")
    places = {
        name
        for name in listed
        if Path(name).suffix in (".txt", ".py", ".md", ".toml", ".ui", ".json") and not name.startswith("Testing/")
        and "/SlicerMedDL" in (ROOT / name).read_text(encoding="utf-8")
    }  # fmt: skip
    assert places == {"CMakeLists.txt", "Resources/extension_index.py"}  # the script shows how it is used


def test_every_text_of_the_panel_can_be_translated_with_named_placeholders() -> None:
    """A text in ``_()`` is no f-string, and its placeholders have names."""
    for path in (path for module in MODULES for path in (ROOT / module / f"{module}Lib").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\b_\(f[\"']", text), path
        assert not re.search(r"\b_\(\"[^\"]*\{\}", text), path


def test_the_module_works_in_the_test_host(tmp_path: Path) -> None:
    """Everything in ``inside``."""
    if importlib.util.find_spec("PySide6") is None or importlib.util.find_spec("slicer") is None:
        reason = "Qt and Slicer's libraries are not installed: pip install 'meddl[gui]'"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    done: subprocess.CompletedProcess[str] = run(["-x"], tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
