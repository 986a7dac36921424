"""`python -m benchmarks.soak`: soak the gateway, say what did not stay flat, keep the figures."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import click

from benchmarks import report
from benchmarks.cores import Cores
from benchmarks.serving import ROOT, PeerFailedError
from benchmarks.soak import judge, run
from benchmarks.soak.picture import picture

RESULTS = ROOT / "benchmarks" / "results"
NOT_FLAT, CANNOT_MEASURE = 1, 2

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--minutes", default=15.0, show_default=True, type=click.FloatRange(min=0.05))
@click.option("--every", "every_seconds", default=2.0, show_default=True, help="Seconds.")
@click.option("--json", "kept", type=_PATH, help="Where the figures go.  [default: a new file]")
@click.option("--plot", "drawn", type=_PATH, help="Draw the figures into this SVG file.")
def main(minutes: float, every_seconds: float, kept: Path | None, drawn: Path | None) -> None:
    """Soak the gateway in mixed traffic and abuse; memory, threads and descriptors stay flat.

    The exit code is 1 where they do not, or where anything was answered otherwise than it should,
    and 2 where that cannot be told.
    """
    if not Path("/proc/self/fd").exists():
        _say("the soak reads /proc, which is Linux's")
        sys.exit(CANNOT_MEASURE)
    # As with Ctrl-C, the server is then ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    now = datetime.now(UTC)
    facts = report.environment(Cores(None, None))
    with tempfile.TemporaryDirectory() as folder:
        plan = run.Plan(minutes * 60, every_seconds, Path(folder), _say)
        try:
            found = run.soak(plan)
            verdicts = judge.verdicts(found.samples)
        except (PeerFailedError, judge.TooShortError) as error:
            _say(str(error))
            sys.exit(CANNOT_MEASURE)
    faults = judge.faults(verdicts, found.good, found.abuse, found.end)

    kept = kept or RESULTS / f"soak-{now:%Y-%m-%dT%H%M%SZ}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    options = {"when": now.isoformat(), "minutes": minutes, "environment": facts}
    content: dict[str, Any] = {
        **options,
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "faults": faults,
        "good": found.good.as_json(),
        "abuse": found.abuse.as_json(),
        "end": asdict(found.end),
        "samples": [asdict(sample) for sample in found.samples],
    }
    kept.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if drawn is not None:
        drawn.write_text(picture(found.samples, verdicts), encoding="utf-8")
    for verdict in verdicts:
        click.echo(str(verdict))
    for name, tally in (("good", found.good), ("abuse", found.abuse)):
        left_out = f", {tally.skipped} left out" if tally.skipped else ""
        click.echo(f"{name}: {tally.asked.total()} errands of {len(tally.asked)} kinds{left_out}")
    click.echo(f"All figures: {kept}")
    for event, times in found.end.errors.items():
        click.echo(f"logged as an error, {times} times: {event}")
    for example in found.good.examples + found.abuse.examples:
        _say(f"  {example}")
    for fault in faults:
        _say(fault)
    sys.exit(NOT_FLAT if faults else 0)


def _say(message: str) -> None:
    click.echo(message, err=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
