"""Makes the entry of the Extensions Index from ``CMakeLists.txt``, and checks what the index checks.

    python Resources/extension_index.py --out MedDL.json                     # with the address in CMakeLists.txt
    python Resources/extension_index.py --move-to ORGANISATION/SlicerMedDL   # writes another address into it first
    python Resources/extension_index.py --schema FILE                        # also against Slicer's JSON schema

The index reads ``CMakeLists.txt`` as text, without CMake: addresses are written out there, and nowhere else.
The schema is the file ``Schemas/`` of Slicer that ``SCHEMA`` names; comparing with it needs the library jsonschema.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CMAKE = ROOT / "CMakeLists.txt"

SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#"
)

CATEGORY = "Segmentation"

Entry = dict[str, "str | int | list[str]"]


def entry(cmake: str) -> Entry:
    """The entry of an extension, sorted as the index wants it.

    Args:
        cmake: the text of its ``CMakeLists.txt``.
    """
    depends = [name for name in _set(cmake, "EXTENSION_DEPENDS").split() if name != "NA"]
    return {
        "$schema": SCHEMA,
        "build_dependencies": depends,
        "build_subdirectory": ".",
        "category": CATEGORY,
        "scm_revision": "main",
        "scm_url": f"{_set(cmake, 'EXTENSION_HOMEPAGE')}.git",
        "tier": 1,
    }


def problems(cmake: str) -> list[str]:
    """What the index would refuse, as far as it can be seen here: names, and pictures that are not there."""
    found = []
    name = _project(cmake)
    if name.lower().startswith("slicer"):
        found.append(f"the extension's name begins with Slicer: {name}")
    home = _set(cmake, "EXTENSION_HOMEPAGE")
    if not re.fullmatch(r"https://github\.com/[\w-]+/Slicer[\w-]+", home):
        found.append(f"the repository's name does not begin with Slicer: {home}")
    raw = f"{home.replace('//github.com/', '//raw.githubusercontent.com/')}/main/"
    pictures = [_set(cmake, "EXTENSION_ICONURL"), *_set(cmake, "EXTENSION_SCREENSHOTURLS").split()]
    for picture in pictures:
        if not picture.startswith(raw):
            found.append(f"a picture is not of this repository: {picture}")
        elif not (ROOT / picture.removeprefix(raw)).is_file():
            found.append(f"a picture is not there: {picture}")
    if not any((ROOT / licence).is_file() for licence in ("LICENSE", "LICENSE.txt")):
        found.append("there is no LICENSE")
    return found


def moved(cmake: str, repository: str) -> str:
    """The text with another repository (``ORGANISATION/NAME``) in all addresses."""
    old = _set(cmake, "EXTENSION_HOMEPAGE").removeprefix("https://github.com/")
    return cmake.replace(f"/{old}", f"/{repository}")


def _set(cmake: str, variable: str) -> str:
    found = re.search(rf'^set\({variable}\s+"?([^")]+)"?\)', cmake, re.M)
    if found is None:
        sys.exit(f"CMakeLists.txt does not set {variable}")
    return found.group(1)


def _project(cmake: str) -> str:
    found = re.search(r"^project\((\w+)\)", cmake, re.M)
    if found is None:
        sys.exit("CMakeLists.txt has no project()")
    return found.group(1)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the entry here; else it is printed")
    parser.add_argument("--move-to", metavar="ORGANISATION/NAME", help="the repository of the extension from now on")
    parser.add_argument("--schema", type=Path, help="Slicer's schema, a file")
    given = parser.parse_args()
    cmake = CMAKE.read_text(encoding="utf-8")
    if given.move_to:
        cmake = moved(cmake, given.move_to)
        CMAKE.write_text(cmake, encoding="utf-8", newline="\n")
    if found := problems(cmake):
        sys.exit("\n".join(found))
    made = entry(cmake)
    if given.schema:
        import jsonschema

        jsonschema.validate(made, json.loads(given.schema.read_text(encoding="utf-8")))
    text = json.dumps(made, indent=2) + "\n"
    if given.out:
        given.out.write_text(text, encoding="utf-8", newline="\n")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
