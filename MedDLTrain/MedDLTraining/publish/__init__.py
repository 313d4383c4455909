"""A trained model becomes a bundle that others can use: complete, in MONAI's layout, with a card, and anonymous."""

from .publishing import Published, publish
from .source import Source, source_of
from .statement import Statement

__all__ = ["Published", "Source", "Statement", "publish", "source_of"]
