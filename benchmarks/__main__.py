"""`python -m benchmarks`: measure the gateway beside its peers, print ratios, keep the figures."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from benchmarks import lookup, plot, publish, report, rounds, rules, wrk
from benchmarks.cores import Cores, pinned
from benchmarks.lookup import LookupTimes
from benchmarks.peers import COMPARISONS
from benchmarks.rules import RuleTimes
from benchmarks.serving import ROOT, Folder, PeerFailedError

RESULTS = ROOT / "benchmarks" / "results"
LOOKUP = "lookup"
RULES = "rules"
CANNOT_MEASURE = 2

_PATH = click.Path(path_type=Path, dir_okay=False)
_PAGE = click.Path(path_type=Path, dir_okay=False, exists=True, writable=True)


@click.command()
@click.option("--rounds", "count", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--seconds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--quick", is_flag=True, help="Two rounds of one second: does it run at all?")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([*(c.name for c in COMPARISONS), LOOKUP, RULES]),
    help="Measure only this; can be given several times.",
)
@click.option("--write", "page", type=_PAGE, help="Put the results into this page.")
@click.option("--plot", "picture", type=_PATH, help="Draw the ratios into this SVG file.")
def main(  # noqa: PLR0913 -- the options of a command
    *,
    count: int,
    seconds: int,
    quick: bool,
    only: tuple[str, ...],
    page: Path | None,
    picture: Path | None,
) -> None:
    """Measure the gateway beside its peers, in turn, and print ratios of medians.

    A round loads each row of each peer for --seconds. All figures go to benchmarks/results/.
    """
    if quick:
        count, seconds = 2, 1
    comparisons = [c for c in COMPARISONS if not only or c.name in only]
    if comparisons and not wrk.is_installed():
        _say(f"wrk, which makes the load, is not installed: {wrk.INSTALL_HINT}")
        sys.exit(CANNOT_MEASURE)
    if page is not None:
        _check_page(page, is_partly_drawn=bool(only and picture))
    # As with Ctrl-C, servers are then ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)

    cores = Cores.available()
    facts = report.environment(cores)
    heading = report.heading(facts, count, seconds)
    click.echo(heading)
    results = []
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        plan = rounds.Plan(count, seconds, cores, Folder(Path(folder)), _say)
        try:
            for comparison in comparisons:
                result = rounds.measure(comparison, plan)
                results.append(result)
                tables.append((comparison.name, report.comparison_table(result)))
                click.echo(f"\n{tables[-1][1]}")
        except (PeerFailedError, wrk.LoadFailedError) as error:
            _say(str(error))
            sys.exit(CANNOT_MEASURE)
    times, rule_times, more = _lookups(only, count, cores)
    tables += more

    now = datetime.now(UTC)
    kept = RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    kept.parent.mkdir(exist_ok=True)
    options = {"when": now.isoformat(), "rounds": count, "seconds": seconds, "quick": quick}
    content = options | report.as_json(facts, results, times, rule_times)
    kept.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    click.echo(f"\nAll figures: {kept.relative_to(ROOT)}")

    if picture is not None:
        drawn = plot.plot([(r.comparison.name, report.lines(r)) for r in results])
        picture.write_text(drawn, encoding="utf-8")
        click.echo(f"Plot: {picture}")
    if page is not None:
        seen = os.path.relpath(picture, page.parent) if picture is not None else None
        when, typed = f"{now:%Y-%m-%d}", publish.command(sys.argv[1:])
        text = page.read_text(encoding="utf-8")
        if only:
            text = publish.amended(text, when, typed, heading, tables)
        else:
            text = publish.replaced(text, publish.results(when, typed, heading, tables, seen))
        page.write_text(text, encoding="utf-8")
        click.echo(f"Page: {page}")


def _lookups(
    only: tuple[str, ...], count: int, cores: Cores
) -> tuple[list[LookupTimes], list[RuleTimes], list[tuple[str, str]]]:
    """What is measured in this process, and its tables."""
    with pinned(cores.server):
        times = lookup.measure(count) if not only or LOOKUP in only else []
        rule_times = rules.measure(count) if not only or RULES in only else []
    tables = [(LOOKUP, report.lookup_table(times))] if times else []
    tables += [(RULES, report.rules_table(rule_times))] if rule_times else []
    for _, text in tables:
        click.echo(f"\n{text}")
    return times, rule_times, tables


def _check_page(page: Path, *, is_partly_drawn: bool) -> None:
    """Refuse before minutes are spent."""
    if is_partly_drawn:
        raise click.UsageError("the picture of a page is of all comparisons: leave out --plot")
    try:
        publish.replaced(page.read_text(encoding="utf-8"), "")
    except publish.NoPlaceError as error:
        _say(f"{page}: {error}")
        sys.exit(CANNOT_MEASURE)


def _say(message: str) -> None:
    click.echo(message, err=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
