"""A whole case with its clicks: what scripts ask for."""

from __future__ import annotations

from collections.abc import Sequence

from ..admission import Options
from ..click import Click
from ..clock import OnProgress, share
from ..pipeline import Model, Segmentation
from ..volume import LabelMap, Volume
from .change import label_of
from .refinement import Refinement


def segment_with_clicks(
    volumes: Sequence[Volume],
    model: Model,
    clicks: Sequence[Click],
    start: LabelMap | None = None,
    options: Options = Options(),
    on_progress: OnProgress | None = None,
) -> Segmentation:
    """Segments a case and corrects it with clicks, one after the other.

    Arguments and errors as for ``Refinement`` and its ``add``; every click is looked at before the network runs.
    """
    for click in clicks:
        label_of(click, model.spec, volumes[0].geometry)
    runs = len(clicks) + 1
    refinement = Refinement(volumes, model, start, options, share(on_progress, 0, runs))
    seconds = dict(refinement.seconds)
    for n, click in enumerate(clicks, start=1):
        refinement.add(click, share(on_progress, n, runs))
        for stage, spent in refinement.seconds.items():
            seconds[stage] = round(seconds.get(stage, 0.0) + spent, 3)
    device, backends = refinement.computed_by
    return Segmentation(refinement.label_map, refinement.notices, seconds, device, backends, None)
