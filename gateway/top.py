"""The overview of a running gateway in a terminal, read from the portal's API."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

LOOK_SECONDS = 2.0
_ADMIN_PREFIX = "/_gateway"
_ANSWER_SECONDS = 10.0
_BARS = "▁▂▃▄▅▆▇█"
_CHART_WIDTH = 30
_ERRORS_SHOWN = 8
_NONE = "-"
_KIB = 1024
_LATEST = slice(-_CHART_WIDTH, None)


class CannotLook(Exception):
    """The gateway does not answer, or not to this; the text says why."""


class Overviews:
    """Asks a gateway how it is doing.

    Args:
        url: Where it listens; with a path, where its admin endpoints are.
        token: The admin token; empty for none.
        transport: What carries the requests; a test's own.
    """

    def __init__(self, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        below = urlsplit(url).path.rstrip("/") or _ADMIN_PREFIX
        self._url = httpx.URL(url).copy_with(path=f"{below}/api/overview", query=None)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # No proxy that the environment names: the token is for the gateway alone.
        self._client = httpx.Client(
            headers=headers, timeout=_ANSWER_SECONDS, transport=transport, trust_env=False
        )

    def look(self) -> Mapping[str, Any]:
        """The overview.

        Raises:
            CannotLook: There is none to be had.
        """
        try:
            answer = self._client.get(self._url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CannotLook(f"{self._url}: {error or type(error).__name__}") from error
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise CannotLook(f"{self._url}: needs the admin token (GATEWAY_ADMIN__TOKEN, --token)")
        try:
            found = answer.raise_for_status().json()
        except (httpx.HTTPStatusError, ValueError) as error:
            raise CannotLook(f"{self._url}: {answer.status_code}, no overview") from error
        if not isinstance(found, dict) or "mounts" not in found:
            raise CannotLook(f"{self._url}: not the overview of a gateway")
        return found


def show(
    look: Callable[[], Mapping[str, Any]], console: Console, *, once: bool, seconds: float
) -> None:
    """Show overviews until somebody interrupts.

    Args:
        look: Gives one.
        console: Where to show them.
        once: Show one and be done.
        seconds: How long each stands.

    Raises:
        CannotLook: There was none to begin with.
    """
    first = drawn(look())
    if once:
        console.print(first)
        return
    with Live(first, console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            time.sleep(seconds)
            try:
                live.update(drawn(look()), refresh=True)
            except CannotLook as error:
                # It may be starting anew.
                live.update(Text(str(error), style="red"), refresh=True)


def drawn(overview: Mapping[str, Any]) -> RenderableType:
    """An overview as a terminal shows it."""
    parts: list[RenderableType] = [_heading(overview), _mounts(overview["mounts"])]
    if overview["errors"]:
        parts.append(_errors(overview["errors"][:_ERRORS_SHOWN]))
    return Group(*parts)


def _heading(overview: Mapping[str, Any]) -> Text:
    workers = len(overview["workers"])
    told = [
        f"gateway {overview['version']}, Python {overview['python']} ({overview['environment']})",
        f"up {_duration(overview['uptime_seconds'])}",
        f"{workers} worker{'' if workers == 1 else 's'}",
        _size(overview["memory_bytes"]),
        f"event loop {_seconds(overview['event_loop_lag_seconds'])} late",
    ]
    text = Text(" · ".join(told))
    if overview["draining"]:
        text.append(" · draining", style="yellow")
    return text


def _mounts(mounts: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("mount", "prefix", "stack", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("req/s", "errors", "p50", "p95", "p99", "threads", "waiting"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(f"last {_CHART_WIDTH * 5} s")
    for mount in mounts:
        threads = mount["threads"]
        table.add_row(
            Text(mount["name"]),
            Text(mount["host"] + mount["prefix"]),
            Text(mount["stack"]),
            Text(mount["state"], style="" if mount["state"] == "ready" else "yellow"),
            f"{mount['requests_per_second']:,.1f}",
            Text(f"{mount['error_rate']:.1%}", style="red" if mount["error_rate"] else ""),
            *(_seconds(mount[name]) for name in ("p50_seconds", "p95_seconds", "p99_seconds")),
            f"{threads['busy']}/{threads['allowed']}" if threads else _NONE,
            str(threads["queued"]) if threads else _NONE,
            chart(mount["history"]["requests_per_second"][_LATEST]),
        )
    return table


def _errors(errors: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    for name in ("failed at", "mount", "request", "status", "request ID"):
        table.add_column(name, no_wrap=True)
    for error in errors:
        # The path is a stranger's: quoted where it could move the cursor or change a colour.
        path = error["path"] if error["path"].isprintable() else ascii(error["path"])
        outcome = "" if error["outcome"] == "error" else f" ({error['outcome']})"
        table.add_row(
            Text(error["time"]),
            Text(error["mount"]),
            Text(f"{error['method']} {path}"),
            Text(f"{error['status'] or _NONE}{outcome}"),
            Text(error["request_id"]),
        )
    return table


def chart(numbers: Sequence[float]) -> str:
    """Numbers as a line of bars, the highest as high as a line is."""
    highest = max(numbers, default=0.0)
    if not highest:
        return _BARS[0] * len(numbers)
    last = len(_BARS) - 1
    return "".join(_BARS[round(number / highest * last)] for number in numbers)


def _seconds(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    told = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(told[:2]) or "0 s"


def _size(value: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if value < _KIB:
            return f"{value:.0f} {unit}"
        value /= _KIB
    return f"{value:.1f} GiB"
