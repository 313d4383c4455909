"""Data sets are found in the layouts that people have, and what belongs together is never guessed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from fixtures.data_sets import (
    NAMES,
    case_in_memory,
    clean_set,
    drawn,
    id_of,
    labels_of,
    name_of,
    shifted,
    with_layers,
    write_case,
    write_description,
    write_slicer_case,
)
from fixtures.volume_phantoms import write_nifti, write_volume
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers.seg_nrrd import read_seg_nrrd, segments_of_seg_nrrd
from MedDLCore.resample import resample
from MedDLCore.volume import LabelMap
from MedDLCore.writers import write_nifti as write_label_map
from MedDLTraining.data import data_set_of, open_folder, read_splits


def layout(folder: Path, *names: str, values: tuple[int, ...] = (0, 1, 2)) -> Path:
    """Files of these names: those with a word for labels hold a label map of the values."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        is_label = any(word in name.casefold() for word in ("label", "mask", "seg", "truth", "gt"))
        case = drawn(0)
        write_volume(
            path,
            np.array(values)[case.labels % len(values)].astype(np.uint8) if is_label else case.image,
            case.geometry,
        )
    return folder


# Decathlon and nnU-Net


def test_other_names_of_channels_than_dataset_json_has_are_refused_not_ignored(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 1)
    (name,) = (channel.name for channel in open_folder(folder).channels)
    assert open_folder(folder, channels=(name.upper(),)).cases
    with pytest.raises(MedDLError, match="T1") as refused:
        open_folder(folder, channels=("T1",))
    assert refused.value.code is Code.CHANNELS_MISMATCH


def test_the_decathlons_label_table_has_numbers_for_names(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 2)
    for path in (folder / "imagesTr").iterdir():
        path.rename(path.with_name(path.name.replace("_0000", "")))
    labels = {"0": "background", "1": "liver", "2": "left kidney", "3": "right kidney"}
    write_description(folder, channel_names=None, modality={"0": "CT"}, labels=labels)
    content = json.loads((folder / "dataset.json").read_text())
    del content["channel_names"]
    (folder / "dataset.json").write_text(json.dumps(content))
    (folder / "imagesTr" / "._patient_000.nii.gz").write_bytes(b"what macOS leaves")
    data_set = open_folder(folder)
    assert [label.name for label in data_set.labels] == list(NAMES)
    assert [case.name for case in data_set.cases] == [name_of(0), name_of(1)]
    assert data_set.channels[0].modality == "CT"
    assert data_set.load(data_set.cases[0]).volumes[0].modality == "CT"
    assert data_set.unusable == ()


def test_the_channels_of_the_decathlon_are_the_frames_of_one_file(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 1)
    case = drawn(0)
    (folder / "imagesTr" / f"{name_of(0)}_0000.nii.gz").unlink()
    write_nifti(folder / "imagesTr" / f"{name_of(0)}.nii.gz", np.stack([case.image, case.image * 2]), case.geometry)
    write_description(folder, channel_names={"0": "T1", "1": "FLAIR"})
    data_set = open_folder(folder)
    first, second = data_set.load(data_set.cases[0]).volumes
    assert np.array_equal(first.array, case.image) and np.array_equal(second.array, case.image * 2)
    assert [(channel.name, channel.modality) for channel in data_set.channels] == [("T1", "MR"), ("FLAIR", "MR")]


def test_channels_are_the_files_of_nnunet_by_their_numbers(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 1)
    case = drawn(0)
    moved = shifted(case.geometry, 5, 0, 0)
    write_nifti(folder / "imagesTr" / f"{name_of(0)}_0001.nii.gz", case.image // 2, moved)
    write_description(folder, channel_names={"0": "CT", "1": "PET"})
    data_set = open_folder(folder)
    volumes = data_set.load(data_set.cases[0]).volumes
    assert [volume.modality for volume in volumes] == ["CT", "PT"]
    assert volumes[1].geometry.same_as(moved, 1e-3)


def test_regions_are_read_as_nnunet_means_them(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 1)
    write_description(folder, labels={"background": 0, "all": [1, 2, 3], "kidneys": [2, 3]}, regions_class_order=[1, 2])
    data_set = open_folder(folder)
    assert not data_set.exclusive
    truth = data_set.load(data_set.cases[0]).truth
    masks = {label.name: truth.mask(label) for label in truth.labels}
    assert np.array_equal(masks["all"], drawn(0).labels > 0)
    assert np.array_equal(masks["kidneys"], drawn(0).labels > 1)
    assert truth.layers == 2


def test_nnunets_list_of_files_is_followed(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 1)
    (folder / "imagesTr").rename(folder / "elsewhere")
    entry = {"images": [f"elsewhere/{name_of(0)}_0000.nii.gz"], "label": f"labelsTr/{name_of(0)}.nii.gz"}
    write_description(folder, dataset={"one": entry})
    (case,) = open_folder(folder).cases
    assert case.name == "one"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": {"liver": 1}}, "background"),
        ({"labels": {}}, 'no "labels"'),
        ({"labels": {"background": 0, "liver": "one"}}, "liver"),
        ({"labels": {"background": 0, "liver": [0, 1]}}, "liver"),
        ({"labels": {"background": 0, "liver": 70000}}, "liver"),
        ({"labels": {"background": 0, "liver": 1, "ignore": 2}}, "ignore"),
        ({"labels": {"0": "background", "1": "liver", "2": "liver"}}, "two by one name"),
        ({"channel_names": {"1": "CT"}}, "number its channels"),
        ({"channel_names": []}, "no channels"),
        ({"dataset": {"a": 1}}, "dataset"),
    ],
)
def test_a_malformed_description_is_refused_by_what_is_wrong(changes: dict, told: str, tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 1)
    write_description(folder, **changes)
    with pytest.raises(MedDLError, match=told) as refusal:
        open_folder(folder)
    assert refusal.value.code is Code.DATA_INVALID


def test_a_description_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (clean_set(tmp_path / "d", 1) / "dataset.json").write_text("{")
    with pytest.raises(MedDLError) as refusal:
        open_folder(tmp_path / "d")
    assert refusal.value.code is Code.DATA_INVALID


# Pairs by name


@pytest.mark.parametrize(
    ("image", "label", "name"),
    [
        ("images/a.nii.gz", "labels/a.nii.gz", "a"),
        ("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", "a"),
        ("a.nii", "a_seg.nii", "a"),
        ("a_image.nrrd", "a_mask.nrrd", "a"),
        ("a.mha", "a-label.mha", "a"),
        ("Patient 7/CT.nii.gz", "Patient 7/CT_Segmentation.nii.gz", "Patient 7/CT"),
        ("p7/image.nii.gz", "p7/mask.nii.gz", "p7"),
        ("p7/scan.nii.gz", "p7/segmentation.nii.gz", "p7"),
        ("train/images/a.b.nii.gz", "train/masks/a.b.nii.gz", "train/a.b"),
        ("A.nii.gz", "a_gt.nii.gz", "A"),
        ("t1.nii.gz", "label.nii.gz", "t1"),
        ("images/case_0001.nii.gz", "labels/case_0001.nii.gz", "case_0001"),
        ("case_0001.nii.gz", "case_0001_seg.nii.gz", "case_0001"),
    ],
)
def test_an_image_and_its_label_map_are_found_by_their_names(image: str, label: str, name: str, tmp_path: Path) -> None:
    data_set = open_folder(layout(tmp_path / "d", image, label))
    assert [case.name for case in data_set.cases] == [name]
    assert data_set.unusable == ()
    assert data_set.cases[0].images[0].paths[0] == tmp_path / "d" / image


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (("a.nii.gz", "a_mask.nii.gz", "a_seg.nii.gz"), ("a.nii.gz", "a_mask.nii.gz", "a_seg.nii.gz")),
        (("a.nii.gz", "a.nrrd", "a_seg.nii.gz"), ("a.nii.gz", "a.nrrd", "a_seg.nii.gz")),
        (("p/t1.nii.gz", "p/label.nii.gz", "p/mask.nii.gz"), ("p/label.nii.gz", "p/mask.nii.gz")),
    ],
)
def test_an_ambiguous_pairing_is_refused_with_the_names(files: tuple, named: tuple, tmp_path: Path) -> None:
    data_set = open_folder(layout(tmp_path / "d", *files))
    assert data_set.cases == ()
    (refused,) = data_set.unusable
    assert refused.error.code is Code.PAIR_AMBIGUOUS
    assert all(name in refused.error.message for name in named)


def test_several_images_with_label_maps_of_other_names_are_not_guessed(tmp_path: Path) -> None:
    data_set = open_folder(
        layout(tmp_path / "d", "images/a.nii.gz", "images/b.nii.gz", "labels/x.nii.gz", "labels/y.nii.gz")
    )
    assert data_set.cases == ()
    assert [item.error.code for item in data_set.unusable] == [Code.PAIR_MISSING] * 4


@pytest.mark.parametrize("files", [("images/a.nii.gz", "labels/b.nii.gz"), ("a.nii.gz", "b_seg.nii.gz")])
def test_the_only_image_and_the_only_label_map_of_other_names_are_not_guessed(files: tuple, tmp_path: Path) -> None:
    data_set = open_folder(layout(tmp_path / "d", *files))
    assert [item.error.code for item in data_set.unusable] == [Code.PAIR_MISSING] * 2


def test_a_segmentation_of_slicer_belongs_to_the_only_scan_beside_it_and_two_are_ambiguous(tmp_path: Path) -> None:
    write_slicer_case(tmp_path, 0, drawn(0))
    (tmp_path / f"{name_of(0)}.seg.nrrd").rename(tmp_path / "My work.seg.nrrd")
    assert [case.name for case in open_folder(tmp_path).cases] == [name_of(0)]
    (tmp_path / "More.seg.nrrd").write_bytes((tmp_path / "My work.seg.nrrd").read_bytes())
    assert [item.error.code for item in open_folder(tmp_path).unusable] == [Code.PAIR_AMBIGUOUS]


def test_a_scan_of_several_volumes_is_told_of_what_can_be_done_here(tmp_path: Path) -> None:
    """The reader's own advice, --frame, is an option of other commands."""
    for part, array in (("images", np.stack([drawn(0).image] * 2, axis=-1)), ("labels", drawn(0).labels)):
        (tmp_path / part).mkdir()
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / part / "a.nii.gz")
    data_set = open_folder(tmp_path)
    with pytest.raises(MedDLError) as refused:
        data_set.load(data_set.cases[0])
    assert refused.value.code is Code.NOT_3D
    assert "dataset.json" in refused.value.hint and "--frame" not in refused.value.hint


def test_what_has_no_partner_is_told_how_partners_are_named(tmp_path: Path) -> None:
    case = drawn(0)
    write_nifti(tmp_path / "scanA.nii.gz", case.image, case.geometry)
    (found,) = open_folder(tmp_path).unusable
    assert "a_label.nii.gz" in found.error.hint and "--leave-out" in found.error.hint


def test_channels_are_found_by_the_names_that_the_person_gives(tmp_path: Path) -> None:
    files = ("p1/p1_T1.nii.gz", "p1/p1_t2_flair.nii.gz", "p1/p1_seg.nii.gz")
    data_set = open_folder(layout(tmp_path / "d", *files), channels=("T2-FLAIR", "T1"))
    (case,) = data_set.cases
    assert [source.paths[0].name for source in case.images] == ["p1_t2_flair.nii.gz", "p1_T1.nii.gz"]
    assert [channel.name for channel in data_set.channels] == ["T2-FLAIR", "T1"]


def test_a_case_that_lacks_a_channel_is_named(tmp_path: Path) -> None:
    files = ("a_T1.nii.gz", "a_T2.nii.gz", "a_seg.nii.gz", "b_T1.nii.gz", "b_seg.nii.gz")
    data_set = open_folder(layout(tmp_path / "d", *files), channels=("T1", "T2"))
    assert [case.name for case in data_set.cases] == ["a"]
    assert data_set.unusable[0].name == "b" and data_set.unusable[0].error.code is Code.CHANNELS_MISMATCH


def test_values_without_names_are_called_by_their_number_in_every_case(tmp_path: Path) -> None:
    folder = layout(tmp_path / "d", "images/a.nii.gz", "labels/a.nii.gz", values=(0, 1, 4))
    layout(folder, "images/b.nii.gz", "labels/b.nii.gz", values=(0, 1))
    data_set = open_folder(folder)
    assert not data_set.named
    assert [[segment.values for segment in case.segments] for case in data_set.cases] == [[(1,), (4,)]] * 2
    assert [label.name for label in data_set.labels] == ["label 1", "label 4"]
    assert data_set.stored_values == (1, 4)


def test_the_names_that_meddl_writes_beside_a_label_map_are_read(tmp_path: Path) -> None:
    case = drawn(0)
    write_volume(tmp_path / "a.nii.gz", case.image, case.geometry)
    write_label_map(LabelMap(case.labels, case.geometry, labels_of(*NAMES)), tmp_path / "a_seg.nii.gz")
    data_set = open_folder(tmp_path)
    assert data_set.named and [label.name for label in data_set.labels] == list(NAMES)
    (tmp_path / "a_seg.labels.json").write_text("[]")
    assert open_folder(tmp_path).unusable[0].error.code is Code.DATA_INVALID


def test_a_scan_that_is_taken_for_a_label_map_is_refused(tmp_path: Path) -> None:
    case = drawn(0)
    for name in ("images/a.nii.gz", "labels/a.nii.gz"):
        (tmp_path / name).parent.mkdir()
        write_volume(tmp_path / name, case.image.astype(np.float32) + 0.3, case.geometry)
    (refused,) = open_folder(tmp_path).unusable
    assert refused.error.code is Code.FILE_UNREADABLE and "no label map" in refused.error.message


def test_label_values_stored_as_floats_are_read_as_they_are(tmp_path: Path) -> None:
    case = drawn(0)
    case.labels = case.labels.astype(np.float32) + np.float32(1e-5)
    write_case(clean_set(tmp_path / "d", 1), 0, case)
    data_set = open_folder(tmp_path / "d")
    assert np.array_equal(data_set.load(data_set.cases[0]).truth.array, drawn(0).labels)


def test_a_flat_image_is_a_case_of_one_slice(tmp_path: Path) -> None:
    case = drawn(0)
    grid = case.geometry.cropped((10, 0, 0), (11, 24, 24))
    (tmp_path / "images").mkdir(), (tmp_path / "labels").mkdir()
    write_nifti(tmp_path / "images" / "a.nii.gz", case.image[10:11], grid)
    write_nifti(tmp_path / "labels" / "a.nii.gz", case.labels[10:11], grid)
    data_set = open_folder(tmp_path)
    assert data_set.load(data_set.cases[0]).truth.array.shape == (1, 24, 24)


def test_a_patient_is_known_by_the_names_of_bids_or_by_the_persons_pattern(tmp_path: Path) -> None:
    files = [f"sub-{p}/{kind}/sub-{p}_ses-{s}.nii.gz" for p in "ab" for s in "12" for kind in ("images", "labels")]
    first, second, third, fourth = open_folder(layout(tmp_path / "d", *files)).cases
    assert first.patient == second.patient != third.patient == fourth.patient
    assert "a" not in (first.patient, "") and len(first.patient) == 16
    plain = layout(
        tmp_path / "e", *(f"{kind}/P{n}_{s}.nii.gz" for n in "12" for s in "ab" for kind in ("images", "labels"))
    )
    assert {case.patient for case in open_folder(plain).cases} == {""}
    patients = [case.patient for case in open_folder(plain, patient=r"(P\d)_").cases]
    assert patients[0] == patients[1] != patients[2] == patients[3]
    with pytest.raises(MedDLError) as refusal:
        open_folder(plain, patient="(")
    assert refusal.value.code is Code.DATA_INVALID


@pytest.mark.parametrize("pattern", [r"(Q\d)_", r"(P1)_"])
def test_a_pattern_that_finds_no_patient_is_refused_and_not_ignored(pattern: str, tmp_path: Path) -> None:
    """With a slip in it, scans of one patient were divided between training and validation without a word."""
    names = [f"P{n}_{s}" for n in "12" for s in "ab"]
    folder = layout(tmp_path, *(f"{kind}/{name}.nii.gz" for name in names for kind in ("images", "labels")))
    with pytest.raises(MedDLError, match="P2_b") as refusal:
        open_folder(folder, patient=pattern)
    assert refusal.value.code is Code.DATA_INVALID
    one, _, other, _ = (case.patient for case in open_folder(folder, patient=r"^(P1|.+)").cases)
    assert one != other


# Slicer's segmentations


def test_a_segmentation_of_slicer_names_its_segments_without_its_voxels_being_read(tmp_path: Path) -> None:
    write_slicer_case(tmp_path, 0, drawn(0))
    path = tmp_path / f"{name_of(0)}.seg.nrrd"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n\n") + 2])
    assert [label.name for label in segments_of_seg_nrrd(path)] == list(NAMES)
    with pytest.raises(MedDLError) as refusal:
        read_seg_nrrd(path)
    assert refusal.value.code is Code.FILE_TRUNCATED


def test_layers_of_a_segmentation_stay_apart(tmp_path: Path) -> None:
    case = with_layers(drawn(0))
    case.labels[2][case.labels[1] > 0] = 3
    labels = tuple(replace(label, layer=n) for n, label in enumerate(labels_of(*NAMES)))
    write_slicer_case(tmp_path, 0, case, labels)
    data_set = open_folder(tmp_path)
    truth = data_set.load(data_set.cases[0]).truth
    for n, label in enumerate(truth.labels):
        assert np.array_equal(truth.mask(label), case.labels[n] > 0)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["Segmentation.seg.nrrd", "SegmentationOverlapping.seg.nrrd"])
def test_real_segmentations_of_slicer_are_read_as_a_second_reader_has_them(name: str, shared_data: Path) -> None:
    path = shared_data / "slicerio" / name
    image = sitk.ReadImage(str(path))
    array = np.moveaxis(np.atleast_3d(sitk.GetArrayFromImage(image)).reshape(*image.GetSize()[::-1], -1), -1, 0)
    found = read_seg_nrrd(path)
    assert len(found.labels) > 2 and all(label.terminology is not None for label in found.labels)
    for n, label in enumerate(found.labels):
        layer, value = (int(image.GetMetaData(f"Segment{n}_{key}")) for key in ("Layer", "LabelValue"))
        assert label.name == image.GetMetaData(f"Segment{n}_Name")
        assert np.array_equal(found.mask(label), array[layer] == value)
    assert np.allclose(found.geometry.origin, np.array(image.GetOrigin()) * (-1, -1, 1))


# The whole


def test_each_case_is_read_when_it_is_asked_for_and_not_before(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 2)
    data_set = open_folder(folder)
    (folder / "imagesTr" / f"{name_of(1)}_0000.nii.gz").unlink()
    data_set.load(data_set.cases[0])
    with pytest.raises(MedDLError) as refusal:
        data_set.load(data_set.cases[1])
    assert refusal.value.code is Code.FILE_NOT_FOUND


def test_a_label_map_beside_its_scan_is_never_loaded(tmp_path: Path) -> None:
    case = drawn(0)
    case.label_geometry = shifted(case.geometry, 1, 0, 0)
    write_case(clean_set(tmp_path / "d", 1), 0, case)
    data_set = open_folder(tmp_path / "d")
    with pytest.raises(MedDLError, match=r"1 mm from the scan") as refusal:
        data_set.load(data_set.cases[0])
    assert refusal.value.code is Code.LABELS_APART


def test_a_label_map_that_stores_the_voxels_of_its_scan_in_another_order_lies_on_it(tmp_path: Path) -> None:
    """As after a program that turns one of them to canonical axes: it says where each voxel lies."""
    folder, case = clean_set(tmp_path / "d", 1), drawn(0)
    turned = case.geometry.reoriented("SAR")
    stored = resample(case.labels, case.geometry, turned, "nearest")
    write_nifti(folder / "labelsTr" / f"{name_of(0)}.nii.gz", stored, turned)
    data_set = open_folder(folder)
    assert not turned.same_as(case.geometry)
    np.testing.assert_array_equal(data_set.load(data_set.cases[0]).truth.array, case.labels)


def test_a_value_without_a_name_is_never_loaded(tmp_path: Path) -> None:
    case = drawn(0)
    case.labels[0, 0, 0] = 9
    write_case(clean_set(tmp_path / "d", 1), 0, case)
    data_set = open_folder(tmp_path / "d")
    with pytest.raises(MedDLError, match="9") as refusal:
        data_set.load(data_set.cases[0])
    assert refusal.value.code is Code.DATA_INVALID


def test_a_segmentation_that_lies_beside_its_scan_is_never_loaded(tmp_path: Path) -> None:
    case = drawn(0)
    case.label_geometry = shifted(case.geometry, 35, 0, 0)
    write_slicer_case(tmp_path, 0, case)
    data_set = open_folder(tmp_path)
    with pytest.raises(MedDLError, match="outside its scan") as refusal:
        data_set.load(data_set.cases[0])
    assert refusal.value.code is Code.LABELS_APART


def test_a_case_is_left_out_by_its_name_or_its_id_and_only_then(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 3)
    (folder / "labelsTr" / f"{name_of(1)}.nii.gz").unlink()
    data_set = open_folder(folder)
    assert len(data_set.unusable) == 1
    left = data_set.without([name_of(1), id_of(0)])
    assert left.unusable == () and [case.name for case in left.cases] == [name_of(2)]
    with pytest.raises(MedDLError) as refusal:
        data_set.without(["nobody"])
    assert refusal.value.code is Code.DATA_INVALID


def test_no_pseudonym_is_the_name_of_another_case(tmp_path: Path) -> None:
    """Of files called case_0000 and so on, each name stood for two cases: in splits, and for what was left out."""
    names = [f"case_{n:04d}" for n in range(4)]
    parts = ("images", "labels")
    data_set = open_folder(layout(tmp_path / "d", *(f"{part}/{name}.nii.gz" for name in names[:3] for part in parts)))
    assert [case.name for case in data_set.cases] == names[:3]
    assert [case.id for case in data_set.cases] == ["case_00001", "case_00002", "case_00003"]
    assert [case.name for case in data_set.without(["case_0001"]).cases] == ["case_0000", "case_0002"]
    exported = open_folder(layout(tmp_path / "e", *(f"{part}/{name}.nii.gz" for name in names[1:] for part in parts)))
    assert [case.id for case in exported.cases] == names[1:], "what was exported under pseudonyms keeps them"


def test_nodes_that_the_caller_has_are_a_data_set() -> None:
    cases = [case_in_memory(n, drawn(n)) for n in range(2)]
    data_set = data_set_of(cases)
    assert np.array_equal(data_set.load(cases[1]).truth.array, drawn(1).labels)


@pytest.mark.parametrize("what", ["nowhere", "empty", "scans only"])
def test_a_folder_without_cases_is_refused_or_reported(what: str, tmp_path: Path) -> None:
    if what == "scans only":
        found = open_folder(layout(tmp_path / "d", "a.nii.gz"))
        assert [item.error.code for item in found.unusable] == [Code.PAIR_MISSING]
        return
    (tmp_path / "empty").mkdir()
    with pytest.raises(MedDLError) as refusal:
        open_folder(tmp_path / what)
    assert refusal.value.code is (Code.NO_IMAGES if what == "empty" else Code.FILE_NOT_FOUND)


# Splits


def test_splits_are_read_from_folds_from_one_object_and_from_lists_of_names(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"train": ["x"], "val": ["y"]}, {"train": ["y"], "val": ["x"]}]')
    (tmp_path / "b.json").write_text('{"train": ["x"], "test": []}')
    (tmp_path / "train.txt").write_text("x\n\ny\n")
    (tmp_path / "test.txt").write_text("z")
    assert [split.title for split in read_splits([tmp_path / "a.json"])] == ["fold 0", "fold 1"]
    assert read_splits([tmp_path / "b.json"])[0].parts == (("train", ("x",)), ("test", ()))
    (split,) = read_splits([tmp_path / "train.txt", tmp_path / "test.txt"])
    assert split.parts == (("train", ("x", "y")), ("test", ("z",)))
    assert read_splits([]) == ()


@pytest.mark.parametrize("text", ["{", "[1]", '{"train": "x"}', "[" * 100_000])
def test_a_malformed_split_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(MedDLError) as refusal:
        read_splits([tmp_path / "s.json"])
    assert refusal.value.code is Code.DATA_INVALID
