"""The `gateway` command."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table

from gateway import __version__
from gateway.checks import Finding, findings
from gateway.config import Configuration, ConfigurationError, Settings, find_file, read
from gateway.listening import CannotListen, certificate
from gateway.loading import Service, load_services
from gateway.openapi import document
from gateway.routes import documentation_paths, service_routes
from gateway.server import log_to_stderr, serve
from gateway.sessions import shared_cookie
from gateway.switch_command import switch
from gateway.switches import switch_mounts
from gateway.top import LOOK_SECONDS, CannotLook, Overviews, show

_FAULTY = 2

_config_option = click.option(
    "--config",
    metavar="FILE",
    help="Settings (TOML). Default: GATEWAY_CONFIG, gateway.toml, config/gateway.toml.",
)


class _Group(click.Group):
    """Turns the faults that a user can mend into text and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            click.echo(f"gateway: {error}", err=True)
            ctx.exit(_FAULTY)
        except CannotListen as error:
            click.echo(f"gateway: {error}", err=True)
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gateway")
def main() -> None:
    """One process that serves Flask and FastAPI side by side."""


@main.command("serve")
@_config_option
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option("--unix-socket", metavar="PATH", help="Listen on a Unix socket instead.")
@click.option("--workers", type=click.IntRange(1, 256), help="Serving processes.")
@click.option("--reload", is_flag=True, help="Start anew when a file changes (development).")
def serve_command(config: str | None, reload: bool, **given: Any) -> None:
    """Serve all mounts until a signal says stop."""
    overrides = {key: value for key, value in given.items() if value is not None}
    if reload and overrides.get("workers", 1) > 1:
        raise click.UsageError("--reload serves from one process; leave out --workers.")
    configuration, services = _load(config, {"server": overrides}, prepare=log_to_stderr)
    code = serve(
        configuration,
        services,
        reload=reload,
        announce=lambda address: _announce(address, configuration, services),
    )
    sys.exit(code)


@main.command()
@_config_option
@click.option("--strict", is_flag=True, help="Fail on findings, too, not on faults alone.")
def check(config: str | None, strict: bool) -> None:
    """Validate the settings, import every service, and say what does not go together."""
    configuration, services = _load(config)
    settings = configuration.checked()
    certificate(settings.server, configuration.project)
    for line in _described(configuration, services):
        click.echo(f"ok  {line}")
    found = findings(settings, services, os.environ)
    for finding in found:
        click.echo(f"finding  {finding}")
    click.echo(f"{configuration.file}: no faults, {_count(found)}.")
    if found and strict:
        sys.exit(1)


@main.command()
@_config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of a table.")
def routes(config: str | None, as_json: bool) -> None:
    """List every route of every service."""
    _, services = _load(config)
    found = service_routes(services)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(route) for route in found], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("METHODS", "TEMPLATE", "STACK", "MOUNT", "NAME"):
        table.add_column(heading, overflow="fold")
    for route in found:
        methods = " ".join(route.methods)
        table.add_row(methods, route.template, route.stack, route.mount, route.name)
    # A pipe has no width; nothing is cut off there.
    Console(width=None if sys.stdout.isatty() else 200, markup=False, highlight=False).print(table)


@main.command()
@_config_option
@click.option("--mount", metavar="NAME", help="Describe this mount alone.")
@click.option("--yaml", "as_yaml", is_flag=True, help="YAML instead of JSON.")
def openapi(config: str | None, mount: str | None, as_yaml: bool) -> None:
    """Print one OpenAPI document of all services."""
    configuration, services = _load(config)
    if mount is not None and mount not in {service.name for service in services}:
        known = ", ".join(service.name for service in services)
        raise click.BadParameter(f"{mount!r} is none of {known}.", param_hint="--mount")
    settings = configuration.checked()
    cookie = shared_cookie(settings.session, {service.name: service.app for service in services})
    whole = document(
        services,
        cookie=cookie.name if cookie else None,
        admin_prefix=settings.admin.prefix,
        only=mount,
    )
    text = json.dumps(whole, indent=2, ensure_ascii=False)
    if as_yaml:
        # Read back, so that nothing is the same object twice: YAML would say so with an anchor.
        text = yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True).rstrip()
    click.echo(text)


def _load(
    file: str | None,
    overrides: dict[str, Any] | None = None,
    prepare: Callable[[Settings], None] | None = None,
) -> tuple[Configuration, list[Service]]:
    configuration = read(find_file(file), overrides)
    if prepare is not None and configuration.settings is not None:
        prepare(configuration.settings)
    return configuration, load_services(configuration)


def _count(found: Sequence[Finding]) -> str:
    return f"{len(found)} finding{'' if len(found) == 1 else 's'}" if found else "nothing found"


def _described(configuration: Configuration, services: Sequence[Service]) -> Iterator[str]:
    """A line for each service and each switch."""
    for service in services:
        yield _describe(service)
    for mount in switch_mounts(configuration.checked()):
        sides = mount.switch
        names = f"{sides.legacy} -> {sides.candidate}" if sides is not None else ""
        rules = f"{len(mount.rules)} rule{'' if len(mount.rules) == 1 else 's'}"
        yield f"{mount.host + mount.prefix:<20} switch {names} ({rules})"


def _describe(service: Service) -> str:
    how = f"{service.stack} by {service.adapter}" if service.adapter else service.stack
    # Behind a switch it has no place of its own.
    where = "-" if service.hidden else service.mount.host + service.mount.prefix
    return f"{where:<20} {service.mount.app} ({how})"


def _announce(address: str, configuration: Configuration, services: list[Service]) -> None:
    settings = configuration.checked()
    click.echo(f"\ngateway {__version__} listens on {address} ({settings.environment})")
    # A Unix socket has no URLs: what is in front of it has.
    base = address if address.startswith("http") else ""
    for line in _described(configuration, services):
        click.echo(f"  {line}")
    for service in services:
        for path in documentation_paths(service) if not service.hidden else ():
            click.echo(f"  documentation: {service.mount.host or base}{path}")
    admin = f"{base}{settings.server.root_path}{settings.admin.prefix}"
    click.echo(f"  portal: {admin}/   API document: {admin}/docs")
    click.echo("Ctrl-C stops it.\n")
    sys.stdout.flush()


@main.command("top")
@click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="Where the gateway listens; with a path, where its admin endpoints are.",
)
@click.option(
    "--token",
    default="",
    envvar="GATEWAY_ADMIN__TOKEN",
    help="The admin token. Default: GATEWAY_ADMIN__TOKEN, which no other user can read.",
)
@click.option("--once", is_flag=True, help="Show it once and be done.")
def top_command(url: str, token: str, once: bool) -> None:
    """Show a running gateway's mounts, rates and errors, until Ctrl-C."""
    console = Console(width=None if sys.stdout.isatty() else 200, markup=False, highlight=False)
    try:
        show(Overviews(url, token).look, console, once=once, seconds=LOOK_SECONDS)
    except CannotLook as error:
        click.echo(f"gateway: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        pass


main.add_command(switch)
