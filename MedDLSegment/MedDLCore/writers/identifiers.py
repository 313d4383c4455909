"""DICOM UIDs that follow from what they name: the same job gives the same UID, on every machine and each time."""

from __future__ import annotations

import hashlib


def uid_of(*parts: str) -> str:
    """A UID from the SHA-256 of ``parts``: a UUID of version 8 (RFC 9562) under the root 2.25 (PS3.5 B.2)."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part.encode())
    number = int.from_bytes(digest.digest()[:16], "big")
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return f"2.25.{number}"
