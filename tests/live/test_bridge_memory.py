"""A gibibyte through Flask, in and out, while the gateway's memory stays where it is."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.bridge.strangers import address_of, rest_of, serving_project
from tests.live.serving import Gateway

MIB = 1024 * 1024
SIZE = 1024 * MIB
BLOCK = bytes(MIB)
ALLOWED_MIB = 32

WEB = """
    from flask import Flask, Response, request

    app = Flask(__name__)
    BLOCK = bytes(65536)

    @app.post("/upload")
    def upload():
        count = 0
        while block := request.stream.read(65536):
            count += len(block)
        return str(count)

    @app.get("/download")
    def download():
        return Response((BLOCK for _ in range(2**30 // len(BLOCK))))
"""

TOML = """
    [[mounts]]
    name = "spooled"
    prefix = "/spooled"
    app = "web:app"
    max_body_bytes = 2147483648

    [[mounts]]
    name = "streamed"
    prefix = "/streamed"
    app = "web:app"
    max_body_bytes = 2147483648
    request_buffering = "stream"
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that accepts bodies of this size."""
    with serving_project(tmp_path_factory.mktemp("memory"), TOML, {"web": WEB}) as gateway:
        for mount in ("spooled", "streamed"):
            # Whatever is loaded by the first request is no part of the growth.
            assert httpx.post(f"{gateway.url}/{mount}/upload", content=BLOCK * 3).text == "3145728"
        yield gateway


@pytest.fixture
def connection(gateway: Gateway) -> Iterator[socket.socket]:
    """A raw connection: a client that itself needs no memory to speak of."""
    with socket.create_connection(address_of(gateway), 20) as connection:
        yield connection


def _megabytes(gateway: Gateway, name: str) -> float:
    status = Path(f"/proc/{gateway.process.pid}/status").read_text(encoding="ascii")
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


class Growth:
    """The most resident memory that the gateway has from now on, beyond what it has now."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        # Makes the peak (VmHWM) start again from here: proc(5), "clear_refs".
        Path(f"/proc/{gateway.process.pid}/clear_refs").write_text("5", encoding="ascii")
        self._before = _megabytes(gateway, "VmRSS")

    def check(self) -> None:
        """It stays within the bound, at its highest, not at its end."""
        grown = _megabytes(self._gateway, "VmHWM") - self._before
        assert grown <= ALLOWED_MIB, f"{grown:.0f} MiB more"


@pytest.mark.parametrize("mount", ["spooled", "streamed"])
def test_a_gibibyte_in_takes_no_memory(
    gateway: Gateway, connection: socket.socket, mount: str
) -> None:
    """A chunked upload of 1 GiB arrives whole, and at most 32 MiB of it are held at a time."""
    growth = Growth(gateway)
    head = f"POST /{mount}/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    connection.sendall(head.encode() + b"Connection: close\r\n\r\n")
    piece = b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK)
    for _ in range(SIZE // len(BLOCK)):
        connection.sendall(piece)
    connection.sendall(b"0\r\n\r\n")
    answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n%d" % SIZE)
    growth.check()


def test_a_gibibyte_out_takes_no_memory(gateway: Gateway, connection: socket.socket) -> None:
    """A streamed download of 1 GiB arrives whole, and at most 32 MiB of it are held at a time."""
    growth = Growth(gateway)
    connection.sendall(b"GET /spooled/download HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    buffer = bytearray(4 * MIB)
    received = connection.recv_into(buffer)
    head, _, rest = bytes(buffer[:received]).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    # The framing goes through the same counter: its end says that the answer is whole.
    received, tail = len(rest), rest
    while count := connection.recv_into(buffer):
        received += count
        tail = bytes(buffer[max(count - 5, 0) : count]) if count >= 5 else tail + buffer[:count]
    assert tail.endswith(b"0\r\n\r\n")
    assert SIZE < received < SIZE * 1.01
    growth.check()
