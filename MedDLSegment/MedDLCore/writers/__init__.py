"""From a label map to files: whole or not at all, under names that are safe, without anything of the patient.

The one exception is DICOM SEG, which belongs to the patient's study and says so. Its writer stands apart in
``dicom_seg``, because it imports pydicom and highdicom.
"""

from ..terminology import label_notices
from .algorithm import Algorithm
from .formats import FORMATS, Format
from .manifest import InputRecord, Manifest, OutputRecord, content_hash, library_versions, write_manifest
from .names import output_path, output_stem, safe_name
from .nifti import check_nifti, sidecar_path, write_nifti
from .seg_nrrd import segment_id, write_seg_nrrd
from .statistics import SegmentStatistics, segment_statistics, write_statistics
from .training_set import Added, add_to_training_set, channels_of_set, check_training_set

__all__ = [
    "FORMATS",
    "Added",
    "Algorithm",
    "Format",
    "InputRecord",
    "Manifest",
    "OutputRecord",
    "SegmentStatistics",
    "add_to_training_set",
    "channels_of_set",
    "check_nifti",
    "check_training_set",
    "content_hash",
    "label_notices",
    "library_versions",
    "output_path",
    "output_stem",
    "safe_name",
    "segment_id",
    "segment_statistics",
    "sidecar_path",
    "write_manifest",
    "write_nifti",
    "write_seg_nrrd",
    "write_statistics",
]
