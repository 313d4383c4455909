"""S10, S11: a run connects to nothing and listens on nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from fixtures.balls import THRESHOLD, ball
from fixtures.batches import write_series
from fixtures.models import threshold_package
from MedDLCore.volume import Geometry

WATCH = """
import sys
from pathlib import Path
SEEN = Path(__file__).with_name("sockets")
def watch(event, arguments):
    if event == "socket.bind" and arguments[1] == ("::1", 0):
        return  # urllib3 tries on import whether the machine knows IPv6; it never listens
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.gethostbyname", "socket.sendto"):
        where = [part for part in arguments if not hasattr(part, "fileno")]
        with SEEN.open("a") as file:
            print(event, *where[:1], "in", sys.argv[0], file=file)
sys.addaudithook(watch)
"""
"""Put into every Python process that the run starts, and that these start."""

ALONE = ("unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""Runs a command where no network is but the loopback."""


def _run(arguments: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(WATCH)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    quieting = ("CI", "MEDDL_MODELS")  # a library may be quiet only in CI
    outside = {key: value for key, value in os.environ.items() if key not in quieting}
    environment = {**outside, "PYTHONPATH": path, "HOME": str(folder / "home"), **more}
    return subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)


def _sockets(folder: Path) -> list[str]:
    seen = folder / "sockets"
    return seen.read_text().splitlines() if seen.exists() else []


def test_the_watch_sees_a_connection(tmp_path: Path) -> None:
    code = "import socket; s = socket.socket(); s.settimeout(0.1); s.connect_ex(('127.0.0.1', 9))"
    _run([sys.executable, "-c", code], tmp_path)
    [seen] = _sockets(tmp_path)
    assert seen.startswith("socket.connect ('127.0.0.1', 9) in")


def _segment(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "home").mkdir()
    geometry = Geometry.from_parts((12, 14, 16), (2, 2, 2))
    scan = tmp_path / "scan.nii"
    array = ball(geometry, (15, 14, 12), 6).array.transpose(2, 1, 0).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, geometry.ijk_to_ras), scan)
    package = threshold_package(tmp_path / "package", THRESHOLD)
    meddl = [sys.executable, "-m", "MedDLCore.cli", "segment", str(scan), "-m", str(package)]
    more = ["-o", str(tmp_path / "out"), "--format", "nrrd", "--modality", "CT", *arguments]
    done = _run([*meddl, *more], tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    return done


def test_a_segmentation_uses_no_socket_and_writes_nothing_into_the_home_folder(tmp_path: Path) -> None:
    _segment(tmp_path)
    assert _sockets(tmp_path) == []
    assert not list((tmp_path / "home").rglob("*"))


def test_an_export_to_openvino_sends_nothing_and_writes_nothing_into_the_home_folder(tmp_path: Path) -> None:
    """Its telemetry would post to a server, and keep an identity in the home folder, where its import succeeds."""
    (tmp_path / "models").mkdir()
    _segment(tmp_path, "--backend", "openvino", MEDDL_MODELS=str(tmp_path / "models"))
    (manifest,) = (tmp_path / "out").glob("*_manifest.json")
    assert json.loads(manifest.read_text())["backends"] == ["openvino"]
    assert list((tmp_path / "models").glob(".cache/*/openvino-*.bin"))
    assert _sockets(tmp_path) == []
    assert not list((tmp_path / "home").rglob("*"))


def test_the_telemetry_of_openvino_cannot_be_imported(tmp_path: Path) -> None:
    code = """
from MedDLCore.inference.backends.openvino_library import openvino
print(openvino().convert_model.__name__)
import openvino_telemetry
"""
    done = _run([sys.executable, "-c", code], tmp_path)
    assert done.stdout.strip() == "convert_model"
    assert "ModuleNotFoundError: import of openvino_telemetry halted" in done.stderr


ON_A_CLUSTER = """
import sys
from ray.cluster_utils import Cluster
from MedDLCore.cli.main import run
node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args={**node, "node_ip_address": "127.0.0.1"})
status = run([*sys.argv[1:], "--ray", cluster.address])
cluster.shutdown()
sys.exit(int(status))
"""


def test_a_batch_on_a_cluster_connects_to_nothing_but_the_cluster(tmp_path: Path) -> None:
    """Started as README says. Ray would report to a server, even that it must not, and ask which cloud it is in."""
    pytest.importorskip("ray")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "ray_bootstrap_config.yaml").touch()
    write_series(tmp_path / "scans", 1)
    package = threshold_package(tmp_path / "package", THRESHOLD)
    meddl = ["batch", str(tmp_path / "scans"), "-m", str(package), "-o", str(tmp_path / "out"), "--no-pictures"]
    command = [sys.executable, "-c", ON_A_CLUSTER, *meddl, "--device", "cpu", "--threads", "1", "--backend", "torch"]
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0:
        command = [*ALONE, *command]
    done = _run(
        command, tmp_path, RAY_USAGE_STATS_ENABLED="0", RAY_USAGE_STATS_REPORT_URL="http://127.0.0.1:9", NO_PROXY="*"
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").glob("*/*.seg.dcm"))
    seen = _sockets(tmp_path)
    assert seen, "the watch was not there"
    assert [line for line in seen if "127.0.0.1" not in line.partition(" in ")[0]] == []
