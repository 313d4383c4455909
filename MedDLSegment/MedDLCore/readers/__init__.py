"""Files become volumes here: DICOM series, NIfTI, NRRD and MetaImage, told apart by their content.

Each input ends as a volume, as a volume with named warnings, or in a refusal with a code. Sizes are checked before
memory is taken, and a file that is shorter than its header says is refused, never read as far as it goes.
"""

from .choices import check_without_series, chosen_frames
from .grouping import scans_of
from .open import read
from .options import ReadOptions

__all__ = ["ReadOptions", "check_without_series", "chosen_frames", "read", "scans_of"]
