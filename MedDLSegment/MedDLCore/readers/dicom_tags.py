"""The one way in which a DICOM attribute is read: absent, empty and unreadable are told apart, once."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.valuerep import PersonName

from ..errors import Code, MedDLError

BROKEN = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, AssertionError),
    *(EOFError, OSError, MemoryError, struct.error, zlib.error, InvalidDicomError, BytesLengthException),
)
"""What pydicom raises on files that are damaged; it has no exception of its own for most damage."""


@contextmanager
def silent_pydicom() -> Iterator[None]:
    """Keeps pydicom from warning and logging: its messages quote values, and so can name a patient."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


@dataclass(frozen=True, eq=False)
class Tags:
    """The attributes of a data set or of an item of a sequence.

    An attribute that is absent or empty reads as None (``""`` and ``()`` for texts). One that is there and cannot be
    understood is refused with FILE_UNREADABLE: a damaged slope must not become "no slope".

    Attributes:
        dataset: pydicom's data set.
        file: name of the file, for messages.
    """

    dataset: Dataset
    file: str

    def _value(self, keyword: str) -> Any:
        try:
            value = self.dataset.get(keyword)
        except BROKEN as error:
            raise self._damaged(keyword) from error
        if value is None or (hasattr(value, "__len__") and len(value) == 0):
            return None
        return value

    def _damaged(self, keyword: str) -> MedDLError:
        return MedDLError(Code.FILE_UNREADABLE, f"{self.file}: its attribute {keyword} is damaged.")

    def texts(self, keyword: str) -> tuple[str, ...]:
        """All values, without padding; ``()`` where there is none."""
        value = self._value(keyword)
        if value is None:
            return ()
        one = isinstance(value, (str, PersonName)) or not hasattr(value, "__iter__")
        values = [value] if one else list(value)
        return tuple(str(item).strip(" \0") for item in values)

    def text(self, keyword: str) -> str:
        """The values joined as DICOM joins them; ``""`` where there is none."""
        return "\\".join(self.texts(keyword))

    def numbers(self, keyword: str, count: int) -> NDArray[np.float64] | None:
        """``(count,)`` finite numbers, or None.

        Raises:
            MedDLError: FILE_UNREADABLE where there is another count of values, or one is not a finite number.
        """
        value = self._value(keyword)
        if value is None:
            return None
        try:
            numbers = np.atleast_1d(np.array(value, dtype=np.float64))
        except BROKEN as error:
            raise self._damaged(keyword) from error
        if numbers.shape != (count,) or not np.isfinite(numbers).all():
            raise self._damaged(keyword)
        return numbers

    def number(self, keyword: str) -> float | None:
        """One finite number, or None."""
        numbers = self.numbers(keyword, 1)
        return None if numbers is None else float(numbers[0])

    def integer(self, keyword: str) -> int | None:
        """One whole number, or None."""
        number = self.number(keyword)
        if number is not None and not number.is_integer():
            raise self._damaged(keyword)
        return None if number is None else int(number)

    def items(self, keyword: str) -> tuple[Tags, ...]:
        """The items of a sequence."""
        value = self._value(keyword)
        if value is None:
            return ()
        if not all(isinstance(item, Dataset) for item in value):
            raise self._damaged(keyword)
        return tuple(Tags(item, self.file) for item in value)

    def item(self, keyword: str) -> Tags:
        """The first item of a sequence; an empty one where there is none."""
        items = self.items(keyword)
        return items[0] if items else Tags(Dataset(), self.file)
