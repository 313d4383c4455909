"""Models of the catalogue are downloaded in spite of kills, proxies and no network at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fixtures.packages import threshold_package
from fixtures.server import Server, running
from MedDLCore.cli.models import models as command
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import Entry, ModelStore, catalogue, get, load_networks, open_model, pack
from MedDLCore.models.catalogue import Licence, RemoteFile
from MedDLCore.models.download import LARGEST
from MedDLCore.models.unfinished import claimed_folder
from MedDLCore.spec import Channel

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """A model that describes itself, as its publisher's zip."""
    folder = threshold_package(tmp_path / "published").folder
    pack(folder, tmp_path / "published.zip")
    return (tmp_path / "published.zip").read_bytes()


def packed(*files: RemoteFile, **licence: Any) -> Entry:
    terms = Licence("CC BY 4.0", "https://example.org/licence", **licence)
    about = ("threshold", "Threshold", "It thresholds.", "Someone 2026.", "https://example.org")
    return Entry(*about, (Channel("image", "CT"),), ("ball",), terms, files)


def digest(body: bytes, algorithm: str = "sha256") -> str:
    return hashlib.new(algorithm, body, usedforsecurity=False).hexdigest()


def refused(code: Code, *arguments: Any, **more: Any) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        get(*arguments, **more)
    assert caught.value.code is code, caught.value
    return caught.value


def left_in(store: ModelStore) -> list[str]:
    return sorted(path.name for path in store.path.iterdir())


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_a_publishers_zip_is_compared_with_its_digest_whatever_the_algorithm(
    server: Server, store: ModelStore, archive: bytes, algorithm: str
) -> None:
    url = server.serves("/model.zip", archive)
    wrong = packed(RemoteFile(url, **{algorithm: digest(archive + b"x", algorithm)}))
    assert algorithm.upper() in refused(Code.DOWNLOAD_TAMPERED, wrong, store, True).message
    assert left_in(store) == []
    got = get(packed(RemoteFile(url, **{algorithm: digest(archive, algorithm).upper()})), store, True)
    assert got.package is not None and load_networks(open_model("threshold", store))


def test_what_the_catalogue_says_stays_with_the_model(server: Server, store: ModelStore, archive: bytes) -> None:
    spec = get(packed(RemoteFile(server.serves("/model.zip", archive))), store, True).package.spec  # type: ignore[union-attr]
    assert spec.licence == "CC BY 4.0 (https://example.org/licence)" and spec.citation == "Someone 2026."
    about = store.path / "threshold/meddl-about.json"
    for content in ('{"title": 1}', '{"network": "x"}', '{"inputs": "x"}', "[]"):
        about.write_text(content)
        assert store.stored("threshold").error is not None


def test_a_file_that_the_zip_already_holds_is_not_downloaded_again(
    server: Server, store: ModelStore, archive: bytes, tmp_path: Path
) -> None:
    weights = (tmp_path / "published/models/model.safetensors").read_bytes()
    zipped = RemoteFile(server.serves("/model.zip", archive), sha1=digest(archive, "sha1"))
    beside = RemoteFile(server.serves("/w", weights), "models/model.safetensors", md5=digest(weights, "md5"))
    assert get(packed(zipped, beside), store, True).package is not None
    assert server.asked == ["/model.zip"]


def test_a_file_that_the_zip_lacks_is_put_beside_its_content(server: Server, store: ModelStore, tmp_path: Path) -> None:
    folder = threshold_package(tmp_path / "published").folder
    weights = (folder / "models/model.safetensors").read_bytes()
    (folder / "models/model.safetensors").unlink()
    pack(folder, tmp_path / "published.zip")
    zipped = RemoteFile(server.serves("/model.zip", (tmp_path / "published.zip").read_bytes()))
    beside = RemoteFile(server.serves("/w", weights), "models/model.safetensors", md5=digest(weights, "md5"))
    assert load_networks(get(packed(zipped, beside), store, True).package)  # type: ignore[arg-type]
    assert server.asked == ["/model.zip", "/w"]


def test_a_zip_without_a_digest_is_pinned_and_another_one_refused_later(
    server: Server, store: ModelStore, archive: bytes
) -> None:
    item = packed(RemoteFile(server.serves("/model.zip", archive)))
    assert "gives no digest" in item.digests
    get(item, store, True)
    pins = store.path / "threshold.pins.json"
    assert json.loads(pins.read_text()) == {item.files[0].url: digest(archive)}
    store.remove("threshold")
    get(item, store, True)
    server.serves("/model.zip", archive + b"\0")
    error = refused(Code.DOWNLOAD_TAMPERED, item, store, True, overwrite=True)
    assert "first download" in error.message and pins.name in error.hint
    assert store.stored("threshold").package is not None, "the old one stays"
    pins.unlink()
    get(item, store, True, overwrite=True)
    assert json.loads(pins.read_text()) == {item.files[0].url: digest(archive + b"\0")}


def test_pins_that_cannot_be_read_are_no_reason_to_trust(server: Server, store: ModelStore, archive: bytes) -> None:
    store.path.mkdir()
    for content in ("", "[]", '{"x": 1}'):
        (store.path / "threshold.pins.json").write_text(content)
        refused(Code.MODEL_INVALID, packed(RemoteFile(server.serves("/model.zip", archive))), store, True)


def test_a_zip_from_the_network_is_unpacked_as_carefully_as_any(
    server: Server, store: ModelStore, tmp_path: Path
) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as evil:
        evil.writestr("../outside", "x")
    body = (tmp_path / "evil.zip").read_bytes()
    refused(Code.ARCHIVE_UNSAFE, packed(RemoteFile(server.serves("/model.zip", body))), store, True)
    assert store.list() == [] and not list(tmp_path.rglob("outside"))


def test_a_file_whose_size_nobody_says_is_bounded(
    server: Server, store: ModelStore, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LARGEST >= 4 * 2**30
    monkeypatch.setattr("MedDLCore.models.download.LARGEST", len(archive) - 1)
    declared = packed(RemoteFile(server.serves("/model.zip", archive)))
    assert "more than a model" in refused(Code.DOWNLOAD_TAMPERED, declared, store, True).message
    silent = packed(RemoteFile(server.gives("/silent.zip", archive, length=-1)))
    assert "longer" in refused(Code.DOWNLOAD_TAMPERED, silent, store, True).message
    assert left_in(store) == []


@pytest.mark.parametrize("validator", ["etag", "date"])
def test_a_broken_download_goes_on_where_it_stopped(
    server: Server, store: ModelStore, archive: bytes, validator: str
) -> None:
    told: list[tuple[int, int | None]] = []
    item = packed(RemoteFile(server.serves("/model.zip", archive, stop_after=1000, validator=validator)))
    error = refused(Code.DOWNLOAD_FAILED, item, store, True)
    assert "ended after 1000" in error.message and "goes on there" in error.hint
    server.serves("/model.zip", archive, validator=validator)
    assert get(item, store, True, progress=lambda *now: told.append(now)).package is not None
    assert server.headers[-1]["Range"] == "bytes=1000-" and server.headers[-1]["If-Range"]
    assert told[0] == (1000, None) and told[-1] == (len(archive), len(archive))
    assert left_in(store) == ["threshold", "threshold.pins.json"]


def test_a_file_that_changed_between_two_attempts_is_taken_whole(
    server: Server, store: ModelStore, archive: bytes
) -> None:
    item = packed(RemoteFile(server.serves("/model.zip", b"another file " * 300, stop_after=1000)))
    refused(Code.DOWNLOAD_FAILED, item, store, True)
    server.serves("/model.zip", archive)
    assert get(item, store, True).package is not None


@pytest.mark.parametrize("validator", ["weak", None])
def test_without_validator_and_digest_a_download_begins_again(
    server: Server, store: ModelStore, archive: bytes, validator: str | None
) -> None:
    item = packed(RemoteFile(server.serves("/model.zip", archive, stop_after=1000, validator=validator)))
    refused(Code.DOWNLOAD_FAILED, item, store, True)
    server.serves("/model.zip", archive, validator=validator)
    assert get(item, store, True).package is not None
    assert "Range" not in server.headers[-1]


def test_with_a_digest_it_goes_on_and_a_mixture_of_two_files_is_refused(
    server: Server, store: ModelStore, archive: bytes
) -> None:
    other = bytes(len(archive))
    item = packed(RemoteFile(server.serves("/m.zip", other, 1000, validator=None), sha1=digest(archive, "sha1")))
    refused(Code.DOWNLOAD_FAILED, item, store, True)
    server.serves("/m.zip", archive, validator=None)
    refused(Code.DOWNLOAD_TAMPERED, item, store, True)
    assert server.headers[-1]["Range"] == "bytes=1000-"
    assert get(item, store, True).package is not None
    assert "Range" not in server.headers[-1]


def test_a_server_that_knows_no_range_sends_the_whole(server: Server, store: ModelStore, archive: bytes) -> None:
    item = packed(RemoteFile(server.serves("/model.zip", archive, stop_after=1000)))
    refused(Code.DOWNLOAD_FAILED, item, store, True)
    server.serves("/model.zip", archive, ranges=False)
    assert get(item, store, True).package is not None


def unfinished(server: Server, store: ModelStore, item: Entry, body: bytes) -> None:
    """As if a process had been killed when these bytes were there."""
    folder = store.path / ".downloads" / item.name
    folder.mkdir(parents=True)
    (folder / f"{item.files[0].name}.part").write_bytes(body)
    note = {"url": item.files[0].url, "validator": ""}
    (folder / f"{item.files[0].name}.note").write_text(json.dumps(note))


def test_a_download_that_was_killed_after_the_last_byte_is_only_checked(
    server: Server, store: ModelStore, archive: bytes
) -> None:
    item = packed(RemoteFile(server.serves("/model.zip", archive, validator=None), sha1=digest(archive, "sha1")))
    unfinished(server, store, item, archive)
    assert get(item, store, True).package is not None
    assert len(server.asked) == 1


def test_what_is_longer_than_the_file_is_forgotten(server: Server, store: ModelStore, archive: bytes) -> None:
    item = packed(RemoteFile(server.serves("/model.zip", archive, validator=None), sha1=digest(archive, "sha1")))
    unfinished(server, store, item, archive + b"more")
    assert get(item, store, True).package is not None
    assert len(server.asked) == 2


def test_another_part_than_was_asked_for_is_not_appended(server: Server, store: ModelStore, archive: bytes) -> None:
    item = packed(RemoteFile(server.url("/model.zip"), sha1=digest(archive, "sha1")))
    unfinished(server, store, item, archive[:100])

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(206)
        request.send_header("Content-Range", f"bytes 50-{len(archive) - 1}/{len(archive)}")
        request.send_header("Content-Length", str(len(archive) - 50))
        request.end_headers()
        request.wfile.write(archive[50:])

    server.answers["/model.zip"] = answer
    assert "another part" in refused(Code.DOWNLOAD_FAILED, item, store, True).message
    server.serves("/model.zip", archive)
    assert get(item, store, True).package is not None


def test_a_killed_process_is_continued_by_the_next(
    server: Server, store: ModelStore, archive: bytes, tmp_path: Path
) -> None:
    reached, over = threading.Event(), threading.Event()

    def stalls(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("ETag", '"1"')
        request.send_header("Content-Length", str(len(archive)))
        request.end_headers()
        request.wfile.write(archive[:1500])
        request.wfile.flush()
        reached.set()
        over.wait(30)

    server.answers["/model.zip"] = stalls
    item = packed(RemoteFile(server.url("/model.zip"), sha1=digest(archive, "sha1")))
    code = (
        "import sys; from pathlib import Path; from test_getting import packed; "
        "from MedDLCore.models import ModelStore, get; from MedDLCore.models.catalogue import RemoteFile; "
        f"from MedDLCore.models import download; download.CHUNK = 500; "
        f"get(packed(RemoteFile({item.files[0].url!r}, sha1={item.files[0].sha1!r})), "
        f"ModelStore({str(store.path)!r}), True, progress=lambda done, of: print(done, flush=True))"
    )
    paths = [str(Path(__file__).parent), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert child.stdout is not None
        assert any(line.strip() == "1500" for line in child.stdout), "the child never told of its bytes"
        second = refused(Code.DOWNLOAD_FAILED, item, store, True)
        assert "another process" in second.message
    finally:
        child.kill()
        child.wait()
        over.set()
    server.serves("/model.zip", archive)
    assert 0 < store.unfinished_bytes("threshold") <= 1500
    assert get(item, store, True).package is not None
    assert server.headers[-1]["Range"].startswith("bytes=")
    assert left_in(store) == ["threshold", "threshold.pins.json"]


def test_one_process_at_a_time_has_the_unfinished_files(tmp_path: Path) -> None:
    with claimed_folder(tmp_path / "a"), pytest.raises(MedDLError) as caught, claimed_folder(tmp_path / "a"):
        pass
    assert caught.value.code is Code.DOWNLOAD_FAILED
    with claimed_folder(tmp_path / "a"), claimed_folder(tmp_path / "b"):
        pass


def test_a_cancelled_download_can_go_on_or_be_removed(server: Server, store: ModelStore, archive: bytes) -> None:
    item = packed(RemoteFile(server.serves("/model.zip", archive)))
    told: list[int] = []
    more = {"progress": lambda done, _: told.append(done), "cancelled": lambda: bool(told and told[-1])}
    assert "goes on" in refused(Code.CANCELLED, item, store, True, **more).message
    assert store.unfinished_bytes("threshold") == len(archive) and store.list() == []
    store.remove("threshold")
    assert left_in(store) == []
    with pytest.raises(MedDLError):
        store.remove("threshold")


def test_a_proxy_is_asked_where_the_environment_names_one(
    server: Server, store: ModelStore, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serves("/model.zip", archive)
    with running() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url(""))
        monkeypatch.setenv("http_proxy", proxy.url(""))  # a CGI's environment could name the other
        assert get(packed(RemoteFile(url)), store, True).package is not None
        assert proxy.asked == [url]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        get(packed(RemoteFile(url)), store, True, overwrite=True)
        assert proxy.asked == [url] and server.asked == ["/model.zip"] * 2


def test_a_proxy_opens_a_tunnel_for_https_and_its_refusal_is_quoted(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = packed(RemoteFile("https://models.invalid/model.zip"))
    with running() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url("").replace("//", "//someone:secret@"))
        proxy.answers["models.invalid:443"] = lambda request: request.send_error(407)
        error = refused(Code.DOWNLOAD_FAILED, item, store, True)
        assert proxy.asked == ["models.invalid:443"]
        assert "Proxy-Authorization" in proxy.headers[0]
    assert "407" in error.message and "secret" not in str(error)


def test_files_copied_by_hand_need_no_network(
    server: Server, store: ModelStore, archive: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    zipped = RemoteFile("https://example.org/there/model.zip?download=1", sha1=digest(archive, "sha1"))
    beside = RemoteFile("https://example.org/notes.pt", "docs/notes.txt", size=5, md5=digest(b"hello", "md5"))
    error = refused(Code.FILE_NOT_FOUND, packed(zipped, beside), store, True, source=folder)
    for file in (zipped, beside):
        assert file.name in error.message and file.url in error.message
    (folder / "model.zip").write_bytes(archive)
    error = refused(Code.FILE_NOT_FOUND, packed(zipped, beside), store, True, source=folder)
    assert "notes.pt" in error.message and "model.zip" not in error.message
    (folder / "notes.pt").write_bytes(b"hallo")
    assert "MD5" in refused(Code.DOWNLOAD_TAMPERED, packed(zipped, beside), store, True, source=folder).message
    (folder / "notes.pt").write_bytes(b"hello!")
    assert "6 bytes" in refused(Code.DOWNLOAD_TAMPERED, packed(zipped, beside), store, True, source=folder).message
    (folder / "notes.pt").write_bytes(b"hello")
    got = get(packed(zipped, beside), store, True, source=folder)
    assert got.package is not None and (got.folder / "docs/notes.txt").read_text() == "hello"
    assert server.asked == [] and sorted(p.name for p in folder.iterdir()) == ["model.zip", "notes.pt"]
    assert left_in(store) == ["threshold", "threshold.pins.json"]


def test_a_pinned_model_is_compared_when_it_comes_from_a_folder_too(
    server: Server, store: ModelStore, archive: bytes, tmp_path: Path
) -> None:
    item = packed(RemoteFile(server.serves("/model.zip", archive)))
    get(item, store, True)
    (tmp_path / "model.zip").write_bytes(archive + b"\0")
    refused(Code.DOWNLOAD_TAMPERED, item, store, True, source=tmp_path, overwrite=True)


def test_a_full_disk_while_downloading_is_named(
    server: Server, store: ModelStore, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    refused(Code.NO_SPACE, packed(RemoteFile(server.serves("/model.zip", archive))), store, True)


@pytest.fixture
def listed(server: Server, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Entry, ModelStore]:
    """The command line's own catalogue and store, for a test."""
    remote = RemoteFile(server.serves("/model.zip", archive), sha1=digest(archive, "sha1"))
    item = packed(remote, text="Cite us.", non_commercial=True)
    known = {**catalogue(), item.name: item}
    monkeypatch.setattr(sys.modules["MedDLCore.models.catalogue"], "catalogue", lambda: known)
    monkeypatch.setattr("MedDLCore.cli.models.catalogue", lambda: known)
    monkeypatch.setattr("MedDLCore.models.opening.catalogue", lambda: known)
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    return item, ModelStore()


def shown(*arguments: str, code: int = 0, **more: Any) -> str:
    result = CliRunner().invoke(command, list(arguments), **more)
    assert result.exit_code == code, result.output
    return result.output


def test_the_command_line_says_that_a_model_is_not_for_commercial_use(listed: tuple[Entry, ModelStore]) -> None:
    assert "not commercial" in next(line for line in shown("list").splitlines() if "threshold" in line)
    info = shown("info", "threshold")
    assert "NOT FOR COMMERCIAL USE" in info and "ball" in info and "SHA1" in info and "Someone 2026." in info
    assert json.loads(shown("info", "threshold", "--json"))["non_commercial"] is True
    asked = shown("get", "threshold", input="y\n")
    assert "NOT FOR COMMERCIAL USE" in asked and "/model.zip" in asked and "Size: not stated" in asked
    assert "Not for commercial use" in asked.split("Installed")[1]
    rows = {row["name"]: row for row in json.loads(shown("list", "--json"))["models"]}
    assert rows["threshold"]["where"] == "installed" and rows["threshold"]["non_commercial"] is True
    assert "structures: ball" in shown("info", "threshold")


def test_the_command_line_installs_from_a_folder(
    listed: tuple[Entry, ModelStore], server: Server, archive: bytes, tmp_path: Path
) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick/model.zip").write_bytes(archive)
    shown("get", "threshold", "--accept-licence", "--from", str(tmp_path / "stick"))
    assert server.asked == [] and listed[1].stored("threshold").package is not None


def test_the_command_line_shows_and_removes_an_unfinished_download(
    listed: tuple[Entry, ModelStore], server: Server, archive: bytes
) -> None:
    item, store = listed
    server.serves("/model.zip", archive, stop_after=2000)
    refused(Code.DOWNLOAD_FAILED, item, store, True)
    assert "2 kB came so far" in shown("list")
    assert "Removed threshold" in shown("remove", "threshold", "--yes")
    assert "came so far" not in shown("list")
