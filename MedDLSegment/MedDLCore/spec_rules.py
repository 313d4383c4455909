"""Which settings of a ModelSpec go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import Code, MedDLError

if TYPE_CHECKING:
    from .spec import ModelSpec

MOST_PREVIOUS = 1000
"""Labels of an earlier model that a network may take."""

LARGEST_RATIO = 1e6


def check_combinations(spec: ModelSpec) -> None:
    """Refuses settings that mean nothing without others.

    Raises:
        MedDLError: MODEL_INVALID, naming the setting.
    """
    from .spec import ZScore

    grid, output = spec.grid, spec.output
    if sorted(grid.transpose) != [0, 1, 2]:
        raise _invalid("model.grid.transpose", "must name the axes 0, 1, 2, each once")
    if grid.rule == "extent" and (grid.shape is not None or grid.straight):
        raise _invalid("model.grid.rule", "'extent' leaves no room for a fixed shape or for straight axes")
    for where, threshold in (("grid", grid.apart), ("output", output.apart)):
        if threshold is not None and (grid.rule != "extent" or not 0 <= threshold < LARGEST_RATIO):
            raise _invalid(f"model.{where}.apart", "is a ratio, and belongs to the rule 'extent'")
    if (output.activation == "regions") != bool(output.paint):
        raise _invalid("model.output.paint", "belongs to the activation 'regions'")
    if output.activation == "regions" and output.interpolate != "logits":
        raise _invalid("model.output.interpolate", "must be 'logits' for regions")
    values = {label.value for label in spec.labels}
    if output.paint and (not set(output.paint) >= values or not all(0 <= value < 65536 for value in output.paint)):
        raise _invalid("model.output.paint", "must hold the value of every label")
    on_scan = spec.intensity_on == "scan"
    if on_scan and spec.statistics == "grid":
        raise _invalid("model.statistics", "cannot be those of the grid where the intensity steps come before it")
    every = [step for n in range(len(spec.channels)) for step in spec.intensity_of(n)]
    if any(isinstance(step, ZScore) and step.body for step in every) and not (on_scan and grid.crop == "nonzero"):
        raise _invalid("model.intensity", "steps for the body need intensity_on 'scan' and the crop 'nonzero'")
    if spec.previous and (grid.rule != "extent" or len(set(spec.previous)) != len(spec.previous)):
        raise _invalid("model.previous", "names each label once, and belongs to the rule 'extent'")
    if any(not 0 < value < 65536 for value in spec.previous) or len(spec.previous) > MOST_PREVIOUS:
        raise _invalid("model.previous", f"holds at most {MOST_PREVIOUS} values from 1 to 65535")


def _invalid(where: str, problem: str) -> MedDLError:
    return MedDLError(Code.MODEL_INVALID, f"{where}: {problem}.")
