"""A simulated person corrects a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.click import Click
from MedDLCore.metrics import dice
from MedDLCore.spec import ModelSpec
from MedDLCore.volume import Geometry
from MedDLTraining.loop.simulated_user import next_click

from .answering import Answerer


@dataclass(frozen=True)
class Session:
    """One case.

    Attributes:
        dice: after 0, 1, 2 ... clicks; it ends where nothing is wrong any more.
        clicks: that were made.
        obeyed: of them, those whose voxel then was what they said.
        seconds: CPU-seconds of each click, by stage.
    """

    dice: tuple[float, ...]
    clicks: tuple[Click, ...]
    obeyed: int
    seconds: tuple[dict[str, float], ...]


def correct(
    answerer: Answerer,
    truth: NDArray[Any],
    geometry: Geometry,
    spec: ModelSpec,
    most: int,
    given: Sequence[Click] | None = None,
) -> Session:
    """Clicks until nothing is wrong, at most ``most`` times; or makes the clicks that are ``given``.

    Args:
        answerer: of the case.
        truth: ``(K, J, I)`` label values of the model.
        geometry: the scan's.
        spec: the model: exclusive labels.
        most: clicks.
        given: in place of clicks of its own.
    """
    assert spec.clicks is not None
    names = {label.value: label.name for label in spec.labels}
    scores, made, seconds, obeyed = [_dice(answerer.found, truth, spec)], list[Click](), [], 0
    for n in range(most if given is None else len(given)):
        if given is not None:
            click = given[n]
        else:
            wanted = next_click(answerer.found[None], truth[None], spec.clicks, geometry.spacing[::-1].tolist(), False)
            if wanted is None:
                break
            r, a, s = geometry.index_to_ras(wanted.voxel[::-1]).tolist()
            click = Click((r, a, s), names[wanted.label], wanted.positive)
        answerer.add(click)
        i, j, k = np.round(geometry.ras_to_index(click.point)).astype(int)
        obeyed += (names.get(int(answerer.found[k, j, i])) == click.structure) is click.positive
        scores.append(_dice(answerer.found, truth, spec))
        made.append(click)
        seconds.append(dict(answerer.seconds))
    return Session(tuple(scores), tuple(made), obeyed, tuple(seconds))


def _dice(found: NDArray[Any], truth: NDArray[Any], spec: ModelSpec) -> float:
    values = [label.value for label in spec.labels if (truth == label.value).any()]
    return float(np.mean([dice(truth == value, found == value) for value in values]))
