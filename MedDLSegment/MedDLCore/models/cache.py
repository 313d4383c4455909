"""Where this machine keeps what it makes of networks and learns about them: ``.cache`` in the folder of models.

One folder for each network, named by its weights and its architecture, whichever models it is of. It does not lie in
the model's folder: a cache that came along with a stranger's model would be a network that no SHA-256 of weights
vouches for; and the folders of other programs, and those that are only read, stay as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ..plain_data import to_plain
from .package import ModelPackage

CACHE = ".cache"
"""Its name. It can be deleted at any time."""


def cache_folders(package: ModelPackage, store: Path) -> tuple[Path | None, ...]:
    """The folder of each network of a package, in the order of its weights. They need not exist.

    None where there is no folder of models: a run makes none in the home of a person who keeps no models.

    Args:
        package: each of its weights has its SHA-256.
        store: the folder of models.
    """
    spec = package.spec
    if not os.path.isdir(store):  # also where the name is too long to be a folder's
        return (None,) * len(spec.weights)
    built = json.dumps([to_plain(spec.network), spec.input_channels], sort_keys=True)
    keys = (hashlib.sha256(f"{weights.sha256} {built}".encode()) for weights in spec.weights)
    return tuple(store / CACHE / key.hexdigest() for key in keys)


def forget(package: ModelPackage, store: Path) -> None:
    """Deletes what is kept of the networks of a package, its parts and the model before it."""
    for folder in filter(None, cache_folders(package, store)):
        shutil.rmtree(folder, ignore_errors=True)
    for other in (*package.parts, *((package.previous,) if package.previous else ())):
        forget(other, store)
    with suppress(OSError):
        (store / CACHE).rmdir()  # others are kept
