"""The engines by name: each makes itself ready and gives the call that segments the scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from .cases import Case
from .meter import Meter
from .networks import STAND_INS

Labels = NDArray[Any]
Call = Callable[[], Labels]


@dataclass(frozen=True)
class Job:
    """What one engine is to do.

    Attributes:
        case: the case.
        engine: its name; ``meddl-NAME`` is MedDL with the backend NAME.
        model: folder of the model in nnU-Net's form.
        by_torch: the same model for nnU-Net's resampling by torch.
        scan: ``(K, J, I)`` as ``.npy``.
        voxel: mm of the scan along K, J, I.
        threads: CPU threads.
        into: folder for the label map, ``labels.npy``, and the figures, ``figures.json``.
    """

    case: Case
    engine: str
    model: Path
    by_torch: Path
    scan: Path
    voxel: tuple[float, float, float]
    threads: int
    into: Path

    def stand_in(self) -> nn.Module | None:
        """What runs in the network's place, if anything does."""
        kind = self.case.network
        return None if kind == "unet" else STAND_INS[kind](self.case.classes).eval()


class RefusedError(Exception):
    """An engine cannot do the job; the message says why."""


def ready(job: Job, meter: Meter) -> Call:
    """Loads everything that the engine needs; returns what is measured.

    Raises:
        RefusedError: saying what the engine lacks.
        ImportError: a peer is not installed.
    """
    scan = np.load(job.scan)
    name, _, backend = job.engine.partition("-")
    if name == "meddl":
        from .meddl import meddl

        return meddl(job, scan, meter, backend)
    if name == "nnunet":
        from .nnunet import judge, nnunet

        return judge(job, scan, meter) if backend == "fp32" else nnunet(job, scan, meter)
    from .monai_inferer import monai_inferer

    return monai_inferer(job, scan, meter)
