"""DICOM Segmentation (PS3.3 A.51): the label map on the original slices of its series, so that a PACS can show it.

Made with highdicom from reduced headers (``dicom_source``). Nothing in the file depends on when, where or by whom it
was written: identifiers follow from the content, dates come from the job.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from .. import __version__
from ..atomic import atomic_path
from ..errors import Code, MedDLError, Notice
from ..terminology import terminology_of
from ..volume import Concept, Label, LabelMap, Volume
from .algorithm import Algorithm
from .dicom_source import SourceSeries, read_source
from .identifiers import uid_of
from .planes import onto_planes

SERIES_NUMBER_OFFSET = 1000
"""A SEG sorts behind its study's scans: its series number is the source's plus this."""

_LONG_STRING = 64
"""Characters of a DICOM LO, at most."""


def check_dicom_seg(volume: Volume) -> None:
    """Says before a long run what ``write_dicom_seg`` would refuse after it.

    Raises:
        MedDLError: NOT_DICOM, SEG_REFUSED, FILE_UNREADABLE.
    """
    _source(volume)


def write_dicom_seg(
    label_map: LabelMap,
    volume: Volume,
    path: Path,
    *,
    algorithm: Algorithm,
    job_date: datetime,
    keep_empty: bool = False,
) -> tuple[Notice, ...]:
    """Writes one BINARY SEG with a segment for each label, numbered 1, 2, ... in the order of the labels.

    A label's value goes into its tracking id (``VALUE NAME``), because BINARY segments must count from 1. Segments
    may overlap. Frames without a voxel of their segment are left out.

    Args:
        label_map: on the grid of ``volume``, or on any other.
        volume: what was segmented; its ``acquired`` slices carry the result.
        path: ends in ``.seg.dcm``; its folder exists.
        algorithm: what made the label map.
        job_date: written as the date and time of the series and its content, as it is.
        keep_empty: describe segments that are nowhere as well, instead of leaving them out.

    Returns:
        EMPTY_RESULT where segments are empty. Where all are, and ``keep_empty`` is not set, no file is written.

    Raises:
        MedDLError: NOT_DICOM, SEG_REFUSED, FILE_UNREADABLE, NO_SPACE, OUTPUT_UNWRITABLE.
    """
    source = _source(volume)
    layers = [onto_planes(label_map.layer(n), label_map.geometry, source.planes) for n in range(label_map.layers)]
    found = _found(layers, label_map.labels)
    labels = label_map.labels if keep_empty else found
    notices = _empty_notices(label_map.labels, found, keep_empty)
    if not labels:
        return notices
    pixels = _numbered(layers[0], labels) if len(layers) == 1 else _stacked(layers, labels)
    del layers
    name = _Name(volume, algorithm, labels, pixels)
    segmentation = hd.seg.Segmentation(
        source_images=source.images,
        pixel_array=pixels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_describe(n, label, algorithm, name) for n, label in enumerate(labels, start=1)],
        series_instance_uid=name.uid("series"),
        series_number=SERIES_NUMBER_OFFSET + max(source.series_number or 0, 0),
        sop_instance_uid=name.uid("instance"),
        instance_number=1,
        manufacturer="MedDL",
        manufacturer_model_name="MedDL",
        software_versions=__version__,
        device_serial_number=_long_string(algorithm.model_sha256) or "unknown",
        content_label="SEGMENTATION",
        content_description=_long_string(f"{algorithm.name} {algorithm.version}"),
        series_description=_long_string(f"Segmentation by {algorithm.name}"),
        content_date=job_date.date(),
        content_time=job_date.time(),
        series_date=job_date.date(),
        series_time=job_date.time(),
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    _settle(segmentation, source, name, plain=repr((labels, algorithm)).isascii())
    with atomic_path(path) as temporary:
        segmentation.save_as(temporary, enforce_file_format=True)
    return notices


def _source(volume: Volume) -> SourceSeries:
    if volume.acquired is None:
        raise MedDLError(Code.NOT_DICOM, "The scan was not read from DICOM files.")
    return read_source(volume.acquired)


class _Name:
    """The UIDs of one segmentation. They follow from the scan, the algorithm, the labels and the voxels."""

    def __init__(
        self, volume: Volume, algorithm: Algorithm, labels: Sequence[Label], pixels: NDArray[np.unsignedinteger[Any]]
    ) -> None:
        self.scan = (volume.source.series_uid, volume.source.part, algorithm.model_sha256)
        assisted = ("assisted",) if algorithm.assisted else ()
        made = (algorithm.name, algorithm.version, __version__, repr(labels), *assisted)
        self.content = (*self.scan, *made, hashlib.sha256(pixels.data).hexdigest())

    def uid(self, role: str) -> str:
        """For what is this file's own: another content, another UID."""
        return uid_of(role, *self.content)

    def tracking_uid(self, label: Label) -> str:
        """For the structure: the same for all results of this model on this scan."""
        return uid_of("tracking", *self.scan, str(label.layer), str(label.value))


def _found(layers: Sequence[NDArray[Any]], labels: Sequence[Label]) -> tuple[Label, ...]:
    """The labels that have a pixel."""
    there = np.zeros((len(layers), 65536), dtype=bool)
    for n, layer in enumerate(layers):
        for plane in layer:
            there[n, np.flatnonzero(np.bincount(plane.ravel()))] = True
    return tuple(label for label in labels if there[label.layer, label.value])


def _empty_notices(labels: Sequence[Label], found: Sequence[Label], kept: bool) -> tuple[Notice, ...]:
    empty = [label.name for label in labels if label not in found]
    if not empty:
        return ()
    if not found and not kept:
        return (Notice(Code.EMPTY_RESULT, "Nothing was found; no DICOM SEG was written."),)
    done = "written as empty segments" if kept else "left out of the DICOM SEG"
    return (Notice(Code.EMPTY_RESULT, f"Not found, and {done}: {', '.join(empty)}."),)


def _numbered(layer: NDArray[Any], labels: Sequence[Label]) -> NDArray[np.unsignedinteger[Any]]:
    """``(N, rows, columns)``: segment numbers instead of label values; plane by plane, to need no second array."""
    number_of = np.zeros(65536, dtype=np.uint8 if len(labels) < 256 else np.uint16)
    for n, label in enumerate(labels, start=1):
        number_of[label.value] = n
    result = np.empty(layer.shape, dtype=number_of.dtype)
    for plane, numbers in zip(layer, result, strict=True):
        np.take(number_of, plane, out=numbers)
    return result


def _stacked(layers: Sequence[NDArray[Any]], labels: Sequence[Label]) -> NDArray[np.unsignedinteger[Any]]:
    """``(N, rows, columns, segments)`` of 0 and 1: what overlaps cannot be numbered in one array."""
    result = np.empty((*layers[0].shape, len(labels)), dtype=np.uint8)
    for n, label in enumerate(labels):
        np.equal(layers[label.layer], label.value, out=result[..., n], casting="unsafe")
    return result


def _describe(number: int, label: Label, algorithm: Algorithm, name: _Name) -> hd.seg.SegmentDescription:
    meaning, kinds = terminology_of(label), hd.seg.SegmentAlgorithmTypeValues
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=_long_string(label.name) or f"Segment {number}",
        segmented_property_category=_code(meaning.category),
        segmented_property_type=_code(meaning.type),
        algorithm_type=kinds.SEMIAUTOMATIC if algorithm.assisted else kinds.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=_long_string(algorithm.name) or "unknown",
            family=codes.cid7162.ArtificialIntelligence,
            version=_long_string(algorithm.version) or "unknown",
            parameters={"model_sha256": algorithm.model_sha256},
        ),
        tracking_uid=name.tracking_uid(label),
        tracking_id=_tracking_id(label),
        anatomic_regions=None if meaning.region is None else [_code(meaning.region)],
        display_color=hd.color.CIELabColor.from_rgb(*label.color),
    )
    if meaning.modifier is not None:
        kind = description.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_code(meaning.modifier)]
    if meaning.region is not None and meaning.region_modifier is not None:
        description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [_code(meaning.region_modifier)]
    return description


def _tracking_id(label: Label) -> str:
    """``300 spleen``; ``2.1 core`` in the second and further layers: unique, and gives the label's value back."""
    return f"{label.value} {label.name}" if label.layer == 0 else f"{label.layer + 1}.{label.value} {label.name}"


def _code(concept: Concept) -> hd.sr.CodedConcept:
    return hd.sr.CodedConcept(concept.value, concept.scheme, _long_string(concept.meaning))


def _long_string(text: str) -> str:
    """``text`` as a DICOM LO: no control character, no backslash (which separates values), 64 characters at most."""
    plain = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text.replace("\\", "/"))
    return plain[:_LONG_STRING].strip()


def _settle(segmentation: Dataset, source: SourceSeries, name: _Name, *, plain: bool) -> None:
    """Puts in what the reduced headers kept from highdicom, and takes out what depends on the moment or the machine.

    ``plain``: our own texts are ASCII, so that the source's character set, in which the patient's name was written,
    can stay.
    """
    for element in source.identity:
        segmentation[element.tag] = element
    if not plain:
        segmentation.SpecificCharacterSet = "ISO_IR 192"
    segmentation.InstanceCreationDate = segmentation.ContentDate
    segmentation.InstanceCreationTime = segmentation.ContentTime
    if "ContributingEquipmentSequence" in segmentation:
        del segmentation.ContributingEquipmentSequence
    organization = name.uid("dimensions")
    segmentation.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for index in segmentation.DimensionIndexSequence:
        index.DimensionOrganizationUID = organization
    if len(source.planes) == 1:
        del segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
    if source.frames:
        groups = segmentation.PerFrameFunctionalGroupsSequence
        images = [image for group in groups for image in group.DerivationImageSequence[0].SourceImageSequence]
        for image in {id(image): image for image in images}.values():  # segments on one slice share the object
            image.ReferencedFrameNumber = source.frames[image.ReferencedFrameNumber - 1]
