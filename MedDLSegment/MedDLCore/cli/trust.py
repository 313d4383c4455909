"""``meddl models trust``: what of a bundle would run, and a person's consent to exactly that."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import Code, MedDLError
from ..models import Consents, FileSet, ModelStore, file_set, open_folder
from ..models.monai_bundle import reasons
from .asking import agreed

MOST_SHOWN = 40
"""Lines of a list that are shown. All files are always counted and hashed."""


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--revoke", is_flag=True, help="Take the consent back.")
@click.option("--yes", is_flag=True, help="Do not ask: you have looked at the files.")
def trust(folder: Path, revoke: bool, yes: bool) -> None:
    """Let a bundle run its own code, after showing what that is.

    FOLDER holds a MONAI bundle that MedDL does not read as data. The consent is for its files as they are now, in this
    place: if one byte changes, or the folder moves, it ends. The code runs in a process of its own, with your rights.
    """
    consents = Consents(ModelStore().path)
    if revoke:
        was_there = consents.revoke(folder)
        click.echo(f"{folder.name} is no longer trusted." if was_there else f"{folder.name} was not trusted.")
        return
    if not needs_trust(folder):
        click.echo(f"{folder.name} needs no trust: MedDL reads it as data and runs none of its code.")
        return
    files = file_set(folder)
    if consents.since(folder, files) is not None:
        click.echo(f"{folder.name} is trusted already, with these very files.")
        return
    click.echo(described(folder, files))
    if not yes and not agreed("Do you trust these files?"):
        raise MedDLError(Code.MODEL_UNTRUSTED, f"{folder.name} was not trusted. Nothing of it ran.")
    consents.grant(folder, files)
    click.echo(f"{folder.name} is trusted: meddl segment INPUT --model {folder} --out FOLDER")


def needs_trust(folder: Path) -> bool:
    """Whether a model runs only with its own code.

    Raises:
        MedDLError: what ``open_folder`` refuses for another reason.
    """
    try:
        open_folder(folder)
    except MedDLError as error:
        if error.code is not Code.MODEL_UNTRUSTED:
            raise
        return True
    return False


def described(folder: Path, files: FileSet) -> str:
    """What a person should know before agreeing: what is not data, and the files."""
    outside = [f"  {reason}" for reason in reasons(folder)]
    programs = [f"  {file.name}  {file.size} bytes  SHA-256 {file.sha256[:16]}" for file in files.programs]
    others = [f"  {file.name}  {file.size} bytes" for file in files.files if file not in files.programs]
    return "\n".join(
        [
            f"{folder.name} asks for what MedDL does not read as data:",
            *_shortened(outside),
            "",
            "If you agree, MONAI evaluates its configuration, which may run any of these programs, and more that the",
            "configuration names, with your rights: it may read your files, change them, and use the network.",
            "",
            f"Programs ({len(programs)}):",
            *_shortened(programs or ["  none; the configuration itself can be a program"]),
            f"Other files ({len(others)}, {files.size / 1e6:.1f} MB in all):",
            *_shortened(others),
            "",
            f"SHA-256 of all of it: {files.sha256}",
        ]
    )


def _shortened(lines: list[str]) -> list[str]:
    return lines if len(lines) <= MOST_SHOWN else [*lines[:MOST_SHOWN], f"  and {len(lines) - MOST_SHOWN} more"]
