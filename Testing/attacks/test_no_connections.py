"""S10, S11: a run connects to nothing and listens on nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np

from fixtures.balls import THRESHOLD, ball
from fixtures.models import threshold_package
from MedDLCore.volume import Geometry

WATCH = """
import sys
def watch(event, arguments):
    if event == "socket.bind" and arguments[1] == ("::1", 0):
        return  # urllib3 tries on import whether the machine knows IPv6; it never listens
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.gethostbyname", "socket.sendto"):
        print("SOCKET", event, arguments, file=sys.stderr, flush=True)
sys.addaudithook(watch)
"""
"""Put into every Python process that the run starts."""


def _run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(WATCH)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    outside = {key: value for key, value in os.environ.items() if key != "CI"}  # a library may be quiet only in CI
    environment = {**outside, "PYTHONPATH": path, "HOME": str(folder / "home")}
    return subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)


def test_the_watch_sees_a_connection(tmp_path: Path) -> None:
    code = "import socket; s = socket.socket(); s.settimeout(0.1); s.connect_ex(('127.0.0.1', 9))"
    assert "SOCKET socket.connect" in _run([sys.executable, "-c", code], tmp_path).stderr


def test_a_segmentation_uses_no_socket_and_writes_nothing_into_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    geometry = Geometry.from_parts((12, 14, 16), (2, 2, 2))
    scan = tmp_path / "scan.nii"
    array = ball(geometry, (15, 14, 12), 6).array.transpose(2, 1, 0).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, geometry.ijk_to_ras), scan)
    package = threshold_package(tmp_path / "package", THRESHOLD)
    meddl = [sys.executable, "-m", "MedDLCore.cli", "segment", str(scan), "-m", str(package)]
    done = _run([*meddl, "-o", str(tmp_path / "out"), "--format", "nrrd", "--modality", "CT"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SOCKET" not in done.stderr
    assert not list((tmp_path / "home").rglob("*"))
