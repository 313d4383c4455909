"""From scans to what the network sees: grid (orientation, spacing, shape), then intensity. Training uses the same."""

from ..cut import NOTHING_CUT, Cut, inner
from .around import check_inside, cut_around, extent_of, is_crop
from .clicks import Clicked, click_channels, click_spacing, mask_channels
from .grid import cut_off, network_grid
from .intensity import apply_intensity, fit_intensity
from .memory import preparing_memory
from .nonzero import cropped, on_first_grid
from .patient import patient_cut, why_not_cropped
from .prepare import Prepared, laid_over, prepare, split_channels
from .region import Region, check_meets, cut_out, inside, part_within, seen_for

__all__ = [
    "NOTHING_CUT",
    "Clicked",
    "Cut",
    "Prepared",
    "Region",
    "apply_intensity",
    "check_inside",
    "check_meets",
    "click_channels",
    "click_spacing",
    "cropped",
    "cut_around",
    "cut_off",
    "cut_out",
    "extent_of",
    "fit_intensity",
    "inner",
    "inside",
    "is_crop",
    "laid_over",
    "mask_channels",
    "network_grid",
    "on_first_grid",
    "part_within",
    "patient_cut",
    "prepare",
    "preparing_memory",
    "seen_for",
    "split_channels",
    "why_not_cropped",
]
