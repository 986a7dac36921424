"""Connections that begin or end TLS and do not get on with it."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from tests.gateway.projects import write_project
from tests.live.serving import Gateway, serving

APP = """
    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})
"""
TOML = """
    [server]
    header_seconds = 1.0
    write_seconds = 1.0
    [[mounts]]
    name = "app"
    prefix = "/"
    app = "of_tls:app"
"""
CLIENT_HELLO_BEGINS = b"\x16\x03\x01\x02\x00"


@pytest.fixture(scope="module", params=["1", "2"], ids=["one worker", "two workers"])
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, ssl.SSLContext]]:
    """One that speaks TLS, and how to trust it."""
    folder = tmp_path_factory.mktemp("tls")
    write_project(folder, TOML, {"of_tls": APP})
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    env = {"GATEWAY_SERVER__TLS_CERTIFICATE": "both.pem", "GATEWAY_SERVER__TLS_KEY": "both.pem"}
    with serving("--workers", request.param, cwd=folder, env=env) as running:
        yield running, context


def connected(gateway: Gateway) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(gateway.url).port or 0), timeout=10)


@pytest.mark.parametrize("said", [b"", CLIENT_HELLO_BEGINS], ids=["nothing", "half a hello"])
def test_a_handshake_has_the_time_that_a_head_has(
    gateway: tuple[Gateway, ssl.SSLContext], said: bytes
) -> None:
    """Whoever does not finish it is let go; others are served meanwhile."""
    server, context = gateway
    with closing(connected(server)) as silent:
        began = time.monotonic()
        silent.sendall(said)
        assert httpx.get(server.url, verify=context).text == "served"
        assert silent.recv(1) == b""
        assert 0.5 < time.monotonic() - began < 5


def test_a_client_that_says_no_farewell_is_let_go(
    gateway: tuple[Gateway, ssl.SSLContext],
) -> None:
    """What ends TLS in one direction waits for the other no longer than for a client that reads."""
    server, context = gateway
    with context.wrap_socket(connected(server), server_hostname="localhost") as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while client.recv(65536):
            pass
        began = time.monotonic()
        with socket.socket(fileno=os.dup(client.fileno())) as below:
            below.settimeout(10)
            assert below.recv(1) == b""
        assert time.monotonic() - began < 5
