"""The driver and its ledger: what runs, what does not run again, how each scan ends."""

from __future__ import annotations

import csv
import json
import sqlite3
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

from fixtures.batches import JOB, PACKAGE, STARTED, Threshold, a_database, batch, write_series
from MedDLCore.admission import Options
from MedDLCore.batch import (
    Choice,
    Control,
    Ledger,
    LocalSite,
    Scan,
    State,
    claimed_for_a_batch,
    open_source,
    run_batch,
    write_reports,
)
from MedDLCore.batch import ledger as ledgers
from MedDLCore.batch.site import Order, Outcome, SiteLostError
from MedDLCore.clock import OnProgress
from MedDLCore.errors import Code, MedDLError
from MedDLCore.pipeline import Segmentation
from MedDLCore.readers import read
from MedDLCore.volume import Volume


class Failing(Threshold):
    """Raises instead of segmenting the scans whose numbers are given, counted from 1."""

    def __init__(self, error: Exception, *numbers: int) -> None:
        super().__init__()
        self.error, self.numbers, self.count = error, numbers, 0

    def segment(self, volume: Volume, options: Options, tell: OnProgress) -> Segmentation:
        self.count += 1
        if self.count in self.numbers:
            raise self.error
        return super().segment(volume, options, tell)


def test_every_series_gets_a_dicom_seg_in_the_folder_of_its_study(tmp_path: Path) -> None:
    scans = a_database(tmp_path / "scans", 3).scans()
    entries = batch(scans, tmp_path / "out")
    assert {entry.state for entry in entries.values()} <= {State.DONE, State.WARNED}
    for scan in scans:
        entry = entries[scan.key]
        [seg] = [output for output in entry.outputs if output["kind"] == "dicomseg"]
        dataset = pydicom.dcmread(tmp_path / "out" / seg["path"])
        assert seg["path"] == f"{scan.folder}/{scan.key}_threshold.seg.dcm"
        assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == scan.series_uid
        assert dataset.ContentDate == STARTED.strftime("%Y%m%d")
        assert [row["name"] for row in entry.segments] == ["ball"]


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    scans = a_database(tmp_path / "scans", 2).scans()
    first = batch(scans, tmp_path / "out")
    segmenter = Threshold()
    assert batch(scans, tmp_path / "out", segmenter, started=datetime(1999, 1, 1)) == first
    assert segmenter.seen == []


def test_another_model_or_setting_is_another_job(tmp_path: Path) -> None:
    scans = a_database(tmp_path / "scans", 1).scans()
    batch(scans, tmp_path / "out")
    for job in (
        replace(JOB, model_sha256="7a" * 32),
        replace(JOB, options=Options(structures=("ball",))),
        replace(JOB, options=Options(crop_body=True)),
        replace(JOB, formats=("nrrd",)),
    ):
        segmenter = Threshold()
        batch(scans, tmp_path / "out", segmenter, job)
        assert len(segmenter.seen) == 1, job


def test_a_scan_runs_again_where_it_or_its_result_has_changed(tmp_path: Path) -> None:
    scans = a_database(tmp_path / "scans", 3).scans()
    entries = batch(scans, tmp_path / "out")
    changed, lost, same = scans
    write_series(changed.files[0].parent, 1, slices=9)
    (tmp_path / "out" / entries[lost.key].outputs[0]["path"]).unlink()
    segmenter = Threshold()
    after = batch(open_source(tmp_path / "scans", tmp_path / "out").scans(), tmp_path / "out", segmenter)
    assert {volume.source.series_uid for volume in segmenter.seen} == {changed.series_uid, lost.series_uid}
    assert after[same.key] == entries[same.key]
    [seg] = [output for output in after[lost.key].outputs if output["kind"] == "dicomseg"]
    assert seg in entries[lost.key].outputs


def test_one_bad_series_does_not_stop_the_rest(tmp_path: Path) -> None:
    source = tmp_path / "scans"
    for number in (1, 2, 4, 5):
        write_series(source / str(number), number)
    cut = source / "2" / "IM0003.dcm"
    cut.write_bytes(cut.read_bytes()[:2000])
    write_series(source / "3", 3, slices=3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    scans = open_source(source, tmp_path / "out").scans()
    entries = batch(scans, tmp_path / "out", Failing(RuntimeError("a bug"), 2))
    ended = [(entries[scan.key].state.value, entries[scan.key].code) for scan in scans]
    assert ended[1:4] == [("refused", "FILE_TRUNCATED"), ("skipped", "LOCALIZER"), ("failed", "INTERNAL")]
    assert entries[scans[0].key].state.has_result
    assert entries[scans[4].key].state.has_result
    segmenter = Threshold()
    batch(scans, tmp_path / "out", segmenter)
    assert [volume.source.series_uid for volume in segmenter.seen] == [scans[3].series_uid], "only what failed"
    batch(scans, tmp_path / "out", segmenter, again=True)
    assert len(segmenter.seen) == 1


def test_what_would_end_every_scan_alike_ends_the_batch(tmp_path: Path) -> None:
    scans = a_database(tmp_path / "scans", 4).scans()
    for code in (Code.MODEL_CORRUPT, Code.DEVICE_MISSING, Code.NO_SPACE):
        with pytest.raises(MedDLError) as raised:
            batch(scans, tmp_path / code.value, Failing(MedDLError(code, "Gone."), 2))
        assert raised.value.code is code
        segmenter = Threshold()
        batch(scans, tmp_path / code.value, segmenter)
        assert len(segmenter.seen) == 3
    with pytest.raises(MedDLError) as lost:
        batch(scans, tmp_path / "lost", Failing(MedDLError(Code.WORKER_LOST, "Gone."), 1, 2, 3, 4))
    assert lost.value.code is Code.WORKER_LOST
    entries = batch(scans, tmp_path / "memory", Failing(MedDLError(Code.NO_MEMORY, "Too large."), 1, 2, 3))
    assert [entries[scan.key].code for scan in scans] == ["NO_MEMORY"] * 3 + [""]


def test_images_that_do_not_name_their_series_are_segmented(tmp_path: Path) -> None:
    """They were an error of our own: nothing gave the result its name."""
    write_series(tmp_path / "scans", 1, SeriesInstanceUID="")
    [scan] = open_source(tmp_path / "scans", tmp_path / "out").scans()
    [entry] = batch([scan], tmp_path / "out").values()
    assert [output["kind"] for output in entry.outputs] == ["nrrd", "statistics", "manifest"]


@pytest.mark.parametrize("formats", [(), ("dicomseg", "nifti")])
def test_headers_that_allow_no_dicom_seg_cost_that_file_and_not_the_result(
    formats: tuple[str, ...], tmp_path: Path
) -> None:
    """As of publishers who blank identifiers: a night's results were refused, which .seg.nrrd could hold."""
    write_series(tmp_path / "scans", 1, FrameOfReferenceUID="")
    [scan] = open_source(tmp_path / "scans", tmp_path / "out").scans()
    [entry] = batch([scan], tmp_path / "out", job=replace(JOB, formats=formats)).values()
    kinds = {output["kind"] for output in entry.outputs}
    assert ("nifti" if formats else "nrrd") in kinds
    assert "dicomseg" not in kinds
    assert (entry.state, entry.code) == (State.WARNED, "")
    assert Code.SEG_REFUSED.value in entry.notices
    segmenter = Threshold()
    only = batch([scan], tmp_path / "only", segmenter, replace(JOB, formats=("dicomseg",)))[scan.key]
    assert (only.state, only.code, segmenter.seen) == (State.REFUSED, Code.SEG_REFUSED.value, [])


def test_files_that_are_not_of_the_batch_are_never_replaced(tmp_path: Path) -> None:
    [scan] = a_database(tmp_path / "scans", 1).scans()
    theirs = tmp_path / "out" / scan.folder / f"{scan.key}_threshold.seg.dcm"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("somebody's work")
    assert batch([scan], tmp_path / "out")[scan.key].code == Code.OUTPUT_EXISTS.value
    assert theirs.read_text() == "somebody's work"


def test_a_batch_is_paused_and_cancelled_from_another_thread(tmp_path: Path) -> None:
    scans = a_database(tmp_path / "scans", 3).scans()
    control, begun = Control(), threading.Event()

    class Watching:
        def begins(self, scan: object, number: int, of: int) -> None: ...
        def progress(self, scan: object, stage: str, done: int, of: int) -> None: ...

        def ended(self, scan: object, entry: object, notices: object, error: object) -> None:
            control.pause()
            begun.set()

    raised: list[MedDLError] = []

    def run() -> None:
        try:
            batch(scans, tmp_path / "out", watcher=Watching(), control=control)
        except MedDLError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(60)
    begun.clear()
    assert not begun.wait(0.5), "it went on though it was paused"
    control.go_on()
    assert begun.wait(60)
    control.cancel()
    thread.join(60)
    assert [error.code for error in raised] == [Code.CANCELLED]
    segmenter = Threshold()
    assert len(batch(scans, tmp_path / "out", segmenter)) == 3
    assert len(segmenter.seen) == 1


def test_several_sites_work_at_the_same_time(tmp_path: Path) -> None:
    """Neither of the first two scans is done before both are begun."""
    scans = a_database(tmp_path / "scans", 5).scans()
    together = threading.Barrier(2, timeout=60)

    class Together(Threshold):
        def segment(self, volume: Volume, options: Options, tell: OnProgress) -> Segmentation:
            if not self.seen:
                together.wait()
            return super().segment(volume, options, tell)

    pair = [Together(), Together()]
    entries = batch(scans, tmp_path / "out", pair)
    assert sorted(entries) == sorted(scan.key for scan in scans)
    assert all(entry.state.has_result for entry in entries.values())
    assert sum(len(each.seen) for each in pair) == 5
    alone = batch(scans, tmp_path / "alone")
    digests = [[output["sha256"] for output in run[scan.key].outputs[:2]] for run in (entries, alone) for scan in scans]
    assert digests[:5] == digests[5:]


def test_what_a_lost_site_was_at_is_done_by_another_one(tmp_path: Path) -> None:
    scans = a_database(tmp_path / "scans", 4).scans()

    class Lost:
        def run(self, order: Order, ahead: Scan | None, tell: OnProgress) -> Outcome:
            raise SiteLostError

    with claimed_for_a_batch(tmp_path / "out"), Ledger(tmp_path / "out", JOB) as ledger:
        with LocalSite(Threshold()) as site:
            entries = run_batch(scans, JOB, [Lost(), site], ledger)
        assert [entries[scan.key].state.has_result for scan in scans] == [True] * 4
    with claimed_for_a_batch(tmp_path / "none"), Ledger(tmp_path / "none", JOB) as ledger:
        with pytest.raises(MedDLError) as nobody:
            run_batch(scans, JOB, [Lost()], ledger)
        assert nobody.value.code is Code.WORKER_LOST


def test_what_ends_one_site_ends_them_all(tmp_path: Path) -> None:
    scans = a_database(tmp_path / "scans", 4).scans()
    with pytest.raises(MedDLError) as raised:
        batch(scans, tmp_path / "out", [Failing(MedDLError(Code.NO_SPACE, "Full."), 1), Threshold()])
    assert raised.value.code is Code.NO_SPACE


def test_the_tables_hold_every_scan_and_segment_and_nobodys_name(tmp_path: Path) -> None:
    source = tmp_path / "CANARY-ID Canary^Name"
    write_series(source / "CANARY-ACCESSION", 1)
    write_series(source / "broken CANARY-ID", 2)
    cut = source / "broken CANARY-ID" / "IM0003.dcm"
    cut.rename(cut.with_name("Canary^Name.dcm")).write_bytes(b"")
    scans = open_source(source, tmp_path / "out").scans()
    out = tmp_path / "out"
    entries = batch(scans, out)
    write_reports(out, JOB, entries, [Choice(scan) for scan in scans])
    with (out / "segments.csv").open(newline="") as file:
        [row, *_] = csv.DictReader(file)
    volume = read(scans[0].files)[0]
    inside = volume.array > -500
    expected = np.count_nonzero(inside) * volume.geometry.voxel_volume / 1000
    assert float(row["volume_mL"]) == pytest.approx(expected)
    assert float(row["mean"]) == pytest.approx(volume.array[inside].mean())
    assert (row["scan"], row["name"]) == (scans[0].key, "ball")
    report = json.loads((out / "report.json").read_text())
    assert [case["scan"] for case in report["cases"]] == [scan.key for scan in scans]
    assert report["model"]["sha256"] == PACKAGE.sha256
    canaries = (b"Canary", b"CANARY", b"19010203")
    for path in out.rglob("*"):
        assert not any(canary in str(path.relative_to(out)).encode() for canary in canaries)
        if path.is_file() and not path.name.endswith(".seg.dcm"):
            assert not any(canary in path.read_bytes() for canary in canaries), path.name
    write_reports(out, JOB, entries, [Choice(scan) for scan in scans], identify=True)
    assert b"CANARY-ID" in (out / "segments.csv").read_bytes()


def test_a_ledger_that_is_damaged_newer_or_open_is_refused(tmp_path: Path) -> None:
    for name, content in (("damaged", b"SQLite format 3\0" + bytes(range(256)) * 40), ("text", b"no database" * 100)):
        (tmp_path / name).mkdir()
        (tmp_path / name / ledgers.FILE_NAME).write_bytes(content)
        with pytest.raises(MedDLError) as refused:
            Ledger(tmp_path / name, JOB)
        assert refused.value.code is Code.LEDGER_UNREADABLE
    with Ledger(tmp_path, JOB), pytest.raises(MedDLError) as busy:
        Ledger(tmp_path, JOB)
    assert busy.value.code is Code.BATCH_RUNNING
    with sqlite3.connect(tmp_path / ledgers.FILE_NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MedDLError) as newer:
        Ledger(tmp_path, JOB)
    assert newer.value.code is Code.LEDGER_UNREADABLE


def test_a_ledger_on_a_full_disk_says_so(tmp_path: Path) -> None:
    with Ledger(tmp_path, JOB) as ledger:
        [pages] = ledger._connection.execute("PRAGMA page_count").fetchone()
        ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(MedDLError) as full:
            for n in range(2000):
                ledger.write(ledgers.Entry(f"scan{n}" * 20, "study", "", State.STARTED))
    assert full.value.code is Code.NO_SPACE


def test_of_several_formats_a_file_gets_those_that_it_can_have() -> None:
    several = replace(JOB, formats=("dicomseg", "nrrd"))
    assert (several.formats_for(is_dicom=True), several.formats_for(is_dicom=False)) == (
        ("dicomseg", "nrrd"),
        ("nrrd",),
    )
    assert replace(JOB, formats=("dicomseg",)).formats_for(is_dicom=False) == ("dicomseg",)  # which is then refused
