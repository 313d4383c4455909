"""Packages whose names are imported when they are first asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest

LAZY = ("MedDLCore.batch", "MedDLCore.models", "MedDLTraining.check", "MedDLTraining.data", "MedDLTraining.plan")

EAGER = {"catalogue"}
"""A function of the name of its module: it is imported with its package."""


@pytest.mark.parametrize("name", LAZY)
def test_every_name_of_the_package_is_found(name: str) -> None:
    package = import_module(name)
    assert all(getattr(package, each).__name__ == each for each in package.__all__ if each.islower())
    assert all(hasattr(package, each) for each in package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize("name", LAZY)
def test_no_name_is_that_of_a_module(name: str) -> None:
    """Or else what was imported before would decide which of both is found."""
    package = import_module(name)
    assert {module.name for module in iter_modules(package.__path__)} & set(package.__all__) <= EAGER


def test_what_the_panels_name_at_once_imports_nothing_heavy() -> None:
    code = """
import sys
import MedDLCore.models.offered, MedDLCore.batch.service, MedDLTraining.service, MedDLTraining.plan.named
print(sorted({"pydicom", "SimpleITK", "torch", "monai", "yaml", "MedDLCore.readers"} & set(sys.modules)))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
