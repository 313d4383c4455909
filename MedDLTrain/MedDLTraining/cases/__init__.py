"""Cases as the network sees them: prepared once, by what inference uses, and divided into folds."""

from .division import Division, divide, divisions, named_folds
from .prepared import PreparedCase, prepare_cases
from .truth import layer_on_network_grid, on_network_grid

__all__ = [
    "Division",
    "PreparedCase",
    "divide",
    "divisions",
    "layer_on_network_grid",
    "named_folds",
    "on_network_grid",
    "prepare_cases",
]
