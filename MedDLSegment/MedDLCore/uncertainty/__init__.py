"""How sure a model is of what it finds in a scan that nobody has segmented: what to correct next, to learn most."""

from .measuring import Uncertainty, measure
from .place import least_sure

__all__ = ["Uncertainty", "least_sure", "measure"]
