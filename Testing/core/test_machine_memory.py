"""What a container may take counts, not what its machine has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedDLCore.errors import Code, MedDLError
from MedDLCore.machine_memory import free_memory, total_memory
from MedDLCore.readers import dicom_values, read, stored
from MedDLCore.worker import warm


def files(folder: Path, **texts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text + "\n", encoding="utf-8")


def test_a_container_s_limit_counts_and_not_the_memory_of_its_machine(tmp_path: Path) -> None:
    """Version 2; the group above has the limit. What is cached of files is given back when memory is asked for."""
    membership = tmp_path / "cgroup"
    membership.write_text("0::/outer/inner\n", encoding="utf-8")
    root = tmp_path / "fs"
    files(root / "outer" / "inner", memory__max="max", memory__current="500")
    statistics = "anon 1\ninactive_file 200\n"
    files(root / "outer", memory__max="2000", memory__current="700", memory__stat=statistics)
    assert free_memory(root, membership) == 2000 - 700 + 200
    files(root / "outer" / "inner", memory__max="600")
    assert free_memory(root, membership) == 600 - 500
    files(root / "outer" / "inner", memory__current="900")
    assert free_memory(root, membership) == 0


def test_a_container_s_limit_of_the_first_version_counts_too(tmp_path: Path) -> None:
    """Within a container the path of the group is often that of the machine, and only the root is there."""
    membership = tmp_path / "cgroup"
    membership.write_text("5:cpu,cpuacct:/\n4:memory:/docker/1234\n0::/\n", encoding="utf-8")
    names = {"memory__limit_in_bytes": "3000", "memory__usage_in_bytes": "1000"}
    files(tmp_path / "fs" / "memory", **names, memory__stat="inactive_file 5\ntotal_inactive_file 50")
    assert free_memory(tmp_path / "fs", membership) == 2050


def test_without_control_groups_the_machine_s_memory_counts(tmp_path: Path) -> None:
    assert free_memory(tmp_path, tmp_path / "absent") > 2**20
    membership = tmp_path / "cgroup"
    membership.write_text("0::/\nnot a line\n", encoding="utf-8")
    assert free_memory(tmp_path, membership) > 2**20


def test_the_limit_of_a_container_is_all_the_memory_that_there_is(tmp_path: Path) -> None:
    """What is used of it does not matter; the machine counts where the limit lies above it."""
    membership = tmp_path / "cgroup"
    membership.write_text("0::/outer/inner\n4:memory:/job\n", encoding="utf-8")
    root = tmp_path / "fs"
    machine = total_memory(root, tmp_path / "absent")
    assert machine > 2**20
    files(root / "outer" / "inner", memory__max=str(2 * machine), memory__current="500")
    assert total_memory(root, membership) == machine
    files(root / "outer", memory__max="2000", memory__current="1900")
    assert total_memory(root, membership) == 2000
    files(root / "memory" / "job", memory__limit_in_bytes="1500", memory__usage_in_bytes="1")
    assert total_memory(root, membership) == 1500


def test_readers_refuse_what_a_container_could_never_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its machine's memory counted: the scan was read until the container was killed."""
    scan = tmp_path / "scan.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6), np.int16)), str(scan))
    monkeypatch.setattr(stored, "total_memory", lambda: 4 * 5 * 6 * 2 - 1)
    monkeypatch.setattr(dicom_values, "total_memory", lambda: 4 * 5 * 6 * 2 - 1)
    for read_it in (lambda: read(scan), lambda: dicom_values.check_memory(4 * 5 * 6, np.dtype(np.int16), "It")):
        with pytest.raises(MedDLError) as refusal:
            read_it()
        assert refusal.value.code is Code.TOO_LARGE
    monkeypatch.setattr(stored, "total_memory", lambda: 4 * 5 * 6 * 2)
    assert read(scan)[0].array.shape == (4, 5, 6)


def test_models_are_kept_within_a_part_of_the_container_s_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "total_memory", lambda: 4000)
    assert warm.Warm()._budget == 1000
