"""Names of MONAI's classes, as bundles write them, and what they are called here."""

from __future__ import annotations

from collections.abc import Collection

from .config import Component
from .refusal import OutsideError

FORMS = ("d", "D", "Dict")
"""Suffixes of a transform that works on a dictionary."""


def known_class(component: Component, package: str, known: Collection[str], forms: tuple[str, ...] = ()) -> str:
    """Looks a component up in an allow-list.

    Args:
        component: its ``_target_`` is a class of MONAI, with or without its module.
        package: MONAI's package in which it lies, e.g. ``monai.transforms``.
        known: the allow-list.
        forms: suffixes that make no difference.

    Raises:
        OutsideError: for every other class.
    """
    module, _, name = component.target.rpartition(".")
    if not module or module == "monai" or f"{module}.".startswith(f"{package}."):
        bases = [name, *(name.removesuffix(form) for form in forms if name.endswith(form))]
        for base in bases:
            if base in known:
                return base
    raise OutsideError(
        f"{component.config.file}: {component.where}", component.target, f"is not a class of {package} that MedDL reads"
    )
