"""The nasty DICOM inputs, one table: each builds a series, and says how it must end and how that is judged.

Rule G1: a case ends as a volume, as a volume with named warnings, or as a refusal with a code. Rule G2: the phantom's
centre is found to 1e-3 mm on regular grids, and to half a voxel with Dice >= 0.95 on resampled ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from fixtures.balls import turned
from fixtures.dicom_nasty import (
    DEPTHS,
    a_ct_among_others,
    bolus,
    capture,
    claims_too_much,
    colored,
    everything_twice,
    far_apart,
    interleaved,
    inverted,
    light_years_apart,
    many_directions,
    multi_frame_repeats,
    negative,
    only_labelled,
    other_scout,
    overlapping,
    protocol_4_then_7,
    repeats,
    report,
    scaled_pet,
    scout,
    sequential,
    sparse,
    stacks_of_two_directions,
    tagged,
    tilted_protocol,
    turned_at_the_end,
    two_fields,
    two_of,
    two_spacings,
    with_copy,
    without,
    without_groups,
)
from fixtures.dicom_phantoms import (
    CENTRE,
    ROOT,
    centre_of,
    dataset,
    expected,
    middle,
    multi_frame,
    planes,
    series,
    write,
)
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import ReadOptions, read
from MedDLCore.volume import Volume

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


OBLIQUE = turned(20, 0) @ turned(-25, 2)
TILT, GAPS, VARIABLE, SPLIT = Code.GEOM_TILT, Code.GEOM_GAP, Code.GEOM_VARIABLE, Code.SERIES_SPLIT
TWO = ("acq1", "acq2")

TABLE = [
    Case("-", "an ordinary CT", lambda: series(planes()), (), slices(21)),
    Case("-", "an ordinary MR", lambda: series(planes(), "MR"), (), slices(21)),
    Case("-", "a PET with another slope for each slice", scaled_pet, (), slices(21)),
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
    Case(
        "N2", "12 mm unseen, forced", lambda: series(planes(without(16, 17, 18, 19))), (GAPS,), resampled, options=GAP
    ),
    Case("N2", "a gap without thickness", lambda: series(planes(without(9), thickness=None)), (GAPS,), resampled),
    Case("N2", "a gap in a sequential CT", lambda: sequential(without(9)), (GAPS,), resampled),
    Case("N2", "a gap and a tilt", lambda: series(planes(without(9), tilt=5)), (TILT, GAPS), resampled),
    Case("N2", "even slices 1 mm thick every 20 mm", sparse, GAPS),
    Case("N3", "an identical copy", lambda: with_copy(0), (Code.GEOM_DUP,), slices(21)),
    Case("N3", "another slice at the same place", lambda: with_copy(1), Code.GEOM_DUP),
    Case("N3", "everything twice", everything_twice, (Code.GEOM_DUP,), slices(21)),
    Case("N4", "4 mm, then 7 mm, contiguous", protocol_4_then_7, (VARIABLE,), resampled),
    Case("N4", "2 mm, then 4 mm, no thickness", lambda: two_spacings(None), (VARIABLE,), resampled),
    Case("N4", "4 mm, then 7 mm, tilted", tilted_protocol, (TILT, VARIABLE), resampled),
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
    Case("N6", "a CT among reports and captures", a_ct_among_others, (Code.FILE_SKIPPED,) * 3, slices(21)),
    Case("N6", "MONOCHROME1", lambda: negative(inverted), (Code.VALUES_INVERTED,), slices(21)),
    Case("N6", "MONOCHROME1 with plain numbers", lambda: negative(only_labelled), (), slices(21)),
    Case("N7", "a localizer", lambda: scout(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), Code.LOCALIZER),
    Case("N7", "a localizer that does not say so", scout, Code.LOCALIZER),
    Case("N7", "a localizer in the series", lambda: series(planes()) + scout()[1:], (Code.FILE_SKIPPED,), slices(21)),
    Case(
        "N7",
        "a localizer beside the series",
        lambda: series(planes()) + other_scout(),
        (Code.FILE_SKIPPED,),
        regular,
    ),
    Case("N7", "the last slices turned by 0.3 degrees", lambda: turned_at_the_end(0.3), Code.SERIES_INCONSISTENT),
    Case("N7", "the last slices turned in their plane", lambda: turned_at_the_end(90, True), Code.SERIES_INCONSISTENT),
    Case("N8", "two acquisitions", lambda: repeats(2, AcquisitionNumber=[1, 2]), (SPLIT,), parts=TWO),
    Case("N8", "two acquisitions, overlapping", overlapping, (SPLIT,), parts=TWO),
    Case("N8", "two acquisitions, interleaved", lambda: interleaved(1.0), (SPLIT,), regular, TWO),
    Case("N8", "two halves of one even stack", lambda: interleaved(1.5), (), regular),
    Case("N8", "two acquisitions, far apart", far_apart, (SPLIT,), parts=TWO),
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
    Case("N15", "one place, again and again", bolus, Code.NOT_3D),
    Case("N15", "a multi-frame time series", lambda: multi_frame_repeats(2, stack_ids=False), Code.NOT_3D),
    Case("N15", "a mosaic", lambda: tagged(ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), Code.NOT_3D),
    Case("N15", "a frame that is not there", lambda: repeats(3, "MR"), Code.NOT_3D, options=ReadOptions(frame=3)),
    Case("N15", "frame 1 of one volume", lambda: series(planes()), Code.NOT_3D, options=ReadOptions(frame=1)),
    Case("N15", "frame 0 of one volume", lambda: series(planes()), (), slices(21), options=ReadOptions(frame=0)),
    Case(
        "N16",
        "parallel rows and columns",
        lambda: tagged(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]),
        Code.GEOM_SINGULAR,
    ),
    Case("N16", "axes of length 0", lambda: tagged(ImageOrientationPatient=[0] * 6), Code.GEOM_SINGULAR),
    Case(
        "N16",
        "slanted rows and columns",
        lambda: tagged(ImageOrientationPatient=[1, 0, 0, 0.1, 1, 0]),
        Code.GEOM_SINGULAR,
    ),
    Case("N16", "zero pixel spacing", lambda: tagged(PixelSpacing=[0, 1.5]), Code.GEOM_SINGULAR),
    Case("N16", "a place outside every scanner", lambda: tagged(ImagePositionPatient=[1e12, 0, 0]), Code.GEOM_SINGULAR),
    Case("N16", "no position", lambda: tagged(ImagePositionPatient=None), Code.GEOM_MISSING),
    Case("N18", "negative SpacingBetweenSlices", lambda: tagged(SpacingBetweenSlices=-3), (), slices(21)),
    Case("N18", "wrong SpacingBetweenSlices", lambda: tagged(SpacingBetweenSlices=50), (), slices(21)),
    Case(
        "N24", "no slope and intercept", lambda: tagged(RescaleIntercept=None, RescaleSlope=None), (Code.UNITS_DUBIOUS,)
    ),
    Case("N24", "slope 0", lambda: tagged(RescaleSlope=0), Code.FILE_UNREADABLE),
    Case("N26", "two patients", lambda: two_of("PatientID", "OTHER"), Code.SERIES_INCONSISTENT),
    Case("N26", "two modalities", lambda: two_of("Modality", "MR"), Code.SERIES_INCONSISTENT),
    Case("N26", "one UID for two images", lambda: two_of("SOPInstanceUID", f"{ROOT}.1.2"), Code.SERIES_INCONSISTENT),
    Case(
        "N26", "the same file twice", lambda: [*series(planes()), series(planes())[3]], (Code.FILE_SKIPPED,), slices(21)
    ),
    Case("N27", "planes without end, forced", light_years_apart, Code.TOO_LARGE, options=GAP),
    Case("N27", "more voxels than any memory", lambda: [claims_too_much()], Code.TOO_LARGE),
]


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
