"""The nasty DICOM inputs, one table: each builds a series, and says how it must end and how that is judged.

Rule G1: a case ends as a volume, as a volume with named warnings, or as a refusal with a code. Rule G2: the phantom's
centre is found to 1e-3 mm on regular grids, and to half a voxel with Dice >= 0.95 on resampled ones.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from fixtures.balls import turned
from fixtures.dicom_phantoms import (
    CENTRE,
    ROOT,
    centre_of,
    dataset,
    expected,
    middle,
    multi_frame,
    phantom,
    planes,
    series,
    stored,
    with_tags,
    write,
)
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import ReadOptions, read
from MedDLCore.volume import Volume

DEPTHS = np.arange(21) * 3.0 - 30.0
GAP = ReadOptions(allow=frozenset({Code.GEOM_GAP}))
Judge = Callable[[Volume], None]


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        row: of RELIABILITY's section 1.
        name: what is nasty.
        build: the images of the folder.
        ends: the codes of the warnings, in order; or the code of the refusal.
        judge: how each volume is judged.
        parts: of the volumes.
        options: of the reader.
    """

    row: str
    name: str
    build: Callable[[], list[Dataset]]
    ends: tuple[Code, ...] | Code
    judge: Judge = lambda volume: None
    parts: tuple[str, ...] = ("",)
    options: ReadOptions = ReadOptions()

    def __str__(self) -> str:
        return f"{self.row} {self.name}"


def regular(volume: Volume) -> None:
    """Every voxel holds what the phantom has at its place in the world, to rounding."""
    modality = volume.modality or "CT"
    assert np.abs(volume.array - expected(volume.geometry, modality)).max() <= 0.51
    assert np.abs(centre_of(volume.array, volume.geometry, modality) - CENTRE).max() <= 1e-3
    assert len(volume.acquired) == volume.geometry.shape[0]
    for n in range(len(volume.acquired)):
        plane = volume.geometry.cropped((n, 0, 0), (n + 1, *volume.geometry.shape[1:]))
        assert np.abs(plane.origin - volume.acquired.geometry(n).origin).max() <= 1e-3


def resampled(volume: Volume) -> None:
    """The ball lies where it should, on an orthogonal right-handed grid that holds all of every slice."""
    modality = volume.modality or "CT"
    shown, there = volume.array > middle(modality), expected(volume.geometry, modality) > middle(modality)
    assert 2 * (shown & there).sum() / (shown.sum() + there.sum()) >= 0.95
    away = volume.geometry.ras_to_index(centre_of(volume.array, volume.geometry, modality))
    assert np.abs(away - volume.geometry.ras_to_index(CENTRE)).max() <= 0.5
    assert volume.geometry.is_orthogonal
    assert np.linalg.det(volume.geometry.direction) == pytest.approx(1)
    last = np.array(volume.geometry.shape[::-1])
    for n in range(len(volume.acquired)):
        inside = volume.geometry.ras_to_index(volume.acquired.geometry(n).index_to_ras([[0, 0, 0], [43, 39, 0]]))
        assert (inside > -0.6).all()
        assert (inside < last - 0.4).all()


def slices(count: int) -> Judge:
    def judge(volume: Volume) -> None:
        assert len(volume.acquired) == count
        regular(volume)

    return judge


def without(*numbers: int) -> np.ndarray:
    return np.delete(DEPTHS, numbers)


def twice(image: Dataset, change: int) -> Dataset:
    """A second slice at the same place; ``change`` is added to one pixel."""
    pixels = stored(image)
    pixels[0, 0] += change
    return with_tags(deepcopy(image), SOPInstanceUID=f"{ROOT}.7.7", InstanceNumber=99, PixelData=pixels.tobytes())


def repeats(count: int, modality: str = "CT", **tag: list[object]) -> list[Dataset]:
    """The same places ``count`` times, each time a little brighter, with one value of ``tag`` for each time."""
    images = []
    for n in range(count):
        for image in series(planes(), modality, first=1 + n * 100):
            brighter = (stored(image) + n).tobytes()
            images.append(with_tags(image, PixelData=brighter, **{key: values[n] for key, values in tag.items()}))
    return images


def scout(modality: str = "CT", each: int = 1, **tags: object) -> list[Dataset]:
    """Three directions with ``each`` images."""
    sagittal, coronal = np.eye(3)[:, [1, 2, 0]], np.eye(3)[:, [0, 2, 1]] * [1, -1, 1]
    images = []
    for n, axes in enumerate((np.eye(3), sagittal, coronal)):
        images += series(planes(np.arange(each) * 10.0, axes), modality, first=500 + 10 * n, **tags)
    return images


def inverted(image: Dataset) -> Dataset:
    return with_tags(image, PhotometricInterpretation="MONOCHROME1", PixelData=(4095 - stored(image)).tobytes())


def colored(image: Dataset) -> Dataset:
    pixels = np.zeros((image.Rows, image.Columns, 3), np.uint8).tobytes()
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PlanarConfiguration": 0}
    return with_tags(image, SamplesPerPixel=3, PhotometricInterpretation="RGB", PixelData=pixels, **eight)


def capture(image: Dataset) -> Dataset:
    return with_tags(image, SOPClassUID=SecondaryCaptureImageStorage, Modality="OT")


def report() -> Dataset:
    image = dataset(planes()[0], 900, series=3)
    for keyword in ("PixelData", "Rows", "Columns", "ImagePositionPatient"):
        del image[keyword]
    return with_tags(image, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Modality="SR")


def sequential(depths: np.ndarray) -> list[Dataset]:
    """A CT that counts every table position as an acquisition."""
    return [with_tags(image, AcquisitionNumber=n // 2 + 1) for n, image in enumerate(series(planes(depths)))]


def protocol_4_then_7() -> list[Dataset]:
    thin = series(planes(np.arange(-32, 1, 4.0), thickness=4.0))
    thick = series(planes(np.arange(1.1, 36, 7.0), thickness=7.0), first=50)
    return thin + thick


def stacks_of_two_directions() -> list[Dataset]:
    sagittal = np.eye(3)[:, [1, 2, 0]]
    return series(planes()) + series(planes(axes=sagittal), first=200)


def multi_frame_repeats(count: int, stack_ids: bool) -> list[Dataset]:
    image = multi_frame(repeats(count))
    for n, frame in enumerate(image.PerFrameFunctionalGroupsSequence):
        content = frame.FrameContentSequence[0]
        content.StackID = str(n // 21 + 1) if stack_ids else "1"
        content.TemporalPositionIndex = n // 21 + 1
    return [image]


OBLIQUE = turned(20, 0) @ turned(-25, 2)
TILT, GAPS, VARIABLE, SPLIT = Code.GEOM_TILT, Code.GEOM_GAP, Code.GEOM_VARIABLE, Code.SERIES_SPLIT
TWO = ("acq1", "acq2")

TABLE = [
    Case("-", "an ordinary CT", lambda: series(planes()), (), slices(21)),
    Case("-", "an ordinary MR", lambda: series(planes(), "MR"), (), slices(21)),
    Case("-", "a PET with another slope for each slice", lambda: scaled_pet(), (), slices(21)),
    Case("-", "an oblique series", lambda: series(planes(axes=OBLIQUE)), (), slices(21)),
    Case("-", "a series in the order of its last file", lambda: series(planes())[::-1], (), slices(21)),
    Case("-", "slices counted from the head down", lambda: series(planes(DEPTHS[::-1])), (), slices(21)),
    Case("N1", "tilt of 0.05 degrees, less than 0.1 mm", lambda: series(planes(tilt=0.05)), (), resampled),
    Case("N1", "tilt of 1 degree", lambda: series(planes(tilt=1)), (TILT,), resampled),
    Case("N1", "tilt of 5 degrees", lambda: series(planes(tilt=5)), (TILT,), resampled),
    Case("N1", "tilt of 15 degrees", lambda: series(planes(tilt=15)), (TILT,), resampled),
    Case("N1", "tilt of -15 degrees, oblique", lambda: series(planes(axes=OBLIQUE, tilt=-15)), (TILT,), resampled),
    Case("N1", "tilt of an MR", lambda: series(planes(tilt=5), "MR"), (TILT,), resampled),
    Case("N2", "one slice missing", lambda: series(planes(without(9))), (GAPS,), resampled),
    Case("N2", "two gaps", lambda: series(planes(without(4, 12))), (GAPS,), resampled),
    Case("N2", "12 mm unseen", lambda: series(planes(without(3, 4, 5, 6))), GAPS),
    Case("N2", "12 mm unseen, forced", lambda: series(planes(without(16, 17, 18, 19))), (GAPS,), resampled, options=GAP),
    Case("N2", "a gap without thickness", lambda: series(planes(without(9), thickness=None)), (GAPS,), resampled),
    Case("N2", "a gap in a sequential CT", lambda: sequential(without(9)), (GAPS,), resampled),
    Case("N2", "a gap and a tilt", lambda: series(planes(without(9), tilt=5)), (TILT, GAPS), resampled),
    Case("N2", "even slices 1 mm thick every 20 mm", lambda: sparse(), GAPS),
    Case("N3", "an identical copy", lambda: with_copy(0), (Code.GEOM_DUP,), slices(21)),
    Case("N3", "another slice at the same place", lambda: with_copy(1), Code.GEOM_DUP),
    Case("N3", "everything twice", lambda: everything_twice(), (Code.GEOM_DUP,), slices(21)),
    Case("N4", "4 mm, then 7 mm, contiguous", protocol_4_then_7, (VARIABLE,), resampled),
    Case("N4", "2 mm, then 4 mm, no thickness", lambda: two_spacings(None), (VARIABLE,), resampled),
    Case("N4", "4 mm, then 7 mm, tilted", lambda: tilted_protocol(), (TILT, VARIABLE), resampled),
    Case("N4", "a sequential CT", lambda: sequential(DEPTHS), (), slices(21)),
    Case("N5", "enhanced CT", lambda: [multi_frame(series(planes()))], (), slices(21)),
    Case("N5", "enhanced MR", lambda: [multi_frame(series(planes(), "MR"))], (), slices(21)),
    Case("N5", "enhanced CT of two stacks", lambda: multi_frame_repeats(2, stack_ids=True), Code.MULTI_STACK),
    Case("N5", "enhanced CT in three directions", lambda: [many_directions()], Code.MULTI_STACK),
    Case("N5", "enhanced CT without positions", lambda: [without_groups()], Code.GEOM_MISSING),
    Case("N6", "a colour image", lambda: [colored(dataset(planes()[0]))], Code.NOT_SCALAR),
    Case("N6", "a secondary capture", lambda: [capture(dataset(planes()[0]))], Code.NOT_CT_MR),
    Case("N6", "a report alone", lambda: [report()], Code.NOT_CT_MR),
    Case("N6", "an ultrasound", lambda: [dataset(planes()[0], Modality="US")], Code.NOT_CT_MR),
    Case("N6", "a CT among reports and captures", lambda: a_ct_among_others(), (Code.FILE_SKIPPED,) * 3, slices(21)),
    Case("N6", "MONOCHROME1", lambda: negative(inverted), (Code.VALUES_INVERTED,), slices(21)),
    Case("N6", "MONOCHROME1 with plain numbers", lambda: negative(only_labelled), (), slices(21)),
    Case("N7", "a localizer", lambda: scout(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), Code.LOCALIZER),
    Case("N7", "a localizer that does not say so", scout, Code.LOCALIZER),
    Case("N7", "a localizer in the series", lambda: series(planes()) + scout()[1:], (Code.FILE_SKIPPED,) * 2, slices(21)),
    Case("N7", "a localizer beside the series", lambda: series(planes()) + other_scout(), (Code.FILE_SKIPPED,) * 3, regular),
    Case("N8", "two acquisitions", lambda: repeats(2, AcquisitionNumber=[1, 2]), (SPLIT,), parts=TWO),
    Case("N8", "two acquisitions, overlapping", lambda: overlapping(), (SPLIT,), parts=TWO),
    Case("N8", "two acquisitions, interleaved", lambda: interleaved(1.0), (SPLIT,), regular, TWO),
    Case("N8", "two halves of one even stack", lambda: interleaved(1.5), (), regular),
    Case("N8", "two acquisitions, far apart", lambda: far_apart(), (SPLIT,), parts=TWO),
    Case("N8", "two directions", stacks_of_two_directions, (SPLIT,), regular, ("sagittal", "axial")),
    Case("N8", "two fields of view", lambda: two_fields(2), (SPLIT,), regular, TWO),
    Case("N8", "two sizes in one acquisition", lambda: two_fields(1), Code.SERIES_INCONSISTENT),
    Case("N14", "one slice", lambda: series(planes([0.0])), ()),
    Case("N14", "one slice without thickness", lambda: series(planes([0.0], thickness=None)), Code.GEOM_MISSING),
    Case("N14", "two slices", lambda: series(planes([-3.0, 0.0])), ()),
    Case("N15", "a time series", lambda: repeats(3, "MR", TemporalPositionIdentifier=[1, 2, 3]), Code.NOT_3D),
    Case("N15", "echoes", lambda: repeats(2, "MR", EchoTime=[10, 20], AcquisitionNumber=[1, 2]), Code.NOT_3D),
    Case("N15", "repeats that nothing tells apart", lambda: repeats(3, "MR"), Code.NOT_3D),
    Case("N15", "a perfusion CT", lambda: repeats(5, AcquisitionNumber=[1, 2, 3, 4, 5]), Code.NOT_3D),
    Case("N15", "one place, again and again", lambda: bolus(), Code.NOT_3D),
    Case("N15", "a multi-frame time series", lambda: multi_frame_repeats(2, stack_ids=False), Code.NOT_3D),
    Case("N15", "a frame that is not there", lambda: repeats(3, "MR"), Code.NOT_3D, options=ReadOptions(frame=3)),
    Case("N15", "frame 1 of one volume", lambda: series(planes()), Code.NOT_3D, options=ReadOptions(frame=1)),
    Case("N15", "frame 0 of one volume", lambda: series(planes()), (), slices(21), options=ReadOptions(frame=0)),
    Case("N16", "parallel rows and columns", lambda: tagged(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), Code.GEOM_SINGULAR),
    Case("N16", "axes of length 0", lambda: tagged(ImageOrientationPatient=[0] * 6), Code.GEOM_SINGULAR),
    Case("N16", "slanted rows and columns", lambda: tagged(ImageOrientationPatient=[1, 0, 0, 0.1, 1, 0]), Code.GEOM_SINGULAR),
    Case("N16", "zero pixel spacing", lambda: tagged(PixelSpacing=[0, 1.5]), Code.GEOM_SINGULAR),
    Case("N16", "a place outside every scanner", lambda: tagged(ImagePositionPatient=[1e12, 0, 0]), Code.GEOM_SINGULAR),
    Case("N16", "no position", lambda: tagged(ImagePositionPatient=None), Code.GEOM_MISSING),
    Case("N18", "negative SpacingBetweenSlices", lambda: tagged(SpacingBetweenSlices=-3), (), slices(21)),
    Case("N18", "wrong SpacingBetweenSlices", lambda: tagged(SpacingBetweenSlices=50), (), slices(21)),
    Case("N24", "no slope and intercept", lambda: tagged(RescaleIntercept=None, RescaleSlope=None), (Code.UNITS_DUBIOUS,)),
    Case("N24", "slope 0", lambda: tagged(RescaleSlope=0), Code.FILE_UNREADABLE),
    Case("N26", "two patients", lambda: two_of("PatientID", "OTHER"), Code.SERIES_INCONSISTENT),
    Case("N26", "two modalities", lambda: two_of("Modality", "MR"), Code.SERIES_INCONSISTENT),
    Case("N26", "one UID for two images", lambda: two_of("SOPInstanceUID", f"{ROOT}.1.2"), Code.SERIES_INCONSISTENT),
    Case("N26", "the same file twice", lambda: [*series(planes()), series(planes())[3]], (Code.FILE_SKIPPED,), slices(21)),
    Case("N27", "more voxels than any memory", lambda: [claims_too_much()], Code.TOO_LARGE),
]


def scaled_pet() -> list[Dataset]:
    images = []
    for n, plane in enumerate(planes()):
        slope = 1.0 - 0.02 * n
        pixels = np.round(phantom(plane.points(), "PT") / slope).astype(np.uint16).tobytes()
        images.append(dataset(plane, n, "PT", RescaleSlope=slope, RescaleIntercept=0, PixelData=pixels))
    return images


def sparse() -> list[Dataset]:
    return series(planes(np.arange(-40, 41, 20.0), thickness=1.0))


def with_copy(change: int) -> list[Dataset]:
    images = series(planes())
    return [*images, twice(images[8], change)]


def everything_twice() -> list[Dataset]:
    return series(planes()) + series(planes(), first=200)


def two_spacings(thickness: float | None) -> list[Dataset]:
    return series(planes(np.concatenate([np.arange(-30, 0, 2.0), np.arange(0, 33, 4.0)]), thickness=thickness))


def tilted_protocol() -> list[Dataset]:
    thin = planes(np.arange(-32, 1, 4.0), tilt=10, thickness=4.0)
    return series(thin) + series(planes(np.arange(1.1, 36, 7.0), tilt=10, thickness=7.0), first=50)


def many_directions() -> Dataset:
    image = multi_frame(series(planes()))
    for n, frame in enumerate(image.PerFrameFunctionalGroupsSequence):
        orientation = Dataset()
        orientation.ImageOrientationPatient = [[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1]][n // 7]
        frame.PlaneOrientationSequence = [orientation]
    return image


def without_groups() -> Dataset:
    return with_tags(multi_frame(series(planes())), PerFrameFunctionalGroupsSequence=None)


def a_ct_among_others() -> list[Dataset]:
    others = [dataset(planes()[0], 800 + n, series=2) for n in range(2)]
    return [*series(planes()), capture(others[0]), colored(others[1]), report()]


def negative(change: Callable[[Dataset], Dataset]) -> list[Dataset]:
    return [change(image) for image in series(planes())]


def only_labelled(image: Dataset) -> Dataset:
    return with_tags(image, PhotometricInterpretation="MONOCHROME1")


def other_scout() -> list[Dataset]:
    return [
        with_tags(image, SeriesInstanceUID=f"{ROOT}.5", SOPInstanceUID=f"{ROOT}.5.{n}", SeriesNumber=5)
        for n, image in enumerate(scout())
    ]


def overlapping() -> list[Dataset]:
    return [
        *series(planes(DEPTHS[:15])),
        *(with_tags(one, PixelData=(stored(one) + 1).tobytes()) for one in series(planes(DEPTHS[9:]), first=50, AcquisitionNumber=2)),
    ]


def interleaved(shift: float) -> list[Dataset]:
    return series(planes()) + series(planes(DEPTHS + shift), first=50, AcquisitionNumber=2)


def far_apart() -> list[Dataset]:
    return series(planes(DEPTHS - 38)) + series(planes(DEPTHS + 38), first=50, AcquisitionNumber=2)


def two_fields(second: int) -> list[Dataset]:
    return series(planes()) + series(planes(spacing=(1.2, 1.2), rows=60, columns=60), first=50, AcquisitionNumber=second)


def bolus() -> list[Dataset]:
    images = [dataset(planes([0.0])[0], n + 1, AcquisitionNumber=n + 1) for n in range(4)]
    return [with_tags(image, PixelData=(stored(image) + n).tobytes()) for n, image in enumerate(images)]


def tagged(**tags: object) -> list[Dataset]:
    return series(planes(), **tags)


def two_of(keyword: str, value: str) -> list[Dataset]:
    images = series(planes())
    setattr(images[5], keyword, value)
    return images


def claims_too_much() -> Dataset:
    """65535 x 65535 x 400 voxels in a compressed file of some bytes."""
    from pydicom.encaps import encapsulate

    image = multi_frame(series(planes(np.arange(400) * 1.0, rows=1, columns=1)), Rows=65535, Columns=65535)
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.5"
    image.PixelData = encapsulate([b"\0" * 64] * 400)
    image["PixelData"].is_undefined_length = True
    return image


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_every_nasty_series_ends_as_the_table_says(case: Case, tmp_path: Path) -> None:
    write(case.build(), tmp_path)
    if isinstance(case.ends, Code):
        with pytest.raises(MedDLError) as refusal:
            read(tmp_path, case.options)
        assert refusal.value.code is case.ends, refusal.value
        assert refusal.value.hint
        names_no_patient(f"{refusal.value} {refusal.value.hint}")
        return
    volumes = read(tmp_path, case.options)
    assert tuple(volume.source.part for volume in volumes) == case.parts
    for volume in volumes:
        assert tuple(notice.code for notice in volume.notices) == case.ends, volume.notices
        names_no_patient("".join(str(notice) for notice in volume.notices))
        case.judge(volume)


def names_no_patient(message: str) -> None:
    assert "CANARY" not in message.upper()
    assert ROOT not in message
