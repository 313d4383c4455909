"""The manifest: content hashes, versions, and nothing that names a person."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from MedDLCore.errors import Code, Notice
from MedDLCore.volume import Geometry, Source, Volume
from MedDLCore.writers import InputRecord, Manifest, OutputRecord, content_hash, library_versions, write_manifest

GEOMETRY = Geometry.from_parts((3, 4, 5), (1, 1, 2))
VOLUME = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), GEOMETRY, "CT")


def manifest(**changes: object) -> Manifest:
    base = Manifest((InputRecord.of(VOLUME),), "phantom-net", "2.1", "5f" * 32, "cpu", {"network": 1.5})
    return replace(base, **changes)


def test_the_hash_is_of_content_not_of_where_it_came_from_or_how_it_lies_in_memory() -> None:
    same = replace(
        VOLUME,
        array=np.asfortranarray(VOLUME.array).astype(">i2"),
        source=Source("DICOM", (Path("/x/Doe.dcm"),), "1.2"),
        modality=None,
    )
    assert content_hash(same) == content_hash(VOLUME)


def test_any_other_voxel_dtype_shape_or_place_gives_another_hash() -> None:
    array = VOLUME.array.copy()
    array[1, 2, 3] += 1
    moved = GEOMETRY.ijk_to_ras.copy()
    moved[0, 3] += 0.001
    others = [
        replace(VOLUME, array=array),
        replace(VOLUME, array=VOLUME.array.astype(np.uint16)),
        replace(VOLUME, array=VOLUME.array[None]),
        Volume(VOLUME.array.reshape(5, 4, 3), Geometry.from_parts((5, 4, 3), (1, 1, 2))),
        replace(VOLUME, geometry=Geometry(GEOMETRY.shape, moved)),
    ]
    assert len({content_hash(volume) for volume in [VOLUME, *others]}) == 6


def test_the_file_says_what_was_run_on_what(tmp_path: Path) -> None:
    result = tmp_path / "John_Doe.nii.gz"
    result.write_bytes(b"result" * 1000)
    written = manifest(
        outputs=(OutputRecord.of("nifti", result),),
        notices=(Notice(Code.GEOM_TILT, "The gantry was tilted by 5 degrees."),),
        settings={"region": None, "structures": ["liver"]},
    )
    write_manifest(written, tmp_path / "manifest.json")
    data = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert data["format_version"] == 1
    assert data["inputs"] == [
        {"sha256": content_hash(VOLUME), "modality": "CT", "shape": [3, 4, 5], "spacing": [1.0, 1.0, 2.0]}
    ]
    assert data["model"] == {"name": "phantom-net", "version": "2.1", "sha256": "5f" * 32}
    assert data["outputs"] == [{"kind": "nifti", "size": 6000, "sha256": hashlib.sha256(b"result" * 1000).hexdigest()}]
    assert data["notices"] == [{"code": "GEOM_TILT", "message": "The gantry was tilted by 5 degrees."}]
    assert (data["device"], data["seconds"]) == ("cpu", {"network": 1.5})
    assert data["settings"]["structures"] == ["liver"]
    assert data["versions"] == library_versions()


def test_a_notice_about_a_file_does_not_name_it() -> None:
    notice = Notice(Code.FILE_SKIPPED, "John_Doe.txt is not an image.")
    (entry,) = manifest(notices=(notice,)).to_json()["notices"]
    assert entry["code"] == "FILE_SKIPPED"
    assert "John_Doe" not in entry["message"]


def test_the_versions_are_those_that_run() -> None:
    versions = library_versions()
    assert versions["numpy"] == np.__version__
    assert {"MedDL", "Python", "highdicom"} <= set(versions)


def test_values_that_json_does_not_know_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_manifest(manifest(seconds={"network": float("nan")}), tmp_path / "manifest.json")
    assert not list(tmp_path.iterdir())
