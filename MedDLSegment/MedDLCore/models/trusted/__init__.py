"""Bundles that a person trusts to run their own code, in a child process.

    file_set -> consent -> opening (its labels, as data) -> parent <-> child (``python -m ...models.trusted``)

Importing this imports neither torch nor MONAI, and runs nothing of a bundle. Only ``child`` does.
"""

from .consent import Consents
from .file_set import FileSet, file_set
from .opening import OWN_CODE, open_trusted
from .parent import run_trusted

__all__ = ["OWN_CODE", "Consents", "FileSet", "file_set", "open_trusted", "run_trusted"]
