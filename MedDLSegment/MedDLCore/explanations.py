"""What each code means, in a user's words: ``meddl codes`` shows it, and makes ``Resources/CODES.md`` of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .codes import Code, Exit


@dataclass(frozen=True)
class Explanation:
    """What a code means, in a user's words.

    Attributes:
        exit: exit status of a command that is refused with this code.
        meaning: what happened.
        remedy: what the person can do.
        refuses: it can stop a case. False: it only ever accompanies a result.
    """

    exit: Exit
    meaning: str
    remedy: str
    refuses: bool = True


def _warning(meaning: str, remedy: str) -> Explanation:
    return Explanation(Exit.OK, meaning, remedy, refuses=False)


def _input(meaning: str, remedy: str) -> Explanation:
    return Explanation(Exit.INPUT, meaning, remedy)


def _model(meaning: str, remedy: str) -> Explanation:
    return Explanation(Exit.MODEL, meaning, remedy)


def _resources(meaning: str, remedy: str) -> Explanation:
    return Explanation(Exit.RESOURCES, meaning, remedy)


def _output(meaning: str, remedy: str) -> Explanation:
    return Explanation(Exit.OUTPUT, meaning, remedy)


EXPLANATIONS: Mapping[Code, Explanation] = MappingProxyType(
    {
        Code.FILE_NOT_FOUND: _input("There is no file or folder at the given path.", "Check the path."),
        Code.FILE_UNREADABLE: _input(
            "The file could not be read as an image.",
            "Check that it is a DICOM, NIfTI, NRRD or MetaImage file and that it opens elsewhere.",
        ),
        Code.FILE_TRUNCATED: _input(
            "A file ends before its data does: an interrupted copy or transfer.",
            "Copy or export the file again. MedDL never reads a shorter stack in its place.",
        ),
        Code.FILE_SKIPPED: _warning(
            "A file in the folder is not an image of the scan and was left out.",
            "Nothing, unless you expected this file to be part of the scan.",
        ),
        Code.FILE_DAMAGED: _warning(
            "A file that is named like the slices of the scan is empty or no longer DICOM. A slice may be missing; "
            "at an end of the scan that leaves no gap.",
            "Compare the number of slices with the archive's, or copy or export the series again.",
        ),
        Code.NO_IMAGES: _input(
            "The folder holds no image that MedDL can read.", "Choose the folder that holds the series' files."
        ),
        Code.MANY_SERIES: _input(
            "The folder holds several series and it is not clear which one is meant.",
            "Name one with --series, or take all with --series all.",
        ),
        Code.SERIES_UNKNOWN: _input(
            "The series that --series names is not there, or the input is no DICOM and has none.",
            "Leave out --series: a scan that is alone needs none, and several are listed.",
        ),
        Code.NO_DECODER: _input(
            "The pixel data are compressed in a way that no installed decoder understands.",
            "Export the series uncompressed or with lossless JPEG, JPEG-LS, JPEG 2000 or RLE.",
        ),
        Code.NOT_SCALAR: _input(
            "The image is in colour or has several components per voxel.",
            "Use the original reconstruction, not a screenshot or colour-coded map.",
        ),
        Code.NOT_CT_MR: _input(
            "The input is not a CT, MR or PET image (a report, a secondary capture, a segmentation, ...).",
            "Choose an image series of the study.",
        ),
        Code.NOT_3D: _input(
            "The file holds several volumes (a time series or diffusion data), or a flat image, not one volume.",
            "Choose one with --frame NUMBER, or all with --frame all.",
        ),
        Code.LOCALIZER: _input("The series is a localizer (scout).", "Choose the diagnostic series of the study."),
        Code.MULTI_STACK: _input(
            "The multi-frame file holds several stacks of slices.", "Export the stacks as separate series."
        ),
        Code.SERIES_SPLIT: _warning(
            "One series holds several acquisitions; each became a volume of its own.",
            "Check that each result lies on the acquisition you expect.",
        ),
        Code.SERIES_LEFT_OUT: _warning(
            "One of several series could not be read and was left out; the others were done.",
            "Read that series alone, with --series, to see the refusal in full.",
        ),
        Code.SERIES_INCONSISTENT: _input(
            "The files of the series contradict each other (patients, sizes, the same UID twice).",
            "Export the series again, alone.",
        ),
        Code.WRONG_MODALITY: _input(
            "The model was trained on another modality than this scan's.",
            "Choose a model for this modality; --allow WRONG_MODALITY runs it all the same.",
        ),
        Code.MODALITY_UNKNOWN: _warning(
            "The file does not say its modality, so it could not be compared with the model's.",
            "State it with --modality, and look at the result.",
        ),
        Code.CHANNELS_MISMATCH: _input(
            "The model needs another number of input volumes.", "Give one volume for each channel that the model lists."
        ),
        Code.CHANNELS_APART: _input(
            "The input volumes of one case do not lie on each other.",
            "Register them first, or check that they belong together.",
        ),
        Code.GEOM_SINGULAR: _input(
            "The image's axes do not span space (zero spacing or parallel axes).", "Export the image again."
        ),
        Code.GEOM_MISSING: _input(
            "The file does not say where its voxels lie (no position, orientation or spacing).",
            "Use the original images. Without geometry left and right cannot be told.",
        ),
        Code.GEOM_AMBIGUOUS: _warning(
            "The file states its geometry twice, differently, or not in full; the message says what was used.",
            "Check the result's orientation.",
        ),
        Code.GEOM_TILT: _warning(
            "The gantry was tilted: slices are shifted against each other. The scan was resampled to a straight grid.",
            "Nothing; thin structures may look slightly smoother.",
        ),
        Code.GEOM_GAP: _input(
            "Slices are missing. Small gaps are filled by interpolation with this warning, large ones are refused.",
            "Send the missing slices, or accept interpolated anatomy with --allow GEOM_GAP.",
        ),
        Code.GEOM_VARIABLE: _warning(
            "Slice spacing changes within the scan. It was resampled to an even grid.",
            "Nothing; check the result where the spacing is large.",
        ),
        Code.GEOM_DUP: _input(
            "Several slices lie at the same place. Identical copies are dropped with this warning; "
            "different ones that cannot be told apart are refused.",
            "Export the acquisition alone.",
        ),
        Code.TRANSFORM_NONLINEAR: _warning(
            "The volume lies under a non-linear transform; the network saw a hardened copy.",
            "Nothing; the result lies under the same transform.",
        ),
        Code.TRANSFORM_REFUSED: _input(
            "The volume lies under a transform that cannot be applied or inverted.", "Harden or remove the transform."
        ),
        Code.REGION_OUTSIDE: _input(
            "The region of interest does not meet the scan, or a point does not lie in it.",
            "Give the region, or the point, in mm, in the scan's R, A, S coordinates.",
        ),
        Code.POINTS_MISMATCH: _input(
            "The model was trained on crops, so that it looks around points, and none was given; or it was trained on "
            "whole scans, and points were given.",
            "With a model of crops, name the middle of what is to be found with --at R,A,S; leave it away with others.",
        ),
        Code.CLICKS_MISMATCH: _input(
            "The model was not trained with clicks, or not for the structure that a click names.",
            "Train one that listens with meddl train --interactive, which can begin with this model: --from.",
        ),
        Code.GRID_CUTS: _warning(
            "The model sees a part of the scan, a grid of fixed size around its centre or a box around a point, and "
            "something reaches beyond it.",
            "Nothing, if what you look for lies well inside. Else crop the scan around it, name another point, or use "
            "another model.",
        ),
        Code.NOT_CROPPED: _warning(
            "The scan was to be cropped to the body, and the model does not allow that: the network sees all of it.",
            "Nothing. Leave --crop-body away with this model.",
        ),
        Code.NONFINITE: _input(
            "The scan contains NaN or infinite values. Up to 1 % are replaced with this warning, more are refused.",
            "Export the scan again or repair it.",
        ),
        Code.UNITS_DUBIOUS: _warning(
            "The values of this CT do not look like Hounsfield units.",
            "Check the rescale slope and intercept of the export; the result may be wrong.",
        ),
        Code.FOREGROUND_CUT: _warning(
            "The box that this model cuts out of a scan, as its own program does, left out some of the foreground.",
            "Look whether what you need is at the edge. A scan with its axes in another order is cut elsewhere.",
        ),
        Code.VALUES_INVERTED: _warning(
            "The image was stored as a photographic negative (MONOCHROME1); its values were turned round.",
            "Check that air is dark in the result's picture.",
        ),
        Code.TOO_THIN: _input(
            "The scan has fewer slices than the model needs.", "Use a scan that covers more, or another model."
        ),
        Code.TOO_LARGE: _input(
            "The file declares more voxels than this machine could ever hold.",
            "Check the file; crop or resample the scan.",
        ),
        Code.DATA_INVALID: _input(
            "What describes the training data (dataset.json, the table of labels, the split) is malformed, or the data "
            "are not as it says.",
            "Correct the description, or the files that the message names.",
        ),
        Code.PAIR_MISSING: _input(
            "A scan of the training data has no segmentation, or a segmentation no scan.",
            "Add what is missing, or leave the case out with --leave-out NAME.",
        ),
        Code.PAIR_AMBIGUOUS: _input(
            "It is not clear which scan and which segmentation of the training data belong together.",
            "Give the files of one case the same name, in folders images and labels.",
        ),
        Code.LABELS_APART: _input(
            "A segmentation of the training data does not lie on its scan.",
            "Export both again from the same program; a label map must have the grid of its scan.",
        ),
        Code.CONTOURS_ONLY: _input(
            "The segmentation is a DICOM RTSTRUCT: contours, which have to be turned into voxels first.",
            "Load it in Slicer (extension SlicerRT), and save the segmentation as .seg.nrrd beside the scan.",
        ),
        Code.PLAN_INVALID: _input(
            "The plan of a training is malformed, or belongs to other data.",
            "Correct the key that the message names, or let MedDL plan anew.",
        ),
        Code.DATA_SCARCE: _warning(
            "There are too few cases to keep some apart from the training.",
            "Annotate further cases: how good the model is cannot be told.",
        ),
        Code.CHECKPOINT_DAMAGED: _warning(
            "A checkpoint of a training is damaged. The one before was taken.", "Check the disk if this comes again."
        ),
        Code.LEARNT_FROM: _warning(
            "A model was judged on cases that it has learnt from: it remembers them, and the scores are too good.",
            "Judge it on cases that were kept apart: meddl evaluate with --cases, or --split and --part.",
        ),
        Code.STATEMENT_INVALID: _model(
            "Something that must be stated of a model before it is published is missing or not understood.",
            "State it as the message says. Nothing is made up in your place.",
        ),
        Code.EVALUATION_INVALID: _input(
            "The folder holds no evaluation, or that of another model.",
            "Evaluate this model with meddl evaluate, and give the folder of that.",
        ),
        Code.NOT_IN_MONAI: _warning(
            "MONAI's networks and transforms cannot do exactly what the model does. Its bundle was written without "
            "inference.json, for MONAI's own runner would give another result.",
            "Run the bundle with MedDL. Everything else in it is there.",
        ),
        Code.PROCESS_LOST: _resources(
            "One of several processes of a training was ended from outside; the system does so where memory runs out.",
            "Go on with --resume, which costs at most one epoch. If it comes again: fewer processes, or less --memory.",
        ),
        Code.MODEL_NOT_FOUND: _model("No model has this name or lies at this path.", "See: meddl models list."),
        Code.MODEL_INVALID: _model(
            "The model's description is incomplete or contradicts itself.",
            "Ask the model's author for a valid package.",
        ),
        Code.MODEL_UNSAFE: _model(
            "The model file would run code when opened. It was not opened.",
            "Ask for the weights as safetensors, or convert them where you trust the file.",
        ),
        Code.MODEL_UNTRUSTED: _model(
            "The model needs code of its own, or something else that MedDL does not read as data. Nothing of it ran.",
            "The message lists the places. Use another model; or, if you trust it: meddl models trust FOLDER.",
        ),
        Code.MODEL_TRUSTED: _model(
            "The model runs code of its own, in a process of its own, because you have agreed to its very files. "
            "A plan of its run cannot be made.",
            "To take that back: meddl models trust FOLDER --revoke.",
        ),
        Code.MODEL_CORRUPT: _model(
            "The model's weights are damaged or were changed (a wrong checksum).", "Remove the model and get it again."
        ),
        Code.MODEL_EXISTS: _model(
            "A model of this name is there already.", "Remove it first, or add it under another name."
        ),
        Code.MODEL_LABELS: _warning(
            "The model does not name all of its classes.", "The segments are named by their number; rename them."
        ),
        Code.MODEL_ADAPTED: _warning(
            "MedDL does a step of the model in another way than the program that it was made for.",
            "The message says which step and how. Compare results where that step matters.",
        ),
        Code.MODEL_ASSUMED: _warning(
            "The model's files leave something open, such as which of several trainings is meant.",
            "Read what was taken; give the folder of the training that you mean.",
        ),
        Code.ARCHIVE_UNSAFE: _model(
            "The archive could write outside its folder, hide files or fill the disk. Nothing of it was used.",
            "Ask the sender for a clean archive.",
        ),
        Code.DOWNLOAD_FAILED: _model("The download did not succeed.", "Check the connection and try again."),
        Code.DOWNLOAD_TAMPERED: _model(
            "The downloaded file is not the one that was published. It was deleted.",
            "Try again later; report it if it stays.",
        ),
        Code.LICENCE_NOT_ACCEPTED: _model(
            "The model's licence was not accepted.", "Read the licence that is shown; --accept-licence accepts it."
        ),
        Code.NO_MEMORY: _resources(
            "The run needs more memory than is free.",
            "Close other programs, restrict the region with --roi, or choose a smaller model.",
        ),
        Code.MEMORY_TIGHT: _warning(
            "The run will use most of the free memory.", "Close other programs if the machine becomes slow."
        ),
        Code.STEPPED_DOWN: _warning(
            "A device ran out of memory, or a faster way of computing failed there; the run went on more slowly. The "
            "result is the same.",
            "Nothing.",
        ),
        Code.DEVICE_MISSING: _resources(
            "The device asked for is not on this machine.", "Leave out --device to let MedDL choose."
        ),
        Code.NETWORK_NONFINITE: _model(
            "The network computed values that are not numbers. There is no result.",
            "Check that the scan is of the kind that the model was trained on; try --device cpu.",
        ),
        Code.EXTRA_MISSING: _resources(
            "An optional part is not installed.", "Install the extra that the message names."
        ),
        Code.CANCELLED: Explanation(
            Exit.CANCELLED,
            "The run was cancelled. No unfinished file was left; finished ones stay.",
            "Start it again: a training goes on with --resume, a batch or an evaluation by itself; else --overwrite "
            "replaces what was finished.",
        ),
        Code.REQUEST_INVALID: _resources(
            "A program asked the worker, the process that runs networks, for something that it does not understand.",
            "Report it: the program and MedDL's worker do not fit together.",
        ),
        Code.WORKER_LOST: _resources(
            "The worker, the process that runs networks, did not start, or ended before its answer.",
            "Start the run again. If it happens again, the worker's log says why.",
        ),
        Code.WORKER_STALLED: _resources(
            "The worker, the process that runs networks, hung and was ended.",
            "Start the run again; try --device cpu. A graphics card's driver may need the machine to be restarted.",
        ),
        Code.EMPTY_RESULT: _warning(
            "The network found none of its structures.", "Look at the scan: the structures may lie outside it."
        ),
        Code.LABEL_UNKNOWN: _model("The model has no structure of this name.", "See: meddl models info NAME."),
        Code.LABEL_UNCODED: _warning(
            "The model gives no anatomical code for a structure, and MedDL's table does not know its name; a generic "
            "code was written.",
            "Set the code in Slicer if you need it.",
        ),
        Code.LABELS_OVERLAP: _output(
            "Structures overlap, and the chosen format can hold only one per voxel.",
            "Write .seg.nrrd or DICOM SEG instead.",
        ),
        Code.NOT_DICOM: _output(
            "DICOM SEG can only be written for a scan that was read from DICOM files.",
            "Write .seg.nrrd or NIfTI, or give the DICOM series.",
        ),
        Code.SEG_REFUSED: _output(
            "The scan's DICOM headers do not allow a valid DICOM SEG.",
            "The message names what is missing. Write .seg.nrrd instead.",
        ),
        Code.NO_SPACE: _output("The disk is full. No incomplete file was left.", "Free space and run again."),
        Code.OUTPUT_UNWRITABLE: _output(
            "The output folder cannot be written to.", "Choose another folder or change its rights."
        ),
        Code.OUTPUT_EXISTS: _output(
            "The result is there already.", "Choose another folder, or overwrite with --overwrite."
        ),
        Code.DATABASE_UNREADABLE: _input(
            "The DICOM database could not be read: it is damaged, or of a version that is not known.",
            "Open it in Slicer, which can repair or update it; or give the folder of the DICOM files.",
        ),
        Code.RULE_INVALID: Explanation(
            Exit.USAGE, "A rule that chooses scans cannot be understood.", "See: meddl batch --help."
        ),
        Code.BATCH_RUNNING: _output(
            "Another batch is writing into this folder.", "Wait for it, or choose another folder."
        ),
        Code.LEDGER_UNREADABLE: _output(
            "The ledger of the folder of results, which says what is done, is damaged or of a newer version.",
            "Choose another folder. Without the ledger, which may be moved away, results that are there are refused.",
        ),
        Code.SERVER_REFUSED: Explanation(
            Exit.USAGE, "The address of a server is not one that MedDL connects to.", "The message says which it takes."
        ),
        Code.SERVER_AWAY: _resources(
            "The DICOMweb server does not answer, though it was asked several times.",
            "Start the batch again when the server is back: it goes on where it was.",
        ),
        Code.ACCESS_DENIED: _resources(
            "The DICOMweb server refuses access.",
            "Set MEDDL_DICOMWEB_TOKEN, or MEDDL_DICOMWEB_USER and MEDDL_DICOMWEB_PASSWORD, in the environment.",
        ),
        Code.SERVER_FAULTY: _resources(
            "The DICOMweb server answered with an error, with less than it has, or with what is no DICOMweb.",
            "Start the batch again: it tries again. If it stays so, ask who runs the server.",
        ),
    }
)
