"""What a ModelSpec must be: settings that go together, and no number or text out of all proportion."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import PureWindowsPath

from .plain_data import invalid as _invalid
from .plain_data import texts_of
from .spec import Clip, FixedZScore, Foreground, ModelSpec, Percentiles, Scale, Weights, Window, ZScore
from .text import is_harmless, shown
from .volume import parse_orientation

LONGEST_NAME = 64
"""Characters of a model's name, which stands in the names of files."""

LONGEST_LABEL = 200
"""Characters of the name of a label or a channel."""

LONGEST_LINE = 1000
"""Characters of any other text of one line."""

LONGEST_TEXT = 100_000
"""Characters of a text of many lines, and of ``measured`` in all. Licences have some 35,000."""

TEXTS = {"model.description", "model.licence", "model.citation"}
"""The texts that may have many lines."""

MOST_WEIGHTS = 32
"""Members of an ensemble."""

MOST_PREVIOUS = 1000
"""Labels of an earlier model that a network may take."""

MOST_CLICKED = 32
"""Labels that can be clicked: each has three channels of the network's input."""

MOST_STEPS = 32
"""Intensity steps that a description may ask for."""

LARGEST_EDGE = 65536
"""Voxels along an axis, or patches at a time, that a description may ask for."""

MOST_VOXELS = 2**29
"""Voxels of a patch, or of a grid of fixed shape: a whole body at once, 512 x 1024 x 1024."""

SMALLEST_SPACING_MM, LARGEST_SPACING_MM = 1e-3, 1e3

LARGEST_RATIO = 1e6
"""Of the largest to the smallest spacing."""

SMALLEST_CROP_MM, LARGEST_CROP_MM = 1e-2, 1e4
"""Extent of a crop along an axis."""

SMALLEST_SIGMA, LARGEST_SIGMA = 0.01, 10.0
"""Of a patch. Outside, the Gaussian is one voxel, or no weighting at all."""

SMALLEST_VALUE, LARGEST_VALUE = 1e-9, 1e9
"""Values, factors and offsets of voxels. float32 holds their products and squares with room to spare."""


def is_plain_name(name: str, longest: int) -> bool:
    """Whether a model can be named so: it stands in names of files, and among options of the command line."""
    plain = name.isascii() and all(c.isalnum() or c in "._-" for c in name)
    return plain and 0 < len(name) <= longest and name[0].isalnum()


def plain_name(text: str, otherwise: str) -> str:
    """Another text as a model's name: what that cannot hold becomes ``_``; ``otherwise`` where nothing is left."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._-")
    return plain[:LONGEST_NAME].rstrip("._-") or otherwise


def check_spec(spec: ModelSpec) -> None:
    """Refuses a description that no station could follow.

    Raises:
        MedDLError: MODEL_INVALID, naming the setting.
    """
    if not is_plain_name(spec.name, LONGEST_NAME):
        problem = f"may only hold {LONGEST_NAME} letters, digits and . _ -, and begins with a letter or digit"
        raise _invalid("model.name", f"{shown(spec.name)} {problem}")
    _validate_texts(spec)
    _validate_weights(spec.weights)
    if not spec.labels:
        raise _invalid("model.labels", "at least one label is needed")
    if len({label.value for label in spec.labels}) != len(spec.labels):
        raise _invalid("model.labels", "two labels have the same value")
    if any(not 0 < label.value < 65536 for label in spec.labels):
        raise _invalid("model.labels", "values run from 1 to 65535; 0 is background")
    if not spec.channels:
        raise _invalid("model.channels", "at least one input channel is needed")
    if spec.grid.orientation is not None:
        parse_orientation(spec.grid.orientation)
    elif spec.grid.straight:
        raise _invalid("model.grid.straight", "needs an orientation")
    inference = spec.inference
    if not 0 <= inference.overlap < 1:
        raise _invalid("model.inference.overlap", "must lie in [0, 1)")
    if not SMALLEST_SIGMA <= inference.sigma <= LARGEST_SIGMA:
        raise _invalid("model.inference.sigma", f"must lie between {SMALLEST_SIGMA} and {LARGEST_SIGMA}")
    if len({0, 1, 2} & set(inference.mirror_axes)) != len(inference.mirror_axes):
        raise _invalid("model.inference.mirror_axes", "axes are 0, 1, 2, each once")
    if any(len(spec.intensity_of(n)) > MOST_STEPS for n in range(len(spec.channels))):
        raise _invalid("model.intensity", f"has more than {MOST_STEPS} steps")
    if not 0 < spec.output.threshold < 1:
        raise _invalid("model.output.threshold", "must lie between 0 and 1")
    known = {label.value for label in spec.labels}
    if not set(spec.clean_up.keep_largest) | set(spec.clean_up.fill_holes) <= known:
        raise _invalid("model.clean_up", "names a label value that the model does not have")
    if not 0 <= spec.clean_up.minimum_volume <= LARGEST_VALUE:
        raise _invalid("model.clean_up.minimum_volume", f"must lie between 0 and {LARGEST_VALUE:g}")
    _validate_ranges(spec)
    _validate_steps(spec)
    _validate_grid(spec)
    _validate_crops(spec)
    _validate_clicks(spec)
    _validate_output(spec)


def _validate_texts(spec: ModelSpec) -> None:
    """A stranger's text is shown on terminals, so it holds nothing that would steer one, and has an end."""
    for where, text in texts_of(spec, "model"):
        many = where in TEXTS
        if not is_harmless(text, lines=many):
            raise _invalid(where, f"{shown(text)} holds control characters{'' if many else ' or several lines'}")
        if len(text) > (LONGEST_TEXT if many else LONGEST_LINE):
            raise _invalid(where, f"has {len(text)} characters")
    for kind, name in [("labels", x.name) for x in spec.labels] + [("channels", x.name) for x in spec.channels]:
        if len(name) > LONGEST_LABEL:
            raise _invalid(f"model.{kind}", f"{shown(name)} has more than {LONGEST_LABEL} characters")
    if len(str(spec.measured)) > LONGEST_TEXT:
        raise _invalid("model.measured", f"is longer than {LONGEST_TEXT} characters")


def _validate_weights(weights: tuple[Weights, ...]) -> None:
    if not weights:
        raise _invalid("model.weights", "at least one weights file is needed")
    if len(weights) > MOST_WEIGHTS:
        raise _invalid("model.weights", f"has more than {MOST_WEIGHTS} files")
    if len({PureWindowsPath(item.file) for item in weights}) != len(weights):
        raise _invalid("model.weights", "names a file twice")


def _validate_ranges(spec: ModelSpec) -> None:
    """A description comes from strangers: no number in it may be out of all proportion."""
    for label in spec.labels:
        if not label.name.strip() or not label.name.isprintable():
            raise _invalid("model.labels", f"{shown(label.name)} is not a name")
        if any(not 0 <= part <= 255 for part in label.color):
            raise _invalid("model.labels", f"the colour of {shown(label.name)} does not lie between 0 and 255")
        if label.layer != 0:
            raise _invalid("model.labels", f"{shown(label.name)} has a layer, which results have and models have not")
    if spec.foreground is not None:
        if not 0 <= spec.foreground.margin <= LARGEST_EDGE:
            raise _invalid("model.foreground.margin", f"must lie between 0 and {LARGEST_EDGE}")
        if not abs(spec.foreground.above) <= LARGEST_VALUE:
            raise _invalid("model.foreground.above", f"must lie within {LARGEST_VALUE:g}")
    sizes = {
        "grid.shape": spec.grid.shape,
        "inference.patch": spec.inference.patch,
        "inference.divisor": 3 * (spec.inference.divisor,),
        "inference.batch": (spec.inference.batch,),
        "minimum_shape": spec.minimum_shape,
    }
    for where, size in sizes.items():
        if size is not None and any(not 1 <= n <= LARGEST_EDGE for n in size):
            raise _invalid(f"model.{where}", f"must lie between 1 and {LARGEST_EDGE}")
        if size is not None and math.prod(size) > MOST_VOXELS:
            raise _invalid(f"model.{where}", f"has more than {MOST_VOXELS} voxels")
    if not abs(spec.inference.padding_value) <= LARGEST_VALUE:
        raise _invalid("model.inference.padding_value", f"must lie within {LARGEST_VALUE:g}")
    if any(mm != 0 and not SMALLEST_SPACING_MM <= mm <= LARGEST_SPACING_MM for mm in spec.grid.spacing or ()):
        raise _invalid("model.grid.spacing", f"must lie between {SMALLEST_SPACING_MM} and {LARGEST_SPACING_MM} mm")
    own = [step for channel in spec.channels for step in channel.intensity or ()]
    for n, step in enumerate((*spec.intensity, *own)):
        where = f"model.intensity[{n}]"
        for f in dataclasses.fields(step):
            value = getattr(step, f.name)
            if isinstance(value, (int, float)) and not abs(value) <= LARGEST_VALUE:
                raise _invalid(f"{where}.{f.name}", f"must lie within {LARGEST_VALUE:g}")
        if isinstance(step, Percentiles) and not 0 <= step.lower < step.upper <= 100:
            raise _invalid(where, "percentiles rise from lower to upper, between 0 and 100")
        if isinstance(step, (Clip, Window, FixedZScore)) and not step.low < step.high:
            raise _invalid(where, "low must be below high")
        if isinstance(step, FixedZScore) and not step.std >= SMALLEST_VALUE:
            raise _invalid(where, f"std must be at least {SMALLEST_VALUE:g}")
        if isinstance(step, Scale) and not abs(step.factor) >= SMALLEST_VALUE:
            raise _invalid(where, f"factor must be at least {SMALLEST_VALUE:g}")


def _validate_steps(spec: ModelSpec) -> None:
    """Where the intensity steps, and the foreground that follows from them, are applied."""
    foreground = spec.foreground
    counts = [len(spec.intensity_of(n)) for n in range(len(spec.channels))]
    steps = {"steps_on_scan": spec.steps_on_scan}
    if foreground is not None:
        steps["foreground.steps"] = foreground.steps
    for where, count in steps.items():
        if not 0 <= count <= max(counts):
            raise _invalid(f"model.{where}", "must lie between 0 and the number of intensity steps")
    for own in (spec.intensity_of(n) for n in range(len(spec.channels))):
        of_body = [step for step in own if isinstance(step, ZScore) and step.body]
        if of_body and not (len(own) == 1 and spec.steps_on_scan and spec.grid.crop == "nonzero"):
            raise _invalid("model.intensity", "a step for the body stands alone, on the scan, with the crop 'nonzero'")
        if any(step.nonzero for step in of_body):
            raise _invalid("model.intensity", "a step is for the body or for what is not zero")
    if foreground is not None:
        _validate_foreground(foreground, spec)


def _validate_foreground(foreground: Foreground, spec: ModelSpec) -> None:
    if foreground.channel is not None and not 0 <= foreground.channel < len(spec.channels):
        raise _invalid("model.foreground.channel", "is not one of the model's channels")
    if spec.grid.rule == "extent" or spec.grid.crop != "none":
        raise _invalid("model.foreground", "does not go with the rule 'extent' or another crop")
    if foreground.grid == "scan" and foreground.steps > spec.steps_on_scan:
        raise _invalid("model.foreground.steps", "must be on the scan where the foreground is the scan's")
    if foreground.grid == "network" and foreground.steps < spec.steps_on_scan:
        raise _invalid("model.foreground.steps", "include those on the scan where the foreground is the network's")
    if foreground.grid == "network" and foreground.axes != "turned":
        raise _invalid("model.foreground.axes", "belongs to a foreground of the scan")


def _validate_grid(spec: ModelSpec) -> None:
    grid, output = spec.grid, spec.output
    if sorted(grid.transpose) != [0, 1, 2]:
        raise _invalid("model.grid.transpose", "must name the axes 0, 1, 2, each once")
    if not 0 <= grid.tolerance < 1:
        raise _invalid("model.grid.tolerance", "must lie in [0, 1)")
    if grid.rule == "extent" and (grid.shape is not None or grid.straight):
        raise _invalid("model.grid.rule", "'extent' leaves no room for a fixed shape or for straight axes")
    for where, threshold in (("grid", grid.apart), ("output", output.apart)):
        if threshold is not None and (grid.rule != "extent" or not 0 <= threshold < LARGEST_RATIO):
            raise _invalid(f"model.{where}.apart", "is a ratio, and belongs to the rule 'extent'")
    if spec.previous and (grid.rule != "extent" or len(set(spec.previous)) != len(spec.previous)):
        raise _invalid("model.previous", "names each label once, and belongs to the rule 'extent'")
    if any(not 0 < value < 65536 for value in spec.previous) or len(spec.previous) > MOST_PREVIOUS:
        raise _invalid("model.previous", f"holds at most {MOST_PREVIOUS} values from 1 to 65535")


def _validate_crops(spec: ModelSpec) -> None:
    if spec.crops is None:
        return
    pairs = list(zip(spec.crops.extent, spec.crops.largest, strict=True))
    if not all(SMALLEST_CROP_MM <= extent <= largest <= LARGEST_CROP_MM for extent, largest in pairs):
        bounds = f"between {SMALLEST_CROP_MM:g} and {LARGEST_CROP_MM:g} mm"
        raise _invalid("model.crops", f"must lie {bounds}, and the median is at most the largest")
    if spec.previous:
        raise _invalid("model.crops", "does not go with labels of an earlier model, which sees the whole scan")


def _validate_clicks(spec: ModelSpec) -> None:
    clicks = spec.clicks
    if clicks is None:
        return
    known = {label.value for label in spec.labels}
    if not 0 < len(clicks.labels) == len(set(clicks.labels)) <= MOST_CLICKED or not set(clicks.labels) <= known:
        raise _invalid("model.clicks.labels", f"holds 1 to {MOST_CLICKED} of the model's labels, each once")
    if not SMALLEST_SPACING_MM <= clicks.radius <= LARGEST_SPACING_MM:
        raise _invalid("model.clicks.radius", f"must lie between {SMALLEST_SPACING_MM} and {LARGEST_SPACING_MM} mm")
    if spec.inference.patch is None or spec.output.activation == "regions" or spec.output.interpolate == "labels":
        raise _invalid("model.clicks", "needs a patch, and outputs that are structures whose scores are interpolated")
    if (spec.inference.padding, spec.inference.padding_value) != ("constant", 0.0):
        raise _invalid("model.clicks", "goes with padding by 0: in channels of clicks, anything else is a click")
    if spec.previous or spec.foreground or spec.grid.crop != "none":
        raise _invalid("model.clicks", "does not go with an earlier model, a foreground or a crop")


def _validate_output(spec: ModelSpec) -> None:
    output = spec.output
    if spec.clean_up.grid == "network" and output.interpolate != "labels":
        raise _invalid("model.clean_up.grid", "is the network's only where labels are interpolated back")
    if spec.clean_up.grid == "network" and spec.grid.rule == "extent":
        raise _invalid("model.clean_up.grid", "is the scan's with the rule 'extent'")
    if output.apart is not None and output.interpolate == "labels":
        raise _invalid("model.output.apart", "is for values that are interpolated; labels are the nearest ones")
    if (output.activation == "regions") != bool(output.paint):
        raise _invalid("model.output.paint", "belongs to the activation 'regions'")
    values = {label.value for label in spec.labels}
    if output.paint and (not set(output.paint) >= values or not all(0 <= value < 65536 for value in output.paint)):
        raise _invalid("model.output.paint", "must hold the value of every label")
