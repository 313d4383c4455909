"""``meddl models``: the folder of models, and the catalogue."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..errors import Code, MedDLError
from ..models import ModelPackage, ModelStore, StoredModel, catalogue, entry, get, open_model, shipped_models
from ..models.trusted import OWN_CODE
from ..spec import ModelSpec
from ..text import printable
from .trust import trust

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
    rows = [*_shipped(), *(_row_of(model) for model in store.list())]
    names = {row["name"] for row in rows}
    rows += [_row_of_entry(name) for name in catalogue() if name not in names]
    if as_json:
        click.echo(json.dumps({"folder": str(store.path), "models": rows}))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "modality", "structures", "size", "where", "title"):
        table.add_column(
            column, no_wrap=column != "title", justify="right" if column in ("structures", "size") else "left"
        )
    for row in rows:
        cells = (row["name"], row["modality"], row["structures"], _size(row["bytes"]), row["where"], row["title"])
        table.add_row(*(escape(printable(str(cell))) for cell in cells))  # a folder may have any name
    Console().print(table)
    click.echo(f"\nInstalled models lie in {store.path} (MEDDL_MODELS names another folder).")


@models.command()
@click.argument("name")
@as_json
def info(name: str, as_json: bool) -> None:
    """Show what a model does, its structures, licence and citation. NAME is a name or a folder."""
    spec, licence, notices = _described(name)
    if as_json:
        click.echo(json.dumps({"spec": spec.to_json(), "licence": licence}))
        return
    lines = [f"{spec.name} {spec.version}".strip(), spec.title, spec.description, ""]
    lines += [f"input:      {channel.name} ({channel.modality or 'any modality'})" for channel in spec.channels]
    spacing = "the scan's" if spec.grid.spacing is None else " x ".join(f"{mm:g}" for mm in spec.grid.spacing) + " mm"
    patch = "the whole scan at once" if spec.inference.patch is None else "x".join(map(str, spec.inference.patch))
    lines += [] if spec.network.name == OWN_CODE else [f"spacing:    {spacing}", f"patch:      {patch}"]
    lines += [f"network:    {spec.network.name}"]
    lines += [f"structures: {', '.join(label.name for label in spec.labels)}"]
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
def get_model(name: str, accept_licence: bool, overwrite: bool) -> None:
    """Download a model of the catalogue, after showing its size and licence."""
    item = entry(name)
    if not accept_licence:
        click.echo(f"{item.title}\n{_size(item.size)} from {item.files[0].url}\n\nLicence: {item.licence}\n")
        if not _agreed("Do you accept this licence?"):
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
        )
    click.echo(f"Installed {stored.name} in {stored.folder}")


@models.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Delete an installed model."""
    store = ModelStore()
    stored = store.stored(name)
    if not yes and not _agreed(f"Delete {stored.folder} ({_size(stored.size)})?"):
        raise click.Abort
    store.remove(stored.name)
    click.echo(f"Removed {stored.name}.")


def _agreed(question: str) -> bool:
    """Asks; no where nobody is there to answer, or standard input is closed."""
    if sys.stdin is None:
        return False
    try:
        return click.confirm(question)
    except click.Abort:
        return False


def _described(name: str) -> tuple[ModelSpec, str, Iterable[Any]]:
    try:
        package = open_model(name)
    except MedDLError as error:
        if error.code is not Code.MODEL_NOT_FOUND or name not in catalogue():
            raise
        item = entry(name)
        return item.spec, f"{item.licence.name} ({item.licence.url}); not installed: meddl models get {name}", ()
    return package.spec, package.spec.licence or "not stated", package.notices


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
            "bytes": model.size,
            "where": problem,
            "title": "",
        }
    return _row(model.name, model.package.spec, model.size, "installed")


def _row_of_entry(name: str) -> dict[str, Any]:
    item = entry(name)
    return _row(name, item.spec, item.size, "meddl models get")


def _row(name: str, spec: ModelSpec, size: int, where: str) -> dict[str, Any]:
    return {
        "name": name,
        "modality": "+".join(channel.modality or "any" for channel in spec.channels),
        "structures": len(spec.labels),
        "bytes": size,
        "where": where,
        "title": spec.title,
    }


def _structures(package: ModelPackage | None) -> int:
    return 0 if package is None else len(package.spec.labels)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
