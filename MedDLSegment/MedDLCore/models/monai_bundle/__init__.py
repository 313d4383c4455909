"""MONAI bundles read as data: nothing of a bundle runs here.

A bundle is a folder with ``configs/metadata.json``, ``configs/inference.json`` (or YAML) and ``models/model.pt``
(MONAI, docs/source/mb_specification.rst and config_syntax.md). MONAI's own runner evaluates such a configuration as
Python. Here it is read as data and on demand: only what the network, the preprocessing, the inferer, the postprocessing
and the checkpoint's path reach, in a small grammar of our own, with classes looked up in allow-lists. What is reached
and lies outside is listed and refused.

    config_files -> config (references, expressions) -> network, preparation, inferer, result, metadata -> bundle
"""

from .bundle import loaded_keys, read_bundle_folder, reasons
from .refusal import Reason

__all__ = ["Reason", "loaded_keys", "read_bundle_folder", "reasons"]
