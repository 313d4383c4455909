"""Downloads a model of the catalogue. Nothing else in MedDL connects to another machine.

Only over https, only from the addresses of the catalogue and where they redirect to, and only what has the size and the
SHA-256 that the catalogue states.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from .. import __version__
from ..atomic import named_errors
from ..errors import Code, MedDLError
from .bundle import write_description
from .catalogue import Entry, RemoteFile
from .inside import path_inside
from .store import ModelStore, StoredModel

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""

CHUNK = 1 << 18
TIMEOUT = 30.0
"""Seconds without an answer."""

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
"""Where plain http may go: it does not leave the machine."""


def get(
    entry: Entry,
    store: ModelStore,
    accept_licence: bool,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    overwrite: bool = False,
) -> StoredModel:
    """Downloads a model into the store, where it appears only when it is whole.

    Args:
        entry: of the catalogue.
        store: where it goes.
        accept_licence: the person has read ``entry.licence`` and accepts it.
        progress: told of the bytes.
        cancelled: asked between pieces; True ends the download.
        overwrite: replace a model of this name.

    Raises:
        MedDLError: LICENCE_NOT_ACCEPTED, with the licence; MODEL_EXISTS; DOWNLOAD_FAILED, with the reason;
            DOWNLOAD_TAMPERED; CANCELLED; NO_SPACE, OUTPUT_UNWRITABLE.
    """
    if not accept_licence:
        raise MedDLError(
            Code.LICENCE_NOT_ACCEPTED, f"The licence of {entry.name} must be accepted first:\n\n{entry.licence}"
        )
    with store.placing(entry.name, overwrite) as folder:
        if shutil.disk_usage(folder).free < entry.size:
            raise MedDLError(Code.NO_SPACE, f"{entry.name} needs {entry.size / 1e6:.1f} MB on the disk.")
        done = 0
        for file in entry.files:
            _download(file, folder, _Report(progress, cancelled, done, entry.size))
            done += file.size
        write_description(entry.spec, folder, str(entry.licence))
    return store.stored(entry.name)


class _Report:
    """Tells the progress over all files, and asks whether to go on."""

    def __init__(
        self, progress: Progress | None, cancelled: Callable[[], bool] | None, before: int, total: int
    ) -> None:
        self._progress, self._cancelled = progress, cancelled
        self._before, self._total = before, total

    def __call__(self, done: int) -> None:
        if self._cancelled is not None and self._cancelled():
            raise MedDLError(Code.CANCELLED, "The download was cancelled. Nothing was added.")
        if self._progress is not None:
            self._progress(self._before + done, self._total)


def _download(file: RemoteFile, folder: Path, report: _Report) -> None:
    target = path_inside(folder, file.file)
    target.parent.mkdir(parents=True, exist_ok=True)
    _check_address(file.url)
    headers = {"User-Agent": f"MedDL/{__version__}", "Accept-Encoding": "identity"}
    request = urllib.request.Request(file.url, headers=headers)  # noqa: S310  the address was checked
    report(0)
    try:
        with _opener().open(request, timeout=TIMEOUT) as response:
            _check_length(file, response.headers.get("Content-Length"))
            digest = _receive(response, target, file, report)
    except (OSError, http.client.HTTPException) as error:
        raise _failed(file.url, _reason(error)) from error
    if digest != file.sha256:
        target.unlink()
        raise _tampered(file, "its SHA-256 is another")


def _receive(response: IO[bytes], target: Path, file: RemoteFile, report: _Report) -> str:
    """Writes the body to ``target``; returns its SHA-256."""
    digest = hashlib.sha256()
    done = 0
    with target.open("xb") as out:
        while chunk := response.read(CHUNK):
            done += len(chunk)
            if done > file.size:
                raise _tampered(file, f"it is longer than {file.size} bytes")
            digest.update(chunk)
            with named_errors(target.name):
                out.write(chunk)
            report(done)
    if done < file.size:
        raise _failed(file.url, f"the connection ended after {done} of {file.size} bytes")
    return digest.hexdigest()


def _check_length(file: RemoteFile, declared: str | None) -> None:
    if declared is not None and declared.isdigit() and int(declared) != file.size:
        raise _tampered(file, f"it has {declared} bytes, not {file.size}")


def _opener() -> urllib.request.OpenerDirector:
    """Knows http and https and nothing else: no file:, ftp: or data: address, by redirect or otherwise."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        _CheckedRedirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to addresses that are allowed, never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_address(newurl)
        if urlsplit(req.full_url).scheme == "https" != urlsplit(newurl).scheme:
            raise _failed(req.full_url, "it redirects to an address that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Refuses what is neither http nor https in our words, before the base class does in its own."""
        target = headers.get("Location") or headers.get("URI") or ""
        if urlsplit(target).scheme not in ("", "http", "https"):
            raise _failed(req.full_url, "it redirects to an address that is not https")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise _failed(url, "only https addresses are downloaded from")


def _reason(error: OSError | http.client.HTTPException) -> str:
    """The error in words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} ({http.client.responses.get(error.code, 'unknown')})"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, socket.gaierror):
        return "the server's name could not be resolved; is there a connection?"
    if isinstance(cause, ssl.SSLError):
        return f"the server's certificate or encryption was not accepted ({cause})"
    if isinstance(cause, TimeoutError):
        return f"the server did not answer within {TIMEOUT:.0f} s"
    if isinstance(cause, ConnectionRefusedError):
        return "the server refused the connection"
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection ended before the file did"
    return str(cause) or type(cause).__name__


def _failed(url: str, reason: str) -> MedDLError:
    return MedDLError(Code.DOWNLOAD_FAILED, f"Downloading from {urlsplit(url).hostname} failed: {reason}.")


def _tampered(file: RemoteFile, problem: str) -> MedDLError:
    return MedDLError(
        Code.DOWNLOAD_TAMPERED,
        f"What {urlsplit(file.url).hostname} sent for {file.file} is not what was published: "
        f"{problem}. It was deleted.",
    )
