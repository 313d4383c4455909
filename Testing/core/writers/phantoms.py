"""DICOM series made at run time, with volumes and label maps whose place in the world is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from MedDLCore.volume import AcquiredSlices, Concept, Geometry, Label, LabelMap, Source, Terminology, Volume

TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
ANATOMY = Concept("123037004", "SCT", "Anatomical Structure")
LIVER = Label(1, "liver", (221, 130, 101), Terminology(ANATOMY, Concept("10200004", "SCT", "Liver")))
KIDNEY = Label(
    5,
    "left kidney",
    (185, 102, 83),
    Terminology(ANATOMY, Concept("64033007", "SCT", "Kidney"), Concept("7771000", "SCT", "Left")),
)
TUMOUR = Label(
    300,
    "tumour",
    (144, 238, 144),
    Terminology(
        Concept("49755003", "SCT", "Morphologically Altered Structure"),
        Concept("4147007", "SCT", "Mass"),
        region=Concept("39607008", "SCT", "Lung"),
        region_modifier=Concept("24028007", "SCT", "Right"),
    ),
)
LABELS = (LIVER, KIDNEY, TUMOUR)


def turned(degrees_z: float = 0.0, degrees_x: float = 0.0) -> NDArray[np.float64]:
    """A rotation: about z, then about x."""
    a, b = np.deg2rad([degrees_z, degrees_x])
    z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return x @ z


@dataclass(frozen=True)
class Series:
    """What to make: axes in LPS, as in the headers."""

    modality: str = "CT"
    slices: int = 9
    rows: int = 36
    columns: int = 29
    pixel: tuple[float, float] = (0.9, 1.1)
    axes: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    step: tuple[float, float, float] = (0.0, 0.0, 2.5)
    steps: tuple[float, ...] = ()
    origin: tuple[float, float, float] = (-13.7, 21.3, -401.25)
    header: dict[str, Any] = field(default_factory=dict)

    def positions(self) -> NDArray[np.float64]:
        """(N, 3) LPS mm; ``step`` is along the axes, so that it can be tilted; ``steps`` counts steps to each slice."""
        counts = np.array(self.steps or range(self.slices), dtype=float)
        return np.array(self.origin) + counts[:, None] * (self.axes @ self.step)

    def planes(self) -> NDArray[np.float64]:
        """(N, 4, 4): ijk to RAS of each slice."""
        planes = np.tile(np.eye(4), (len(self.positions()), 1, 1))
        planes[:, :3, 0] = self.axes[:, 0] * self.pixel[1]
        planes[:, :3, 1] = self.axes[:, 1] * self.pixel[0]
        planes[:, :3, 2] = self.axes[:, 2]
        planes[:, :3, 3] = self.positions()
        return TO_LPS @ planes

    def geometry(self) -> Geometry:
        """The straight grid that spans the slices; for a regular series, the slices themselves."""
        planes = self.planes()
        matrix = planes[0].copy()
        distances = (planes[:, :3, 3] - planes[0, :3, 3]) @ planes[0, :3, 2]
        spacing = float(np.diff(distances).min()) if len(distances) > 1 else 2.5
        matrix[:3, 2] *= spacing
        shape = (round(distances[-1] / spacing) + 1, self.rows, self.columns)
        return Geometry(shape, matrix)


REGULAR = {
    "oblique CT": Series(axes=turned(20, 15)),
    "MR": Series(modality="MR", slices=7, step=(0, 0, 3.3)),
    "CT from head to feet": Series(step=(0, 0, -2.5), axes=turned(90)),
    "one slice": Series(slices=1),
}

IRREGULAR = {
    "tilted by 18 degrees": Series(slices=12, axes=turned(3, 2), step=(0, 2.5 * np.tan(np.deg2rad(18)), 2.5)),
    "gaps": Series(slices=9, steps=(0, 1, 2, 4, 5, 6, 9, 10, 11)),
}


def write_series(folder: Path, series: Series) -> Volume:
    """Writes the files of a single-frame series and gives its volume, with a gradient for voxels."""
    folder.mkdir(parents=True)
    study, series_uid, frame_of_reference = (generate_uid(entropy_srcs=[str(folder), name]) for name in "abc")
    files = []
    for n, position in enumerate(series.positions()):
        image = _header(series, study, series_uid, frame_of_reference)
        image.SOPClassUID = CTImageStorage if series.modality == "CT" else MRImageStorage
        image.SOPInstanceUID = generate_uid(entropy_srcs=[str(folder), str(n)])
        image.InstanceNumber = n + 1
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.ImagePositionPatient = [f"{value:.10g}" for value in position]
        image.ImageOrientationPatient = [f"{value:.10g}" for value in series.axes[:, :2].T.ravel()]
        image.PixelSpacing = list(series.pixel)
        image.SliceThickness = 2.5
        _modality_module(image, series.modality)
        _set(image, series.header)
        _pixels(image, series, 1)
        # written in reverse, so that the order of the names is not the order of the slices
        files.append(folder / f"{len(series.positions()) - n:03d}.dcm")
        _save(image, files[-1])
    return _volume(series, tuple(files), (0,) * len(files), series_uid)


def write_enhanced(folder: Path, series: Series, order: tuple[int, ...]) -> Volume:
    """Writes one multi-frame CT whose frame n is the slice ``order[n]``."""
    folder.mkdir(parents=True)
    study, series_uid, frame_of_reference = (generate_uid(entropy_srcs=[str(folder), name]) for name in "abc")
    image = _header(series, study, series_uid, frame_of_reference)
    image.SOPClassUID, image.SOPInstanceUID = EnhancedCTImageStorage, generate_uid(entropy_srcs=[str(folder)])
    image.InstanceNumber, image.NumberOfFrames = 1, len(order)
    image.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    image.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[_item(ImageOrientationPatient=series.axes[:, :2].T.ravel().round(9).tolist())],
            PixelMeasuresSequence=[_item(PixelSpacing=list(series.pixel), SliceThickness=2.5)],
        )
    ]
    positions = series.positions()
    image.PerFrameFunctionalGroupsSequence = [
        _item(PlanePositionSequence=[_item(ImagePositionPatient=positions[n].round(9).tolist())]) for n in order
    ]
    _pixels(image, series, len(order))
    path = folder / "enhanced.dcm"
    _save(image, path)
    frames = tuple(order.index(n) for n in range(len(order)))
    return _volume(series, (path,) * len(order), frames, series_uid)


def ball(geometry: Geometry, centre: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    """(K, J, I): voxels whose centre lies within ``radius`` mm of ``centre`` (RAS)."""
    k, j, i = np.indices(geometry.shape)
    points = geometry.index_to_ras(np.stack([i, j, k], axis=-1))
    return np.linalg.norm(points - centre, axis=-1) <= radius


def three_structures(geometry: Geometry, labels: tuple[Label, ...] = LABELS) -> LabelMap:
    """A ball and two boxes, the second reaching the edge; values as the labels say."""
    array = np.zeros(geometry.shape, dtype=np.uint16)
    k, j, i = geometry.shape
    array[k // 3 : 2 * k // 3 + 1, 4 : j // 3, 3 : i // 2] = labels[1].value
    array[-2:, j // 2 : -3, i // 2 :] = labels[2].value
    centre = geometry.index_to_ras([i * 0.4, j * 0.55, k * 0.45])
    array[ball(geometry, centre, 6.0) & (array == 0)] = labels[0].value
    return LabelMap(array, geometry, labels)


def _volume(series: Series, files: tuple[Path, ...], frames: tuple[int, ...], series_uid: str) -> Volume:
    geometry = series.geometry()
    acquired = AcquiredSlices(series.planes(), (series.rows, series.columns), files, frames)
    values = np.arange(np.prod(geometry.shape), dtype=np.int16).reshape(geometry.shape)
    source = Source("DICOM", tuple(dict.fromkeys(files)), series_uid)
    return Volume(values, geometry, series.modality, source, acquired)


def _header(series: Series, study: str, series_uid: str, frame_of_reference: str) -> Dataset:
    image = _item(
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Phantom^Ball",
        PatientID="P-1",
        PatientBirthDate="19700131",
        PatientSex="O",
        PatientAge="050Y",
        StudyInstanceUID=study,
        StudyDate="20200102",
        StudyTime="101112",
        ReferringPhysicianName="Refers^Doctor",
        StudyID="S1",
        AccessionNumber="A1",
        StudyDescription="Phantom study",
        SeriesInstanceUID=series_uid,
        SeriesNumber=3,
        Modality=series.modality,
        PatientPosition="HFS",
        FrameOfReferenceUID=frame_of_reference,
        PositionReferenceIndicator="",
        Manufacturer="Phantom maker",
        ContentDate="20200102",
        ContentTime="101112",
        AcquisitionNumber=1,
        Laterality="",
    )
    _set(image, series.header)
    return image


def _modality_module(image: Dataset, modality: str) -> None:
    if modality == "CT":
        _set(image, {"KVP": 120, "RescaleIntercept": -1024, "RescaleSlope": 1, "RescaleType": "HU"})
        return
    image.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    _set(image, {"ScanningSequence": "SE", "SequenceVariant": "NONE", "ScanOptions": "", "MRAcquisitionType": "3D"})
    _set(image, {"EchoTime": 10, "EchoTrainLength": 1, "RepetitionTime": 500})


def _pixels(image: Dataset, series: Series, frames: int) -> None:
    image.Rows, image.Columns = series.rows, series.columns
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    image.PixelData = bytes(2 * frames * series.rows * series.columns)


def _save(image: Dataset, path: Path) -> None:
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.save_as(path, enforce_file_format=True)


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    _set(item, attributes)
    return item


def _set(item: Dataset, attributes: dict[str, Any]) -> None:
    """None takes the attribute out."""
    for keyword, value in attributes.items():
        if value is None:
            item.pop(keyword, None)
        else:
            setattr(item, keyword, value)
