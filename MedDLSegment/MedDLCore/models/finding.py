"""Which of the folders of an archive is the model: people pack the folders around it too."""

from __future__ import annotations

from pathlib import Path

from ..errors import Code, MedDLError
from ..text import shown
from .package import LAYOUTS, holds_package

MOST_DEPTH = 5
"""How far below the top a model is looked for."""

MOST_FOLDERS = 1000
"""In how many folders."""

MOST_NAMED = 5


def the_model_in(top: Path) -> Path:
    """The folder of the one model: the top, or else the only folder below it that holds one.

    Args:
        top: of the unpacked content, in which there are no links.

    Raises:
        MedDLError: MODEL_INVALID where there is none, with where it was looked for, or where there are several.
    """
    found: list[Path] = []
    looked, level = 0, [top]
    for _ in range(MOST_DEPTH + 1):
        level = level[: MOST_FOLDERS - looked]
        looked += len(level)
        holding = [folder for folder in level if holds_package(folder)]
        found += holding
        without = (folder for folder in level if folder not in holding)
        level = sorted(path for folder in without for path in folder.iterdir() if path.is_dir())
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(shown(folder.relative_to(top).as_posix()) for folder in found[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        raise MedDLError(
            Code.MODEL_INVALID,
            f"{top.name} holds {len(found)} models: {places}{more}.",
            "Unpack it, and add one of its folders at a time.",
        )
    below = f", nor do the {looked - 1} folders below it, up to {MOST_DEPTH} deep" if looked > 1 else ""
    raise MedDLError(
        Code.MODEL_INVALID,
        f"The folder {top.name} holds no model that MedDL reads{below}.",
        f"A model is a folder with one of: {', '.join(LAYOUTS)}; or results of nnU-Net.",
    )
