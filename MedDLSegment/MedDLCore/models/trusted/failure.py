"""What a failure in the child process is called, and told in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...errors import Code, MedDLError

OF_THE_BUNDLE = (Code.NO_MEMORY, Code.NETWORK_NONFINITE, Code.MODEL_INVALID)
"""The failures that the child may name. The parent takes every other for MODEL_INVALID."""

LONGEST_CAUSE = 300
LONGEST_PLACE = 150

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_NO_MEMORY = ("out of memory", "DefaultCPUAllocator")


def named(error: BaseException) -> tuple[str, str]:
    """The code of a failure, empty where the bundle's own code failed, and what happened, in words.

    Libraries wrap what went wrong, as "applying transform ...": the innermost cause comes first, the wrapping after it.
    """
    chain = list(_chain(error))
    if isinstance(error, MedDLError) and error.code in OF_THE_BUNDLE:
        return error.code.value, error.message
    if any(isinstance(cause, MemoryError) or any(words in str(cause) for words in _NO_MEMORY) for cause in chain):
        return Code.NO_MEMORY.value, _words(chain[-1], LONGEST_CAUSE)
    where = f" (in {_words(error, LONGEST_PLACE)})" if len(chain) > 1 else ""
    return "", _words(chain[-1], LONGEST_CAUSE) + where


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what it came of, and so on."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _words(error: BaseException, most: int) -> str:
    text = " ".join(_ADDRESS.sub("", f"{type(error).__name__}: {error}").split())
    return text if len(text) <= most else text[: most - 1] + "…"
