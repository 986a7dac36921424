"""What a bad service, a slow one and a client that leaves do to whom, in each mode."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live.serving import Gateway, wait_until
from tests.live.switch.services import Calls, counted, evidence, switching


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("switch")


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    with switching(folder) as gateway:
        yield gateway


@pytest.mark.parametrize("mode", ["candidate", "both"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [("bad", "exception"), ("down", "5xx"), ("slow?new=30", "timeout")],
)
def test_a_get_falls_back_to_the_legacy_service(
    gateway: Gateway, folder: Path, mode: str, fault: str, reason: str
) -> None:
    """On an exception, a server error, and a deadline that passed before the answer began."""
    calls = Calls(gateway)
    path = fault.partition("?")[0]
    route = f"GET /{{}}/{path}"
    before = counted(folder, route).get(f"fallback {reason}", 0)
    answer = httpx.get(f"{gateway.url}/shop/{mode}/{fault}")
    assert (answer.status_code, answer.headers["x-stack"]) == (200, "old")
    assert list(answer.json().values()) in ([False], [True])
    assert calls.settled() == {f"new GET /{mode}/{path}": 1, f"old GET /{mode}/{path}": 1}
    wait_until(lambda: counted(folder, route).get(f"fallback {reason}", 0) == before + 1)


@pytest.mark.parametrize("mode", ["candidate", "both", "canary"])
@pytest.mark.parametrize(("fault", "status"), [("bad", 500), ("down", 503), ("slow?new=30", 504)])
def test_what_may_change_something_runs_once_and_nowhere_else(
    gateway: Gateway, mode: str, fault: str, status: int
) -> None:
    """It may have been done before it failed."""
    calls = Calls(gateway)
    answer = httpx.post(f"{gateway.url}/shop/{mode}/{fault}", content=b"text")
    assert answer.status_code == status
    assert calls.settled() == {f"new POST /{mode}/{fault.partition('?')[0]}": 1}


@pytest.mark.parametrize(("fault", "status"), [("bad", 500), ("down", 503), ("slow?new=30", 504)])
def test_a_canary_is_never_retried(gateway: Gateway, fault: str, status: int) -> None:
    """Its failures are what it is for."""
    calls = Calls(gateway)
    assert httpx.get(f"{gateway.url}/shop/canary/{fault}").status_code == status
    assert calls.settled() == {f"new GET /canary/{fault.partition('?')[0]}": 1}


@pytest.mark.parametrize("mode", ["candidate", "both", "canary"])
def test_an_answer_that_breaks_after_it_began_is_broken_off(gateway: Gateway, mode: str) -> None:
    """Nobody puts another one behind its first half."""
    calls = Calls(gateway)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{gateway.url}/shop/{mode}/broken")
    assert calls.settled() == {f"new GET /{mode}/broken": 1}


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("bad", "error"), ("down", "error"), ("slow?new=30", "timeout"), ("broken", "error")],
)
def test_a_shadow_s_failure_is_counted_and_seen_by_nobody(
    gateway: Gateway, folder: Path, fault: str, outcome: str
) -> None:
    """The primary's answer is what it is without a shadow, byte for byte."""
    path = fault.partition("?")[0]
    plain = httpx.get(f"{gateway.url}/shop/legacy/{fault}")
    shadowed = httpx.get(f"{gateway.url}/shop/shadow/{fault}")
    assert (shadowed.status_code, shadowed.content) == (plain.status_code, plain.content)
    own = {"x-request-id", "date"}
    assert [(n, v) for n, v in shadowed.headers.raw if n.decode().lower() not in own] == [
        (n, v) for n, v in plain.headers.raw if n.decode().lower() not in own
    ]
    wait_until(lambda: counted(folder, f"GET /{{}}/{path}").get(f"shadow {outcome}", 0) > 0)


def test_a_difference_is_found_with_a_redacted_example(gateway: Gateway, folder: Path) -> None:
    """Asked for twice on both sides before it counts."""
    calls = Calls(gateway)
    httpx.get(f"{gateway.url}/shop/shadow/differs?token=s3cret-value")
    wait_until(lambda: counted(folder, "GET /{}/differs").get("shadow mismatch") == 1)
    assert calls() == {
        "old GET /shadow/differs": 1,
        "old GET /shadow/differs shadow": 1,
        "new GET /shadow/differs shadow": 2,
    }
    [tally] = [t for period, t in evidence(folder).items() if period.route == "GET /{}/differs"]
    [finding] = tally.findings.values()
    places = {one["place"]: one for one in finding.sample["differences"]}
    assert places["/stack"]["legacy"] == "old"
    assert places["/price"]["candidate"] == 1.1
    assert "s3cret" not in str(finding.sample)


def test_large_answers_are_compared_without_their_bodies(gateway: Gateway, folder: Path) -> None:
    """And sent whole."""
    for mode in ("shadow", "both"):
        assert len(httpx.get(f"{gateway.url}/shop/{mode}/large").content) == 2_000_000
    name = "bodies an answer over the cap: status and headers only"
    wait_until(lambda: counted(folder, "GET /{}/large").get(name) == 2)


def test_a_breaker_spares_a_candidate_that_keeps_failing(gateway: Gateway, folder: Path) -> None:
    """Shadows of that route stop for a while; the others go on."""
    before = counted(folder, "GET /{}/bad")
    for _ in range(12):
        httpx.get(f"{gateway.url}/shop/shadow/bad")
        time.sleep(0.05)

    def grown(name: str) -> int:
        return counted(folder, "GET /{}/bad").get(name, 0) - before.get(name, 0)

    wait_until(lambda: grown("shadow error") + grown("dropped breaker open") == 12)
    assert grown("dropped breaker open") >= 12 - 5
    calls = Calls(gateway)
    httpx.get(f"{gateway.url}/shop/shadow/echo")
    wait_until(lambda: "new GET /shadow/echo shadow" in calls())


def test_shadows_over_the_queue_are_dropped_and_counted(tmp_path: Path) -> None:
    """However many come, four are asked at once and a few wait."""
    with switching(tmp_path, switch="shadow_queue = 2\n    shadow_seconds = 0.5") as gateway:
        url = f"{gateway.url}/shop/shadow/slow?new=0.4"
        with httpx.Client() as client:
            for _ in range(20):
                assert client.get(url).status_code == 200
        wait_until(
            lambda: (
                sum(
                    number
                    for name, number in counted(tmp_path, "GET /{}/slow").items()
                    if name.startswith(("shadow ", "dropped "))
                )
                == 20
            )
        )
        counts = counted(tmp_path, "GET /{}/slow")
        assert counts["dropped queue full"] >= 10
        assert counts["shadow match"] >= 4
