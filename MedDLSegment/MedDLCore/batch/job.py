"""What a batch does to every scan. Another model, or another setting that changes results, is another job."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from ..admission import Options
from ..readers import ReadOptions


@dataclass(frozen=True)
class Job:
    """What is done to every scan.

    Attributes:
        model_name, model_version, model_sha256: the model.
        formats: what is written, see ``FORMATS``; empty: DICOM SEG of a series, ``.seg.nrrd`` of a file.
        options: of the pipeline.
        reading: of the readers.
        anonymous: results of files are named by their content.
    """

    model_name: str
    model_version: str
    model_sha256: str
    formats: tuple[str, ...] = ()
    options: Options = Options()
    reading: ReadOptions = ReadOptions()
    anonymous: bool = False

    @property
    def settings(self) -> str:
        """What changes results, as JSON with sorted keys."""
        return json.dumps(
            {
                "formats": sorted(self.formats),
                "anonymous": self.anonymous,
                "frame": self.reading.frame,
                "modality": self.reading.modality,
                **self.options.settings,
            },
            sort_keys=True,
        )

    @property
    def digest(self) -> str:
        """By which the ledger knows the job."""
        return hashlib.sha256(f"{self.model_sha256} {self.model_name} {self.settings}".encode()).hexdigest()

    def formats_for(self, is_dicom: bool) -> tuple[str, ...]:
        """What is written of a DICOM series; of what can have no DICOM SEG, the other formats, if there are any."""
        wanted = self.formats or (("dicomseg",) if is_dicom else ("nrrd",))
        return wanted if is_dicom else tuple(name for name in wanted if name != "dicomseg") or wanted
