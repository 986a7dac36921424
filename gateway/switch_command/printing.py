"""Tables, JSON and reports on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from gateway.switch.report.text import heading, route_text

# A pipe has no width; nothing is cut off there.
_PIPE_WIDTH: Final = 200


def echo_report(found: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], more: int) -> None:
    """Print a report: its heading, the routes that are shown, and how many are not."""
    for text in heading(found):
        click.echo(text)
    for route in shown:
        click.echo("")
        for text in route_text(route):
            click.echo(text)
    if more:
        click.echo(f"\n{more} routes that no rule is for are not shown; --route shows any.")


def table_of(*headings: str) -> Table:
    """A table with these headings."""
    table = Table(box=None, pad_edge=False)
    for text in headings:
        table.add_column(text, overflow="fold")
    return table


def print_table(table: Table) -> None:
    """Print a table, as wide as the terminal is."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(width=width, markup=False, highlight=False).print(table)


def echo_json(value: Any) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
