"""A batch over DICOMweb, against Orthanc: images in, SEG back, and everything that can go wrong between."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from fixtures import orthanc, server
from fixtures.batches import Threshold, batch, write_series
from fixtures.orthanc import PASSWORD, USER, Orthanc
from fixtures.packages import threshold_package, threshold_spec
from MedDLCore.batch import Ledger, Rules, Scan, State, choose, open_source
from MedDLCore.batch.delivery import StoredOnServer
from MedDLCore.batch.dicomweb import DicomWeb
from MedDLCore.batch.dicomweb_source import DicomWebSource, filters_of
from MedDLCore.batch.scan import input_digest
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit, MedDLError
from MedDLCore.readers import read

AT_ONCE = (0.01, 0.01)
"""Seconds between the attempts of these tests."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Three CT series and an MR of four studies; of the phantom, the network finds a half."""
    folder = tmp_path_factory.mktemp("pacs")
    for number in (1, 2, 3):
        write_series(folder / "scans" / str(number), number, RescaleIntercept=-624, SeriesDescription=f"CT {number}")
    write_series(folder / "scans" / "4", 4, "MR", StudyDate="19990203")
    with orthanc.running(folder / "orthanc") as pacs:
        pacs.give(folder / "scans")
        yield pacs


@pytest.fixture
def pacs(filled: Orthanc, monkeypatch: pytest.MonkeyPatch) -> Orthanc:
    """The credentials stand in the environment."""
    monkeypatch.setenv("MEDDL_DICOMWEB_USER", USER)
    monkeypatch.setenv("MEDDL_DICOMWEB_PASSWORD", PASSWORD)
    monkeypatch.setenv("NO_PROXY", "*")
    return filled


def scans_of(address: str, *rules: str) -> list[Scan]:
    """What the server offers but the results that other tests have stored: of a study, it offers every series."""
    scans = DicomWebSource(DicomWeb(address, waits=AT_ONCE), Rules.parse(rules)).scans()
    return [scan for scan in scans if scan.modality != "SEG"]


def test_a_server_offers_what_a_folder_of_the_same_files_offers(pacs: Orthanc, tmp_path: Path) -> None:
    folder = open_source(pacs.folder.parent / "scans", tmp_path).scans()
    there = scans_of(pacs.address)
    facts = ("key", "folder", "patient", "modality", "description", "date", "slices", "is_dicom")
    assert [[getattr(s, name) for name in facts] for s in sorted(there, key=lambda s: s.key)] == [
        [getattr(s, name) for name in facts] for s in sorted(folder, key=lambda s: s.key)
    ]
    assert [scan.modality for scan in scans_of(pacs.address, "modality = mr")] == ["MR"]
    assert [scan.modality for scan in scans_of(pacs.address, "date = 1998..1999-02")] == ["MR"]
    assert scans_of(pacs.address, "date > 2030") == []
    choices = choose(there, Rules.parse(["thickness = 2.5..3.5", "description ~ [12]"]), threshold_spec())
    assert sorted(choice.scan.description for choice in choices if choice.runs) == ["CT 1", "CT 2"]


@pytest.mark.parametrize(
    ("rules", "filters"),
    [
        (["modality = ct"], {"ModalitiesInStudy": "CT"}),
        (["modality = CT, MR", "patient = Abc7", "description ~ x", "slices > 3"], {}),
        (["patient = 0815"], {"PatientID": "0815"}),
        (["date >= 2020-02"], {"StudyDate": "20200201-"}),
        (["date = 2020-02"], {"StudyDate": "20200201-20200229"}),
        (["date = 2019..2020-06-07", "date > 2020"], {"StudyDate": "20200101-20200607"}),
        (["date < 2020", "date != 2018"], {"StudyDate": "-20201231"}),
    ],
)
def test_the_rules_narrow_what_a_server_is_asked_for(rules: list[str], filters: dict[str, str]) -> None:
    assert filters_of(Rules.parse(rules)) == filters


def test_images_go_in_and_their_segmentations_come_back_equal(
    pacs: Orthanc, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = threshold_package(tmp_path / "model").folder, tmp_path / "out"
    command = ["batch", pacs.address, "-m", str(model), "-o", str(out), "--store", "--where", "modality = CT", "--json"]
    machine = ["--threads", "1", "--device", "cpu", "--backend", "torch"]
    for _ in range(2):
        assert run([*command, *machine]) == Exit.OK
        said = capsys.readouterr()
        stored = pacs.instances("SEG")
        local = {str(pydicom.dcmread(path).SOPInstanceUID): path for path in out.glob("*/*.seg.dcm")}
        assert len(local) == 3
        assert stored.keys() == local.keys()
        for uid, content in stored.items():
            here, there = pydicom.dcmread(local[uid]), pydicom.dcmread(BytesIO(content))
            assert there.PixelData == here.PixelData
            assert there == here
    *scans, _ = [event for line in said.out.splitlines() if (event := json.loads(line))["event"] == "result"]
    assert scans == [], "the second run does nothing"
    kept = [path.read_bytes() for path in out.rglob("*") if path.is_file() and not path.name.endswith(".seg.dcm")]
    for secret in (PASSWORD.encode(), b"Canary", b"CANARY", b"127.0.0.1"):
        assert not any(secret in content for content in (*kept, said.out.encode(), said.err.encode())), secret


def test_a_server_that_goes_away_ends_the_batch_which_then_goes_on(pacs: Orthanc, tmp_path: Path) -> None:
    scans = scans_of(pacs.address, "modality = CT")
    digests = [input_digest(scan) for scan in scans]

    class Leaving:
        def begins(self, scan: object, number: int, of: int) -> None: ...
        def progress(self, scan: object, stage: str, done: int, of: int) -> None: ...

        def ended(self, scan: object, entry: object, notices: object, error: object) -> None:
            pacs.stop()

    segmenter = Threshold()
    try:
        with pytest.raises(MedDLError) as away:
            batch(scans[:1] + scans[2:], tmp_path / "out", segmenter, deliver=store_of(pacs), watcher=Leaving())
        assert away.value.code is Code.SERVER_AWAY
        assert "127.0.0.1" in away.value.message
        assert scans[0].series_uid not in away.value.message
    finally:
        pacs.stop()
        pacs.start()
    assert [input_digest(scan) for scan in scans_of(pacs.address, "modality = CT")] == digests
    before = pacs.instances("SEG").keys()
    entries = batch(scans, tmp_path / "out", segmenter, deliver=store_of(pacs))
    assert all(entries[scan.key].state.has_result for scan in scans)
    assert len(pacs.instances("SEG").keys() - before) == 3
    assert len(segmenter.seen) <= 4


def store_of(pacs: Orthanc) -> Callable[[Ledger], StoredOnServer]:
    """What stores the results; the ledger is known once it is open."""
    return lambda ledger: StoredOnServer(DicomWeb(pacs.address, waits=AT_ONCE), ledger, lambda: None)


def test_wrong_credentials_are_told_at_once(pacs: Orthanc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDDL_DICOMWEB_PASSWORD", "wrong")
    with pytest.raises(MedDLError) as denied:
        DicomWebSource(DicomWeb(pacs.address, waits=(600,)), Rules()).scans()
    assert denied.value.code is Code.ACCESS_DENIED
    monkeypatch.setenv("MEDDL_DICOMWEB_TOKEN", "wrong, too")
    with pytest.raises(MedDLError) as denied:
        DicomWebSource(DicomWeb(pacs.address, waits=(600,)), Rules()).scans()
    assert denied.value.code is Code.ACCESS_DENIED


@pytest.mark.parametrize(
    ("statuses", "body", "code", "requests"),
    [
        ([503, 429], b"[]", None, 3),
        ([503, 503, 503], b"[]", Code.SERVER_AWAY, 3),
        ([404], b"[]", Code.SERVER_FAULTY, 1),
        ([], b"<html>no DICOMweb", Code.SERVER_FAULTY, 3),
        ([], b'{"error": 1}', Code.SERVER_FAULTY, 1),
    ],
)
def test_a_server_is_asked_again_only_where_that_can_help(
    statuses: list[int], body: bytes, code: Code | None, requests: int
) -> None:
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        if len(asked) <= len(statuses):
            request.send_error(statuses[len(asked) - 1])
            return
        request.send_response(200)
        request.send_header("Content-Type", "application/dicom+json")
        request.end_headers()
        request.wfile.write(body)

    with server.running() as other:
        other.otherwise = answer  # type: ignore[method-assign]
        if code is None:
            assert scans_of(other.url("/dicom-web")) == []
        else:
            with pytest.raises(MedDLError) as failed:
                scans_of(other.url("/dicom-web"))
            assert failed.value.code is code
            assert "/dicom-web" not in failed.value.message
    assert len(asked) == requests


@pytest.mark.parametrize("announced", [True, False], ids=["length known", "length not known"])
def test_a_transfer_that_is_cut_is_no_shorter_scan(announced: bool, pacs: Orthanc, tmp_path: Path) -> None:
    """A proxy between cuts what is longer than a few images: with a Content-Length, and without, as HTTP/1.0 may."""
    [plain] = scans_of(pacs.address, "modality = CT", "date = 2020-01-01")[:1]
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    cut = [True]

    def forward(request: BaseHTTPRequestHandler) -> None:
        inner = urllib.request.Request(f"http://127.0.0.1:{pacs.port}{request.path}")
        for name in ("Accept", "Authorization"):
            inner.add_header(name, request.headers[name])
        with direct.open(inner) as answer:
            body, kind = answer.read(), answer.headers["Content-Type"]
        request.send_response(200)
        request.send_header("Content-Type", kind)
        if announced:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        too_long = cut[0] and len(body) > 20_000
        request.wfile.write(body[: len(body) * 5 // 8] if too_long else body)

    with server.running() as between:
        between.otherwise = forward  # type: ignore[method-assign]
        [scan] = [s for s in scans_of(between.url("/dicom-web")) if s.key == plain.key]
        [entry] = batch([scan], tmp_path / "out").values()
        assert (entry.state, entry.code) == (State.FAILED, Code.SERVER_FAULTY.value)
        assert list((tmp_path / "out").glob("*/*")) == []
        cut[0] = False
        segmenter = Threshold()
        [entry] = batch([scan], tmp_path / "out", segmenter).values()
    assert entry.state.has_result
    assert len(segmenter.seen) == 1
    assert segmenter.seen[0].array.shape == read(source_of(pacs, scan)).pop().array.shape


def source_of(pacs: Orthanc, scan: Scan) -> tuple[Path, ...]:
    folder = pacs.folder.parent / "scans"
    return next(each.files for each in open_source(folder, folder / "out").scans() if each.key == scan.key)


def test_a_seg_that_a_server_does_not_take_stops_nothing_and_is_stored_later(pacs: Orthanc, tmp_path: Path) -> None:
    scans = scans_of(pacs.address, "modality = CT")[:2]
    made: list[StoredOnServer] = []

    def to_a_server_that_takes_nothing(ledger: Ledger) -> StoredOnServer:
        made.append(StoredOnServer(DicomWeb(other.url("/dicom-web"), waits=()), ledger, lambda: None))
        return made[0]

    with server.running() as other:
        entries = batch(scans, tmp_path / "out", deliver=to_a_server_that_takes_nothing)
    assert [entry.code for entry in entries.values()] == ["", ""]
    assert {error.code for error in made[0].refused.values()} == {Code.SERVER_FAULTY}
    assert len(made[0].refused) == 2
    segmenter = Threshold()
    before = pacs.instances("SEG").keys()
    batch(scans, tmp_path / "out", segmenter, deliver=store_of(pacs), started=datetime(1999, 1, 1))
    assert segmenter.seen == []
    segs = {str(pydicom.dcmread(path).SOPInstanceUID) for path in (tmp_path / "out").glob("*/*.seg.dcm")}
    assert segs <= pacs.instances("SEG").keys() >= before


@pytest.mark.parametrize(
    "address",
    ["https://name:word@pacs/dicom-web", "http://pacs.example/dicom-web", "https://pacs/dicom-web?key=1", "https://"],
)
def test_an_address_that_would_give_something_away_is_refused(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["batch", address, "-m", "none", "-o", str(tmp_path)]) == Exit.USAGE
    said = capsys.readouterr().err
    assert Code.SERVER_REFUSED.value in said
    assert "word" not in said.replace("password", "")
