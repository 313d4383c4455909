"""S7: what is downloaded is what was published, from where it was published, or nothing."""

from __future__ import annotations

import hashlib
import socket
import ssl
import urllib.error
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.packages import threshold_package
from fixtures.server import Server, running
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import Entry, ModelStore, connection, get, load_networks, open_model
from MedDLCore.models.catalogue import Licence, RemoteFile


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


@pytest.fixture
def body(tmp_path: Path) -> bytes:
    package = threshold_package(tmp_path / "published")
    return (package.folder / package.spec.weights[0].file).read_bytes()


def entry(tmp_path: Path, url: str, size: int | None = None) -> Entry:
    package = open_model(tmp_path / "published")
    weights = package.spec.weights[0]
    file = package.folder / weights.file
    assert weights.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    remote = RemoteFile(url, weights.file, file.stat().st_size if size is None else size, weights.sha256)
    return Entry.of_spec(package.spec, Licence("MIT", "https://example.org", "Do as you like."), (remote,))


def refused(code: Code, item: Entry, store: ModelStore, kept: int = 0, **more: object) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        get(item, store, True, **more)
    assert caught.value.code is code, caught.value
    assert store.list() == []
    assert store.unfinished_bytes(item.name) == kept
    assert kept or not store.path.exists() or list(store.path.iterdir()) == [], "something was left behind"
    return caught.value


def test_a_model_is_downloaded_checked_described_and_runs(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes
) -> None:
    told: list[tuple[int, int]] = []
    item = entry(tmp_path, server.gives("/w", body))
    got = get(item, store, True, progress=lambda done, of: told.append((done, of)))
    assert got.package is not None and got.package.spec == item.spec
    assert load_networks(open_model("threshold", store))
    assert told[0] == (0, len(body)) and told[-1] == (len(body), len(body))
    assert "Do as you like." in (got.folder / "LICENSE").read_text()


def test_nothing_is_asked_before_the_licence_is_accepted(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes
) -> None:
    with pytest.raises(MedDLError) as caught:
        get(entry(tmp_path, server.gives("/w", body)), store, False)
    assert caught.value.code is Code.LICENCE_NOT_ACCEPTED
    assert "Do as you like." in caught.value.message and "MIT" in caught.value.message
    assert server.asked == [] and not store.path.exists()


def test_nothing_is_asked_where_the_model_is_there_already(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes
) -> None:
    item = entry(tmp_path, server.gives("/w", body))
    get(item, store, True)
    server.asked.clear()
    with pytest.raises(MedDLError) as caught:
        get(item, store, True)
    assert caught.value.code is Code.MODEL_EXISTS and server.asked == []
    assert get(item, store, True, overwrite=True).package is not None


def test_one_changed_byte_is_tampering(server: Server, store: ModelStore, tmp_path: Path, body: bytes) -> None:
    changed = body[:-1] + bytes([body[-1] ^ 1])
    refused(Code.DOWNLOAD_TAMPERED, entry(tmp_path, server.gives("/w", changed)), store)


def test_another_declared_size_is_refused_before_anything_is_written(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes
) -> None:
    item = entry(tmp_path, server.gives("/w", body + b"more"))
    assert "bytes" in refused(Code.DOWNLOAD_TAMPERED, item, store).message


def test_an_endless_answer_is_ended(server: Server, store: ModelStore, tmp_path: Path, body: bytes) -> None:
    item = entry(tmp_path, server.gives("/w", body + bytes(3_000_000), length=-1))
    assert "longer" in refused(Code.DOWNLOAD_TAMPERED, item, store).message


@pytest.mark.parametrize("length", [None, -1])
def test_a_connection_that_ends_early_is_a_failed_download(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes, length: int | None
) -> None:
    item = entry(tmp_path, server.gives("/w", body[:50], length=len(body) if length is None else length))
    assert "ended" in refused(Code.DOWNLOAD_FAILED, item, store, kept=50).message


@pytest.mark.parametrize(("status", "words"), [(404, "Not Found"), (500, "Internal Server Error"), (403, "Forbidden")])
def test_a_refusing_server_is_quoted(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes, status: int, words: str
) -> None:
    message = refused(Code.DOWNLOAD_FAILED, entry(tmp_path, server.fails("/w", status)), store).message
    assert str(status) in message and words in message


def test_a_broken_connection_is_a_failed_download(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes
) -> None:
    refused(Code.DOWNLOAD_FAILED, entry(tmp_path, server.breaks("/w")), store)


def test_a_redirect_within_the_loopback_is_followed(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes
) -> None:
    server.gives("/there", body)
    assert get(entry(tmp_path, server.redirects("/w", "/there")), store, True).package is not None


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:,x",
        "http://192.0.2.1/x",
        "http://127.0.0.1.example.org/x",
        "gopher://x",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_what_is_not_https_is_refused(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes, target: str, status: int
) -> None:
    item = entry(tmp_path, server.redirects("/w", target, status))
    assert "https" in refused(Code.DOWNLOAD_FAILED, item, store).message
    assert server.asked == ["/w"]


def test_a_redirect_in_a_circle_ends(server: Server, store: ModelStore, tmp_path: Path, body: bytes) -> None:
    refused(Code.DOWNLOAD_FAILED, entry(tmp_path, server.redirects("/w", "/w")), store)
    assert len(server.asked) < 20


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://192.0.2.1/w", "ftp://127.0.0.1/w", "/w", "https:/w"])
def test_an_address_that_is_not_https_is_not_asked(store: ModelStore, tmp_path: Path, body: bytes, url: str) -> None:
    refused(Code.DOWNLOAD_FAILED, entry(tmp_path, url), store)


def test_an_answer_in_plain_text_where_tls_was_asked_for_is_refused(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes
) -> None:
    url = server.gives("/w", body).replace("http:", "https:")
    assert "certificate or encryption" in refused(Code.DOWNLOAD_FAILED, entry(tmp_path, url), store).message


def test_a_closed_port_is_refused_in_words(store: ModelStore, tmp_path: Path, body: bytes) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    item = entry(tmp_path, f"http://127.0.0.1:{port}/w")
    assert "refused the connection" in refused(Code.DOWNLOAD_FAILED, item, store).message


def test_a_name_that_cannot_be_resolved_is_said_in_words(
    store: ModelStore, tmp_path: Path, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    item = entry(tmp_path, "https://no-such-host.invalid/w")
    assert "could not be resolved" in refused(Code.DOWNLOAD_FAILED, item, store).message


def test_every_kind_of_network_error_has_words() -> None:
    reasons = {
        connection.reason(urllib.error.URLError(TimeoutError("timed out"))),
        connection.reason(TimeoutError("timed out")),
        connection.reason(urllib.error.URLError(ssl.SSLError(1, "bad certificate"))),
    }
    assert any("within 30 s" in reason for reason in reasons) and len(reasons) == 2


def test_a_cancelled_download_adds_nothing_and_keeps_what_came(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes
) -> None:
    told: list[int] = []
    more = {"progress": lambda done, of: told.append(done), "cancelled": lambda: len(told) > 0}
    refused(Code.CANCELLED, entry(tmp_path, server.gives("/w", body)), store, kept=len(body), **more)
    assert told == [0]


def test_a_model_larger_than_the_disk_is_not_begun(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes
) -> None:
    refused(Code.NO_SPACE, entry(tmp_path, server.gives("/w", body), size=10**15), store)
    assert server.asked == []


@pytest.mark.parametrize("file", ["../outside", "/{tmp}/outside", "..\\outside", "models/../../outside"])
def test_a_catalogue_cannot_place_a_file_outside_the_model(
    server: Server, store: ModelStore, tmp_path: Path, body: bytes, file: str
) -> None:
    item = entry(tmp_path, server.gives("/w", body))
    item = replace(item, files=(replace(item.files[0], file=file.replace("/{tmp}", str(tmp_path))),))
    refused(Code.MODEL_INVALID, item, store)
    assert not list(tmp_path.rglob("*outside*"))
