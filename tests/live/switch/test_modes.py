"""Who answers, in each mode; that each request runs once; and what clients see of it."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live.serving import Gateway, wait_until
from tests.live.switch.services import METHODS, Calls, counted, switching

# Who answers, and whether the other one is asked after a request that may be repeated.
MODES = {
    "legacy": ("old", False),
    "shadow": ("old", True),
    "canary": ("new", False),
    "never": ("old", False),
    "candidate": ("new", False),
    "both": ("new", True),
}
OTHER = {"old": "new", "new": "old"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("switch")


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    with switching(folder) as gateway:
        yield gateway


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", MODES)
def test_each_request_runs_once_where_its_mode_says(
    gateway: Gateway, mode: str, method: str
) -> None:
    """And the other service sees a copy of what may be repeated, and of nothing else."""
    calls = Calls(gateway)
    service, shadowed = MODES[mode]
    body = b"some text" if method in {"POST", "PUT", "PATCH"} else b""
    answer = httpx.request(method, f"{gateway.url}/shop/{mode}/echo?a=1&a=2", content=body)
    assert (answer.status_code, answer.headers["x-stack"]) == (200, service)
    if method != "HEAD":
        expected = {"method": method, "body": body.decode(), "query": "a=1&a=2"}
        assert answer.json() == expected
    wanted = {f"{service} {method} /{mode}/echo": 1}
    if shadowed and method in {"GET", "HEAD"}:
        wanted[f"{OTHER[service]} {method} /{mode}/echo shadow"] = 1
        wait_until(lambda: calls() == wanted)
    assert calls.settled() == wanted


@pytest.mark.parametrize("mode", MODES)
def test_a_stream_arrives_piece_by_piece(gateway: Gateway, mode: str) -> None:
    """Nothing is held back, whoever is asked later."""
    at = []
    with httpx.stream("GET", f"{gateway.url}/shop/{mode}/stream") as answer:
        text = ""
        for piece in answer.iter_text():
            at.append(time.monotonic())
            text += piece
    assert text == "piece 0 piece 1 piece 2 "
    assert len(at) > 1
    assert at[-1] - at[0] > 0.1


@pytest.mark.parametrize("mode", MODES)
def test_a_redirect_stays_below_the_switch(gateway: Gateway, mode: str) -> None:
    """Both services see the switch's prefix as theirs."""
    answer = httpx.get(f"{gateway.url}/shop/{mode}/away")
    assert (answer.status_code, answer.headers["location"]) == (302, f"/shop/{mode}/echo")


@pytest.mark.parametrize("mode", MODES)
def test_cookies_are_those_of_who_answers(gateway: Gateway, mode: str) -> None:
    """A shadow's are thrown away."""
    with httpx.Client() as client:
        client.get(f"{gateway.url}/shop/{mode}/cookie")
        assert client.cookies["from"] == MODES[mode][0]


def test_a_route_that_the_candidate_lacks_is_answered_by_the_legacy_service(
    gateway: Gateway, folder: Path
) -> None:
    """In every mode, and it is counted as a fallback."""
    for mode in MODES:
        answer = httpx.get(f"{gateway.url}/shop/{mode}/only")
        assert (answer.status_code, answer.headers["x-stack"]) == (200, "old")
    wait_until(lambda: counted(folder, "GET /{}/only").get("served legacy 2xx") == len(MODES))
    counts = counted(folder, "GET /{}/only")
    assert counts["fallback no such route"] == 4
    assert counts["uncompared no such route in new"] == 1


def test_what_no_rule_names_is_the_legacy_service_s(gateway: Gateway) -> None:
    """Also a path that neither service has."""
    assert httpx.get(f"{gateway.url}/shop/calls").headers["x-stack"] == "old"
    assert httpx.get(f"{gateway.url}/shop/nothing").headers["x-stack"] == "old"


def test_a_user_without_a_key_is_remembered_by_a_cookie(gateway: Gateway) -> None:
    """And stays with one service; a cookie that is none of ours is replaced."""
    stacks = set()
    for _ in range(40):
        with httpx.Client(base_url=gateway.url) as client:
            first = client.get("/shop/half/echo")
            cookie = first.headers["set-cookie"]
            assert cookie.startswith("gateway_canary=")
            assert "HttpOnly; Path=/shop; SameSite=Lax" in cookie
            again = [client.get("/shop/half/echo") for _ in range(5)]
            assert {answer.headers["x-stack"] for answer in again} == {first.headers["x-stack"]}
            assert not any("set-cookie" in answer.headers for answer in again)
            stacks.add(first.headers["x-stack"])
    assert stacks == {"old", "new"}
    odd = httpx.get(f"{gateway.url}/shop/half/echo", headers={"Cookie": "gateway_canary=x"})
    assert "set-cookie" in odd.headers


def test_a_user_with_a_key_needs_no_cookie(gateway: Gateway) -> None:
    """About half of them are in a canary at 50 %, each for good."""
    with httpx.Client(base_url=gateway.url) as client:
        of_key = {}
        for number in range(200):
            headers = {"X-API-Key": f"key {number}"}
            answers = [client.get("/shop/half/echo", headers=headers) for _ in range(2)]
            assert "set-cookie" not in answers[0].headers
            [of_key[number]] = {answer.headers["x-stack"] for answer in answers}
    share = sum(stack == "new" for stack in of_key.values()) / len(of_key)
    assert 0.35 < share < 0.65


def test_who_answered_is_told_to_an_admin(gateway: Gateway) -> None:
    """Without a token set: to whoever asks from this machine, in development."""
    asking = {"X-Gateway-Served-By": "?"}
    told = httpx.get(f"{gateway.url}/shop/canary/echo", headers=asking)
    assert told.headers["x-gateway-served-by"] == (
        'new; side=candidate; mode=canary; rule="* /canary/{rest:path}"'
    )
    assert "x-gateway-served-by" not in told.headers["x-seen"]
    assert "x-gateway-served-by" not in httpx.get(f"{gateway.url}/shop/canary/echo").headers


def test_who_answered_is_told_to_nobody_else(tmp_path: Path) -> None:
    """With a token set: to who has it. It reaches no service."""
    token = "a-token-of-admins-1234"
    with switching(tmp_path, env={"GATEWAY_ADMIN__TOKEN": token}) as gateway:
        url = f"{gateway.url}/shop/candidate/echo"
        told = httpx.get(url, headers={"X-Gateway-Served-By": token})
        assert told.headers["x-gateway-served-by"].startswith("new; side=candidate")
        assert "x-gateway-served-by" not in told.headers["x-seen"]
        for wrong in ("?", "", token[:-1]):
            refused = httpx.get(url, headers={"X-Gateway-Served-By": wrong})
            assert refused.status_code == 200
            assert "x-gateway-served-by" not in refused.headers


def test_a_switch_that_is_off_is_the_legacy_service(tmp_path: Path) -> None:
    """`switch.enabled = false` wins over every rule."""
    with switching(tmp_path, switch="enabled = false") as gateway:
        for mode in MODES:
            answer = httpx.get(f"{gateway.url}/shop/{mode}/echo")
            assert answer.headers["x-stack"] == "old"


def test_no_shadow_follows_a_client_that_left(gateway: Gateway, folder: Path) -> None:
    """It is not known what it would have taken."""
    calls = Calls(gateway)
    with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2]))) as client:
        client.sendall(b"GET /shop/shadow/slow?old=0.4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: calls().get("old GET /shadow/slow") == 1)
    assert calls.settled(0.8) == {"old GET /shadow/slow": 1}
    wait_until(lambda: "uncompared the client left" in counted(folder, "GET /{}/slow"))
    counts = counted(folder, "GET /{}/slow")
    assert not any(name.startswith("shadow ") for name in counts)


def test_the_same_connection_serves_all_modes(gateway: Gateway) -> None:
    """Whoever answers, the connection is the gateway's."""
    connection = http.client.HTTPConnection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    connection.connect()
    port = connection.sock.getsockname()[1]
    for mode, (service, _) in MODES.items():
        for _ in range(2):
            connection.request("GET", f"/shop/{mode}/echo")
            answer = connection.getresponse()
            answer.read()
            assert answer.headers["x-stack"] == service
    assert connection.sock.getsockname()[1] == port
    connection.close()
