"""The central types: a case is the scans of one examination and the structures that were drawn on them.

Nothing here holds voxels. A source knows where its voxels are and reads them each time it is asked, so that a data set
of any size can be gone through with one case in memory::

    for case in data_set.cases:
        loaded = data_set.load(case)
        loaded.volumes      # one for each channel, each on its own grid, as ``MedDLCore.preprocess.prepare`` takes them
        loaded.truth        # LabelMap on the first volume's grid, in the values of ``data_set.labels``

A case has two names. ``id`` is its pseudonym: it goes into file names, reports, tables and caches. ``name`` is what the
person calls it, mostly a file's name, and may name a patient: it is shown on the screen and written nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from MedDLCore.errors import MedDLError
from MedDLCore.volume import LabelMap, Terminology, Volume


class ImageSource(Protocol):
    """Where a volume is.

    Attributes:
        files: that it reads; none where it is taken out of a scene.
    """

    @property
    def files(self) -> tuple[Path, ...]: ...  # noqa: D102 - above

    def read(self) -> Volume:
        """Reads it: ``(K, J, I)``, one channel.

        Raises:
            MedDLError: what its reader refuses.
        """
        ...


class TruthSource(Protocol):
    """Where a segmentation is.

    Attributes:
        own_grid: it may lie on another grid than its scan, as segmentations of Slicer and DICOM do: these hold the part
            around their segments. A label map in a plain volume file must lie on its scan's very voxels.
        files: as of an image.
    """

    @property
    def files(self) -> tuple[Path, ...]: ...  # noqa: D102 - above

    @property
    def own_grid(self) -> bool: ...  # noqa: D102 - above

    def read(self, scan: Volume) -> LabelMap:
        """Reads it, with the values that it is stored with.

        Its ``labels`` say in which layer a value lies; a label map without labels has one layer.

        Args:
            scan: the case's first volume, on whose slices it may have been drawn.

        Raises:
            MedDLError: what its reader refuses.
        """
        ...


@dataclass(frozen=True)
class Segment:
    """A structure that was drawn on a case.

    Attributes:
        name: as the person called it.
        values: its voxel values in its segmentation; several where it is a union (nnU-Net's regions).
        terminology: its coded meaning, where its source says one.
        color: red, green, blue, where its source says one.
        layer: of its segmentation's array; None: where the segmentation's own labels have the value.
        source: which of the case's segmentations holds it.
    """

    name: str
    values: tuple[int, ...]
    terminology: Terminology | None = None
    color: tuple[int, int, int] | None = None
    layer: int | None = None
    source: int = 0


@dataclass(frozen=True, eq=False)
class Case:
    """The scans of one examination, and what was drawn on them.

    Attributes:
        id: pseudonym, ``case_0001``. It is all that may be written of who this is.
        name: what the person calls it. Only for the screen.
        images: one for each channel, in the data set's order. The first one's grid is the case's.
        truths: its segmentations: one, or several that are laid over each other.
        segments: what they hold, also what is empty.
        patient: equal for cases of one patient: a digest, nothing that can be read. ``""`` where it is not known.
    """

    id: str
    name: str
    images: tuple[ImageSource, ...]
    truths: tuple[TruthSource, ...]
    segments: tuple[Segment, ...]
    patient: str = ""


@dataclass(frozen=True)
class Unusable:
    """What was found where the data are, and cannot be used: a scan without a segmentation, a broken file.

    It is left out only if the person says so; until then it is an error of the data set.

    Attributes:
        id: pseudonym, ``unused_0001``.
        name: what the person calls it. Only for the screen.
        error: why.
    """

    id: str
    name: str
    error: MedDLError
