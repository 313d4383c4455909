"""Fixtures of all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans; a test that needs it is skipped, and says so, where it is absent."""
    folder = Path(os.environ.get("MEDDL_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real scans are not at {folder}; set MEDDL_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def shared_models(shared_data: Path) -> Path:
    """The folder of real networks, beside the scans."""
    folder = shared_data.parent / "models"
    if not folder.is_dir():
        pytest.skip(f"the real networks are not at {folder}")
    return folder
