"""The folder of an installed extension, made of what CMake lists, and of nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

LISTS = ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES")


def listed(module: Path) -> list[str]:
    """The files that a module's ``CMakeLists.txt`` lists, relative to it."""
    text = re.sub(r"#.*", "", (module / "CMakeLists.txt").read_text(encoding="utf-8"))
    names = []
    for variable in LISTS:
        found = re.search(rf"set\({variable}\s([^)]*)\)", text)
        assert found is not None, f"{module.name}/CMakeLists.txt sets no {variable}"
        names += found.group(1).replace("${MODULE_NAME}", module.name).split()
    return names


def assemble(module: Path, folder: Path) -> Path:
    """Copies what is listed, as CMake's install rules do."""
    for name in listed(module):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module / name, target)
    return folder
