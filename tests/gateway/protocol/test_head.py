"""What a request's head may look like, without a connection."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from gateway.protocol import head
from gateway.protocol.head import (
    BadRequest,
    RequestLimits,
    check_codings,
    check_hosts,
    check_line,
    is_host,
    is_method,
    origin_form,
    too_large,
    unknown_method,
    wrong_version,
)


def status_of(check: Callable[..., Any], *arguments: Any) -> int:
    """The status of the refusal; 0 where there is none."""
    try:
        check(*arguments)
    except BadRequest as refusal:
        return refusal.status
    return 0


@pytest.mark.parametrize(
    ("version", "method", "status"),
    [
        ("1.1", b"GET", 0),
        ("1.0", b"GET", 0),
        ("1.1", b"QUERY", 0),
        ("0.9", b"GET", 505),
        ("2.0", b"PRI", 505),
        ("1.1", b"CONNECT", 501),
        ("1.0", b"SOURCE", 501),
        ("1.1", b"DESCRIBE", 501),
    ],
)
def test_versions_and_methods_of_other_protocols_are_refused(
    version: str, method: bytes, status: int
) -> None:
    """The version first: it says what the method means."""
    assert status_of(check_line, version, method) == status


@pytest.mark.parametrize(
    ("hosts", "version", "status"),
    [
        ([b"a"], "1.1", 0),
        ([], "1.0", 0),
        ([], "1.1", 400),
        ([b""], "1.0", 400),
        ([b"a", b"a"], "1.1", 400),
        ([b"a", b"b"], "1.0", 400),
    ],
)
def test_exactly_one_host_is_required(hosts: list[bytes], version: str, status: int) -> None:
    """HTTP/1.0 alone may have none."""
    assert status_of(check_hosts, hosts, version) == status


@pytest.mark.parametrize(
    ("value", "sound"),
    [
        (b"a" * 255, True),
        (b"a" * 256, False),
        (b"a:0", True),
        (b"a:65535", True),
        (b"a:65536", False),
        (b"a:000001", False),
        (b"a:", True),
        (b":80", False),
        (b"[::1]:80", True),
        (b"[::1", False),
        (b"[:::1]", False),
        (b"[1.2.3.4]", False),
        (b"[::ffff:1.2.3.4]", True),
        (b"[fe80::1%25eth0]", False),
        (b"a\n", False),
    ],
)
def test_a_host_is_a_name_or_an_address_and_a_port(value: bytes, sound: bool) -> None:
    """Within the bounds of DNS and TCP."""
    assert is_host(value) is sound


@given(st.ip_addresses(v=6), st.integers(0, 65_535))
def test_any_address_is_a_host(address: ipaddress.IPv6Address, port: int) -> None:
    """In brackets, with any port."""
    assert is_host(f"[{address}]:{port}".encode())


@given(st.binary(max_size=20))
def test_no_bytes_are_a_host_that_could_be_read_otherwise(value: bytes) -> None:
    """Whatever is taken for one has no separator of anything in it."""
    if is_host(value):
        assert not re.search(rb"[\x00-\x20/\\@,?#<>\"'`{}|^\x7f-\xff]", value)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (b"/", b"/"),
        (b"/a?b?c", b"/a?b?c"),
        (b"//b", b"//b"),
        (b'/?"<>\\', b'/?"<>\\'),
        (b"http://a", b"/"),
        (b"http://a?b", b"/?b"),
        (b"HTTP://A/b?c", b"/b?c"),
    ],
)
def test_a_target_becomes_path_and_query(target: bytes, found: bytes) -> None:
    """The absolute form has the same meaning as the other."""
    assert origin_form(target, b"GET", "http", [b"a"]) == found


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        (b"*", b"OPTIONS", 204),
        (b"*", b"GET", 400),
        (b"a:80", b"GET", 400),
        (b"", b"GET", 400),
        (b"?a", b"GET", 400),
        (b"/a#b", b"GET", 400),
        (b"/a?b#c", b"GET", 400),
        (b"/a\\b", b"GET", 400),
        (b'/"', b"GET", 400),
        (b"http:///a", b"GET", 400),
        (b"http://b/", b"GET", 400),
        (b"http://a:80/", b"GET", 400),
        (b"http://u@a/", b"GET", 400),
        (b"https://a/", b"GET", 421),
        (b"ftp://a/", b"GET", 400),
    ],
)
def test_other_targets_are_refused(target: bytes, method: bytes, status: int) -> None:
    """They have no path on this host."""
    assert status_of(origin_form, target, method, "http", [b"a"]) == status


@given(st.binary(min_size=1, max_size=30))
def test_what_is_a_target_begins_with_a_slash(target: bytes) -> None:
    """Whatever comes is refused, or has a path and no fragment."""
    try:
        found = origin_form(target, b"GET", "http", [b"a"])
    except BadRequest:
        return
    assert found.startswith(b"/")
    assert b"#" not in found


@pytest.mark.parametrize(
    ("codings", "version", "status"),
    [
        ([b"chunked"], "1.1", 0),
        ([b"Chunked"], "1.1", 0),
        ([b"chunked"], "1.0", 400),
        ([b"gzip"], "1.1", 501),
        ([b"gzip, chunked"], "1.1", 501),
        ([b"chunked", b"chunked"], "1.1", 501),
        ([b""], "1.1", 501),
    ],
)
def test_the_only_coding_is_one_chunked(codings: list[bytes], version: str, status: int) -> None:
    """Nothing here decodes another."""
    assert status_of(check_codings, codings, version) == status


@pytest.mark.parametrize(
    ("word", "is_one"), [(b"GET", True), (b"M-X!", True), (b"", False), (b"G T", False)]
)
def test_a_method_is_a_token(word: bytes, is_one: bool) -> None:
    """What is none is no request at all."""
    assert is_method(word) is is_one


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (too_large(RequestLimits()), 431),
        (wrong_version(), 505),
        (unknown_method(), 501),
        (BadRequest(HTTPStatus.SERVICE_UNAVAILABLE, "Full."), 503),
    ],
)
def test_a_refusal_is_a_whole_answer_with_its_id(refusal: BadRequest, status: int) -> None:
    """The document says what its head says."""
    answer = refusal.encode([(b"server", b"x")], body=True)
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    document = json.loads(body)
    assert lines[0].startswith(f"HTTP/1.1 {status} ")
    assert "server: x" in lines
    assert f"content-length: {len(body)}" in lines
    assert f"x-request-id: {refusal.request_id}" in lines
    assert "connection: close" in lines
    assert ("retry-after: 1" in lines) == (status == 503)
    assert document["status"] == status
    assert document["request_id"] == refusal.request_id
    assert re.fullmatch("[0-9a-f]{32}", refusal.request_id)
    assert refusal.encode([(b"server", b"x")], body=False) == head + b"\r\n\r\n"


def test_two_refusals_have_two_ids() -> None:
    """Each can be found in the log."""
    assert wrong_version().request_id != wrong_version().request_id


def test_a_ping_of_the_server_is_answered_without_a_body() -> None:
    """`OPTIONS *` is no fault."""
    answer = BadRequest(HTTPStatus.NO_CONTENT, "").encode([], body=True)
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\nallow: ")
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-" not in answer


async def test_a_refusal_in_a_service_s_place_says_the_same() -> None:
    """It waits for its turn as an application."""
    refusal = unknown_method()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nobody asks for the body")

    await refusal({"type": "http"}, receive, send)
    start, body = sent
    assert start["status"] == 501
    assert (b"x-request-id", refusal.request_id.encode()) in start["headers"]
    assert (b"content-length", b"%d" % len(body["body"])) in start["headers"]
    assert json.loads(body["body"]) == json.loads(refusal.document)


def test_nothing_is_remembered_of_long_hosts() -> None:
    """Strangers' values would stay in memory."""
    before = head._is_host.cache_info().currsize
    for number in range(100):
        assert not is_host(b"x" * 1000 + b"%d" % number)
    assert head._is_host.cache_info().currsize == before
    assert is_host(b"x" * 255 + b":65535")
    assert not is_host(b"x" * 256)
