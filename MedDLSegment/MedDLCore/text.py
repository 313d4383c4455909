"""Text from strangers: what of it may reach a terminal, and how a message quotes it.

Control characters can move the cursor and rewrite what a terminal showed before (escape sequences, ECMA-48); controls
of the writing direction show a text in another order than it has (Unicode Technical Report 36).
"""

from __future__ import annotations

import reprlib
import unicodedata

_HARMFUL = {"Cc", "Cs", "Zl", "Zp"}
"""Categories: controls, lone surrogates, separators of lines and of paragraphs."""

_DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Bidirectional classes of the controls of the writing direction."""

_LINES = str.maketrans("", "", "\n\t")

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def is_harmless(text: str, lines: bool = False) -> bool:
    """Whether a terminal shows the text and does nothing else. ``lines``: line ends and tabs are allowed."""
    rest = text.translate(_LINES) if lines else text
    return rest.isprintable() or not any(map(_is_harmful, rest))


def printable(text: str) -> str:
    """The text with what is not harmless as Python escapes it; line ends and tabs stay."""
    if is_harmless(text, lines=True):
        return text
    return "".join(c.encode("unicode_escape").decode() if c not in "\n\t" and _is_harmful(c) else c for c in text)


def one_line(text: str, longest: int) -> str:
    """The text in one line, without what is not harmless and what has no glyph, cut to ``longest`` characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:longest].strip()


def shown(value: object) -> str:
    """A stranger's value as Python writes it, in one line of moderate length."""
    return _short.repr(value)


def _is_harmful(character: str) -> bool:
    return unicodedata.category(character) in _HARMFUL or unicodedata.bidirectional(character) in _DIRECTION
