"""Which libraries a Python has: ``python found_libraries.py NAME ...`` prints one JSON object.

It needs nothing but that Python, also one that is too old for MedDL, and imports none of the libraries: it reads what
their installers noted.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable
from importlib import metadata


def found(names: Iterable[str]) -> dict[str, str | None]:
    """The version of each library; None for one that is not there."""
    return {name: _version(name) for name in names}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    about = {
        "executable": sys.executable,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "libraries": found(sys.argv[1:]),
    }
    sys.stdout.write(json.dumps(about) + "\n")
