"""Results folders of nnU-Net v2 (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z), read as data.

A folder holds ``plans.json``, ``dataset.json`` and, for each fold, a checkpoint. What they say is translated into a
``ModelSpec``; what a spec cannot say is refused by name. No code of nnU-Net is needed, and none of the folder's is run.
"""

from .folders import holds_nnunet
from .opening import read_nnunet

__all__ = ["holds_nnunet", "read_nnunet"]
