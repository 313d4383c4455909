"""Which of the scans of a source run with a model, and why the others do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import Code
from ..spec import ModelSpec
from .rules import Rules
from .scan import Scan

IMAGES = ("CT", "MR", "PT")
"""The modalities that are read."""

LEFT_OUT = "left out"
"""What a scan is that does not run, beside the states of the ledger, which knows nothing of it."""

BESIDE = "a volume file among DICOM series: a rule on its name would take it"
"""Most often it was made of the series, or is a segmentation."""

UNMET = "it does not hold that {}"


@dataclass(frozen=True)
class Choice:
    """A scan, and why it does not run; ``""``: it does.

    Attributes:
        scan: the scan.
        reason: in words; of what its header says, not of the patient, but where a rule names one.
        code: where the reason has one.
        anonymous: the reason without what a rule says of a patient; ``""``: ``reason`` names nobody.
    """

    scan: Scan
    reason: str = ""
    code: Code | None = None
    anonymous: str = ""

    @property
    def runs(self) -> bool:
        """It is to be segmented."""
        return not self.reason


def choose(
    scans: Sequence[Scan], rules: Rules, spec: ModelSpec, allow: frozenset[Code] = frozenset(), modality: str = ""
) -> list[Choice]:
    """Decides for every scan.

    Args:
        scans: of a source, in its order.
        rules: what the person wants.
        spec: the model, which is for one modality.
        allow: refusals that the person overrides.
        modality: of files that do not say what they are.
    """
    said = [scan if scan.modality or scan.is_dicom else replace(scan, modality=modality) for scan in scans]
    beside = any(scan.is_dicom for scan in scans) and not any(c.field == "name" for c in rules.conditions)
    choices = [
        Choice(scan, BESIDE) if beside and not scan.is_dicom else _choice(scan, rules, spec, allow) for scan in said
    ]
    if rules.keep is None:
        return choices
    kept = rules.keep.best([choice.scan for choice in choices if choice.runs])
    why = f"not the {rules.keep.which} of its {rules.keep.group}"
    return [Choice(choice.scan, why) if choice.runs and choice.scan.key not in kept else choice for choice in choices]


def _choice(scan: Scan, rules: Rules, spec: ModelSpec, allow: frozenset[Code]) -> Choice:
    if not scan.files and scan.remote is None:
        code, why = scan.header.left_out or (Code.FILE_NOT_FOUND, "its files are not on this machine")
        return Choice(scan, why, code)
    stated = scan.modality
    if scan.is_dicom and stated and stated not in IMAGES:
        return Choice(scan, f"no CT, MR or PET scan ({stated})", Code.NOT_CT_MR)
    if (unmet := rules.unmet(scan)) is not None:
        return Choice(scan, UNMET.format(unmet), anonymous=UNMET.format(unmet.anonymous))
    wanted = spec.channels[0].modality
    if wanted is not None and stated and stated != wanted and Code.WRONG_MODALITY not in allow:
        return Choice(scan, f"the model is for {wanted}, this is {stated}", Code.WRONG_MODALITY)
    if (left_out := scan.header.left_out) is not None:
        code, why = left_out
        return Choice(scan, why, code)
    return Choice(scan)
