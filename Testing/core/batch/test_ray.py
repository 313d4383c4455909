"""A batch on a Ray cluster of two nodes on this machine's loopback, one of which is killed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from fixtures import orthanc
from fixtures.batches import write_series
from fixtures.orthanc import PASSWORD, USER
from fixtures.packages import threshold_package
from MedDLCore.batch import Job, Ledger, claimed_for_a_batch, open_source, run_batch
from MedDLCore.batch.ray_sites import ray_sites
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit, MedDLError
from MedDLCore.models import open_model
from MedDLCore.worker import Job as WorkerJob

os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_USAGE_STATS_REPORT_URL="http://127.0.0.1:9")

cluster_utils = pytest.importorskip("ray.cluster_utils")

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
SOON = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 3}
"""That a machine is gone is noticed in seconds, not in a minute."""

SCANS = 6


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Its head, with one node, in whose environment the credentials of a server stand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDDL_DICOMWEB_USER", USER)
        patch.setenv("MEDDL_DICOMWEB_PASSWORD", PASSWORD)
        patch.setenv("NO_PROXY", "*")
        nodes = cluster_utils.Cluster(initialize_head=True, head_node_args={**NODE, "_system_config": SOON})
        try:
            yield nodes
        finally:
            nodes.shutdown()


def test_a_cluster_that_loses_a_machine_ends_with_every_result(cluster: Any, tmp_path: Path) -> None:
    second = cluster.add_node(**NODE)
    for number in range(1, SCANS + 1):
        write_series(tmp_path / "scans" / str(number), number, RescaleIntercept=-624)
    scans = open_source(tmp_path / "scans", tmp_path / "out").scans()
    package = open_model(threshold_package(tmp_path / "model").folder)
    job = Job(package.spec.name, package.spec.version, package.sha256)
    request = WorkerJob(str(package.folder), device="cpu", threads=1, backend="torch")

    class Watching:
        ended_scans = 0

        def begins(self, scan: object, number: int, of: int) -> None: ...
        def progress(self, scan: object, stage: str, done: int, of: int) -> None: ...

        def ended(self, scan: object, entry: object, notices: object, error: object) -> None:
            self.ended_scans += 1
            if self.ended_scans == 1:
                cluster.remove_node(second, allow_graceful=False)

    out = tmp_path / "out"
    with claimed_for_a_batch(out), Ledger(out, job) as ledger:
        with ray_sites(cluster.address, request, package.sha256) as sites:
            assert len(sites) == 2
            entries = run_batch(scans, job, sites, ledger, Watching())
        assert [entries[scan.key].state.has_result for scan in scans] == [True] * SCANS
        assert run_batch(scans, job, [], ledger) == entries, "nothing is left to do"
    assert len(list(out.glob("*/*.seg.dcm"))) == SCANS


def test_the_command_runs_on_a_cluster(cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "scans" / "1", 1, RescaleIntercept=-624)
    model = threshold_package(tmp_path / "model").folder
    command = ["batch", tmp_path / "scans", "-m", model, "-o", tmp_path / "out", "--ray", cluster.address, "--json"]
    assert run([*map(str, command), "--device", "cpu", "--threads", "1", "--backend", "torch"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()  # the cluster is of this process: of a lost machine it prints, too
    said = [json.loads(line) for line in lines if line.startswith("{")]
    assert said[-1]["counts"] == {"warned": 1, "left out": 0}
    assert len(list((tmp_path / "out").glob("*/*.seg.dcm"))) == 1
    relative = ["batch", "scans", "-m", str(model), "-o", str(tmp_path / "out"), "--ray", cluster.address]
    assert run(relative) == Exit.USAGE


def test_each_machine_fetches_from_the_server_itself(
    cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "scans" / "1", 1, RescaleIntercept=-624)
    model, out = threshold_package(tmp_path / "model").folder, tmp_path / "out"
    with orthanc.running(tmp_path / "orthanc") as pacs:
        pacs.give(tmp_path / "scans")
        command = ["batch", pacs.address, "-m", model, "-o", out, "--ray", cluster.address, "--store"]
        assert run([*map(str, command), "--device", "cpu", "--threads", "1", "--backend", "torch"]) == Exit.OK
        [seg] = out.glob("*/*.seg.dcm")
        assert pacs.instances("SEG").keys() == {str(dcmread(seg).SOPInstanceUID)}
    assert PASSWORD not in "".join(capsys.readouterr())
    logs = Path(cluster.head_node.get_session_dir_path(), "logs").rglob("*")
    said = b"".join(path.read_bytes() for path in logs if path.is_file())
    assert not [word for word in (PASSWORD, "Canary", "CANARY") if word.encode() in said]


def test_a_machine_with_another_model_is_refused(cluster: Any, tmp_path: Path) -> None:
    request = WorkerJob(str(threshold_package(tmp_path / "model").folder), device="cpu", threads=1, backend="torch")
    with pytest.raises(MedDLError) as refused, ray_sites(cluster.address, request, "00" * 32):
        pass
    assert refused.value.code is Code.MODEL_CORRUPT


def test_where_there_is_no_cluster_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(MedDLError) as refused, ray_sites("127.0.0.1:1", WorkerJob("none"), ""):
        pass
    assert refused.value.code is Code.WORKER_LOST
