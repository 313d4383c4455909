"""Scans to try MedDL with: Slicer's own, whose addresses hold their SHA-256."""

from __future__ import annotations

from pathlib import Path

from slicer.util import TESTING_DATA_URL

from .translation import _

CATEGORY = "MedDL"

SAMPLES = (
    ("MRHead", "MR-head.nrrd", "cc211f0dfd9a05ca3841ce1141b292898b2dd2d3f08286affadf823a7e58df93"),
    ("CTLiver", "CTLiver.nrrd", "e16eae0ae6fefa858c5c11e58f0f1bb81834d81b7102e021571056324ef6f37e"),
    ("CTChest", "CT-chest.nrrd", "4507b664690840abb6cb9af2d919377ffc4ef75b167cb6fd0f747befdb12e38e"),
)
"""Name, file and SHA-256."""

ICONS = Path(__file__).parents[1] / "Resources" / "Icons"


def register() -> None:
    """Adds them to the module Sample Data, in a section of our own. Nothing is downloaded."""
    from SampleData import SampleDataLogic

    if hasattr(SampleDataLogic, "registerCustomSampleDataCategory"):  # not in every Slicer 5.12
        SampleDataLogic.registerCustomSampleDataCategory(CATEGORY, title=_("MedDL"))
    for name, file, sha256 in SAMPLES:
        SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=name,
            uris=f"{TESTING_DATA_URL}SHA256/{sha256}",
            fileNames=file,
            nodeNames=name,
            checksums=f"SHA256:{sha256}",
            thumbnailFileName=str(ICONS / f"MedDLSegment-{name}.png"),
        )
