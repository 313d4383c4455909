"""Checkpoints of MONAI's Auto3DSeg with their labels, as the extension MONAIAuto3DSeg for 3D Slicer publishes them."""

from .layout import read_auto3dseg_folder

__all__ = ["read_auto3dseg_folder"]
