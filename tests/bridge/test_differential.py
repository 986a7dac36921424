"""The same application under Gunicorn's gthread worker and under the bridge, byte for byte."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.bridge.differential_requests import REQUESTS, UNDER_A_PREFIX
from tests.bridge.exchanges import Seen, ask
from tests.bridge.strangers import ROOT, address_of, serving_project
from tests.live.serving import wait_until

PREFIXES = {"/": b"", "/shop": b"/shop"}
_ADDRESS = re.compile(r"Listening at: http://([0-9.]+):(\d+)")


@dataclass(frozen=True)
class Difference:
    """Something that is different, and why that is right.

    Attributes:
        cases: Of which requests.
        parts: In which parts of their answers.
    """

    cases: frozenset[str]
    parts: frozenset[str]
    reason: str


def _difference(cases: str, parts: str, reason: str) -> Difference:
    return Difference(frozenset(cases.split(" | ")), frozenset(parts.split(" | ")), reason)


# The server's own, in any answer. The value of Date is the clock's and is not compared.
EVERYWHERE = {
    "header server": "Gunicorn names itself; the gateway does not say what it is",
    "header referrer-policy": "the gateway asks browsers to be careful (edge.security_headers)",
    "header x-content-type-options": "the gateway asks browsers to be careful, too",
    "header x-request-id": "the gateway gives each request an ID and tells it",
    "phrase": "ASGI has no reason phrases: the server sends the one of the status",
}
DIFFERENCES = [
    _difference(
        "software", "body | header content-length", "SERVER_SOFTWARE is another server's name"
    ),
    _difference(
        "raw list | raw tuple | raw nothing | raw no-phrase | raw own-phrase | raw hop-by-hop"
        " | stream of nothing",
        "header content-length | header transfer-encoding",
        "a body that is whole when its headers leave gets a length instead of chunks",
    ),
    _difference(
        "raw replaced",
        "header content-length | header content-type | header transfer-encoding | header x-first",
        "the answer that was replaced leaves no header behind; in Gunicorn both are sent",
    ),
    _difference(
        "raw replaced-while-iterating",
        "status | body | complete | header x-first | header x-second",
        "headers leave with the first byte; in Gunicorn an empty chunk sends them",
    ),
    _difference(
        "raw no-start",
        "status | body | complete | header cache-control | header connection"
        " | header content-length | header content-type | header date | header vary",
        "no start_response is an error; Gunicorn sends an answer whose status is None",
    ),
    _difference(
        "raw too-short",
        "status | body | complete | header cache-control | header content-length"
        " | header content-type | header vary",
        "an answer that is known to be short before its headers leave is an error",
    ),
    _difference(
        "raw twice | raw raises | raw line-feed",
        "body | header cache-control | header content-length | header content-type | header date"
        " | header vary",
        "an error that no service answers is a problem document of the gateway",
    ),
    _difference(
        "two Cookie lines",
        "body | header content-length",
        "cookies are joined by a semicolon; Gunicorn's comma makes one of two",
    ),
    _difference(
        "Proxy header", "body | header content-length", "HTTP_PROXY is obeyed by HTTP clients"
    ),
    _difference(
        "empty query",
        "body | header content-length",
        "ASGI does not tell an empty query from none, so RAW_URI has no question mark",
    ),
    _difference(
        "broken escape | NUL in the path",
        "status | body | header cache-control | header content-length | header content-type"
        " | header vary",
        "a path that two readers could read in two ways is refused (docs/edge.md)",
    ),
    _difference(
        "query of raw UTF-8",
        "body | header content-length | header content-type | header date",
        "both servers refuse it, each in its words",
    ),
]
EXPECTED = {
    case: frozenset().union(*(each.parts for each in DIFFERENCES if case in each.cases))
    for case in {**REQUESTS, **UNDER_A_PREFIX}
}


def _differing(theirs: Seen, ours: Seen) -> set[str]:
    """The parts that differ."""
    parts = {
        part
        for part in ("status", "phrase", "complete", "body")
        if getattr(theirs, part) != getattr(ours, part)
    }
    names = {name for name, _ in [*theirs.headers, *ours.headers]}
    for name in names - {"date"}:
        if theirs.of(name) != ours.of(name):
            parts.add(f"header {name}")
    if len(theirs.of("date")) != len(ours.of("date")):
        parts.add("header date")
    return parts


@pytest.mark.parametrize(
    ("prefix", "case"),
    [(prefix, case) for prefix in PREFIXES for case in REQUESTS]
    + [("/shop", case) for case in UNDER_A_PREFIX],
)
def test_the_two_answer_alike(servers: Servers, prefix: str, case: str) -> None:
    """A client cannot tell them apart, but for what is written down."""
    theirs, ours = servers.ask(prefix, case)
    found = _differing(theirs, ours) - set(EVERYWHERE)
    assert found == EXPECTED[case], f"\nGunicorn: {theirs}\ngateway: {ours}"


def test_what_differs_everywhere_differs_somewhere(servers: Servers) -> None:
    """A reason that is no longer needed goes."""
    seen: set[str] = set()
    for case in ("environ", "abort 404"):
        seen |= _differing(*servers.ask("/", case))
    assert seen == set(EVERYWHERE)


def test_every_difference_is_of_a_request() -> None:
    """A request that is renamed takes its reason along."""
    named = frozenset().union(*(each.cases for each in DIFFERENCES))
    assert named <= set(EXPECTED)


def test_both_leave_a_broken_answer_incomplete(servers: Servers) -> None:
    """That they agree on a failure does not make it a success."""
    for prefix in PREFIXES:
        for case in ("error within", "error within a length", "raw too-late"):
            assert [seen.complete for seen in servers.ask(prefix, case)] == [False, False]


Address = tuple[str, int]


@contextmanager
def _gunicorn(script_name: str) -> Iterator[Address]:
    environment = {**os.environ, "SCRIPT_NAME": script_name, "PYTHONHASHSEED": "0"}
    command = "-m gunicorn -k gthread --threads 4 -b 127.0.0.1:0 --no-control-socket"
    process = subprocess.Popen(
        [sys.executable, *command.split(), "tests.bridge.differential_app:app"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        wait_until(lambda: _ADDRESS.search("".join(lines)), 30, lambda: "".join(lines))
        found = _ADDRESS.search("".join(lines))
        assert found
        yield found[1], int(found[2])
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(5)
        process.stderr.close()


TOML = """
    [[mounts]]
    name = "root"
    prefix = "/"
    app = "tests.bridge.differential_app:app"

    [[mounts]]
    name = "shop"
    prefix = "/shop"
    app = "tests.bridge.differential_app:app"
"""


@dataclass(frozen=True)
class Servers:
    """For each prefix Gunicorn's address and the gateway's."""

    addresses: dict[str, tuple[Address, Address]]

    def ask(self, prefix: str, case: str) -> tuple[Seen, Seen]:
        """The answers of Gunicorn and of the gateway."""
        raw = {**REQUESTS, **UNDER_A_PREFIX}[case]
        data = raw.encode(PREFIXES[prefix])
        answers = []
        for address in self.addresses[prefix]:
            seen = ask(address, data, head=raw.method == b"HEAD")
            # Each listens on a port of its own; both have as many digits.
            seen.body = seen.body.replace(b"'%d'" % address[1], b"'12345'")
            answers.append(seen)
        return answers[0], answers[1]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Gunicorn once for each prefix, and one gateway with a mount at each."""
    folder = tmp_path_factory.mktemp("differential")
    with ExitStack() as stack:
        gateway = stack.enter_context(serving_project(folder, TOML, PYTHONHASHSEED="0"))
        ours = address_of(gateway)
        yield Servers(
            {
                prefix: (stack.enter_context(_gunicorn(name.decode())), ours)
                for prefix, name in PREFIXES.items()
            }
        )
