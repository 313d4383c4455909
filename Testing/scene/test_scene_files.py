"""Scenes are read, carefully, and written, whole."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fixtures.balls import THRESHOLD, ball
from fixtures.placements import linear, tilting_grid
from MedDLCore.atomic import atomic_path
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Concept, Geometry, Label, LabelMap, Terminology
from MedDLScene.host import createScene
from MedDLScene.libraries import quiet, slicer
from MedDLScene.scene_files import RATIO_ACCEPTED, loadScene, nodesOfScene, saveScene, scansOfScene, volumesOfScene
from MedDLScene.segmentation_node import labelMapFromSegmentationNode, labelMapToSegmentationNode
from MedDLScene.volume_node import volumeFromNode

GRID = Geometry.from_parts((20, 30, 34), (1.8, 2.0, 2.5), origin=(-30, -30, -25))
LIVER = Terminology(Concept("123037004", "SCT", "Anatomical Structure"), Concept("10200004", "SCT", "Liver"))
LABELS = (Label(3, "Leber / ~x~", (10, 200, 30), LIVER), Label(7, "empty", (1, 2, 3), LIVER))


@pytest.fixture
def a_saved_scene(scene, a_volume_node, a_transform_node, tmp_path) -> Path:
    """A volume under a linear transform, and its segmentation, in a bundle."""
    node = a_volume_node(ball(GRID, (5, 0, 0), 12))
    node.SetName("1: CT Ü/x")
    node.SetAndObserveTransformNodeID(a_transform_node(linear()).GetID())
    volume = volumeFromNode(node)
    labelMapToSegmentationNode(
        LabelMap((volume.array > THRESHOLD).astype(np.uint8) * 3, volume.geometry, LABELS), node, scene
    )
    path = tmp_path / "case.mrb"
    saveScene(scene, path)
    return path


def test_a_saved_scene_comes_back_in_its_place(a_saved_scene, scene) -> None:
    before = volumeFromNode(scansOfScene(scene)[0])
    opened = createScene()
    loadScene(a_saved_scene, opened.scene)
    (node,) = scansOfScene(opened.scene)
    after = volumeFromNode(node)
    assert node.GetName() == "1: CT Ü/x"
    assert np.array_equal(after.array, before.array)
    assert after.geometry.same_as(before.geometry)
    (segmentation,) = nodesOfScene(opened.scene, "vtkMRMLSegmentationNode")
    back = labelMapFromSegmentationNode(segmentation)
    assert np.array_equal(back.array == 3, after.array > THRESHOLD)
    assert back.labels == LABELS
    assert back.geometry.same_as(before.geometry)


def test_nothing_but_the_bundle_is_left(a_saved_scene) -> None:
    assert [file.name for file in a_saved_scene.parent.iterdir()] == ["case.mrb"]


KILLED_WHILE_LOADING = """
import os, signal, sys
from pathlib import Path
from MedDLScene import scene_files
if sys.argv[2] == "killed":
    scene_files._importScene = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
scene_files.volumesOfScene(Path(sys.argv[1]))
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_what_a_killed_process_had_unpacked_is_swept_by_the_next(a_saved_scene, tmp_path) -> None:
    """A scene names its patient: it stayed in the system's temporary folder for good."""
    (temporary := tmp_path / "temporary").mkdir()
    left = []
    for how in ("killed", "whole"):
        command = [sys.executable, "-c", KILLED_WHILE_LOADING, str(a_saved_scene), how]
        subprocess.run(command, check=how == "whole", env={**os.environ, "TMPDIR": str(temporary)})
        left.append(len(list(temporary.iterdir())))
    assert left == [1, 0]


def test_a_loaded_bundle_does_not_point_to_its_unpacked_files(a_saved_scene) -> None:
    opened = createScene()
    loadScene(a_saved_scene, opened.scene)
    assert {node.GetFileName() for node in nodesOfScene(opened.scene, "vtkMRMLStorageNode")} <= {None, ""}


def test_the_scans_of_a_scene_file_are_volumes_with_names(a_saved_scene) -> None:
    ((name, volume),) = volumesOfScene(a_saved_scene)
    assert name == "1: CT Ü/x"
    assert volume.source.files == (a_saved_scene,)
    assert volume.source.part == ""
    assert np.allclose(volume.geometry.ijk_to_ras, linear() @ GRID.ijk_to_ras)


def test_several_scans_have_stable_parts(scene, a_volume_node, a_transform_node, tmp_path) -> None:
    first, second = ball(GRID, (5, 0, 0), 12), ball(GRID, (-5, 0, 0), 8)
    a_volume_node(first)
    bent = a_volume_node(second)
    bent.SetAndObserveTransformNodeID(a_transform_node(tilting_grid()).GetID())
    saveScene(scene, tmp_path / "two.mrb")
    found = volumesOfScene(tmp_path / "two.mrb")
    assert [volume.source.part for _, volume in found] == ["volume1", "volume2"]
    assert np.array_equal(found[0][1].array, first.array)
    assert [notice.code for notice in found[1][1].notices] == [Code.TRANSFORM_NONLINEAR]


def unpacked(bundle: Path) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(bundle.parent)
    return bundle.parent / bundle.stem / f"{bundle.stem}.mrml"


def test_a_scene_beside_its_data_is_read_too(a_saved_scene) -> None:
    ((_, volume),) = volumesOfScene(unpacked(a_saved_scene))
    assert np.array_equal(volume.array, ball(GRID, (5, 0, 0), 12).array)


def test_missing_files_are_named(a_saved_scene) -> None:
    scene_file = unpacked(a_saved_scene)
    data = next((scene_file.parent / "Data").glob("*x.nrrd"))
    data.unlink()
    with pytest.raises(MedDLError) as refused:
        volumesOfScene(scene_file)
    assert refused.value.code is Code.FILE_NOT_FOUND
    assert data.name in refused.value.message


def test_a_scene_that_is_not_there_is_refused(scene, tmp_path) -> None:
    with pytest.raises(MedDLError) as refused:
        loadScene(tmp_path / "none.mrb", scene)
    assert refused.value.code is Code.FILE_NOT_FOUND


def test_a_scene_without_a_scan_is_refused(scene, tmp_path) -> None:
    saveScene(scene, tmp_path / "empty.mrb")
    with pytest.raises(MedDLError) as refused:
        volumesOfScene(tmp_path / "empty.mrb")
    assert refused.value.code is Code.NO_IMAGES


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
def test_a_truncated_bundle_is_refused(cut, a_saved_scene, scene) -> None:
    content = a_saved_scene.read_bytes()
    a_saved_scene.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(MedDLError) as refused:
        loadScene(a_saved_scene, scene)
    assert refused.value.code is Code.FILE_UNREADABLE


def test_what_is_no_scene_is_refused(scene, tmp_path) -> None:
    for name, content in (("a.mrml", b"not xml"), ("b.mrml", b""), ("c.mrb", b"not a zip")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MedDLError) as refused:
            loadScene(tmp_path / name, scene)
        assert refused.value.code is Code.FILE_UNREADABLE
    with zipfile.ZipFile(tmp_path / "d.mrb", "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(MedDLError) as refused:
        loadScene(tmp_path / "d.mrb", scene)
    assert refused.value.code is Code.FILE_UNREADABLE


def link() -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("case/link")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


SCENE = "<MRML></MRML>"
ATTACKS = {
    "parent": [("../escaped.txt", "x")],
    "nested parent": [("case/../../escaped.txt", "x")],
    "absolute": [("/tmp/meddl_escaped.txt", "x")],
    "drive": [("C:/escaped.txt", "x")],
    "server": [("\\\\server\\share\\escaped.txt", "x")],
    "backslashes": [("case\\..\\..\\escaped.txt", "x")],
    "link": [(link(), "/etc/passwd")],
    "case": [("case/A.txt", "x"), ("case/a.TXT", "y")],
    "bomb": [("case/bomb", b"\0" * (RATIO_ACCEPTED * 100_000))],
    "many": [(f"case/{n}", "") for n in range(10_001)],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_unsafe_bundle_is_refused_and_writes_nothing(attack, scene, tmp_path, monkeypatch) -> None:
    temporary = tmp_path / "deep" / "temporary"
    temporary.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    bundle = tmp_path / "evil.mrb"
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("case/case.mrml", SCENE)
        for name, content in ATTACKS[attack]:
            archive.writestr(name, content)
    with pytest.raises(MedDLError) as refused:
        loadScene(bundle, scene)
    assert refused.value.code is Code.ARCHIVE_UNSAFE
    assert {file.name for file in tmp_path.rglob("*")} == {"deep", "temporary", "evil.mrb"}
    assert not Path("/tmp/meddl_escaped.txt").exists()


@pytest.mark.parametrize("name", ["../../secret.nrrd", "/etc/secret.nrrd", "//server/share/x.nrrd", "%2e%2e/%2e%2e/x"])
def test_a_bundle_may_not_refer_to_files_outside_of_it(name, scene, tmp_path) -> None:
    bundle = tmp_path / "evil.mrb"
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("case/case.mrml", f'<MRML><VolumeArchetypeStorage id="a" fileName="{name}"/></MRML>')
    with pytest.raises(MedDLError) as refused:
        loadScene(bundle, scene)
    assert refused.value.code is Code.ARCHIVE_UNSAFE


def test_a_scene_that_declares_entities_is_refused(scene, tmp_path) -> None:
    path = tmp_path / "laughs.mrml"
    path.write_text('<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><MRML>&c;</MRML>')
    with pytest.raises(MedDLError) as refused:
        loadScene(path, scene)
    assert refused.value.code is Code.ARCHIVE_UNSAFE


def test_an_existing_bundle_survives_a_save_that_fails(a_saved_scene, a_transform_node, scene) -> None:
    before = a_saved_scene.read_bytes()
    a_transform_node(tilting_grid(storable=False))
    with pytest.raises(MedDLError) as refused:
        saveScene(scene, a_saved_scene)
    assert refused.value.code is Code.OUTPUT_UNWRITABLE
    assert a_saved_scene.read_bytes() == before
    assert [file.name for file in a_saved_scene.parent.iterdir()] == ["case.mrb"]


def test_a_full_disk_is_named(a_saved_scene, a_transform_node, scene, monkeypatch) -> None:
    usage = shutil.disk_usage(a_saved_scene.parent)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=1000))
    a_transform_node(tilting_grid(storable=False))
    with pytest.raises(MedDLError) as refused:
        saveScene(scene, a_saved_scene)
    assert refused.value.code is Code.NO_SPACE


def test_the_libraries_say_nothing_of_their_own_where_a_bundle_cannot_be_written(tmp_path, capfd) -> None:
    """Slicer's archive printed twenty lines of "cannot write data" before MedDL's one message."""
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "file.txt").write_text("text")
    with quiet():
        assert not slicer.vtkArchive().Zip(str(tmp_path / "nowhere" / "scene.mrb"), str(tmp_path / "content"))
    assert capfd.readouterr() == ("", "")


def test_a_file_that_meets_a_full_disk_is_not_there(tmp_path) -> None:
    with pytest.raises(MedDLError) as refused, atomic_path(tmp_path / "a.png") as unfinished:
        unfinished.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert refused.value.code is Code.NO_SPACE
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_refused(scene, tmp_path) -> None:
    with pytest.raises(MedDLError) as refused:
        saveScene(scene, tmp_path / "none" / "case.mrb")
    assert refused.value.code is Code.OUTPUT_UNWRITABLE
