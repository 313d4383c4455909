"""What MONAI's networks, inferers and transforms cannot express."""

from __future__ import annotations


class NotInMonaiError(Exception):
    """Says which setting of the model it is, and why; in one sentence without a full stop."""
