"""How sure a model is of what it finds in a scan that nobody has segmented: what to correct next, to learn most."""

from .measuring import Uncertainty, measure

__all__ = ["Uncertainty", "measure"]
