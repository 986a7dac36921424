"""Requests as bytes: whole ones, unfinished ones, and such as are none."""

from __future__ import annotations


def request(line: str, *fields: str, host: str = "localhost", body: bytes = b"") -> bytes:
    """One with these fields besides `Host`.

    Args:
        line: Its method and target.
        fields: Its header fields, each a whole line.
        host: Its host.
        body: What follows the head.
    """
    head = [line + " HTTP/1.1", f"Host: {host}", *fields, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


JSON = "Content-Type: application/json"
_CHUNKED = "Transfer-Encoding: chunked"
UPGRADE = (
    *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
WEBSOCKET = request("GET /fastapi/events/ws", *UPGRADE)
_UPLOADS = ("/load/upload", "/flask/login", "/fastapi/login", "/flask/items")


def unfinished(*paths: str) -> tuple[bytes, ...]:
    """A part of a body: of a known length, and in chunks."""
    parts = (("Content-Length: 60000", b"{" + b" " * 20_000), (_CHUNKED, b"8\r\n{  "))
    return tuple(
        request(f"POST {path}", JSON, framing, body=body)
        for path in paths
        for framing, body in parts
    )


UNFINISHED = unfinished(*_UPLOADS)
UNFINISHED_STREAM = unfinished("/stream/upload")
BAD_FRAMES = (
    request("POST /flask/login", "Content-Length: 5", _CHUNKED, body=b"0\r\n\r\n"),
    request("POST /flask/login", "Content-Length: 5", "Content-Length: 6", body=b"hello!"),
    request("POST /fastapi/login", "Content-Length: -1"),
    request("POST /fastapi/login", "Content-Length: 1, 1", body=b"x"),
    request("POST /fastapi/login", "Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    request("POST /stream/upload", _CHUNKED, body=b"zz\r\nhello\r\n0\r\n\r\n"),
    request("POST /load/upload", _CHUNKED, body=b"5\r\nhello!!\r\n0\r\n\r\n"),
    request("GET /flask/hello", "Host: elsewhere.example"),
    b"GET /flask/hello HTTP/1.1\r\n\r\n",
    b"GET /flask/hello HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET /flask/hello\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /flask/hello HTTP/1.1\r\nHost: localhost\r\nX : 1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)
