"""A network that does not do what a click says is bent there, and nowhere else."""

from __future__ import annotations

import numpy as np
import torch

from MedDLCore.preprocess import Clicked
from MedDLCore.refine.heeding import heed
from MedDLCore.spec import Clicks

CLICKS = Clicks(labels=(1, 2), radius=2.0)
MM = (1.0, 1.0, 1.0)
AT = (10, 12, 14)
SHAPE = (20, 24, 28)


def logits_of(*values: float) -> torch.Tensor:
    """The same everywhere, a channel each."""
    return torch.tensor(values)[:, None, None, None].repeat(1, *SHAPE)


def found(logits: torch.Tensor) -> np.ndarray:
    return logits.argmax(dim=0).numpy()


def away(voxel: tuple[int, int, int], spacing: tuple[float, float, float] = MM) -> np.ndarray:
    at = np.indices(SHAPE)
    return np.sqrt(sum(((at[n] - voxel[n]) * spacing[n]) ** 2 for n in range(3)))


def test_where_the_network_says_one_thing_everywhere_a_click_is_a_ball() -> None:
    spacing = (1.0, 0.5, 2.0)
    logits = logits_of(5.0, -1.0, 0.0)
    before = logits.clone()
    heed(logits, [Clicked(AT, 2, True)], CLICKS, spacing, overlapping=False)
    assert (found(logits)[away(AT, spacing) <= 2.0] == 2).all() and (found(logits)[away(AT, spacing) > 2.5] == 0).all()
    assert torch.equal(logits[:2], before[:2])
    assert torch.equal(logits[2][torch.from_numpy(away(AT, spacing) >= 4.0)], before[2][away(AT, spacing) >= 4.0])


def test_a_border_is_moved_up_to_the_click_and_not_beyond_it() -> None:
    """Label 1 gets less and less likely along axis 2, and ends at 10.5; the click lies at 12."""
    logits = logits_of(0.0, 0.0, -9.0)
    logits[1] += (10.5 - torch.arange(SHAPE[2])) * 3.0
    heed(logits, [Clicked((10, 12, 12), 1, True)], CLICKS, MM, overlapping=False)
    line = found(logits)[10, 12]
    assert (line[:13] == 1).all() and (line[13:] == 0).all()
    assert (found(logits)[0, 0, :11] == 1).all() and (found(logits)[0, 0, 11:] == 0).all()


def test_a_negative_click_takes_away_and_the_next_best_label_comes() -> None:
    logits = logits_of(-3.0, 4.0, 1.0)
    heed(logits, [Clicked(AT, 1, False)], CLICKS, MM, overlapping=False)
    assert found(logits)[AT] == 2 and (found(logits)[away(AT) > 2.5] == 1).all()


def test_labels_that_may_overlap_are_told_one_by_one() -> None:
    logits = logits_of(3.0, -2.0)
    heed(logits, [Clicked(AT, 2, True), Clicked(AT, 1, False)], CLICKS, MM, overlapping=True)
    assert logits[1][AT] > 0 > logits[0][AT]
    assert (logits[0].numpy()[away(AT) >= 4.0] == 3.0).all() and (logits[1].numpy()[away(AT) >= 4.0] == -2.0).all()


def test_of_two_clicks_that_contradict_each_other_the_later_one_counts() -> None:
    for positive in (True, False):
        logits = logits_of(0.0, 1.0, -2.0)
        heed(logits, [Clicked(AT, 1, not positive), Clicked(AT, 1, positive)], CLICKS, MM, overlapping=False)
        assert (found(logits)[AT] == 1) is np.bool_(positive)


def test_a_click_that_is_obeyed_or_lies_elsewhere_or_cannot_be_told_changes_nothing() -> None:
    logits = logits_of(0.0, 1.0, -2.0)
    before = logits.clone()
    elsewhere = [Clicked((-1, 12, 14), 2, True), Clicked((20, 12, 14), 2, True), Clicked((10, 40, 14), 2, True)]
    clicked = [Clicked((18, 12, 14), 1, True), Clicked((18, 12, 14), 2, False), *elsewhere]
    heed(logits, clicked, CLICKS, MM, overlapping=False)
    heed(logits, [Clicked(AT, 2, True)], Clicks((1,), 2.0), MM, overlapping=False)
    assert torch.equal(logits, before)
