"""The one way from MedDL to another machine: https, to the addresses of the catalogue and where they redirect to.

Proxies are those of the environment: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .. import __version__
from ..errors import Code, MedDLError

TIMEOUT = 30.0
"""Seconds without an answer."""

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
"""Where plain http may go: it does not leave the machine."""

NETWORK_ERRORS = (OSError, http.client.HTTPException)
"""What a connection can end with, before its answer or within."""


def connect(url: str, headers: Mapping[str, str]) -> Any:
    """Asks for a file.

    Args:
        url: its address.
        headers: more than ours.

    Returns:
        urllib's response, open; a context manager.

    Raises:
        MedDLError: DOWNLOAD_FAILED for an address that is not allowed, redirects included.
        OSError, http.client.HTTPException: see ``reason``.
    """
    _check_address(url)
    ours = {"User-Agent": f"MedDL/{__version__}", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers={**ours, **headers})  # noqa: S310  the address was checked
    return _opener().open(request, timeout=TIMEOUT)


def failed(url: str, why: str, hint: str = "") -> MedDLError:
    """DOWNLOAD_FAILED, naming the machine and no more of the address."""
    return MedDLError(Code.DOWNLOAD_FAILED, f"Downloading from {urlsplit(url).hostname} failed: {why}.", hint)


def reason(error: OSError | http.client.HTTPException) -> str:
    """A network's error in words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} ({http.client.responses.get(error.code, 'unknown')})"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, socket.gaierror):
        return "the server's name could not be resolved; is there a connection, or is a proxy needed (HTTPS_PROXY)?"
    if isinstance(cause, ssl.SSLError):
        return f"the server's certificate or encryption was not accepted ({cause})"
    if isinstance(cause, TimeoutError):
        return f"the server did not answer within {TIMEOUT:.0f} s"
    if isinstance(cause, ConnectionRefusedError):
        return "the server, or the proxy before it, refused the connection"
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection ended before the file did"
    return str(cause) or type(cause).__name__


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
            raise failed(req.full_url, "it redirects to an address that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Refuses what is neither http nor https in our words, before the base class does in its own."""
        target = headers.get("Location") or headers.get("URI") or ""
        if urlsplit(target).scheme not in ("", "http", "https"):
            raise failed(req.full_url, "it redirects to an address that is not https")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise failed(url, "only https addresses are downloaded from")
