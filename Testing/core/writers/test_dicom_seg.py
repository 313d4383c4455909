"""DICOM SEG: every voxel on its own slice, described completely, the same each time; refused with reasons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread

from core.writers.phantoms import (
    IRREGULAR,
    KIDNEY,
    LABELS,
    LIVER,
    REGULAR,
    TUMOUR,
    Series,
    ball,
    three_structures,
    turned,
    write_enhanced,
    write_series,
)
from core.writers.seg_readback import (
    ALGORITHM,
    JOB_DATE,
    assert_same_points,
    frame_points,
    label_points,
    masks_on_slices,
    slice_points,
    write,
)
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import AcquiredSlices, Geometry, Label, LabelMap, Source, Volume
from MedDLCore.writers.dicom_seg import check_dicom_seg, write_dicom_seg


@pytest.mark.parametrize("series", REGULAR.values(), ids=REGULAR)
def test_a_regular_series_gives_back_every_voxel_on_its_own_slice(series: Series, tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", series)
    label_map = three_structures(volume.geometry)
    path = tmp_path / "result.seg.dcm"
    assert write(label_map, volume, path) == ()
    expected = np.stack([label_map.mask(label) for label in LABELS])
    assert np.array_equal(masks_on_slices(path, volume), expected)
    assert_same_points(frame_points(path), label_points(label_map))


def test_a_multi_frame_source_is_referred_to_by_its_own_frame_numbers(tmp_path: Path) -> None:
    series = Series(slices=6, axes=turned(5, 3))
    volume = write_enhanced(tmp_path / "scan", series, order=(4, 0, 5, 2, 1, 3))
    label_map = three_structures(volume.geometry)
    path = tmp_path / "result.seg.dcm"
    write(label_map, volume, path)
    expected = np.stack([label_map.mask(label) for label in LABELS])
    assert np.array_equal(masks_on_slices(path, volume), expected)
    assert_same_points(frame_points(path), label_points(label_map))


@pytest.mark.parametrize("series", IRREGULAR.values(), ids=IRREGULAR)
def test_an_irregular_series_gets_the_result_of_the_regular_grid_on_its_original_slices(
    series: Series, tmp_path: Path
) -> None:
    volume = write_series(tmp_path / "scan", series)
    acquired = volume.acquired
    assert acquired is not None
    fine = volume.geometry.with_spacing([1.0, 1.0, 1.0]).with_shape((60, 70, 60))
    middle = acquired.geometry(len(acquired) // 2).index_to_ras([14, 18, 0])
    label_map = LabelMap(ball(fine, middle, 9.0).astype(np.uint8), fine, (LIVER,))
    path = tmp_path / "result.seg.dcm"
    write(label_map, volume, path)
    found = masks_on_slices(path, volume)[0]
    truth = np.concatenate([ball(acquired.geometry(n), middle, 9.0) for n in range(len(acquired))])
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) >= 0.95
    assert np.linalg.norm(frame_points(path)["liver"].mean(axis=0) - slice_points(acquired, truth).mean(axis=0)) <= 0.5


def test_segments_count_from_one_and_carry_name_code_colour_and_the_labels_value(tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series())
    write(three_structures(volume.geometry), volume, tmp_path / "result.seg.dcm")
    seg = hd.seg.segread(tmp_path / "result.seg.dcm")
    assert seg.SegmentationType == "BINARY"
    assert [item.SegmentNumber for item in seg.SegmentSequence] == [1, 2, 3]
    assert [item.SegmentLabel for item in seg.SegmentSequence] == ["liver", "left kidney", "tumour"]
    assert [item.TrackingID for item in seg.SegmentSequence] == ["1 liver", "5 left kidney", "300 tumour"]
    assert len({item.TrackingUID for item in seg.SegmentSequence}) == 3
    for item, label in zip(seg.SegmentSequence, LABELS, strict=True):
        assert label.terminology is not None
        assert item.SegmentedPropertyCategoryCodeSequence[0].CodeValue == label.terminology.category.value
        assert item.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == label.terminology.type.meaning
        color = hd.color.CIELabColor.from_dicom_value(item.RecommendedDisplayCIELabValue).to_rgb()
        assert np.abs(np.array(color) - label.color).max() <= 1
        assert item.SegmentAlgorithmType == "AUTOMATIC"
        identification = item.SegmentationAlgorithmIdentificationSequence[0]
        assert identification.AlgorithmName == "phantom-net"
        assert identification.AlgorithmVersion == "2.1"
        assert "5f" * 32 in identification.AlgorithmParameters
    kidney, tumour = seg.SegmentSequence[1], seg.SegmentSequence[2]
    modifiers = kidney.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence
    assert modifiers[0].CodeMeaning == "Left"
    assert tumour.AnatomicRegionSequence[0].CodeMeaning == "Lung"
    assert tumour.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeMeaning == "Right"


def test_overlapping_layers_become_overlapping_segments(tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series())
    first = three_structures(volume.geometry).array
    second = np.zeros_like(first)
    second[2:6, 6:30, 5:25] = 1
    core = Label(1, "core", (255, 0, 0), layer=1)
    label_map = LabelMap(np.stack([first, second]), volume.geometry, (*LABELS, core))
    path = tmp_path / "result.seg.dcm"
    write(label_map, volume, path)
    expected = np.stack([label_map.mask(label) for label in label_map.labels])
    assert np.array_equal(masks_on_slices(path, volume), expected)
    seg = dcmread(path)
    assert seg.SegmentsOverlap == "YES"
    assert [item.TrackingID for item in seg.SegmentSequence][-1] == "2.1 core"


def test_empty_segments_are_left_out_with_a_notice_or_kept_on_request(tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series())
    full = three_structures(volume.geometry)
    label_map = replace(full, array=np.where(full.array == KIDNEY.value, 0, full.array))
    (notice,) = write(label_map, volume, tmp_path / "some.seg.dcm")
    assert notice.code is Code.EMPTY_RESULT
    assert "left kidney" in notice.message
    assert [item.SegmentLabel for item in dcmread(tmp_path / "some.seg.dcm").SegmentSequence] == ["liver", "tumour"]
    expected = np.stack([label_map.mask(label) for label in (LIVER, TUMOUR)])
    assert np.array_equal(masks_on_slices(tmp_path / "some.seg.dcm", volume), expected)

    (notice,) = write(label_map, volume, tmp_path / "kept.seg.dcm", keep_empty=True)
    assert notice.code is Code.EMPTY_RESULT
    assert len(dcmread(tmp_path / "kept.seg.dcm").SegmentSequence) == 3


@pytest.mark.parametrize("keep_empty", [False, True])
def test_a_result_without_any_voxel_is_a_notice_and_no_failure(keep_empty: bool, tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series())
    label_map = LabelMap(np.zeros(volume.geometry.shape, np.uint8), volume.geometry, LABELS)
    path = tmp_path / "result.seg.dcm"
    (notice,) = write(label_map, volume, path, keep_empty=keep_empty)
    assert notice.code is Code.EMPTY_RESULT
    assert path.exists() is keep_empty
    if keep_empty:
        assert not dcmread(path).pixel_array.any()


def test_the_same_job_gives_the_same_bytes_and_another_result_other_uids(tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series())
    label_map = three_structures(volume.geometry)
    for name in ("a", "b"):
        write(label_map, volume, tmp_path / f"{name}.seg.dcm")
    assert (tmp_path / "a.seg.dcm").read_bytes() == (tmp_path / "b.seg.dcm").read_bytes()

    other = replace(label_map, array=np.roll(label_map.array, 1, axis=2))
    write(other, volume, tmp_path / "c.seg.dcm")
    part = replace(volume, source=replace(volume.source, part="acq2"))
    write(label_map, part, tmp_path / "d.seg.dcm")
    write_dicom_seg(
        label_map,
        volume,
        tmp_path / "e.seg.dcm",
        algorithm=replace(ALGORITHM, model_sha256="00" * 32),
        job_date=JOB_DATE,
    )
    files = [dcmread(tmp_path / f"{name}.seg.dcm") for name in "acde"]
    assert len({file.SOPInstanceUID for file in files}) == 4
    assert len({file.SeriesInstanceUID for file in files}) == 4
    tracking = [file.SegmentSequence[0].TrackingUID for file in files]
    assert tracking[0] == tracking[1]
    assert len(set(tracking)) == 3
    uids = [str(element.value) for element in files[0].iterall() if element.VR == "UI"]
    assert all(len(uid) <= 64 and not uid.endswith(".") for uid in uids)


def test_dates_come_from_the_job(tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series())
    write(three_structures(volume.geometry), volume, tmp_path / "result.seg.dcm")
    seg = dcmread(tmp_path / "result.seg.dcm")
    for what in ("Series", "Content", "InstanceCreation"):
        assert seg[f"{what}Date"].value == "20240506"
        assert seg[f"{what}Time"].value == "070809"
    assert seg.StudyDate == "20200102"


def test_names_in_any_script_survive_and_the_patients_name_with_them(tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series(header={"PatientName": "Müller^Jörg"}))
    names = ("肝臓", "a\\b\n" + "x" * 100, "")
    labels = tuple(replace(label, name=name) for label, name in zip(LABELS, names, strict=True))
    write(three_structures(volume.geometry, labels), volume, tmp_path / "result.seg.dcm")
    seg = dcmread(tmp_path / "result.seg.dcm")
    found = [item.SegmentLabel for item in seg.SegmentSequence]
    assert found[0] == "肝臓"
    assert found[1] == ("a/b " + "x" * 100)[:64]
    assert found[2] == "Segment 3"
    assert seg.PatientName == "Müller^Jörg"


def test_odd_identity_values_are_taken_over_as_they_are_and_missing_ones_left_empty(tmp_path: Path) -> None:
    odd = {"PatientSex": "X", "PatientBirthDate": "", "StudyDate": None, "StudyTime": None, "PatientName": None}
    volume = write_series(tmp_path / "scan", Series(header={**odd, "SliceThickness": None, "SeriesNumber": None}))
    write(three_structures(volume.geometry), volume, tmp_path / "result.seg.dcm")
    seg = dcmread(tmp_path / "result.seg.dcm")
    assert seg.PatientSex == "X"
    assert all(
        keyword in seg and not seg[keyword].value for keyword in ("PatientBirthDate", "StudyDate", "PatientName")
    )
    assert "SliceThickness" not in seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert seg.SeriesNumber == 1000


def test_a_volume_that_is_not_from_dicom_is_refused_with_a_hint(tmp_path: Path) -> None:
    geometry = Geometry.from_parts((4, 5, 6), (1, 1, 1))
    volume = Volume(np.zeros(geometry.shape, np.int16), geometry, source=Source("NIfTI"))
    with pytest.raises(MedDLError) as refused:
        write(LabelMap(np.ones(geometry.shape, np.uint8), geometry, (LIVER,)), volume, tmp_path / "a.seg.dcm")
    assert refused.value.code is Code.NOT_DICOM
    assert "NIfTI" in refused.value.hint
    with pytest.raises(MedDLError, match="DICOM"):
        check_dicom_seg(volume)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "StudyInstanceUID", "SOPClassUID"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_header_is_refused_by_name(keyword: str, value: str | None, tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series(slices=3))
    for file in (tmp_path / "scan").iterdir():
        image = dcmread(file)
        image.pop(keyword) if value is None else setattr(image, keyword, value)
        image.save_as(file)
    with pytest.raises(MedDLError, match=keyword):
        check_dicom_seg(volume)
    with pytest.raises(MedDLError, match=keyword) as refused:
        write(three_structures(volume.geometry), volume, tmp_path / "a.seg.dcm")
    assert refused.value.code is Code.SEG_REFUSED


def test_slices_that_are_turned_against_each_other_are_refused(tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series())
    acquired = volume.acquired
    assert acquired is not None
    planes = acquired.ijk_to_ras.copy()
    planes[4, :3, :3] = turned(1.0) @ planes[4, :3, :3]
    volume = replace(volume, acquired=replace(acquired, ijk_to_ras=planes))
    with pytest.raises(MedDLError, match="parallel") as refused:
        write(three_structures(volume.geometry), volume, tmp_path / "a.seg.dcm")
    assert refused.value.code is Code.SEG_REFUSED


def test_a_series_of_several_multi_frame_files_is_refused(tmp_path: Path) -> None:
    volumes = [write_enhanced(tmp_path / name, Series(slices=3), (0, 1, 2)) for name in "ab"]
    parts = [volume.acquired for volume in volumes]
    files = tuple(file for part in parts if part is not None for file in part.files)
    both = AcquiredSlices(Series(slices=6).planes(), (36, 29), files, (0, 1, 2, 0, 1, 2))
    geometry = Series(slices=6).geometry()
    volume = Volume(np.zeros(geometry.shape, np.int16), geometry, acquired=both)
    with pytest.raises(MedDLError, match="several multi-frame files") as refused:
        write(three_structures(geometry), volume, tmp_path / "a.seg.dcm")
    assert refused.value.code is Code.SEG_REFUSED


def test_a_file_that_has_gone_meanwhile_is_named_as_the_reason(tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series())
    next((tmp_path / "scan").iterdir()).unlink()
    with pytest.raises(MedDLError) as refused:
        write(three_structures(volume.geometry), volume, tmp_path / "a.seg.dcm")
    assert refused.value.code is Code.FILE_UNREADABLE
