"""Recorded requests, read, asked of both services, and compared."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from gateway.switch.compare import Answer, Rules
from gateway.switch.recording import BadRecording, Recorded, read_recording
from gateway.switch.records import Period, Side
from gateway.switch.replay import Replayed, Reply, replay, replay_rules
from gateway.switch.report.inventory import inventory
from gateway.switch.rules import Rule
from gateway.switch_command import switch
from tests.gateway.projects import write_project
from tests.gateway.switch.answers import answer

# --- Reading --------------------------------------------------------------------------------------


def har(*requests: dict[str, Any]) -> str:
    return json.dumps({"log": {"version": "1.2", "entries": [{"request": r} for r in requests]}})


def test_a_har_file_is_read_as_browsers_write_it() -> None:
    """Without what belongs to the connection, and without HTTP/2's own names."""
    text = har(
        {
            "method": "POST",
            "url": "https://shop.example/items?x=1&y=a%20b#top",
            "headers": [
                {"name": ":authority", "value": "shop.example"},
                {"name": "Host", "value": "shop.example"},
                {"name": "Content-Length", "value": "8"},
                {"name": "Accept-Encoding", "value": "br"},
                {"name": "Content-Type", "value": "application/json"},
                {"name": "Cookie", "value": "a=1"},
            ],
            "postData": {"mimeType": "application/json", "text": '{"a": 1}'},
        },
        {
            "method": "get",
            "url": "https://shop.example",
            "headers": [],
            "postData": {"text": base64.b64encode(b"\xff").decode(), "encoding": "base64"},
        },
    )
    assert read_recording(f"\ufeff{text}") == [
        Recorded(
            "POST",
            "/items?x=1&y=a%20b",
            (("Content-Type", "application/json"), ("Cookie", "a=1")),
            b'{"a": 1}',
        ),
        Recorded("GET", "/", (), b"\xff"),
    ]


def test_json_lines_are_read_one_request_a_line() -> None:
    """Most of it may be left out."""
    lines: list[dict[str, Any]] = [
        {"target": "/a b"},
        {"method": "POST", "url": "http://x/b", "headers": {"X": "1"}, "body": {"k": "ü"}},
        {"url": "/c", "headers": [["A", "1"], ["A", "2"]], "body": "text"},
    ]
    text = "\n\n".join(map(json.dumps, lines))
    assert read_recording(text) == [
        Recorded("GET", "/a%20b"),
        Recorded("POST", "/b", (("X", "1"),), b'{"k": "\\u00fc"}'),
        Recorded("GET", "/c", (("A", "1"), ("A", "2")), b"text"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("nonsense", "line 1: no JSON"),
        ('{"target": "/"}\n{"target": ', "line 2: no JSON"),
        ('{"target": "/"}\n\n[1]', "line 3: a list where an object is expected"),
        ('{"method": "GET"}', 'line 1: neither "url" nor "target"'),
        ('{"target": "items"}', 'line 1: "items" is no URL and no path'),
        ('{"target": 7}', "line 1: 7 is no URL"),
        ('{"url": "http://[x/"}', "is no URL"),
        ('{"url": "/", "method": 7}', "line 1: the method is 7"),
        ('{"url": "/", "method": "G T"}', "the method is"),
        ('{"url": "/", "headers": 7}', "line 1: the headers are a number"),
        ('{"url": "/", "headers": {"A": 1}}', "line 1:"),
        ('{"url": "/", "headers": {"A": "1\\r\\nB: 2"}}', "is no header"),
        ('{"url": "/", "headers": [["A"]]}', "is no header"),
        ('{"log": {}}', "log.entries is no list"),
        ('{"log": {"entries": [{}]}}', "HAR entry 1: it has no request"),
        (har({"url": "/"}, {"url": "x"}), "HAR entry 2:"),
        (har({"url": "/", "postData": {"text": 7}}), "HAR entry 1: postData has no text"),
        (har({"url": "/", "postData": {"text": "ü", "encoding": "base64"}}), "base64"),
    ],
)
def test_what_is_no_recording_is_told_with_its_place(text: str, words: str) -> None:
    """So that whoever made it can mend it."""
    with pytest.raises(BadRecording) as caught:
        read_recording(text)
    assert words in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "log",
                    "entries",
                    "request",
                    "url",
                    "target",
                    "method",
                    "headers",
                    "body",
                    "postData",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(st.text() | json_values.map(json.dumps))
def test_any_file_gives_requests_or_the_reason_why_not(text: str) -> None:
    """Never a traceback."""
    found: list[Recorded] = []
    with contextlib.suppress(BadRecording):
        found = read_recording(text)
    assert all(one.target.startswith("/") and one.target.isascii() for one in found)


# --- Asking ---------------------------------------------------------------------------------------

ROUTES = inventory(
    [({"GET", "POST"}, "/items/<int:n>", "item"), ({"GET"}, "/old", "old")],
    [({"GET", "POST"}, "/items/{n}", "item")],
)
RULE = Rule("/items/{n}", ("GET",), compare=Rules(statuses=(frozenset({400, 422}),)))


async def replayed(
    requests: list[Recorded], replies: dict[Side, Reply], *, unsafe: bool = False
) -> tuple[Replayed, list[tuple[Side, Recorded]]]:
    asked: list[tuple[Side, Recorded]] = []

    async def ask(side: Side, request: Recorded) -> Reply:
        asked.append((side, request))
        return replies[side]

    found = await replay(
        requests,
        ask,
        switch="api",
        prefix="/api",
        routes=ROUTES,
        rules=replay_rules(ROUTES, [RULE]),
        unsafe=unsafe,
    )
    return found, asked


SAME: dict[Side, Reply] = {"legacy": Reply(answer(1), 0.1), "candidate": Reply(answer(1), 0.2)}
ITEM = Recorded("GET", "/api/items/1?x=1")


async def test_each_request_is_asked_of_both() -> None:
    """One after the other, and counted as a shadow would be."""
    found, asked = await replayed([ITEM], SAME)
    assert asked == [("legacy", ITEM), ("candidate", ITEM)]
    (period,) = found.evidence
    assert period == Period("api", RULE.name, "GET /items/{}", 0, "shadow")
    counts = found.evidence[period].counts
    assert counts["shadow match"] == 1
    assert counts["served legacy 2xx"] == 1
    assert sum(n for name, n in counts.items() if name.startswith("paired candidate ")) == 1


async def test_what_may_change_something_is_asked_only_when_told_to() -> None:
    """It is done twice, once by each."""
    post = Recorded("POST", "/api/items/1")
    found, asked = await replayed([post, Recorded("HEAD", "/api/items/1")], SAME)
    assert [request.method for _, request in asked] == ["HEAD", "HEAD"]
    assert (found.asked, found.unsafe) == (1, 1)
    found, asked = await replayed([post], SAME, unsafe=True)
    assert len(asked) == 2
    assert next(iter(found.evidence)).route == "POST /items/{}"


async def test_what_is_not_the_switch_s_is_not_asked() -> None:
    """A prefix is of whole segments."""
    others = [Recorded("GET", target) for target in ("/apifoo", "/", "/other/api/items/1")]
    found, asked = await replayed(others, SAME)
    assert (found.elsewhere, asked) == (3, [])
    found, _ = await replayed([Recorded("GET", "/api"), Recorded("GET", "/%61pi/nowhere")], SAME)
    assert {period.route for period in found.evidence} == {"(no route)"}


async def test_the_rules_of_the_switch_hold() -> None:
    """Whatever mode they have."""
    found, _ = await replayed(
        [ITEM], {"legacy": Reply(answer({}, 400)), "candidate": Reply(answer({}, 422))}
    )
    (tally,) = found.evidence.values()
    assert tally.counts["shadow match by rule"] == 1
    assert tally.counts["hit status 400 = 422"] == 1


async def test_mismatches_have_an_example_without_secrets() -> None:
    """It may be shown to anybody."""
    secret = Recorded("GET", "/api/items/1?token=s3cr3ts3cr3t", (("Cookie", "s=s3cr3ts3cr3t"),))
    found, _ = await replayed(
        [secret], {"legacy": Reply(answer("s3cr3ts3cr3t")), "candidate": Reply(answer(2))}
    )
    (tally,) = found.evidence.values()
    (finding,) = tally.findings.values()
    assert finding.count == 1
    assert "s3cr3t" not in json.dumps(finding.sample)


@pytest.mark.parametrize(("timed_out", "outcome"), [(False, "error"), (True, "timeout")])
async def test_a_candidate_that_does_not_answer_is_an_error(timed_out: bool, outcome: str) -> None:
    """A legacy service that does not is nothing to compare with."""
    none = Reply(Answer(0), 1.0, "gave no answer", timed_out)
    found, _ = await replayed([ITEM], {**SAME, "candidate": none})
    (tally,) = found.evidence.values()
    assert tally.counts[f"shadow {outcome}"] == 1
    found, _ = await replayed([ITEM], {**SAME, "legacy": none})
    (tally,) = found.evidence.values()
    assert tally.counts["uncompared the legacy service gave no answer"] == 1


# --- The command ----------------------------------------------------------------------------------

MODULE = """
    from contextlib import asynccontextmanager
    from fastapi import FastAPI, Request
    from flask import Flask, request, session, url_for

    web = Flask(__name__, static_folder=None)
    web.secret_key = "0123456789abcdef"
    started = []

    @web.get("/items/<int:n>")
    def item(n): return {"n": n, "at": url_for("item", n=n), "price": "1.10"}

    @web.get("/who")
    def who(): return {"who": session.get("who"), "agent": request.headers["X-Agent"]}

    @web.get("/only/<name>")
    def only(name): return name

    @asynccontextmanager
    async def lifespan(app):
        started.append("up")
        yield
        started.append("down")

    api = FastAPI(lifespan=lifespan)

    @api.get("/items/{n:int}", name="item")
    async def api_item(n: int, request: Request):
        assert started == ["up"]
        return {"n": n, "at": request.url_for("item", n=n).path, "price": 1.1}

    @api.get("/who")
    async def api_who(request: Request):
        return {"who": request.session.get("who"), "agent": request.headers["X-Agent"]}
"""
TOML = """
    [edge]
    rate_limit = "1/hour"
    allowed_hosts = ["shop.example"]
    [[mounts]]
    name = "flask"
    app = "replayed_:web"
    [[mounts]]
    name = "fastapi"
    app = "replayed_:api"
    [[mounts]]
    name = "api"
    prefix = "/api"
    switch = { legacy = "flask", candidate = "fastapi" }
    [[mounts.rules]]
    methods = ["GET"]
    path = "/items/{n}"
    mode = "candidate"
"""


@pytest.fixture
def run(tmp_path: Path, forget_imports: None) -> Callable[..., Result]:
    """Runs `gateway switch replay` in a project, of lines."""
    project = write_project(tmp_path, TOML, {"replayed_": MODULE})

    def run(*requests: dict[str, Any] | str, options: tuple[str, ...] = ()) -> Result:
        file = tmp_path / "requests.jsonl"
        lines = [one if isinstance(one, str) else json.dumps(one) for one in requests]
        file.write_text("\n".join(lines), encoding="utf-8")
        arguments = ["replay", "--config", str(project), *options, str(file)]
        return CliRunner().invoke(switch, arguments)

    return run


def test_the_command_asks_both_at_the_switch_s_prefix(run: Callable[..., Result]) -> None:
    """Their links agree, the session is there for both, and no limit of the edge's counts."""
    headers = {"X-Agent": "me"}
    done = run(
        {"url": "http://old.example/api/items/1"},
        {"url": "/api/items/2"},
        {"url": "/api/who", "headers": headers},
        {"url": "/api/only/x"},
        {"url": "/api/items/1", "method": "POST"},
        {"url": "/elsewhere"},
        options=("--json",),
    )
    assert done.exit_code == 1, done.output
    found = {route["route"]: route for route in json.loads(done.stdout)["routes"]}
    item = found["GET /items/{}"]
    assert item["compared"]["mismatch"] == 2
    (mismatch,) = item["mismatches"]
    assert [one["place"] for one in mismatch["differences"]] == ["/price"]
    assert 'kind = "decimal"' in mismatch["proposal"]
    assert found["GET /who"]["compared"]["match"] == 1
    assert found["GET /only/{}"]["compared"]["mismatch"] == 1
    assert found["GET /only/{}"]["verdict"]["verdict"] == "NOTHING TO COMPARE"
    assert "4 of 6 requests were asked" in done.stderr
    assert "1 left out, as they may change something" in done.stderr
    assert "1 left out, as they are not below" in done.stderr


def test_the_command_exits_well_where_nothing_differs(run: Callable[..., Result]) -> None:
    """And prints the report of what was asked."""
    done = run({"url": "/api/who", "headers": {"X-Agent": "me"}})
    assert done.exit_code == 0, done.output
    assert "GET /who  shadow" in done.stdout
    assert "compared: match 1" in done.stdout
    assert "GET /items" not in done.stdout


def test_a_bad_file_is_told_with_its_line(run: Callable[..., Result]) -> None:
    """Before any service is asked."""
    done = run({"url": "/api/who"}, "{")
    assert done.exit_code == 2
    assert "line 2: no JSON" in done.output
