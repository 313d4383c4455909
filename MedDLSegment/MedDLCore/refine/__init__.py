"""Segmentations that a person corrects by clicking, with a network that listens (``spec.Clicks``).

What comes out is a function of the scan, the model, what the correction began with, and the clicks in their order:
taking the last click back is the result without it. Each click runs the network on one patch around it.
"""

from ..click import Click
from .change import Change, check_listens
from .refinement import Refinement
from .whole import segment_with_clicks

__all__ = ["Change", "Click", "Refinement", "check_listens", "segment_with_clicks"]
