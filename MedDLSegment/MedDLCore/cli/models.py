"""``meddl models``: the folder of models, and the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from ..errors import Code, MedDLError
from ..models import (
    Entry,
    Installed,
    ModelPackage,
    ModelStore,
    StoredModel,
    catalogue,
    entry,
    get,
    installed,
    open_model,
    shipped_models,
)
from ..models.trusted import OWN_CODE
from ..spec import Channel, ModelSpec
from ..text import one_line, printable
from .asking import agreed
from .trust import trust

LONGEST_TERMS, LONGEST_CELL = 60, 200
"""Characters of a licence, and of anything else, in the list."""

as_json = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.group()
def models() -> None:
    """The models on this machine, and those that can be had."""


models.add_command(trust)


@models.command("list")
@as_json
def list_models(as_json: bool) -> None:
    """List what is installed and what can be downloaded."""
    store = ModelStore()
    stored = [_row_of(model) for model in store.list()]
    rows = [*(row for row in _shipped() if store.find(row["name"]) is None), *stored]
    rows += [_row_of_installed(model) for model in installed() if model.name not in {row["name"] for row in rows}]
    names = {row["name"] for row in rows}
    rows += [_row_of_entry(item, store) for name, item in catalogue().items() if name not in names]
    if as_json:
        click.echo(json.dumps({"folder": str(store.path), "models": rows}))
        return
    columns = ("name", "modality", "structures", "clicks", "size", "where", "licence", "title")
    cells = [_cells(row) for row in rows]
    table = [columns, *(tuple(row[column] for column in columns) for row in cells)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    click.echo(f"\nInstalled models lie in {store.path} (MEDDL_MODELS names another folder).")


@models.command()
@click.argument("name")
@as_json
def info(name: str, as_json: bool) -> None:
    """Show what a model does, its structures, licence and citation. NAME is a name or a folder."""
    found = _here_or_to_be_had(name)
    if isinstance(found, ModelPackage):
        spec, licence, notices = found.spec, found.spec.licence or "not stated", found.notices
    elif found.spec is None:
        click.echo(json.dumps(_card(found)) if as_json else _text(found))
        return
    else:
        terms = f"{found.licence.name} ({found.licence.url}); not installed: meddl models get {name}"
        spec, licence, notices = found.spec, terms, ()
    if as_json:
        click.echo(json.dumps({"spec": spec.to_json(), "licence": licence}))
        return
    lines = [f"{spec.name} {spec.version}".strip(), spec.title, spec.description, ""]
    lines += [f"input:      {channel.name} ({channel.modality or 'any modality'})" for channel in spec.channels]
    spacing = "the scan's" if spec.grid.spacing is None else " x ".join(f"{mm:g}" for mm in spec.grid.spacing) + " mm"
    patch = "the whole scan at once" if spec.inference.patch is None else "x".join(map(str, spec.inference.patch))
    lines += [] if spec.network.name == OWN_CODE else [f"spacing:    {spacing}", f"patch:      {patch}"]
    lines += [] if spec.crops is None else [f"crops:      {spec.crops}; in a larger scan, name points with --at R,A,S"]
    lines += [f"network:    {spec.network.name}"]
    lines += [f"structures: {', '.join(label.name for label in spec.labels)}"]
    if spec.clicks is not None:
        heard = ", ".join(label.name for label in spec.labels if label.value in spec.clicks.labels)
        lines.append(f"clicks:     on {heard}; meddl segment --click R,A,S=NAME corrects the result")
    lines += [f"measured:   {key}: {value}" for key, value in spec.measured.items()]
    lines += [f"licence:    {licence}", f"citation:   {spec.citation or 'none given'}", f"source:     {spec.source}"]
    lines += [f"Warning {notice}" for notice in notices]
    click.echo("\n".join(line for line in lines if line.strip() or line == ""))


@models.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it. The model's own name by default.")
@click.option("--overwrite", is_flag=True, help="Replace a model of this name.")
def add(source: Path, name: str | None, overwrite: bool) -> None:
    """Add a model from a folder or a zip. Nothing in it is run."""
    added = ModelStore().add(source, name, overwrite)
    click.echo(f"Added {added.name}: {_structures(added.package)} structures, {_size(added.size)}, {added.folder}")
    if added.package is not None:
        for notice in added.package.notices:
            click.echo(f"Warning {notice}", err=True)


@models.command("get")
@click.argument("name")
@click.option("--accept-licence", is_flag=True, help="You have read the licence and accept it.")
@click.option("--overwrite", is_flag=True, help="Replace a model of this name.")
@click.option(
    "--from",
    "source",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Take the files from this folder, copied by hand; no connection is made.",
)
def get_model(name: str, accept_licence: bool, overwrite: bool, source: Path | None) -> None:
    """Download a model of the catalogue, after showing its size and licence.

    A download that was cancelled or killed goes on where it stopped. Behind a proxy, set HTTPS_PROXY.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    item = entry(name)
    if not accept_licence:
        origin = "".join(f"\n  {file.url}" for file in item.files)
        click.echo(f"{item.title}\nSize: {_size(item.size)}, from{origin}\n\nLicence: {item.licence}\n")
        if not agreed("Do you accept this licence?"):
            raise MedDLError(Code.LICENCE_NOT_ACCEPTED, f"The licence of {item.name} was not accepted.")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(item.name, total=item.size)
        stored = get(
            item,
            ModelStore(),
            accept_licence=True,
            progress=lambda done, of: progress.update(task, completed=done, total=of),
            overwrite=overwrite,
            source=source,
        )
    click.echo(f"Installed {stored.name} in {stored.folder}")
    if item.licence.non_commercial:
        click.echo("Not for commercial use: see its licence.", err=True)


@models.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Delete an installed model."""
    store = ModelStore()
    unfinished = store.unfinished_bytes(name)
    if unfinished and store.find(name) is None:
        what, size = f"what came of the download of {name}", unfinished
    else:
        stored = store.stored(name)
        name, what, size = stored.name, str(stored.folder), stored.size
    if not yes and not agreed(f"Delete {what} ({_size(size)})?"):
        raise click.Abort
    store.remove(name)
    click.echo(f"Removed {name}.")


def _here_or_to_be_had(name: str) -> ModelPackage | Entry:
    """The model, or the entry of the catalogue where no model of this name is here."""
    try:
        return open_model(name)
    except MedDLError as error:
        if error.code is Code.MODEL_NOT_FOUND and name in catalogue():
            return entry(name)
        raise


def _card(item: Entry) -> dict[str, Any]:
    """What is known of a model that describes itself, before it is here."""
    return {
        "name": item.name,
        "title": item.title,
        "description": item.description,
        "channels": [{"name": channel.name, "modality": channel.modality} for channel in item.channels],
        "structures": list(item.structures),
        "licence": item.licence.name,
        "licence_url": item.licence.url,
        "non_commercial": item.licence.non_commercial,
        "citation": item.citation,
        "source": item.source,
        "bytes": item.size,
        "compared_with": item.digests,
        "files": [file.url for file in item.files],
        "installed": False,
    }


def _text(item: Entry) -> str:
    lines = [item.name, item.title, item.description, ""]
    lines += [f"input:      {channel.name} ({channel.modality or 'any modality'})" for channel in item.channels]
    lines += [
        f"structures: {', '.join(item.structures)}",
        f"licence:    {item.licence}",
        f"citation:   {item.citation}",
    ]
    lines += [f"source:     {item.source}", f"size:       {_size(item.size)}", f"digests:    {item.digests}"]
    return "\n".join([*lines, f"Not installed: meddl models get {item.name}"])


def _shipped() -> list[dict[str, Any]]:
    rows = []
    for folder in shipped_models():
        package = open_model(folder)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        rows.append(_row(package.spec.name, package.spec, size, "comes with MedDL"))
    return rows


def _row_of(model: StoredModel) -> dict[str, Any]:
    if model.package is None:
        problem = f"cannot be opened: {model.error.message if model.error else ''}"
        return {
            "name": model.name,
            "modality": "",
            "structures": "",
            "clicks": False,
            "bytes": model.size,
            "where": problem,
            "licence": "",
            "non_commercial": False,
            "title": "",
        }
    return _row(model.name, model.package.spec, model.size, "installed")


def _row_of_installed(model: Installed) -> dict[str, Any]:
    """Its licence and its title, TotalSegmentator alone knows."""
    return {
        "name": model.name,
        "modality": _joined(model.modalities),
        "structures": len(model.structures) or "",
        "clicks": False,
        "bytes": model.size,
        "where": "TotalSegmentator",
        "licence": "",
        "non_commercial": False,
        "title": "",
    }


def _row_of_entry(item: Entry, store: ModelStore) -> dict[str, Any]:
    unfinished = store.unfinished_bytes(item.name)
    return {
        "name": item.name,
        "modality": _modality(item.channels),
        "structures": len(item.structures),
        "clicks": item.spec is not None and item.spec.clicks is not None,
        "bytes": item.size,
        "where": f"{_size(unfinished)} came so far" if unfinished else "to download",
        "licence": item.licence.name,
        "non_commercial": item.licence.non_commercial,
        "title": item.title,
    }


def _row(name: str, spec: ModelSpec, size: int, where: str) -> dict[str, Any]:
    known = catalogue().get(name)
    return {
        "name": name,
        "modality": _modality(spec.channels),
        "structures": len(spec.labels),
        "clicks": spec.clicks is not None,
        "bytes": size,
        "where": where,
        "licence": known.licence.name if known else spec.licence,
        "non_commercial": known is not None and known.licence.non_commercial,
        "title": spec.title,
    }


def _modality(channels: Iterable[Channel]) -> str:
    return _joined(channel.modality for channel in channels)


def _joined(modalities: Iterable[str | None]) -> str:
    names = [modality or "any" for modality in modalities]
    return f"{len(names)} {names[0]}" if len(names) > 1 and len(set(names)) == 1 else "+".join(names)


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """A row of the list for people. A folder has any name, and a licence may have many lines."""
    terms = "not commercial" if row["non_commercial"] else one_line(row["licence"], LONGEST_TERMS)
    texts = {**row, "clicks": "yes" if row["clicks"] else "", "size": _size(row["bytes"]), "licence": terms}
    return {key: one_line(printable(str(text)), LONGEST_CELL) for key, text in texts.items()}


def _structures(package: ModelPackage | None) -> int:
    return 0 if package is None else len(package.spec.labels)


def _size(count: int | None) -> str:
    if count is None:
        return "not stated"
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
