"""Questions to the person at the terminal."""

from __future__ import annotations

import sys

import click


def agreed(question: str) -> bool:
    """Asks; no where nobody is there to answer, or standard input is closed."""
    if sys.stdin is None:
        return False
    try:
        return click.confirm(question)
    except click.Abort:
        return False
