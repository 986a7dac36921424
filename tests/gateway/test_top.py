"""`gateway top`."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from rich.console import Console

from gateway.cli import main
from gateway.portal.facts import overview
from gateway.portal.history import History
from gateway.telemetry.live import Live
from gateway.top import CannotLook, Overviews, chart, drawn, show
from tests.gateway.portal.test_facts import ABOUT, NOW, worker
from tests.gateway.telemetry.exchanges import ended

TOKEN = "of-the-test-and-long-enough"
ERROR = {
    "time": "2027-01-15T08:00:00.000Z",
    "request_id": "of-the-test",
    "mount": "web",
    "method": "GET",
    "path": "/web/\x1b[31m[red]",
    "route": "",
    "status": 504,
    "outcome": "timeout",
}


def an_overview(**given: Any) -> Any:
    """As the API answers."""
    live = Live()
    live.closed([ended(0.1)] * 9 + [ended(2.0, status=500)])
    return json.loads(json.dumps(overview(ABOUT, [worker(live=live, **given)], History(), NOW)))


def printed(document: Any) -> str:
    """What a terminal shows of it."""
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    console.print(drawn(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def overviews_of(answer: Callable[[httpx.Request], httpx.Response], url: str = "") -> Overviews:
    """Asks what answers so."""
    return Overviews(url or "http://127.0.0.1:8000", TOKEN, httpx.MockTransport(answer))


def test_it_shows_the_mounts_and_the_errors() -> None:
    """Rates, percentiles, threads, and what failed with its request ID."""
    text = printed(an_overview(errors=[ERROR]))
    (web,) = [line for line in text.splitlines() if line.startswith("web")]
    for part in ("/web", "Flask", "ready", "10.0%", "ms", "2.0", "1/10", "▁"):
        assert part in web
    assert "gateway 1.2.3" in text
    assert "1 worker " in text
    assert "of-the-test" in text
    assert "504 (timeout)" in text


def test_what_a_stranger_sends_moves_no_cursor() -> None:
    """A path is quoted where it is more than text, and no markup."""
    text = printed(an_overview(errors=[ERROR]))
    assert "\x1b" not in text
    assert "\\x1b[31m[red]" in text


def test_a_gateway_at_rest_or_about_to_stop_is_shown_as_well() -> None:
    """No worker, no figures, draining."""
    assert "web" in printed(json.loads(json.dumps(overview(ABOUT, [], History(), NOW))))
    assert "draining" in printed(an_overview(draining=True))


@pytest.mark.parametrize(
    ("numbers", "bars"),
    [([], ""), ([0, 0], "▁▁"), ([0, 7, 3.5], "▁█▅"), ([1e-9, 1e-9], "██")],
)
def test_the_highest_bar_is_the_highest_number(numbers: list[float], bars: str) -> None:
    """Whatever it is; nothing at all is a flat line."""
    assert chart(numbers) == bars


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://h:1", "http://h:1/_gateway/api/overview"),
        ("http://h:1/", "http://h:1/_gateway/api/overview"),
        ("https://h/apps/_gateway/?a=b", "https://h/apps/_gateway/api/overview"),
    ],
)
def test_the_url_says_where_the_admin_endpoints_are(url: str, asked: str) -> None:
    """The usual prefix, where it has none of its own; the token is a header."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=an_overview())

    overviews_of(answer, url).look()
    assert str(seen[0].url) == asked
    assert seen[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(401), "needs the admin token"),
        (httpx.Response(403), "needs the admin token"),
        (httpx.Response(404), "404"),
        (httpx.Response(200, text="<html>"), "no overview"),
        (httpx.Response(200, json=[]), "not the overview"),
        (httpx.Response(200, json={"a": 1}), "not the overview"),
    ],
)
def test_what_is_no_overview_is_said_in_words(answer: httpx.Response, words: str) -> None:
    """No traceback for who looks at the wrong place."""
    with pytest.raises(CannotLook, match=words):
        overviews_of(lambda request: answer).look()


def test_a_gateway_that_is_not_there_is_said_in_words() -> None:
    """With its address."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(CannotLook, match=r"http://127\.0\.0\.1:8000.*refused"):
        overviews_of(answer).look()


def test_it_goes_on_while_the_gateway_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has looked, a gateway that is gone for a moment does not end it."""
    looks = iter([an_overview(), CannotLook("gone"), an_overview(), KeyboardInterrupt()])

    def look() -> Any:
        found = next(looks)
        if isinstance(found, BaseException):
            raise found
        return found

    monkeypatch.setattr("gateway.top.time.sleep", lambda seconds: None)
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with pytest.raises(KeyboardInterrupt):
        show(look, console, once=False, seconds=2)
    assert isinstance(console.file, io.StringIO)
    assert "gone" in console.file.getvalue()
    assert list(looks) == []


def test_once_it_shows_one_and_is_done() -> None:
    """For scripts, and for whoever wants it in a file."""
    console = Console(file=io.StringIO(), width=200)
    show(an_overview, console, once=True, seconds=2)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("gateway 1.2.3") == 1


def test_the_command_says_in_one_line_what_is_wrong() -> None:
    """Nobody listens there: exit code 1, and no traceback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = CliRunner().invoke(main, ["top", "--once", "--url", url])
    assert done.exit_code == 1
    assert done.output.startswith(f"gateway: {url}/_gateway/api/overview: ")
    assert len(done.output.splitlines()) == 1


def test_no_proxy_is_given_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever the environment names."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"mounts": []}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        found = Overviews(f"http://127.0.0.1:{server.server_port}", TOKEN).look()
        thread.join(5)
    assert found == {"mounts": []}
