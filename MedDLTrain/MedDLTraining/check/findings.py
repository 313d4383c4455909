"""What the check can find, as one closed list: how bad it is, what it does to the training, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

NOTHING_TO_DO = "Nothing."
"""The remedy where none is needed."""


class Severity(str, Enum):
    """How bad a finding is. With an error the training does not start."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Fault(str, Enum):
    """The closed list. The value is what reports show."""

    # What was found and is no case
    NO_PAIR = "NO_PAIR"
    UNREADABLE = "UNREADABLE"
    CHANNELS_MISSING = "CHANNELS_MISSING"
    COUNT_DIFFERS = "COUNT_DIFFERS"
    FEW_CASES = "FEW_CASES"
    # Where things lie
    GEOMETRY_MISMATCH = "GEOMETRY_MISMATCH"
    GEOMETRY_DOUBTFUL = "GEOMETRY_DOUBTFUL"
    CHANNELS_APART = "CHANNELS_APART"
    FOREGROUND_OUTSIDE = "FOREGROUND_OUTSIDE"
    SPACING_OUTLIER = "SPACING_OUTLIER"
    FLAT_AND_DEEP = "FLAT_AND_DEEP"
    SIDES_SWAPPED = "SIDES_SWAPPED"
    MIRRORED = "MIRRORED"
    # Structures
    LABEL_NEVER = "LABEL_NEVER"
    NO_FOREGROUND = "NO_FOREGROUND"
    SEGMENT_MISSING = "SEGMENT_MISSING"
    SEGMENT_EMPTY = "SEGMENT_EMPTY"
    SEGMENTS_OVERLAP = "SEGMENTS_OVERLAP"
    VOLUME_OUTLIER = "VOLUME_OUTLIER"
    # Values and names of labels
    VALUES_UNKNOWN = "VALUES_UNKNOWN"
    LABEL_GAPS = "LABEL_GAPS"
    LABELS_UNNAMED = "LABELS_UNNAMED"
    CODES_CONTRADICT = "CODES_CONTRADICT"
    NAMES_MERGED = "NAMES_MERGED"
    SEGMENTS_MERGED = "SEGMENTS_MERGED"
    # Intensities
    UNITS_DUBIOUS = "UNITS_DUBIOUS"
    MODALITY_MIXED = "MODALITY_MIXED"
    VALUES_REPAIRED = "VALUES_REPAIRED"
    IMAGE_CONSTANT = "IMAGE_CONSTANT"
    SCALES_DIFFER = "SCALES_DIFFER"
    # The same thing twice
    DUPLICATE = "DUPLICATE"
    DUPLICATE_IN_SPLIT = "DUPLICATE_IN_SPLIT"
    PATIENT_IN_SPLIT = "PATIENT_IN_SPLIT"
    PATIENT_REPEATS = "PATIENT_REPEATS"
    PATIENT_UNKNOWN = "PATIENT_UNKNOWN"
    SPLIT_TWICE = "SPLIT_TWICE"
    SPLIT_UNKNOWN = "SPLIT_UNKNOWN"


@dataclass(frozen=True)
class Effect:
    """What a fault means for the training, in a user's words.

    Attributes:
        severity: how bad it is.
        consequence: what it does to the training.
        remedy: what to do.
        ruins: it can bring the Dice of a label to 0, or make the Dice worthless, all by itself.
    """

    severity: Severity
    consequence: str
    remedy: str
    ruins: bool = False


def _ruin(consequence: str, remedy: str) -> Effect:
    return Effect(Severity.ERROR, consequence, remedy, ruins=True)


def _error(consequence: str, remedy: str) -> Effect:
    return Effect(Severity.ERROR, consequence, remedy)


def _warning(consequence: str, remedy: str, ruins: bool = False) -> Effect:
    return Effect(Severity.WARNING, consequence, remedy, ruins)


def _note(consequence: str, remedy: str) -> Effect:
    return Effect(Severity.NOTE, consequence, remedy)


EFFECTS: Mapping[Fault, Effect] = MappingProxyType(
    {
        Fault.NO_PAIR: _error(
            "It cannot be trained on, and what is missing may be in the wrong place.",
            "Add what is missing, or leave it out with --leave-out NAME.",
        ),
        Fault.UNREADABLE: _error(
            "It cannot be trained on.", "Copy or export the files again, or leave the case out with --leave-out NAME."
        ),
        Fault.CHANNELS_MISSING: _error(
            "The network needs the same channels of every case.",
            "Add the missing files, or leave the case out with --leave-out NAME.",
        ),
        Fault.COUNT_DIFFERS: _warning(
            "Cases may have been lost on the way here.", "Compare with the source of the data, or correct numTraining."
        ),
        Fault.FEW_CASES: _warning(
            "A Dice measured on one or two cases says little, and the network may learn them by heart.",
            "Annotate more cases; start from a trained network.",
        ),
        Fault.GEOMETRY_MISMATCH: _ruin(
            "The labels lie beside the structures: the network learns the wrong place, and Dice stays near 0.",
            "Export scan and label map again from the same program, on the same grid.",
        ),
        Fault.GEOMETRY_DOUBTFUL: _warning(
            "If the scan lies otherwise than it was read, left and right or distances are wrong.",
            "Look at the picture of the case: are R, A and S where they belong?",
        ),
        Fault.CHANNELS_APART: _ruin(
            "The network sees two different places as one.",
            "Register the volumes first, or check that they belong together.",
        ),
        Fault.FOREGROUND_OUTSIDE: _ruin(
            "What lies outside the scan is lost; the segmentation may belong to another scan.",
            "Check that the segmentation was drawn on this scan, and that no transform is missing.",
        ),
        Fault.SPACING_OUTLIER: _warning(
            "The case is resampled by a large factor: its thin structures blur or look stepped.",
            "Check its spacing; leave it out if such scans will not be segmented later.",
        ),
        Fault.FLAT_AND_DEEP: _warning(
            "Single slices teach a 3-D network nothing about depth.", "Train on flat images and on volumes apart."
        ),
        Fault.SIDES_SWAPPED: _ruin(
            "Left and right contradict the other cases, or all of anatomy: the network cannot learn the sides.",
            "Swap the names, or correct the orientation in the header of scan and label map.",
        ),
        Fault.MIRRORED: _warning(
            "The case looks mirrored against the others: it teaches the opposite of what they teach.",
            "Compare R, A and S of its picture with another case's; or two of its labels have each other's name.",
            ruins=True,
        ),
        Fault.LABEL_NEVER: _ruin(
            "There is nothing to learn it from: its Dice will be 0, or not defined.",
            "Add cases in which it was drawn, or leave the label out of the table.",
        ),
        Fault.NO_FOREGROUND: _warning(
            "The case teaches that there is nothing: right for a healthy scan, wrong for one not yet annotated.",
            "Check that the annotation was saved.",
        ),
        Fault.SEGMENT_MISSING: _warning(
            "The structure counts as background in this case: if it is there and was not drawn, a falsehood is taught.",
            "Draw it, or leave the case out with --leave-out NAME.",
        ),
        Fault.SEGMENT_EMPTY: _warning(
            "The structure counts as absent in this case: if it is there and was not drawn, a falsehood is taught.",
            "Check that it is truly absent.",
        ),
        Fault.SEGMENTS_OVERLAP: _warning(
            "Each structure gets an output of its own, and a voxel can be several: slips of the brush are learnt, too.",
            "Nothing where they truly overlap; else decide in the Segment Editor which structure wins.",
        ),
        Fault.VOLUME_OUTLIER: _warning(
            "A structure of another order of size is often a slip of the brush, a wrong label or a wrong spacing.",
            "Look at the picture of the case.",
        ),
        Fault.VALUES_UNKNOWN: _ruin(
            "Structures without a name are not trained; drawn over a known one, they take its place.",
            "Name the values in dataset.json, or correct the label maps.",
        ),
        Fault.LABEL_GAPS: _note(
            "None here: labels are numbered anew, by name. Programs that take a value for a channel would fail.",
            NOTHING_TO_DO,
        ),
        Fault.LABELS_UNNAMED: _note(
            "The same number was taken for the same structure in every case, which nothing confirms.",
            "Say the names: --write-labels FILE, edit the names, --labels FILE.",
        ),
        Fault.CODES_CONTRADICT: _warning(
            "Segments of one name are trained as different structures, each from a part of the cases.",
            "Correct the codes in Slicer, or give them one label: --write-labels FILE, edit, --labels FILE.",
            ruins=True,
        ),
        Fault.NAMES_MERGED: _note(
            "Segments with different names and the same code are trained as one label.",
            "If they are different structures, give them different labels with --labels FILE.",
        ),
        Fault.SEGMENTS_MERGED: _warning(
            "Several segments of one case become one label.",
            "If they are different structures, give them different codes, or different labels with --labels FILE.",
        ),
        Fault.UNITS_DUBIOUS: _warning(
            "Intensities of CT are taken as they are: a scan in other units looks like other tissue to the network.",
            "Check the rescale slope and intercept of the export.",
            ruins=True,
        ),
        Fault.MODALITY_MIXED: _error(
            "One channel cannot be CT in one case and MR in another.", "Train a network for each, or use channels."
        ),
        Fault.VALUES_REPAIRED: _warning(
            "Voxels that were no numbers were replaced; many of them are a hole in the scan.", "Export the scan again."
        ),
        Fault.IMAGE_CONSTANT: _ruin("All voxels are equal: there is nothing to see.", "Export the scan again."),
        Fault.SCALES_DIFFER: _note(
            "Intensities must be normalised image by image, as MedDL does for everything but CT.", NOTHING_TO_DO
        ),
        Fault.DUPLICATE: _warning(
            "The same scan counts double, and may come to be trained on and tested on.",
            "Leave one out with --leave-out NAME.",
        ),
        Fault.DUPLICATE_IN_SPLIT: _ruin(
            "The network is tested on what it was trained on: its Dice is worthless.",
            "Keep copies on one side of the split.",
        ),
        Fault.PATIENT_IN_SPLIT: _ruin(
            "The network is tested on patients whom it knows: its Dice is too high.",
            "Keep all cases of a patient on one side of the split.",
        ),
        Fault.PATIENT_REPEATS: _note(
            "Several cases come from one patient; they must not be divided between training and validation.",
            "Nothing: cases of one patient stay together where MedDL divides them.",
        ),
        Fault.PATIENT_UNKNOWN: _warning(
            "If a folder is a patient, the network is tested on patients whom it knows: its Dice is too high.",
            "If a folder is a patient, say so with --patient '^([^/]+)/'. If none is: nothing.",
        ),
        Fault.SPLIT_TWICE: _ruin(
            "The network is tested on what it was trained on: its Dice is worthless.",
            "Name each case in one part only.",
        ),
        Fault.SPLIT_UNKNOWN: _error(
            "The split names cases that are not there.", "Correct the names; they are those that meddl check shows."
        ),
    }
)


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        fault: which.
        message: what was found, in a sentence, without anything of a patient: it may be written.
        cases: ids of the cases, or of what could not become one; empty: the whole data set.
        shown: the sentence for the screen, which may hold file names; ``""``: the message.
        hint: what to do about this one, on the screen; ``""``: the fault's remedy.
    """

    fault: Fault
    message: str
    cases: tuple[str, ...] = ()
    shown: str = ""
    hint: str = ""

    @property
    def effect(self) -> Effect:
        """What it means."""
        return EFFECTS[self.fault]

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.effect.severity
