"""A DICOMweb server (PS3.18): asked again where it is away for a moment, and its failures named.

A message names the machine and nothing more of an address, which can hold the UIDs of a patient's studies. Credentials
come from the environment and are kept nowhere.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..errors import Code, MedDLError
from ..models.connection import LOOPBACK
from ..system_errors import named_errors

TOKEN, USER, PASSWORD = "MEDDL_DICOMWEB_TOKEN", "MEDDL_DICOMWEB_USER", "MEDDL_DICOMWEB_PASSWORD"
"""Environment variables: a bearer token; or a name and its password."""

CREDENTIALS = (TOKEN, USER, PASSWORD)

WAITS = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further attempt."""

PAGE = 1000
"""Results that are asked for at once."""

STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"
"""Tags of the UIDs."""

TIMEOUTS = (10.0, 60.0)
"""Seconds for a connection, and without a byte of an answer."""

AS_STORED = (("application/dicom", "*"),)
"""Instances are not to be encoded anew (PS3.18 8.7.3.5.2)."""

LOOK_SECONDS = 0.2
"""How often is looked, while waiting, whether the run is cancelled."""

_AWAY = frozenset({408, 429, 502, 503, 504})
"""Statuses of a server that may be back soon."""

_DENIED = frozenset({401, 403, 407})

Result = TypeVar("Result")
Item = dict[str, Any]
"""A data set in DICOM JSON (PS3.18 F.2)."""

Check = Callable[[], None]
"""Raises where the run is cancelled."""


def is_address(text: str) -> bool:
    """Whether a source is a server, and no path."""
    return text.lower().startswith(("http://", "https://"))


class DicomWeb:
    """One server. What it raises: SERVER_AWAY, ACCESS_DENIED, SERVER_FAULTY, and what ``check`` raises.

    Attributes:
        address: where its services begin.
    """

    def __init__(self, address: str, unencrypted: bool = False, waits: Sequence[float] = WAITS) -> None:
        """Connects to nothing yet.

        Args:
            address: ``https://machine/dicom-web``.
            unencrypted: http may leave this machine.
            waits: seconds before each further attempt.

        Raises:
            MedDLError: SERVER_REFUSED for an address that is not taken; EXTRA_MISSING.
        """
        parts = urlsplit(address)
        if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
            raise MedDLError(
                Code.SERVER_REFUSED,
                "The address of the server has parts that do not belong there, such as a name and password.",
                f"Give https://machine/path; credentials come from {TOKEN}, or {USER} and {PASSWORD}.",
            )
        if parts.scheme.lower() != "https" and parts.hostname not in LOOPBACK and not unencrypted:
            raise MedDLError(
                Code.SERVER_REFUSED,
                "The address is not https: scans would travel unencrypted.",
                "Give an https address; within a closed network, --unencrypted.",
            )
        self.address = address.rstrip("/")
        self._machine = parts.hostname
        self._unencrypted, self._waits = unencrypted, tuple(waits)
        self._client = _client(self.address, encrypted=parts.scheme.lower() == "https")

    def __reduce__(self) -> tuple[Any, ...]:
        """On another machine: the address travels, and the credentials are those of that machine's environment."""
        return DicomWeb, (self.address, self._unencrypted, self._waits)

    def studies(self, filters: Mapping[str, str], fields: Sequence[str], check: Check) -> list[Item]:
        """What the server says of its studies (QIDO-RS), as DICOM JSON."""
        search = self._client.search_for_studies
        return self._all(STUDY, lambda page: search(search_filters=dict(filters), fields=fields, **page), check)

    def series(self, study: str, fields: Sequence[str], check: Check) -> list[Item]:
        """What it says of the series of a study."""
        search = self._client.search_for_series
        return self._all(SERIES, lambda page: search(study, fields=fields, **page), check)

    def instances(self, study: str, series: str, check: Check) -> list[str]:
        """The SOPInstanceUIDs of a series, sorted."""
        search = self._client.search_for_instances
        found = self._all(INSTANCE, lambda page: search(study, series, **page), check)
        return sorted(text(item, INSTANCE) for item in found)

    def _all(self, uid: str, search: Callable[[Mapping[str, int]], list[Item]], check: Check) -> list[Item]:
        """All pages of an answer, by the UID of what is searched for. The last one brings nothing new: some servers
        give fewer than they are asked for, others the same again.
        """
        found: dict[str, Item] = {}
        while True:
            check()
            page = {"limit": PAGE, "offset": len(found)}
            items = self._ask(lambda page=page: search(page), check)  # type: ignore[misc]
            new = {text(item, uid): item for item in items if text(item, uid) not in found}
            if "" in new:
                raise self._faulty("gave an answer that is no DICOMweb: a UID is missing")
            if not new:
                return list(found.values())
            found |= new

    def retrieve(self, study: str, series: str, folder: Path, check: Check) -> dict[str, Path]:
        """Brings a series into a folder (WADO-RS), one file an instance.

        Returns:
            The files by SOPInstanceUID.

        Raises:
            MedDLError: NO_SPACE, OUTPUT_UNWRITABLE, too.
        """
        return self._ask(lambda: self._saved(self._client.iter_series(study, series, AS_STORED), folder, check), check)

    def retrieve_one(self, study: str, series: str, instance: str, folder: Path, check: Check) -> Path:
        """Brings one instance into a folder."""

        def bring() -> Path:
            found = [self._client.retrieve_instance(study, series, instance, AS_STORED)]
            [path] = self._saved(iter(found), folder, check).values()
            return path

        return self._ask(bring, check)

    def store(self, path: Path, check: Check) -> None:
        """Stores a file (STOW-RS)."""
        from pydicom import dcmread

        answer = self._ask(lambda: self._client.store_instances([dcmread(path)]), check)
        if answer.get("FailedSOPSequence"):
            reason = answer.FailedSOPSequence[0].get("FailureReason")
            known = "" if reason is None else f" (reason {int(reason):04X}H)"
            raise self._faulty(f"did not store {path.name}{known}")

    def _saved(self, datasets: Iterator[Any], folder: Path, check: Check) -> dict[str, Path]:
        files: dict[str, Path] = {}
        for number, dataset in enumerate(datasets):
            check()
            path = folder / f"{number:06}.dcm"
            with named_errors("a scan from the server"):
                dataset.save_as(path, enforce_file_format=True)
            files[str(dataset.SOPInstanceUID)] = path
        return files

    def _ask(self, request: Callable[[], Result], check: Check) -> Result:
        """Asks, and again where the server was away or its answer was cut."""
        for wait in (*self._waits, None):
            try:
                with self._named():
                    return request()
            except _PassingError as passing:
                if wait is None:
                    raise passing.error from None
            _wait(wait, check)
        raise AssertionError

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turns what the libraries raise into our errors.

        Raises:
            MedDLError: what asking again would not change.
            _PassingError: what it may.
        """
        import requests

        try:
            yield
        except requests.HTTPError as error:
            raise self._of_status(0 if error.response is None else error.response.status_code) from None
        except (requests.ConnectionError, requests.Timeout) as error:
            why = f"{self._machine} does not answer ({type(error).__name__})."
            raise _PassingError(MedDLError(Code.SERVER_AWAY, why)) from None
        except requests.RequestException as error:
            raise self._unreadable(error) from None
        except (MedDLError, OSError):
            raise
        except Exception as error:  # noqa: BLE001  whatever the libraries make of an answer that is cut or is none
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> Exception:
        return _PassingError(self._faulty(f"gave an answer that is cut or no DICOMweb ({type(error).__name__})"))

    def _of_status(self, status: int) -> Exception:
        if status in _DENIED:
            return MedDLError(Code.ACCESS_DENIED, f"{self._machine} refuses access (status {status}).")
        if status in _AWAY:
            return _PassingError(MedDLError(Code.SERVER_AWAY, f"{self._machine} cannot answer now (status {status})."))
        return self._faulty(f"answered with the status {status}")

    def _faulty(self, what: str) -> MedDLError:
        return MedDLError(Code.SERVER_FAULTY, f"{self._machine} {what}.")


class _PassingError(Exception):
    """What may be otherwise when the server is asked again."""

    def __init__(self, error: MedDLError) -> None:
        super().__init__(str(error))
        self.error = error


def _client(address: str, encrypted: bool) -> Any:
    try:
        from dicomweb_client.web import DICOMwebClient
        from requests import Session
    except ImportError as error:
        raise MedDLError(
            Code.EXTRA_MISSING, "A DICOMweb server needs the package dicomweb-client.", "pip install 'meddl[dicomweb]'"
        ) from error

    for name in ("dicomweb_client", "retrying"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they log UIDs
    session = Session()
    if encrypted:
        session.adapters.pop("http://")  # no redirect leads out of the encryption
    if os.environ.get(TOKEN):
        session.auth = _bearer
    elif os.environ.get(USER):
        session.auth = (os.environ[USER], os.environ.get(PASSWORD, ""))
    client = DICOMwebClient(address, session=session, timeout=TIMEOUTS)
    client.set_http_retry_params(retry=False)  # what is retried, and when, is told in ``_ask``
    return client


def _bearer(request: Any) -> Any:
    """Puts the token on; requests takes it off where it is redirected to another machine."""
    request.headers["Authorization"] = f"Bearer {os.environ[TOKEN]}"
    return request


def text(item: Mapping[str, Any], tag: str) -> str:
    """The first value of an attribute in DICOM JSON (PS3.18 F.2), or ``""``."""
    values = item.get(tag, {}).get("Value") or [""]
    first = values[0]
    return str(first.get("Alphabetic", "") if isinstance(first, Mapping) else "" if first is None else first).strip()


def _wait(seconds: float, check: Check) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, LOOK_SECONDS))
