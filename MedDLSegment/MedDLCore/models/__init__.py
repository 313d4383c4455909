"""Models: packages on disk, the store, the catalogue, and networks by name. Importing this does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazily import lazily
from .catalogue import Entry, catalogue, entry

if TYPE_CHECKING:
    from .archive import pack
    from .bundle import write_package
    from .cache import cache_folders
    from .getting import get
    from .loading import load_networks
    from .nnunet.totalsegmentator import Installed, installed
    from .offered import Offered, offered_models
    from .opened import folder_state
    from .opening import open_model, shipped_models
    from .package import ModelPackage, open_folder
    from .store import ModelStore, StoredModel
    from .trusted import Consents, FileSet, file_set, run_trusted
else:
    __getattr__ = lazily(
        __name__,
        {
            "archive": "pack",
            "bundle": "write_package",
            "cache": "cache_folders",
            "getting": "get",
            "loading": "load_networks",
            "nnunet.totalsegmentator": "Installed installed",
            "offered": "Offered offered_models",
            "opened": "folder_state",
            "opening": "open_model shipped_models",
            "package": "ModelPackage open_folder",
            "store": "ModelStore StoredModel",
            "trusted": "Consents FileSet file_set run_trusted",
        },
    )

__all__ = [
    "Consents",
    "Entry",
    "FileSet",
    "Installed",
    "ModelPackage",
    "ModelStore",
    "Offered",
    "StoredModel",
    "cache_folders",
    "catalogue",
    "entry",
    "file_set",
    "folder_state",
    "get",
    "installed",
    "load_networks",
    "offered_models",
    "open_folder",
    "open_model",
    "pack",
    "run_trusted",
    "shipped_models",
    "write_package",
]
