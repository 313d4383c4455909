"""Volume files of every format: told apart by content, whole or refused, within memory, by any name."""

from __future__ import annotations

import gzip
import os
import random
import resource
import subprocess
import sys
import warnings
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest

from fixtures.balls import ball, centroid
from fixtures.volume_phantoms import OBLIQUE, SUFFIXES, edited, numbered, orientations, write_nifti, write_volume
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import ReadOptions, read
from MedDLCore.volume import Geometry

CUT_OFF = {Code.FILE_TRUNCATED, Code.FILE_UNREADABLE, Code.FILE_NOT_FOUND}
FORMATS = {"nii": "NIfTI", "nrrd": "NRRD", "nhdr": "NRRD", "mha": "MetaImage", "mhd": "MetaImage"}


@pytest.fixture(params=SUFFIXES)
def suffix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def refused(path: object, options: ReadOptions | None = None) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        read(path, options or ReadOptions())  # type: ignore[arg-type]
    assert caught.value.hint
    return caught.value


def test_a_file_comes_back_with_its_voxels_and_its_place(suffix: str, tmp_path: Path) -> None:
    path = write_volume(tmp_path / f"scan.{suffix}", numbered(OBLIQUE.shape), OBLIQUE)
    (volume,) = read(path)
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, numbered(OBLIQUE.shape))
    assert volume.geometry.corner_distance(OBLIQUE) < 1e-4
    assert volume.source.format == FORMATS[suffix.removesuffix(".gz").split(".")[-1]]
    assert volume.source.files[0] == path
    assert (volume.modality, volume.notices, volume.source.part) == (None, (), "")


@pytest.mark.parametrize("name", ["a.nii", "a.nrrd", "a.mha"])
def test_all_48_orientations_show_the_same_ball_in_the_world(name: str, tmp_path: Path) -> None:
    for geometry in orientations((16, 18, 20)):
        centre = geometry.index_to_ras([9.3, 8.4, 7.2])
        (volume,) = read(write_volume(tmp_path / name, ball(geometry, centre, 7.0).array, geometry))
        assert volume.geometry.same_as(geometry, tolerance=1e-4)
        threshold = volume.array > -300
        np.testing.assert_allclose(
            centroid(threshold, volume.geometry),
            centroid(ball(geometry, centre, 7.0).array > -300, geometry),
            atol=1e-3,
        )


@pytest.mark.parametrize("wrong", ["scan.dcm", "scan", "scan.nii.gz", "scan.nrrd", "scan.mhd", "scan.txt"])
@pytest.mark.parametrize("right", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_suffix_that_lies_does_not_matter(right: str, wrong: str, tmp_path: Path) -> None:
    path = write_volume(tmp_path / right, numbered(OBLIQUE.shape), OBLIQUE).rename(tmp_path / wrong)
    (volume,) = read(path)
    np.testing.assert_array_equal(volume.array, numbered(OBLIQUE.shape))


@pytest.mark.parametrize(
    "folder", ["; touch x", "Ä ö 患者 é", "CON", "a'b\"c", "$(reboot)", "-rf", "with space", "d.nii.gz"]
)
def test_any_name_of_a_folder_or_file_is_only_a_name(folder: str, suffix: str, tmp_path: Path) -> None:
    place = tmp_path / folder
    place.mkdir()
    (volume,) = read(write_volume(tmp_path / f"scan.{suffix}", numbered(OBLIQUE.shape), OBLIQUE))
    for file in tmp_path.glob("scan.*"):
        file.rename(place / file.name)
    (moved,) = read(place / f"scan.{suffix}")
    np.testing.assert_array_equal(moved.array, volume.array)
    assert sorted(p.name for p in tmp_path.iterdir()) == [folder]


def test_a_path_may_be_text(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a.nii", numbered(OBLIQUE.shape), OBLIQUE)
    assert read(str(path))[0].geometry.same_as(OBLIQUE)
    assert read([str(path)])[0].geometry.same_as(OBLIQUE)


def test_a_file_cut_at_any_byte_is_refused(suffix: str, tmp_path: Path) -> None:
    path = write_volume(tmp_path / f"scan.{suffix}", numbered((2, 3, 4)), Geometry((2, 3, 4), OBLIQUE.ijk_to_ras))
    for file in sorted(tmp_path.iterdir()):
        whole = file.read_bytes()
        voxels_are_elsewhere = file == path and len(list(tmp_path.iterdir())) > 1
        for length in range(len(whole)):
            file.write_bytes(whole[:length])
            if voxels_are_elsewhere and _is_harmless(path, whole, length):
                continue
            error = refused(path)
            assert error.code in CUT_OFF, (length, error)
            if not voxels_are_elsewhere and length > 1000:
                assert error.code is Code.FILE_TRUNCATED
            assert file.name in error.message or path.name in error.message
        file.write_bytes(whole)
        assert len(read(path)) == 1


def _is_harmless(path: Path, whole: bytes, length: int) -> bool:
    """A detached header may lose its last line break: nothing that it says is lost."""
    return not whole[length:].strip()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "gzip.nrrd", "a.mha", "zlib.mha"])
def test_a_truncated_file_is_named(name: str, tmp_path: Path) -> None:
    path = write_volume(tmp_path / name, np.random.default_rng(0).integers(0, 999, (9, 20, 30)).astype("i2"), OBLIQUE_9)
    path.write_bytes(path.read_bytes()[:-100])
    error = refused(path)
    assert error.code is Code.FILE_TRUNCATED
    assert name in error.message


OBLIQUE_9 = Geometry((9, 20, 30), OBLIQUE.ijk_to_ras)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "gzip.nrrd", "a.mha", "zlib.mha"])
def test_a_file_that_holds_more_slices_than_its_header_says_is_refused(name: str, tmp_path: Path) -> None:
    path = write_volume(tmp_path / name, numbered(OBLIQUE.shape), OBLIQUE)
    if "nii" in name:
        image = nibabel.load(write_volume(tmp_path / f"more_{name}", numbered((8, 6, 7)), OBLIQUE_8))
        image.header["dim"][3] = 5
        image.header["vox_offset"] = 352
        content = image.header.binaryblock + b"\0" * 4 + numbered((8, 6, 7)).tobytes()
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    elif "nrrd" in name:
        edited(write_volume(path, numbered((8, 6, 7)), OBLIQUE_8), ("sizes: 7 6 8", "sizes: 7 6 5"))
    else:
        edited(write_volume(path, numbered((8, 6, 7)), OBLIQUE_8), ("DimSize = 7 6 8", "DimSize = 7 6 5"))
    error = refused(path)
    assert error.code is Code.FILE_UNREADABLE
    assert "more voxels" in error.message


OBLIQUE_8 = Geometry((8, 6, 7), OBLIQUE.ijk_to_ras)


@pytest.mark.parametrize("name", ["a.nii.gz", "gzip.nrrd", "zlib.mha"])
def test_a_damaged_packed_stream_is_refused(name: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-999, 999, (9, 20, 30)).astype("i2")
    path = write_volume(tmp_path / name, noise, OBLIQUE_9)
    content = bytearray(path.read_bytes())
    for place in (-4000, -2000, -6):
        damaged = bytearray(content)
        damaged[place] ^= 0x5A
        path.write_bytes(damaged)
        assert refused(path).code in CUT_OFF


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.dcm"):
        (tmp_path / name).touch()
        error = refused(tmp_path / name)
        assert error.code is Code.FILE_UNREADABLE
        assert "is empty" in error.message


def test_text_pictures_and_noise_are_no_images(tmp_path: Path) -> None:
    for content in (
        b"hello",
        b"\x89PNG\r\n\x1a\n" + bytes(400),
        bytes(5000),
        b"\x1f\x8b" + bytes(500),
        b"PK\x03\x04aaaa",
    ):
        (tmp_path / "a.nii.gz").write_bytes(content)
        assert refused(tmp_path / "a.nii.gz").code is Code.FILE_UNREADABLE


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    assert refused(tmp_path / "absent.nii").code is Code.FILE_NOT_FOUND
    assert refused(tmp_path / ("n" * 5000)).code in (Code.FILE_NOT_FOUND, Code.FILE_UNREADABLE)
    assert refused([tmp_path / "absent.nii", tmp_path / "b"]).code is Code.FILE_NOT_FOUND


def test_a_pipe_or_device_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii")
    assert refused(tmp_path / "pipe.nii").code is Code.FILE_UNREADABLE


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path).code is Code.NO_IMAGES
    (tmp_path / "readme.txt").write_text("nothing")
    (tmp_path / "below").mkdir()
    os.mkfifo(tmp_path / "below" / "pipe")
    assert refused(tmp_path).code is Code.NO_IMAGES


def test_a_folder_of_volume_files_lists_them(tmp_path: Path) -> None:
    for n in range(7):
        write_nifti(tmp_path / f"case{n}.nii.gz", numbered(OBLIQUE.shape), OBLIQUE)
    error = refused(tmp_path)
    assert error.code is Code.NO_IMAGES
    assert "case0.nii.gz" in error.message
    assert "2 more" in error.message


def test_a_list_of_different_kinds_of_files_is_refused(tmp_path: Path) -> None:
    files = [write_volume(tmp_path / name, numbered(OBLIQUE.shape), OBLIQUE) for name in ("a.nii", "b.nrrd", "c.mha")]
    error = refused(files)
    assert error.code is Code.SERIES_INCONSISTENT
    assert "MetaImage, NIfTI, NRRD" in error.message
    (tmp_path / "d.nii").write_bytes(files[0].read_bytes())
    assert refused([files[0], tmp_path / "d.nii"]).code is Code.MANY_SERIES
    (tmp_path / "e.txt").write_text("nothing")
    assert refused([tmp_path / "e.txt"] * 2).code is Code.NO_IMAGES
    assert refused([]).code is Code.NO_IMAGES
    assert refused([tmp_path, files[0]]).code is Code.FILE_NOT_FOUND


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "raw.nrrd", "gzip.nrrd", "mha", "zlib.mha"])
def test_a_file_of_several_volumes_is_refused_until_one_is_chosen(suffix: str, tmp_path: Path) -> None:
    array = numbered((3, *OBLIQUE.shape))
    path = write_volume(tmp_path / f"a.{suffix}", array, OBLIQUE)
    assert refused(path).code is Code.NOT_3D
    for frame in range(3):
        (volume,) = read(path, ReadOptions(frame=frame))
        np.testing.assert_array_equal(volume.array, array[frame])
        assert volume.source.part == f"frame00{frame}"
        assert volume.geometry.corner_distance(OBLIQUE) < 1e-4
    every = read(path, ReadOptions(frame="all"))
    np.testing.assert_array_equal([volume.array for volume in every], array)
    assert [volume.source.part for volume in every] == ["frame000", "frame001", "frame002"]
    for absent in (3, -1):
        assert refused(path, ReadOptions(frame=absent)).code is Code.NOT_3D


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "raw.nrrd", "mha", "zlib.mha"])
def test_the_first_volume_of_a_cut_file_is_refused_too(suffix: str, tmp_path: Path) -> None:
    path = write_volume(tmp_path / f"a.{suffix}", numbered((3, *OBLIQUE.shape)), OBLIQUE)
    path.write_bytes(path.read_bytes()[:-40])
    assert refused(path, ReadOptions(frame=0)).code is Code.FILE_TRUNCATED


@pytest.mark.parametrize("suffix", ["nii", "raw.nrrd", "mha"])
def test_a_fourth_axis_of_one_volume_is_no_fourth_axis(suffix: str, tmp_path: Path) -> None:
    (volume,) = read(write_volume(tmp_path / f"a.{suffix}", numbered((1, *OBLIQUE.shape)), OBLIQUE))
    np.testing.assert_array_equal(volume.array, numbered(OBLIQUE.shape))
    assert volume.source.part == ""


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "raw.nrrd", "gzip.nrrd", "mha", "zlib.mha"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4"])
def test_every_type_of_voxel_comes_back_as_it_was(suffix: str, dtype: str, tmp_path: Path) -> None:
    limits = np.iinfo(dtype) if dtype[0] in "iu" else np.finfo(dtype)
    array = np.full(OBLIQUE.shape, 7, dtype)
    array[0, 0, :2] = limits.min, limits.max
    (volume,) = read(write_volume(tmp_path / f"a.{suffix}", array, OBLIQUE))
    assert volume.array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize("suffix", ["nii", "raw.nrrd", "mha"])
def test_the_person_states_the_modality(suffix: str, tmp_path: Path) -> None:
    path = write_volume(tmp_path / f"a.{suffix}", numbered(OBLIQUE.shape), OBLIQUE)
    (volume,) = read(path, ReadOptions(modality="CT"))
    assert volume.modality == "CT"
    assert [notice.code for notice in volume.notices] == [Code.UNITS_DUBIOUS]


@pytest.mark.parametrize("suffix", ["nii", "raw.nrrd", "mha"])
def test_numbers_that_are_none_are_replaced_or_refused(suffix: str, tmp_path: Path) -> None:
    array = np.full((10, 10, 10), 50, np.float32)
    array[0, 0, :10] = np.nan
    geometry = Geometry((10, 10, 10), OBLIQUE.ijk_to_ras)
    (volume,) = read(write_volume(tmp_path / f"a.{suffix}", array, geometry))
    assert np.isfinite(volume.array).all()
    assert [notice.code for notice in volume.notices] == [Code.NONFINITE]
    array[1, 0, 0] = np.inf
    path = write_volume(tmp_path / f"b.{suffix}", array, geometry)
    assert refused(path).code is Code.NONFINITE
    (forced,) = read(path, ReadOptions(allow=frozenset({Code.NONFINITE})))
    assert np.isfinite(forced.array).all()


def claims_a_million_million(path: Path) -> Path:
    """A header of 10^12 voxels, and hardly any data."""
    write_volume(path, numbered((1, 1, 7)), Geometry((1, 1, 7), np.eye(4)))
    if ".nii" in path.name:
        header = nibabel.Nifti1Header()
        header.set_data_dtype(np.int16)
        header.set_data_shape((10000, 10000, 10000))
        header.set_sform(np.eye(4), 1)
        header["vox_offset"] = 352
        content = header.binaryblock + bytes(100)
        path.write_bytes(gzip.compress(content) if path.name.endswith("gz") else content)
    elif ".nrrd" in path.name:
        edited(path, ("sizes: 7 1 1", "sizes: 10000 10000 10000"))
    else:
        edited(path, ("DimSize = 7 1 1", "DimSize = 10000 10000 10000"))
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "gzip.nrrd", "a.mha", "zlib.mha"])
def test_a_header_of_a_million_million_voxels_is_refused_before_memory_is_taken(name: str, tmp_path: Path) -> None:
    path = claims_a_million_million(tmp_path / name)
    code = (
        "import resource, sys; from MedDLCore.errors import MedDLError; from MedDLCore.readers import read\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "try: read(sys.argv[1])\n"
        "except MedDLError as error: print(error.code.value, (peak() - before) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    refusal, megabytes = done.stdout.split()
    assert refusal == "TOO_LARGE"
    assert int(megabytes) < 200 * (1 if sys.platform == "linux" else 1024)


def test_a_small_packed_file_cannot_claim_a_gigabyte(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((1000, 1000, 1000))
    header.set_sform(np.eye(4), 1)
    header["vox_offset"] = 352
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(100)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(tmp_path / "a.nii.gz").code is Code.FILE_TRUNCATED
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.skipif(sys.platform != "linux", reason="limits its own memory as Linux does")
def test_a_volume_for_which_there_is_no_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((1000, 1000, 1000))
    header.set_sform(np.eye(4), 1)
    header["vox_offset"] = 352
    path.write_bytes(header.binaryblock)
    os.truncate(path, 352 + 2 * 10**9)  # a hole: it takes no place on the disk
    code = (
        "import resource, sys; from MedDLCore.errors import MedDLError; from MedDLCore.readers import read\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 10**9, used + 10**9))\n"
        "try: read(sys.argv[1])\n"
        "except MedDLError as error: print(error.code.value)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["TOO_LARGE"]


def test_damaged_bytes_end_in_a_volume_or_a_refusal(suffix: str, tmp_path: Path) -> None:
    path = write_volume(tmp_path / f"scan.{suffix}", numbered(OBLIQUE.shape), OBLIQUE)
    whole = path.read_bytes()
    rng = random.Random(suffix)
    outcomes = set()
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.choice([1, 1, 3])):
            content[rng.randrange(min(len(content), 500))] = rng.randrange(256)
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                volumes = read(path, ReadOptions(frame="all"))
        except MedDLError as error:
            outcomes.add(error.code)
        else:
            outcomes.add(None)
            assert all(np.isfinite(volume.array).all() for volume in volumes)
            assert all(np.abs(volume.geometry.corners()).max() < 2e6 for volume in volumes)
    assert len(outcomes) > 2


@pytest.mark.parametrize("suffix", ["img", "raw", "raw.gz"])
def test_of_voxels_that_are_named_without_their_header_the_header_is_named(suffix: str, tmp_path: Path) -> None:
    header = {"img": "scan.hdr", "raw": "scan.mhd", "raw.gz": "scan.nhdr"}[suffix]
    voxels = tmp_path / f"scan.{suffix}"
    voxels.write_bytes(bytes(200))
    assert header not in refused(voxels).hint
    (tmp_path / header).write_bytes(bytes(348))
    assert header not in refused(voxels).hint, "that is no header"
    if suffix == "img":
        nibabel.save(nibabel.Nifti1Pair(numbered((5, 6, 7)), np.eye(4)), voxels)
    else:
        write_volume(tmp_path / header, numbered(OBLIQUE.shape), OBLIQUE)
    assert header in refused(voxels).hint


def real_volumes(folder: Path) -> list[Path]:
    nifti = sorted(
        p
        for name in ("ibsi_sts", "brain_t1", "tptbox_spine", "totalsegmentator")
        for p in (folder / name).rglob("*.nii.gz")
    )
    return nifti + sorted((folder / "hippocampus").rglob("*.nii.gz"))[:20]


@pytest.mark.shared
def test_real_nifti_scans_agree_with_nibabel(shared_data: Path) -> None:
    files = real_volumes(shared_data)
    assert len(files) > 60
    for path in files:
        (volume,) = read(path)
        oracle = nibabel.load(path)
        np.testing.assert_array_equal(volume.array, np.asarray(oracle.dataobj).T, err_msg=path.name)
        assert volume.geometry.corner_distance(Geometry(volume.geometry.shape, oracle.affine)) < 1e-4, path.name
        assert volume.notices == (), path.name


@pytest.mark.shared
def test_a_real_nrrd_scan_agrees_with_pynrrd_and_real_segmentations_are_told_apart(shared_data: Path) -> None:
    (volume,) = read(shared_data / "slicerio" / "CTChest4.nrrd")
    array, header = nrrd.read(str(shared_data / "slicerio" / "CTChest4.nrrd"))
    np.testing.assert_array_equal(volume.array, array.T)
    np.testing.assert_allclose(volume.geometry.origin * (-1, -1, 1), header["space origin"])
    np.testing.assert_allclose(volume.geometry.ijk_to_ras[:3, :3].T * (-1, -1, 1), header["space directions"])
    for name in ("Segmentation.seg.nrrd", "SegmentationOverlapping.seg.nrrd"):
        error = refused(shared_data / "slicerio" / name)
        assert error.code is Code.NOT_CT_MR
        assert "scan" in error.hint
