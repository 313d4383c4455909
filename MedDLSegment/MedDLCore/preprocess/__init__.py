"""From scans to what the network sees: grid (orientation, spacing, shape), then intensity. Training uses the same."""

from .grid import network_grid
from .intensity import apply_intensity, fit_intensity
from .nonzero import cropped
from .prepare import Prepared, prepare, split_channels
from .region import Region, cut_out, inside

__all__ = [
    "Prepared",
    "Region",
    "apply_intensity",
    "cropped",
    "cut_out",
    "fit_intensity",
    "inside",
    "network_grid",
    "prepare",
    "split_channels",
]
