"""``meddl codes``: what the codes in warnings and refusals mean."""

from __future__ import annotations

import click

from ..errors import EXPLANATIONS, Code
from .codes_page import codes_page


@click.command()
@click.argument("code", required=False)
@click.option("--markdown", is_flag=True, help="Print the page of all codes (Resources/CODES.md).")
def codes(code: str | None, markdown: bool) -> None:
    """Explain a CODE of a warning or refusal, or list them all."""
    if markdown:
        click.echo(codes_page(), nl=False)
        return
    wanted = list(Code)
    if code is not None:
        wanted = [known for known in Code if known.value == code.upper()]
        if not wanted:
            raise click.UsageError(f"There is no code {code}. `meddl codes` lists them.")
    for known in wanted:
        explanation = EXPLANATIONS[known]
        kind = "refusal" if explanation.refuses else "warning"
        click.echo(f"{known.value} ({kind})\n  {explanation.meaning}\n  {explanation.remedy}\n")
