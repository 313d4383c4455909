"""What only a person can say of a model: licence, authors, what it is for, where it fails."""

from __future__ import annotations

from dataclasses import dataclass, replace

from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec_rules import LONGEST_TEXT, is_plain_name
from MedDLCore.text import is_harmless, shown

NOT_STATED = "not stated"
"""Stands wherever a person said nothing."""

LONGEST_VERSION = 40


@dataclass(frozen=True)
class Statement:
    """Said by the person who publishes. An empty text was not said; only the licence must be.

    Attributes:
        licence: an SPDX licence expression, e.g. ``CC-BY-SA-4.0``, or ``LicenseRef-`` and a name of one's own.
        licence_text: its full text, if given.
        authors, copyright, description, intended_use, limits, data_source, citation: texts.
        name: of the model, where it is not that of the training.
        title: by which people know it, e.g. ``Liver on CT``; its name by default.
        version: 1.0.0 by default.
    """

    licence: str
    licence_text: str = ""
    authors: str = ""
    copyright: str = ""
    description: str = ""
    intended_use: str = ""
    limits: str = ""
    data_source: str = ""
    citation: str = ""
    name: str = ""
    title: str = ""
    version: str = ""

    def checked(self) -> Statement:
        """The same with the licence in SPDX's own spelling.

        Raises:
            MedDLError: STATEMENT_INVALID for a licence that SPDX does not know, a name of its own without its text, a
                version or name that no file can have, or a text with control characters.
        """
        for name, text in vars(self).items():
            if not is_harmless(text, lines=True) or len(text) > LONGEST_TEXT:
                raise _invalid(f"{name} holds control characters, or is longer than {LONGEST_TEXT} characters")
        if self.version and not is_plain_name(self.version, LONGEST_VERSION):
            raise _invalid(f"{shown(self.version)} is no version such as 1.0.0")
        return replace(self, licence=_spdx(self.licence, bool(self.licence_text)))


def _spdx(text: str, has_text: bool) -> str:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        licence = canonicalize_license_expression(text)
    except InvalidLicenseExpression as error:
        raise MedDLError(
            Code.STATEMENT_INVALID,
            f"{shown(text)} is not a licence that SPDX knows.",
            "Its identifiers stand at https://spdx.org/licenses, e.g. CC-BY-4.0 or Apache-2.0. For one of your own, "
            "give LicenseRef-NAME and its text.",
        ) from error
    if "LicenseRef-" in licence and not has_text:
        raise _invalid(f"{licence} is a licence of one's own, and its text was not given")
    return str(licence)


def _invalid(problem: str) -> MedDLError:
    return MedDLError(Code.STATEMENT_INVALID, f"{problem}.")
