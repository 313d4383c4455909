"""Scores of a segmentation against the truth."""

from .overlap import dice, dice_by_label

__all__ = ["dice", "dice_by_label"]
