"""Puts what a run printed into a page, between two comments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

BEGIN = "<!-- what make bench printed -->"
END = "<!-- end of what make bench printed -->"


class NoPlaceError(ValueError):
    """A page without the two comments."""


def replaced(page: str, results: str) -> str:
    """The page with other results in it.

    Raises:
        NoPlaceError: It does not have each of the two comments once, in their order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        raise NoPlaceError(f"results go between {BEGIN} and {END}, once")
    return f"{before}{BEGIN}\n\n{results.strip()}\n\n{END}{after}"


def amended(
    page: str, when: str, typed: str, heading: str, tables: Sequence[tuple[str, str]]
) -> str:
    """The page with some tables of a later run, each with its day and its command.

    Args:
        page: With results, or with their place.
        when: The day.
        typed: The command.
        heading: What was the same for all peers; told with each table, where it is not that of the
            page.
        tables: The name and the table of each comparison; a new name comes last.

    Raises:
        NoPlaceError: As `replaced`.
    """
    results = page.partition(BEGIN)[2].partition(END)[0]
    head, *parts = re.split(r"^### ", results, flags=re.MULTILINE)
    named = {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}
    same = "" if heading in head else f"```text\n{heading}\n```\n\n"
    for name, table in tables:
        named[name] = f"\nOn {when}, by:\n\n```sh\n{typed}\n```\n\n{same}{table}\n\n"
    return replaced(page, head + "".join(f"### {name}\n{text}" for name, text in named.items()))


def command(arguments: Sequence[str]) -> str:
    """What a person types to run the benchmarks with these arguments."""
    if not arguments:
        return "make bench"
    # Quoted for the shell that make starts, then once more for the person's own.
    return f'make bench ARGS="{shlex.join(arguments)}"'


def results(
    when: str, typed: str, heading: str, tables: Sequence[tuple[str, str]], plot: str | None
) -> str:
    """The section: when and how, what was the same for all, the plot, and each table.

    Args:
        when: The day.
        typed: The command.
        heading: What was the same for all peers.
        tables: The name and the table of each comparison.
        plot: Where the plot is, as the page sees it.
    """
    parts = [f"On {when}, by:", f"```sh\n{typed}\n```", f"```text\n{heading}\n```"]
    if plot is not None:
        parts.append(f"![The ratios, with their spread and their bars]({plot})")
    for name, found in tables:
        parts += [f"### {name}", found]
    return "\n\n".join(parts)
