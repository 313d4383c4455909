"""The demonstration: a body made by rule, with known truth, and the network that finds its organs."""

from .anatomy import LABELS
from .baseline import best_threshold
from .network import NAME
from .phantom import make_phantom, phantom_geometry

__all__ = ["LABELS", "NAME", "best_threshold", "make_phantom", "phantom_geometry"]
