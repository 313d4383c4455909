"""Models: packages on disk, the store, the catalogue, and networks by name. Importing this does not import torch."""

from .archive import pack
from .bundle import write_package
from .catalogue import Entry, catalogue, entry
from .getting import get
from .loading import load_networks
from .opening import open_model, shipped_models
from .package import ModelPackage
from .store import ModelStore, StoredModel

__all__ = [
    "Entry",
    "ModelPackage",
    "ModelStore",
    "StoredModel",
    "catalogue",
    "entry",
    "get",
    "load_networks",
    "open_model",
    "pack",
    "shipped_models",
    "write_package",
]
