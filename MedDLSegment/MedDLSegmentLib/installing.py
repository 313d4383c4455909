"""Installs libraries into Slicer's own Python, by Slicer's own means: the PyTorch extension and ``slicer.packaging``.

They ask the person first, show what goes on, and offer to restart. Only a click comes here.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import slicer

from .installation_state import KEPT, OF_TORCH, TORCH, constraints, withoutTorch
from .translation import _

if TYPE_CHECKING:
    from packaging.requirements import Requirement

REQUESTER = "MedDL"


class NotInstalledError(Exception):
    """Why nothing, or not all, was installed, in words."""


def whyNot() -> str:
    """Why this Slicer cannot install; empty: it can."""
    try:
        import slicer.packaging  # noqa: F401  Slicer 5.12
    except ImportError:
        return _("This Slicer is too old: 5.12 or newer can install.")
    return ""


def install(missing: Sequence[Requirement]) -> None:
    """Downloads and installs what is missing, after asking.

    Raises:
        NotInstalledError: declined, or failed.
    """
    from slicer.packaging import pip_ensure

    torch = next((needed for needed in missing if needed.name == TORCH), None)
    if torch is not None:
        _installTorch(torch)
    with _constraintsFile() as kept:
        try:
            pip_ensure(withoutTorch(missing), constraints=kept, requester=REQUESTER)
        except RuntimeError as error:  # Slicer's way to say that the person declined
            raise NotInstalledError(_("Nothing was installed.")) from error
        except Exception as error:
            raise NotInstalledError(_("The installation failed: {why}").format(why=error)) from error


def installFrom(wheels: Path, missing: Sequence[Requirement]) -> None:
    """Installs what is missing, torch too, from a folder of wheels. No connection is made.

    Raises:
        NotInstalledError: no wheels, or failed.
    """
    from slicer.packaging import pip_install

    if not any(wheels.glob("*.whl")):
        raise NotInstalledError(_("There are no wheels (.whl) in {folder}.").format(folder=wheels.name))
    arguments = ["--no-index", "--find-links", str(wheels), *map(str, missing)]
    with _constraintsFile(but=[needed.name for needed in missing if needed.name in OF_TORCH]) as kept:
        try:
            pip_install(arguments, constraints=kept, requester=REQUESTER)
        except Exception as error:
            raise NotInstalledError(_("The installation failed: {why}").format(why=error)) from error


def _installTorch(needed: Requirement) -> None:
    """By the PyTorch extension, which knows the build for this machine's graphics card.

    It takes no constraints; pip, which it calls in a process of its own, takes them from the environment.
    """
    try:
        import PyTorchUtils
    except ImportError as error:
        text = _("Install the extension PyTorch in the Extensions Manager first, and start Slicer again.")
        raise NotInstalledError(text) from error
    if slicer.app.testingEnabled():  # there, it would install without asking
        raise NotInstalledError(_("Nothing was installed."))
    with _constraintsFile(but=OF_TORCH) as kept:
        os.environ["PIP_CONSTRAINT"] = str(kept)
        try:
            torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
                askConfirmation=True, torchVersionRequirement=str(needed.specifier)
            )
        except Exception as error:
            raise NotInstalledError(_("PyTorch could not be installed: {why}").format(why=error)) from error
        finally:
            del os.environ["PIP_CONSTRAINT"]
    if torch is None:
        raise NotInstalledError(_("Nothing was installed."))


@contextmanager
def _constraintsFile(but: Sequence[str] = ()) -> Iterator[Path]:
    """A file for pip that keeps what is there, ``but`` for some."""
    from MedDLCore.found_libraries import found

    importlib.invalidate_caches()  # torch may have come a moment ago
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "constraints.txt"
        path.write_text(constraints(found(KEPT), but), encoding="utf-8")
        yield path
