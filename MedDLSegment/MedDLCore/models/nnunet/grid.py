"""How a scan is brought onto the network's grid and back."""

from __future__ import annotations

from typing import Any, Literal

from ...spec import FloatTriple, Grid, Triple
from ...text import shown
from .plans import PLANS_JSON
from .refusal import refused
from .values import Table

ORIENTATIONS: dict[str, str | None] = {
    "SimpleITKIO": None,
    "NibabelIO": None,
    "SimpleITKIOWithReorient": "SAR",
    "NibabelIOWithReorient": "SAR",
}
"""nnU-Net's readers, and how the axes of the arrays run that they give. None: as they are stored."""

RESAMPLING = "resample_data_or_seg_to_shape"
KNOWN = {"is_seg", "order", "order_z", "force_separate_z", "separate_z_anisotropy_threshold"}
ANISOTROPY = 3.0
"""From which ratio of its largest to its smallest spacing on nnU-Net takes a grid for anisotropic."""


def grid(plans: Table, configuration: Table) -> Grid:
    """The grid on which a configuration works.

    Raises:
        MedDLError: MODEL_INVALID, naming the reader, preprocessor or resampling that is not known.
    """
    reader = plans.text("image_reader_writer")
    if reader not in ORIENTATIONS:
        raise refused(PLANS_JSON, f"the reader {shown(reader)} is not one of {', '.join(ORIENTATIONS)}")
    preprocessor = configuration.text("preprocessor_name")
    if preprocessor != "DefaultPreprocessor":
        raise configuration.wrong("preprocessor_name", f"is {shown(preprocessor)}; MedDL has DefaultPreprocessor")
    forward = plans.whole_numbers("transpose_forward", 3)
    if sorted(forward) != [0, 1, 2]:
        raise refused(PLANS_JSON, f"transpose_forward is {shown(forward)}")
    backward = plans.whole_numbers("transpose_backward", 3)
    if [forward[axis] if axis in (0, 1, 2) else None for axis in backward] != [0, 1, 2]:
        raise refused(PLANS_JSON, "transpose_backward does not undo transpose_forward")
    order, apart = _resampling(configuration, "data", is_seg=False, orders=(1, 3))
    interpolation: Literal["linear", "cubic"] = "cubic" if order == 3 else "linear"
    return Grid(
        orientation=ORIENTATIONS[reader],
        transpose=(forward[0], forward[1], forward[2]),
        crop="nonzero",
        spacing=_spacing(configuration),
        rule="extent",
        interpolation=interpolation,
        apart=apart,
    )


def patch_size(configuration: Table) -> Triple:
    """Voxels along the three axes; of a two-dimensional patch, one along the first."""
    size = configuration.whole_numbers("patch_size")
    if len(size) not in (2, 3) or min(size) < 1:
        raise configuration.wrong("patch_size", f"is {shown(size)}")
    a, b, c = size if len(size) == 3 else (1, *size)
    return a, b, c


def apart_on_the_way_back(configuration: Table) -> float | None:
    """When an axis of the logits is resampled on its own.

    Raises:
        MedDLError: MODEL_INVALID.
    """
    return _resampling(configuration, "probabilities", is_seg=False, orders=(1,))[1]


def check_label_resampling(configuration: Table, wanted: float | None) -> None:
    """Refuses another way for the labels that a cascade takes than for its image.

    Raises:
        MedDLError: MODEL_INVALID.
    """
    if _resampling(configuration, "seg", is_seg=True, orders=(1,))[1] != wanted:
        raise configuration.wrong(
            "resampling_fn_seg_kwargs", "treats other scans as anisotropic than those of the data"
        )


def _spacing(configuration: Table) -> FloatTriple:
    """mm; of two axes, the first keeps the scan's."""
    given = configuration.numbers("spacing", len(configuration.whole_numbers("patch_size")))
    if min(given) <= 0:
        raise configuration.wrong("spacing", f"is {shown(given)}")
    a, b, c = given if len(given) == 3 else (0.0, *given)
    return a, b, c


def _resampling(configuration: Table, what: str, is_seg: bool, orders: tuple[int, ...]) -> tuple[int, float | None]:
    """The order of the interpolation, and from which anisotropy on an axis is resampled on its own."""
    key = f"resampling_fn_{what}"
    if configuration.text(key) != RESAMPLING:
        raise configuration.wrong(key, f"is {shown(configuration.get(key))}; MedDL has {RESAMPLING}")
    given = configuration.table(f"{key}_kwargs")
    for name in given.values:
        if name not in KNOWN:
            raise given.wrong(name, "is not known to MedDL")
    if bool(given.get("is_seg")) != is_seg:
        raise given.wrong("is_seg", f"is {shown(given.get('is_seg'))}")
    order: Any = given.values.get("order", 3)
    if order not in orders or isinstance(order, bool):
        raise given.wrong("order", f"is {shown(order)}; MedDL has {' and '.join(map(str, orders))}")
    if given.values.get("order_z", 0) != 0:
        raise given.wrong("order_z", f"is {shown(given.get('order_z'))}; MedDL has 0")
    forced = given.values.get("force_separate_z", False)
    if forced is None:
        if "separate_z_anisotropy_threshold" not in given:
            return int(order), ANISOTROPY
        return int(order), given.number("separate_z_anisotropy_threshold")
    if not isinstance(forced, bool):
        raise given.wrong("force_separate_z", f"is {shown(forced)}")
    return int(order), 0.0 if forced else None
