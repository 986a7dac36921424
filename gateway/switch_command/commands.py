"""The commands of `gateway switch`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from gateway.migration_lint import lint
from gateway.offline import asking
from gateway.switch.evidence.store import StoreError
from gateway.switch.recording import BadRecording, read_recording
from gateway.switch.records import EVERY_ROUTE
from gateway.switch.replay import Replayed, replay, replay_rules
from gateway.switch.report import Known, report
from gateway.switch.report.text import heading, mode_of
from gateway.switch.rules.templates import shape
from gateway.switch.run_time.order import WORDS, Order
from gateway.switch_command.choosing import choose
from gateway.switch_command.printing import echo_json, echo_report, print_table, table_of
from gateway.switch_command.setting import carry_out, login

_DONE: Final = frozenset({"READY", "MOVED"})

_F = TypeVar("_F", bound=Callable[..., Any])


class _Group(click.Group):
    """Turns a database that cannot be used into text and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StoreError as error:
            click.echo(f"gateway: {error}", err=True)
            ctx.exit(1)


def _options(command: _F) -> _F:
    """What every command takes: the settings' file, and which switch."""
    which = click.option("--switch", "name", metavar="NAME", help="Which, where there are several.")
    file = click.option(
        "--config",
        metavar="FILE",
        help="Settings (TOML). Default: GATEWAY_CONFIG, gateway.toml, config/gateway.toml.",
    )
    return file(which(command))


_json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")


@click.group(cls=_Group)
def switch() -> None:
    """Move routes from one service to another, on evidence."""


@switch.command()
@_options
@_json_option
def inventory(config: str | None, name: str | None, as_json: bool) -> None:
    """List the routes of both services, joined, and what the candidate lacks."""
    chosen = choose(config, name)
    found = chosen.report(Known())["routes"]
    keys = ("route", "method", "path", "legacy", "candidate", "rule", "mode")
    if as_json:
        echo_json([{key: route[key] for key in keys} for route in found])
        return
    sides = chosen.migration.mount.switch
    assert sides is not None  # noqa: S101 - a switch's own mount
    table = table_of("ROUTE", sides.legacy.upper(), sides.candidate.upper(), "MODE BY THE FILE")
    for route in found:
        names = [_called(route[side]) for side in ("legacy", "candidate")]
        table.add_row(route["route"], *names, mode_of(route) if route["rule"] else "-")
    print_table(table)
    legacy = [route for route in found if route["legacy"]]
    both = sum(route["candidate"] is not None for route in legacy)
    click.echo(
        f"{len(legacy)} routes of {sides.legacy}; {sides.candidate} has {both} of them, "
        f"{len(legacy) - both} to go."
    )


@switch.command()
@_options
@_json_option
def status(config: str | None, name: str | None, as_json: bool) -> None:
    """Show each route's mode, its requests and its verdict, one line each."""
    found = choose(config, name).report()
    if as_json:
        keys = ("route", "rule", "mode", "percent", "set", "requests", "compared", "verdict")
        routes = [{key: route[key] for key in keys} for route in found["routes"]]
        echo_json({**found, "routes": routes})
        return
    for text in heading(found):
        click.echo(text)
    table = table_of("ROUTE", "MODE", "SET", "LEGACY", "CANDIDATE", "COMPARED", "DIFFER", "VERDICT")
    for route in found["routes"]:
        compared = route["compared"]
        number = sum(compared[outcome] for outcome in ("match", "match by rule", "mismatch"))
        given = route["set"]
        table.add_row(
            route["route"],
            mode_of(route),
            f"{given['who']}, {given['at']}" if given else "-",
            *(f"{sum(route['requests'][side].values()):,}" for side in ("legacy", "candidate")),
            f"{number:,}",
            f"{compared['mismatch']:,}",
            route["verdict"]["verdict"],
        )
    print_table(table)


@switch.command("report")
@_options
@click.option(
    "--route",
    "wanted",
    metavar="ROUTE",
    multiple=True,
    help="Of this route, rule or group alone; '*' is all. Exit code 1 unless READY or MOVED.",
)
@_json_option
def report_command(
    config: str | None, name: str | None, wanted: Sequence[str], as_json: bool
) -> None:
    """Print the evidence, what differs and why, and a verdict for each route.

    With --route, which can be given several times, the exit code is 0 only where all of these are
    READY or MOVED.
    """
    found = choose(config, name).report()
    asked = _asked(found["routes"], wanted)
    if as_json:
        echo_json({**found, "routes": asked} if wanted else found)
    else:
        shown = asked if wanted else [route for route in asked if _has_news(route)]
        echo_report(found, shown, len(asked) - len(shown))
    if wanted and any(route["verdict"]["verdict"] not in _DONE for route in asked):
        sys.exit(1)


@switch.command("set")
@click.argument("route")
@click.argument("mode", type=click.Choice(WORDS))
@_options
@click.option("--percent", type=float, help="The candidate's share, in mode canary.")
@click.option("--why", default="", metavar="TEXT", help="For the history.")
@click.option("--who", default="", metavar="NAME", help="For the history. Default: your login.")
def set_command(  # noqa: PLR0913
    config: str | None,
    name: str | None,
    *,
    route: str,
    mode: str,
    percent: float | None,
    why: str,
    who: str,
) -> None:
    """Give ROUTE a mode, in all workers within two seconds.

    ROUTE is a rule ("GET /items/{item_id}"), a group, a route or a path; a route that no rule is
    for gets one of its own. MODE "file" goes back to what the file says. ROUTE "*" is the kill
    switch: with "legacy" the legacy service answers everything, with "rules" the rules hold again.
    """
    chosen = choose(config, name)
    with chosen.store() as store:
        carry_out(store, chosen, Order(route, mode, percent), who=who or login(), why=why)


@switch.command("lint")
@_options
@_json_option
def lint_command(config: str | None, name: str | None, as_json: bool) -> None:
    """Warn of what usually differs, for the routes that both services have."""
    found = lint(choose(config, name).migration)
    if as_json:
        echo_json([asdict(caution) for caution in found])
        return
    cases: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        cases.setdefault((one.case, one.flask, one.fastapi, one.mend), []).append(one.route)
    for (case, flask, fastapi, mend), routes in cases.items():
        click.echo(f"{case}\n  Flask:   {flask}\n  FastAPI: {fastapi}\n  to do:   {mend}")
        click.echo("\n".join(f"    {route}" for route in routes))
    number = len({one.route for one in found})
    click.echo(f"{len(cases)} differences that {number} routes may meet.")


@switch.command("replay")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_options
@click.option("--unsafe", is_flag=True, help="Ask what is not GET or HEAD, too: it is done twice.")
@click.option("--seconds", default=10.0, show_default=True, help="How long an answer may take.")
@_json_option
def replay_command(  # noqa: PLR0913
    config: str | None,
    name: str | None,
    *,
    file: Path,
    unsafe: bool,
    seconds: float,
    as_json: bool,
) -> None:
    """Ask both services the recorded requests of FILE, and print the same report.

    FILE is a HAR file, or a JSON object a line with method, url, headers and body. No gateway has
    to run; the services use the databases that they always use. Exit code 1 where anything differs.
    """
    try:
        requests = read_recording(file.read_text(encoding="utf-8"))
    except (BadRecording, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file}: {error}") from None
    chosen = choose(config, name)
    migration, routes = chosen.migration, chosen.migration.routes()
    rules = replay_rules(routes, migration.rules)

    async def run() -> Replayed:
        async with asking(chosen.configuration.checked(), migration, seconds) as ask:
            return await replay(
                requests,
                ask,
                switch=migration.name,
                prefix=migration.mount.prefix,
                routes=routes,
                rules=rules,
                unsafe=unsafe,
            )

    replayed = asyncio.run(run())
    facts = migration.facts(chosen.configuration.checked())
    found = report(facts, routes, rules, Known(evidence=replayed.evidence))
    if as_json:
        echo_json(found)
    else:
        shown = [route for route in found["routes"] if any(route["requests_in_all"].values())]
        echo_report(found, shown, 0)
    click.echo(_summary(len(requests), replayed), err=True)
    if any(_differs(route) for route in found["routes"]):
        sys.exit(1)


def _differs(route: Mapping[str, Any]) -> bool:
    return any(route["compared"][outcome] for outcome in ("mismatch", "error", "timeout"))


def _summary(number: int, replayed: Replayed) -> str:
    parts = [f"{replayed.asked} of {number} requests were asked of both services"]
    if replayed.unsafe:
        parts.append(f"{replayed.unsafe} left out, as they may change something (--unsafe)")
    if replayed.elsewhere:
        parts.append(f"{replayed.elsewhere} left out, as they are not below the switch's prefix")
    return f"{'; '.join(parts)}."


def _asked(routes: Sequence[dict[str, Any]], wanted: Sequence[str]) -> list[dict[str, Any]]:
    """The lines that were asked for: all where none was named."""
    if not wanted:
        return list(routes)
    found: dict[int, dict[str, Any]] = {}
    for word in wanted:
        own = [route for route in routes if _is_meant(route, word)]
        if not own:
            raise click.BadParameter(
                f"{word!r} is no route, rule or group here; gateway switch inventory lists them.",
                param_hint="--route",
            )
        found.update({id(route): route for route in own})
    return list(found.values())


def _is_meant(route: Mapping[str, Any], word: str) -> bool:
    if word == EVERY_ROUTE:
        return route["legacy"] is not None
    method, _, path = word.rpartition(" ")
    same = path.startswith("/") and shape(path) == shape(route["path"])
    return word in {route["route"], route["rule"], route["group"]} - {""} or (
        same and method in {"", EVERY_ROUTE, route["method"]}
    )


def _has_news(route: Mapping[str, Any]) -> bool:
    return bool(route["rule"] or any(route["compared"].values()) or route["mismatches"])


def _called(side: Mapping[str, str] | None) -> str:
    return "-" if side is None else " ".join(filter(None, (side["template"], side["name"])))
