"""Compressed output that depends on the content alone."""

from __future__ import annotations

import gzip
from typing import BinaryIO

LEVEL = 6
"""Label maps hardly shrink further at the higher levels, which take several times as long."""


def open_gzip(file: BinaryIO) -> gzip.GzipFile:
    """A gzip stream into ``file`` without a file name or a time: the same content gives the same bytes."""
    return gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=file, mtime=0)
