"""Patches varied batch by batch, on the device: first where their voxels lie, then what values they have."""

from .augment import augment
from .chance import Draws

__all__ = ["Draws", "augment"]
