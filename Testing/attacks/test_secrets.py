"""S14: no file of the repository holds a private key or a token. Runs on what is about to be committed as well."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

DASHES = "-" * 5  # in pieces, so that this file holds none of what it looks for
SECRETS = {
    "a private key": rb"%b(?:BEGIN )(?:[A-Z0-9]+ ){0,2}PRIVATE KEY(?: BLOCK)?%b" % (DASHES.encode(), DASHES.encode()),
    "a PuTTY private key": rb"PuTTY-User-Key-File-\d:",
    "an AWS access key": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,})",
    "a GitLab token": rb"\bglpat-[A-Za-z0-9_-]{20}",
    "a Slack token": rb"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a Google key": rb"\bAIza[0-9A-Za-z_-]{35}",
    "an Azure key": rb"AccountKey=[A-Za-z0-9+/]{60,}",
    "a Hugging Face token": rb"\bhf_[A-Za-z0-9]{34}\b",
}


def secrets_in(content: bytes) -> list[str]:
    return [name for name, pattern in SECRETS.items() if re.search(pattern, content)]


def files_of_the_repository() -> list[Path]:
    """What git tracks, and what it would take with the next ``git add``."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no clone of the repository")
    command = [git, "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_no_file_of_the_repository_holds_a_private_key_or_a_token() -> None:
    files = files_of_the_repository()
    assert Path(__file__).resolve() in files
    found = {str(path.relative_to(ROOT)): secrets for path in files if (secrets := secrets_in(path.read_bytes()))}
    assert found == {}


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "PGP "])
def test_every_kind_of_private_key_is_found(kind: str) -> None:
    block = " BLOCK" if kind == "PGP " else ""
    text = f"x = 1\n{DASHES}BEGIN {kind}PRIVATE KEY{block}{DASHES}\nMIIE"
    assert secrets_in(text.encode()) == ["a private key"]
    assert secrets_in(text.replace("PRIVATE", "PUBLIC").encode()) == []


@pytest.mark.parametrize(
    ("start", "length"),
    [
        ("AKIA", 16),
        ("ghp_", 36),
        ("github_pat_", 30),
        ("glpat-", 20),
        ("xoxb-", 20),
        ("AIza", 35),
        ("AccountKey=", 86),
        ("hf_", 34),
        ("PuTTY-User-Key-File-" + "3:", 0),
    ],
)
def test_every_kind_of_token_is_found(start: str, length: int) -> None:
    assert len(secrets_in(f"token = '{start}{'A' * length}'".encode())) == 1
