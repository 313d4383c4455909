"""From scans to what the network sees: grid (orientation, spacing, shape), then intensity. Training uses the same."""

from .grid import cut_off, network_grid
from .intensity import apply_intensity, fit_intensity
from .memory import preparing_memory
from .nonzero import on_first_grid
from .prepare import Prepared, laid_over, prepare, split_channels
from .region import Region, check_meets, cut_out, inside, part_within, seen_for

__all__ = [
    "Prepared",
    "Region",
    "apply_intensity",
    "check_meets",
    "cut_off",
    "cut_out",
    "fit_intensity",
    "inside",
    "laid_over",
    "network_grid",
    "on_first_grid",
    "part_within",
    "prepare",
    "preparing_memory",
    "seen_for",
    "split_channels",
]
