"""The postprocessing: what the network's channels mean, and what is interpolated back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...errors import Code, Notice
from ...spec import CleanUp, Output
from .arguments import Arguments
from .class_names import FORMS, known_class
from .config import Component
from .lambdas import painting
from .preparation import transforms
from .refusal import OutsideError, Reason

HARMLESS = (
    "CastToType",
    "CopyItems",
    "DeleteItems",
    "EnsureType",
    "Identity",
    "SelectItems",
    "ToDevice",
    "ToTensor",
)

PREDICTION = "pred"
"""Under this name the evaluator keeps the network's output."""

Stage = Literal["logits", "probabilities", "labels"]


@dataclass
class Result:
    """What the transforms so far make of the network's output.

    Attributes:
        preparation: the resolved preprocessing, which ``Invertd`` undoes.
        regridded: the preprocessing changes the grid.
        activation: what was applied.
        threshold: from which a channel counts as inside; None where classes exclude each other.
        stage: what there is now.
        back: what was there when it was interpolated back; None: it was not.
        nearest: with nearest neighbour.
        largest: label values of which the largest component stays.
        cleaned_before: clean-up came before the way back.
        notices: what MedDL does differently.
    """

    preparation: object
    regridded: bool
    activation: Literal["softmax", "sigmoid"] | None = None
    threshold: float | None = None
    stage: Stage = "logits"
    back: Stage | None = None
    nearest: bool = False
    largest: tuple[int, ...] = ()
    cleaned_before: bool = False
    notices: tuple[Notice, ...] = ()

    def output(self) -> Output:
        """The station's settings.

        Raises:
            ValueError: where no segmentation comes out, saying why.
        """
        if self.stage != "labels":
            raise ValueError("ends without deciding labels (AsDiscreted)")
        exclusive = self.threshold is None
        if exclusive and self.activation == "sigmoid" and self.back == "probabilities" and not self.nearest:
            raise ValueError("takes the largest of interpolated sigmoid probabilities")
        if not exclusive and self.activation == "softmax":
            raise ValueError("takes a threshold of softmax probabilities")
        # Deciding commutes with nearest neighbour; without a way back, the nearest labels are taken.
        interpolate: Stage = "labels" if self.nearest or self.back is None else self.back
        if exclusive:
            return Output("softmax", interpolate)
        threshold = 0.5 if self.threshold is None else self.threshold
        if self.activation is None:  # of the network's own output
            threshold = 0.5 + 0.5 * math.tanh(0.5 * threshold)
        if not 0 < threshold < 1:
            raise ValueError("takes a threshold that every voxel or none is above")
        return Output("sigmoid", interpolate, threshold)

    def clean_up(self) -> CleanUp:
        """The station's settings.

        Raises:
            ValueError: where they do not fit the rest, saying why.
        """
        if not self.largest:
            return CleanUp()
        on_network = self.cleaned_before or self.back is None
        return CleanUp(keep_largest=self.largest, grid="network" if on_network else "scan")


def read_result(root: object, place: str, preparation: object, regridded: bool) -> tuple[Result, list[Reason]]:
    """Reads the transforms of the output.

    Args:
        root: the postprocessing, resolved.
        place: where it stands.
        preparation: the preprocessing, resolved.
        regridded: it changes the grid.

    Returns:
        What they come to, and everything of them that lies outside.
    """
    result, reasons = Result(preparation, regridded), []
    try:
        steps = transforms(root, place)
    except OutsideError as error:
        return result, [error.reason]
    for step in steps:
        try:
            _apply(step, result)
        except OutsideError as error:  # noqa: PERF203  each has its own
            reasons.append(error.reason)
    if not reasons:
        try:
            result.output()
            result.clean_up()
        except ValueError as error:
            reasons.append(Reason(place, "postprocessing", str(error)))
    return result, reasons


def _apply(step: Component, result: Result) -> None:
    name = known_class(step, "monai.transforms", (*HARMLESS, *_TRANSFORMS), FORMS)
    if name in HARMLESS:
        return
    arguments = Arguments(step)
    keys = arguments.names()
    if keys and PREDICTION not in keys:
        return  # works on something else than the network's output, such as a label
    arguments.ignore(("allow_missing_keys", "meta_keys", "meta_key_postfix"))
    _TRANSFORMS[name](arguments, result)
    arguments.done()


def _activations(arguments: Arguments, result: Result) -> None:
    softmax, sigmoid = arguments.flag("softmax"), arguments.flag("sigmoid")
    if arguments.expression("other") is not None:
        raise arguments.outside("other", arguments.expression("other"), "is code")
    arguments.ignore(("dim",))
    if (softmax and sigmoid) or ((softmax or sigmoid) and result.stage != "logits"):
        raise arguments.outside("softmax", softmax, "is an activation of something else than the network's output")
    if softmax or sigmoid:
        result.activation, result.stage = "softmax" if softmax else "sigmoid", "probabilities"


def _as_discrete(arguments: Arguments, result: Result) -> None:
    argmax = arguments.flag("argmax")
    arguments.ignore(("to_onehot", "dim", "keepdim", "dtype"))  # layouts of the same labels
    arguments.one_of("rounding", (None,), None)
    threshold = arguments.value("threshold")
    if argmax == (threshold is not None) or result.stage == "labels":
        raise arguments.outside("argmax", argmax, "does not decide labels by argmax or by a threshold")
    result.threshold = None if argmax else arguments.number("threshold")
    result.stage = "labels"


def _invert(arguments: Arguments, result: Result) -> None:
    if arguments.value("transform") is not result.preparation:
        raise arguments.outside("transform", arguments.value("transform"), "is not the preprocessing")
    if result.back is not None:
        raise arguments.outside("transform", "...", "goes back a second time")
    if arguments.expression("post_func") is not None:
        raise arguments.outside("post_func", arguments.expression("post_func"), "is code")
    result.nearest = arguments.flag("nearest_interp", True)
    result.back = result.stage
    if result.back == "labels" and not result.nearest:
        result.notices += (_nearest_instead(arguments, "nearest_interp"),)
    arguments.ignore(("orig_keys", "orig_meta_keys", "to_tensor", "device", "dtype"))


def _nearest_instead(arguments: Arguments, name: str) -> Notice:
    return Notice(
        Code.MODEL_ADAPTED,
        f"{arguments.component.place(name)}: the bundle interpolates label numbers, which makes numbers "
        "between them at borders; MedDL takes the nearest label.",
    )


def _keep_largest(arguments: Arguments, result: Result) -> None:
    labels = arguments.value("applied_labels")
    values = labels if isinstance(labels, list) else [labels]
    plain = all(isinstance(value, int) and not isinstance(value, bool) and value > 0 for value in values)
    if not plain or result.stage != "labels" or result.threshold is not None:
        raise arguments.outside("applied_labels", labels, "is not label numbers of decided exclusive classes")
    if len(values) > 1:
        arguments.one_of("independent", (True,), True)
    arguments.ignore(("independent",))
    arguments.one_of("is_onehot", (None, False), None)
    arguments.one_of("connectivity", (None, 3), None)
    arguments.one_of("num_components", (1,), 1)
    if result.largest:
        raise arguments.outside("applied_labels", labels, "is a second clean-up")
    result.largest = tuple(dict.fromkeys(values))
    result.cleaned_before = result.back is None


def _lambda(arguments: Arguments, result: Result) -> None:
    function = arguments.expression("func") or ""
    painted = painting(function)
    if painted is None or result.threshold is None or result.stage != "labels":
        raise arguments.outside("func", function, "is code")
    arguments.ignore(("overwrite", "track_meta", "inv_func"))
    order = ", ".join(f"channel {channel} as {value}" for channel, value in painted)
    result.notices += (
        Notice(
            Code.MODEL_ADAPTED,
            f"{arguments.component.place('func')}: the bundle paints its overlapping structures into one label map "
            f"({order}, the first on top); MedDL keeps each of them whole.",
        ),
    )


def _save(arguments: Arguments, result: Result) -> None:
    if arguments.value("scale") is not None:
        raise arguments.outside("scale", arguments.value("scale"), "changes the values")
    arguments.ignore(arguments.component.raw)  # where and how files are written is ours
    if not result.regridded or result.back is not None:
        return
    mode = arguments.value("mode", "nearest")
    if not arguments.flag("resample"):
        result.notices += (
            Notice(
                Code.MODEL_ADAPTED,
                f"{arguments.component.place('resample')}: the bundle leaves its result on the network's grid; "
                "MedDL brings it onto the scan's, with the nearest label.",
            ),
        )
    elif mode != "nearest":
        result.notices += (_nearest_instead(arguments, "mode"),)


_TRANSFORMS: dict[str, Callable[[Arguments, Result], None]] = {
    "Activations": _activations,
    "AsDiscrete": _as_discrete,
    "Invert": _invert,
    "KeepLargestConnectedComponent": _keep_largest,
    "Lambda": _lambda,
    "SaveImage": _save,
}
