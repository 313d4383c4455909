"""The system's refusals to write, as codes that a person can act on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Code, MedDLError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNWRITABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.ENOENT,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.EIO,
    errno.ELOOP,
}


@contextmanager
def named_errors(what: str) -> Iterator[None]:
    """Turns the system's refusals to write ``what`` into NO_SPACE and OUTPUT_UNWRITABLE; other errors pass."""
    try:
        yield
    except OSError as error:
        number = _number_of(error)
        if number in _NO_SPACE:
            raise MedDLError(Code.NO_SPACE, f"The disk is full: {what} was not written.") from error
        if number in _UNWRITABLE:
            reason = os.strerror(number)
            raise MedDLError(Code.OUTPUT_UNWRITABLE, f"{what} cannot be written: {reason}.") from error
        raise


def _number_of(error: BaseException | None) -> int:
    """The system's number; pydicom raises errors anew with a text of its own, and leaves the number in their cause."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__
    return 0
