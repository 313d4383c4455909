"""Lists the files of a module in its ``CMakeLists.txt``: ``python Testing/gui/list_files.py MedDLSegment``.

Slicer packages what is listed and nothing else. Files that git ignores are not listed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TEXT = """set(MODULE_NAME {module})

# Slicer packages what is listed here and nothing else: Testing/gui/list_files.py writes it, and a test compares.
set(MODULE_PYTHON_SCRIPTS
{scripts}  )

set(MODULE_PYTHON_RESOURCES
{resources}  )

slicerMacroBuildScriptedModule(
  NAME ${{MODULE_NAME}}
  SCRIPTS ${{MODULE_PYTHON_SCRIPTS}}
  RESOURCES ${{MODULE_PYTHON_RESOURCES}}
  WITH_GENERIC_TESTS
  )

if(BUILD_TESTING)
  slicer_add_python_unittest(SCRIPT ${{MODULE_NAME}}.py)
endif()
"""


def listing(module: Path) -> str:
    """The text of the module's ``CMakeLists.txt``."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."]
    told = subprocess.run(command, cwd=module, capture_output=True, text=True, check=True).stdout.splitlines()
    files = sorted(name for name in set(told) if name != "CMakeLists.txt" and (module / name).exists())
    scripts = [name for name in files if name.endswith(".py")]
    scripts.sort(key=lambda name: (name != f"{module.name}.py", name))
    resources = [name for name in files if not name.endswith(".py")]
    return TEXT.format(module=module.name, scripts=_lines(scripts, module), resources=_lines(resources, module))


def _lines(names: list[str], module: Path) -> str:
    own = re.compile(rf"(?<![A-Za-z]){module.name}(?=(\.|Lib/))")
    return "".join(f"  {own.sub('${MODULE_NAME}', name)}\n" for name in names)


if __name__ == "__main__":
    for given in sys.argv[1:]:
        (ROOT / given / "CMakeLists.txt").write_text(listing(ROOT / given), encoding="utf-8", newline="\n")
