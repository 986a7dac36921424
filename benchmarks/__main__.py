"""`python -m benchmarks`: measure the gateway beside its peers, print ratios, keep the figures."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from benchmarks import lookup, report, rounds, wrk
from benchmarks.cores import Cores, pinned
from benchmarks.peers import COMPARISONS
from benchmarks.serving import ROOT, PeerFailedError

RESULTS = ROOT / "benchmarks" / "results"
LOOKUP = "lookup"
CANNOT_MEASURE = 2


@click.command()
@click.option("--rounds", "count", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--seconds", default=4, show_default=True, type=click.IntRange(min=1))
@click.option("--quick", is_flag=True, help="Two rounds of one second: does it run at all?")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([*(c.name for c in COMPARISONS), LOOKUP]),
    help="Measure only this; can be given several times.",
)
def main(*, count: int, seconds: int, quick: bool, only: tuple[str, ...]) -> None:
    """Measure the gateway beside its peers, in turn, and print ratios of medians.

    A round loads each row of each peer for --seconds. All figures go to benchmarks/results/.
    """
    if quick:
        count, seconds = 2, 1
    comparisons = [c for c in COMPARISONS if not only or c.name in only]
    if comparisons and not wrk.is_installed():
        _say(f"wrk, which makes the load, is not installed: {wrk.INSTALL_HINT}")
        sys.exit(CANNOT_MEASURE)
    # As with Ctrl-C, servers are then ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)

    cores = Cores.available()
    facts = report.environment(cores)
    click.echo(report.heading(facts, count, seconds))
    results = []
    times = []
    with tempfile.TemporaryDirectory() as folder:
        plan = rounds.Plan(count, seconds, cores, Path(folder) / "catalog.db", _say)
        try:
            for comparison in comparisons:
                result = rounds.measure(comparison, plan)
                results.append(result)
                click.echo(f"\n{report.comparison_table(result)}")
        except (PeerFailedError, wrk.LoadFailedError) as error:
            _say(str(error))
            sys.exit(CANNOT_MEASURE)
    if not only or LOOKUP in only:
        with pinned(cores.server):
            times = lookup.measure(count)
        click.echo(f"\n{report.lookup_table(times)}")

    now = datetime.now(UTC)
    kept = RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    kept.parent.mkdir(exist_ok=True)
    options = {"when": now.isoformat(), "rounds": count, "seconds": seconds, "quick": quick}
    content = options | report.as_json(facts, results, times)
    kept.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    click.echo(f"\nAll figures: {kept.relative_to(ROOT)}")


def _say(message: str) -> None:
    click.echo(message, err=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
