"""The same request to both stacks of a running gateway, and what is told of the two answers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from gateway.portal.side_by_side import Patience
from tests.gateway.edge.driving import STRANGER
from tests.gateway.portal.comparing import Portal, portal

IMPATIENT = Patience(one_seconds=0.3, all_seconds=0.8)


def found(result: dict[str, Any]) -> list[tuple[str, str, list[str | None]]]:
    return [(each["kind"], each["where"], each["values"]) for each in result["differences"]]


# --- What differs ---------------------------------------------------------------------------------


async def test_what_only_looks_different_is_equal() -> None:
    """Flask sorts members and escapes what is not ASCII; a client reads the same."""
    async with portal() as gateway:
        result = await gateway.compare()
    assert result["equal"]
    assert found(result) == []
    assert result["runs"] is None
    assert result["notes"] == []
    flask, fastapi = result["answers"]
    assert [flask["mount"], fastapi["mount"]] == ["flask", "fastapi"]
    assert flask["url"] == "http://public.test/flask/same"
    assert flask["status"] == 200
    assert ["content-type", "application/json"] in flask["headers"]
    assert json.loads(flask["body"]) == json.loads(fastapi["body"])
    assert flask["body"] != fastapi["body"]
    assert 0 < flask["seconds"] < 5
    assert flask["truncated"] is False


async def test_seeded_differences_in_json_are_told_at_their_places() -> None:
    """With both values as JSON, so that text and number can be told apart, and with the reason."""
    async with portal() as gateway:
        result = await gateway.compare("/value")
    assert not result["equal"]
    assert found(result) == [
        ("json", "/at", ['"Sun, 22 Nov 2026 10:00:00 GMT"', '"2026-11-22T10:00:00Z"']),
        ("json", "/name", ['"one"', '"two"']),
        ("json", "/price", ['"1.10"', "1.1"]),
    ]
    assert [each["why"] for each in result["differences"]] == [
        "one instant, written in two ways",
        "two strings",
        "one number, as a string and as a number with a fraction",
    ]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/status", [("status", "", ["404", "200"])]),
        ("/header", [("header", "Cache-Control", ["no-store", None])]),
        ("/html", []),
    ],
)
async def test_seeded_differences_in_status_and_headers_are_told(
    target: str, expected: list[Any]
) -> None:
    """White space of HTML is none."""
    async with portal() as gateway:
        result = await gateway.compare(target)
    assert found(result) == expected
    assert result["equal"] is (not expected)


async def test_a_redirect_within_each_service_leads_to_one_place() -> None:
    """Though each is under its own prefix, and only one of them names the host."""
    async with portal() as gateway:
        result = await gateway.compare("/turn")
    locations = [dict(answer["headers"])["location"] for answer in result["answers"]]
    assert locations == ["/flask/same", "http://public.test/fastapi/same"]
    assert "Location" not in [each["where"] for each in result["differences"]]


async def test_a_body_too_long_to_show_is_shown_by_its_beginning_and_compared_in_full() -> None:
    """Up to what is compared at all; beyond that it is said that it was not."""
    async with portal() as gateway:
        shown = await gateway.compare(f"/large/{300 * 1024}")
        beyond = await gateway.compare(f"/large/{1024 * 1024 + 1}")
    for answer in (*shown["answers"], *beyond["answers"]):
        assert len(answer["body"]) == 256 * 1024
        assert answer["truncated"]
    assert shown["notes"] == []
    assert beyond["notes"] == [
        "The bodies were not compared: more than 1024 KiB: status and headers only."
    ]


# --- Services that misbehave ----------------------------------------------------------------------


async def test_a_service_that_raises_is_an_answer_like_any_other() -> None:
    """Flask's own page for it, and the gateway's problem document for FastAPI's."""
    async with portal() as gateway:
        result = await gateway.compare("/fails")
    assert [answer["status"] for answer in result["answers"]] == [500, 500]
    assert ("header", "Content-Type") in [each[:2] for each in found(result)]


@pytest.mark.parametrize("times", [1, 5])
async def test_a_service_that_hangs_is_given_up_at_the_deadline(times: int) -> None:
    """The other one's answer is shown; runs end there, and it is said."""
    async with portal(IMPATIENT) as gateway:
        began = time.monotonic()
        result = await gateway.compare("/hangs", times=times)
        assert time.monotonic() - began < 5
    flask, fastapi = result["answers"]
    assert (flask["status"], fastapi["status"]) == (0, 200)
    assert 0.25 <= flask["seconds"] < 2  # by two clocks
    assert found(result) == [("status", "", [None, "200"])]
    assert result["differences"][0]["why"] == "flask did not answer within 0.3 seconds"
    assert result["runs"] is None
    ended = ["The runs ended as flask did not answer in full: 1 of 5 were made."]
    assert result["notes"][1:] == (ended if times > 1 else [])


async def test_a_service_that_will_not_be_cancelled_is_left_behind() -> None:
    """Whoever asked is not made to wait for it."""
    async with portal(IMPATIENT) as gateway:
        began = time.monotonic()
        result = await gateway.compare("/stubborn", mounts=["fastapi", "fastapi"])
        assert time.monotonic() - began < 8
        assert [answer["status"] for answer in result["answers"]] == [0, 0]
        gateway.two.end.set()
        await asyncio.sleep(0.2)


async def test_an_endless_answer_is_not_listened_to_for_ever() -> None:
    """What was kept is shown; the service is told that its client left."""
    async with portal() as gateway:
        began = time.monotonic()
        result = await gateway.compare("/endless")
        assert time.monotonic() - began < 8
    assert [answer["status"] for answer in result["answers"]] == [200, 200]
    assert all(answer["truncated"] for answer in result["answers"])
    assert "more than 1024 KiB" in result["notes"][0]


async def test_a_stream_of_events_is_compared_by_its_head() -> None:
    """At once, though its first event may never come."""
    async with portal() as gateway:
        began = time.monotonic()
        result = await gateway.compare("/events", mounts=["fastapi", "fastapi"])
        assert time.monotonic() - began < 5
    assert result["equal"]
    assert "stream of events" in result["notes"][0]


async def test_an_answer_that_breaks_off_is_told_as_such() -> None:
    """Its status is no success."""
    async with portal() as gateway:
        result = await gateway.compare("/breaks", mounts=["fastapi", "fastapi"])
    assert not result["equal"]
    assert "fastapi broke its answer off" in result["differences"][0]["why"]


# --- What the services see ------------------------------------------------------------------------


async def seen(gateway: Portal, **asked: Any) -> list[dict[str, Any]]:
    result = await gateway.compare("/seen", **asked)
    return [json.loads(answer["body"]) for answer in result["answers"]]


async def test_the_services_are_asked_as_the_portal_was() -> None:
    """By its client, host and scheme, under the portal's own name unless another is given."""
    async with portal() as gateway:
        for view in await seen(gateway):
            assert view["client"] == STRANGER[0]
            assert view["headers"]["user-agent"] == "gateway-portal"
            assert view["headers"]["host"] == "public.test"
            assert view["link"].startswith("http://public.test/f")
            assert {"accept", "accept-encoding", "cookie"}.isdisjoint(view["headers"])
        for view in await seen(gateway, named={"user-agent": "Mine", "X-Own": "ä"}):
            assert view["headers"]["user-agent"] == "Mine"
            assert view["headers"]["x-own"].encode("latin-1") in {b"\xe4", b"\xc3\xa4"}


async def test_what_a_proxy_said_of_the_portal_s_request_holds_for_the_services() -> None:
    """Scheme, host, prefix and client: links lead back through the proxy."""
    forwarded = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "apps.example.com",
        "X-Forwarded-Prefix": "/shop",
    }
    async with portal(edge={"trusted_proxies": ["198.51.100.0/24"]}) as gateway:
        answer = await gateway.ask("/seen", forwarded)
        for name, one in zip(("flask", "fastapi"), answer.json["answers"], strict=True):
            assert one["url"] == f"https://apps.example.com/shop/{name}/seen"
            view = json.loads(one["body"])
            assert view["client"] == "203.0.113.9"
            assert view["link"] == f"https://apps.example.com/shop/{name}/same"


async def test_a_prefix_of_the_settings_holds_for_the_services() -> None:
    """Where a proxy serves the gateway under one and does not say so."""
    async with portal(server={"root_path": "/shop"}) as gateway:
        result = await gateway.compare("/seen")
    for name, one in zip(("flask", "fastapi"), result["answers"], strict=True):
        assert one["url"] == f"http://public.test/shop/{name}/seen"
        assert json.loads(one["body"])["link"] == f"http://public.test/shop/{name}/same"


async def test_the_browser_s_session_goes_with_the_requests_and_the_admin_s_rights_do_not() -> None:
    """Both services know who is signed in; none gets the admin's cookie or token."""
    async with portal() as gateway:
        signed_in = await gateway.gateway.get("/flask/sign-in")
        cookie = (signed_in.header("set-cookie") or "").partition(";")[0]
        headers = {
            "Cookie": f"gateway_admin=secret; {cookie}; theme=dark",
            "Authorization": "Bearer of-the-admin",
        }
        answer = await gateway.ask("/seen", headers)
        for one in answer.json["answers"]:
            view = json.loads(one["body"])
            assert view["user"] == "ada"
            assert view["headers"]["cookie"] == f"{cookie}; theme=dark"
            assert "authorization" not in view["headers"]
        named = {"Cookie": "gateway_admin=secret; a=1", "Authorization": "Bearer other"}
        answer = await gateway.ask("/seen", headers, named=named)
        for one in answer.json["answers"]:
            view = json.loads(one["body"])
            assert view["headers"]["cookie"] == "a=1"
            assert view["headers"]["authorization"] == "Bearer other"
        answer = await gateway.ask("/seen", headers, named={"Cookie": ""})
        for one in answer.json["answers"]:
            assert "cookie" not in json.loads(one["body"])["headers"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization", "Bearer a-token-of-the-test"),
        ("Authorization", "bearer  a-token-of-the-test"),
        ("X-Key", "a-token-of-the-test"),
        ("Cookie", "x=a-token-of-the-test"),
    ],
)
async def test_the_admin_token_is_sent_to_no_service(name: str, value: str) -> None:
    """However it is wrapped up."""
    async with portal(admin={"token": "a-token-of-the-test"}) as gateway:
        refused = await gateway.ask("/seen", named={name: value})
        assert (await gateway.ask("/seen", named={"X-Key": "another"})).status == 200
    assert refused.status == 422
    assert "admin token" in refused.json["detail"]


async def test_a_target_that_no_url_can_have_is_refused() -> None:
    """With a sentence, and not by an error."""
    async with portal() as gateway:
        refused = await gateway.ask("/" + "\U0001f600" * 8000)
    assert refused.status == 422
    assert "target" in refused.json["detail"]


async def test_runs_end_when_the_process_stops() -> None:
    """They are no reason to wait; what was made is told."""
    async with portal() as gateway:
        first = asyncio.create_task(gateway.compare(times=200))
        await asyncio.sleep(0.02)
        gateway.front.health.stop()
        result = await first
    assert result["notes"][0].startswith("The runs ended as the gateway stops: ")
    assert result["runs"] is None or result["runs"]["times"] < 200


async def test_a_mount_for_a_host_of_its_own_is_asked_by_that_host() -> None:
    """With the port of the gateway; one for many hosts is asked by a host that is named."""
    mounts = {"flask": {"host": "old.example.com"}, "fastapi": {"host": "*.example.com"}}
    async with portal(mounts=mounts) as gateway:
        host = {"Host": "new.example.com:8443"}
        answer = await gateway.ask("/same", host)
        assert [one["url"] for one in answer.json["answers"]] == [
            "http://old.example.com:8443/flask/same",
            "http://new.example.com:8443/fastapi/same",
        ]
        assert answer.json["equal"]
        refused = await gateway.ask("/same")
        assert refused.status == 422
        assert (
            "'fastapi' answers for *.example.com and not for public.test" in refused.json["detail"]
        )


# --- Many runs ------------------------------------------------------------------------------------


async def test_many_runs_take_turns_and_are_told_with_their_medians() -> None:
    """As many latencies of each as were asked for, the ratio of the medians within its spread."""
    async with portal() as gateway:
        result = await gateway.compare(times=20)
        order = gateway.two.order
    runs = result["runs"]
    assert runs["times"] == 20
    assert [len(series) for series in runs["seconds"]] == [20, 20]
    assert runs["ratio"] == pytest.approx(runs["medians"][1] / runs["medians"][0])
    assert runs["spread"][0] <= runs["ratio"] <= runs["spread"][1]
    # The first alone is a comparison; from then on each begins as often as the other.
    assert order == ["flask", "fastapi", "fastapi", "flask"] * 10
    assert result["notes"] == []


async def test_an_unsafe_request_is_made_once_in_each_service() -> None:
    """And often only where that is asked for."""
    async with portal() as gateway:
        question = {"method": "POST", "body": "ä", "named": {"Content-Type": "text/plain"}}
        result = await gateway.compare("/write", **question)
        assert gateway.two.calls == {"flask": 1, "fastapi": 1}
        assert found(result) == []
        assert json.loads(result["answers"][0]["body"]) == {"length": 2, "type": "text/plain"}
        result = await gateway.compare("/write", times=5, repeat_unsafe=True, **question)
        assert gateway.two.calls == {"flask": 6, "fastapi": 6}
    assert result["notes"] == ["Each run was a POST of its own in both services."]


async def test_runs_end_when_their_time_is_up() -> None:
    """With as many as there were, which is told."""
    async with portal(Patience(one_seconds=5, all_seconds=0.05)) as gateway:
        result = await gateway.compare(times=200)
    made = result["runs"]["times"]
    assert 2 <= made < 200
    assert result["notes"] == [f"The runs ended after 0.05 seconds: {made} of 200 were made."]


async def test_answers_that_change_their_status_between_runs_are_told() -> None:
    """A rate limit answers quickly, and would pass for speed."""
    async with portal(mounts={"fastapi": {"rate_limit": "3/hour"}}) as gateway:
        result = await gateway.compare(times=10)
    assert result["notes"] == [
        (
            "Not all answers of fastapi have one status: 3 times 200, 7 times 429. "
            "The latencies are of those runs that went as the first."
        )
    ]
    assert result["runs"]["times"] == 3


async def test_two_series_of_runs_are_not_made_at_once() -> None:
    """They would measure each other; a single comparison is made all the same."""
    async with portal() as gateway:
        first = asyncio.create_task(gateway.ask(times=200))
        await asyncio.sleep(0.02)
        assert not first.done()
        second = await gateway.ask(times=2)
        assert (await gateway.ask()).status == 200
        assert (await first).status == 200
        assert (await gateway.ask(times=2)).status == 200
    assert second.status == 409
    assert second.header("retry-after") == "30"


async def test_a_series_that_nobody_waits_for_ends_and_makes_room() -> None:
    """Its request may be cancelled: by the drain."""
    async with portal() as gateway:
        first = asyncio.create_task(gateway.ask("/hangs", times=2))
        await asyncio.sleep(0.1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await asyncio.sleep(0)
        gateway.two.end.set()
        assert (await gateway.ask(times=2)).status == 200
