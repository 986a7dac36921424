"""ASGI scope -> WSGI environ (pure): PEP 3333, "environ Variables"."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TextIO
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

Environ = dict[str, Any]

# A client chooses the names of its headers; what is remembered of them has a bound.
_NAMES_KEPT = 1024
# Not headers in CGI: PEP 3333 gives these two names of their own.
_SPECIAL = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
# `Proxy` would become HTTP_PROXY, which many HTTP clients obey (CVE-2016-5385).
_DROPPED = {b"proxy": ""}


class Errors:
    """`wsgi.errors`: standard error as it is when something is written, not when this was made."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Write, as a text stream does."""
        return self._stream.write(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several."""
        self._stream.writelines(lines)

    def flush(self) -> None:
        """Flush."""
        self._stream.flush()

    @property
    def _stream(self) -> TextIO:
        return sys.stderr


class EnvironBuilder:
    """Builds the environ of each request from parts that are made once.

    Args:
        multiprocess: Whether other processes serve the same application (`wsgi.multiprocess`).
        multithread: Whether other threads do (`wsgi.multithread`).
        file_wrapper: What `wsgi.file_wrapper` is.
    """

    def __init__(self, *, multiprocess: bool, multithread: bool, file_wrapper: type) -> None:
        self._constant: Mapping[str, Any] = {
            "SERVER_SOFTWARE": "gateway",
            "wsgi.version": (1, 0),
            "wsgi.errors": Errors(),
            "wsgi.multithread": multithread,
            "wsgi.multiprocess": multiprocess,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": file_wrapper,
            # The end of the input is the end of the body, so a chunked one needs no length.
            "wsgi.input_terminated": True,
        }
        self._names: dict[bytes, str] = {**_SPECIAL, **_DROPPED}

    def build(self, scope: Scope) -> Environ:
        """The environ of one request.

        Paths and header values are the bytes that the client sent, as latin-1 (PEP 3333, "Unicode
        Issues"). Header names with an underscore are left out: CGI cannot tell `X_Forwarded_For`
        from `X-Forwarded-For`, and a proxy that removes one passes the other.

        Args:
            scope: An ASGI HTTP scope.

        Returns:
            The environ; `wsgi.input` is for the caller to add.
        """
        script_name = scope.get("root_path", "").encode().decode("latin-1")
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        path = unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path
        path_info = path.decode("latin-1").removeprefix(script_name)
        query: bytes = scope["query_string"]
        target = raw_path + b"?" + query if query else raw_path
        uri = target.decode("latin-1")
        environ = {
            **self._constant,
            "REQUEST_METHOD": scope["method"],
            "SCRIPT_NAME": script_name,
            "PATH_INFO": path_info,
            "QUERY_STRING": query.decode("latin-1"),
            # The target before decoding, under the two names that frameworks look for.
            "RAW_URI": uri,
            "REQUEST_URI": uri,
            "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
            "wsgi.url_scheme": scope.get("scheme", "http"),
            "asgi.scope": scope,
        }
        server = scope.get("server") or ("localhost", None)
        # A Unix socket has a path and no port.
        environ["SERVER_NAME"] = server[0] if server[1] is not None else "localhost"
        environ["SERVER_PORT"] = str(server[1] if server[1] is not None else 80)
        # A Unix socket has no address for its client; applications look this up all the same.
        environ["REMOTE_ADDR"] = ""
        if client := scope.get("client"):
            environ["REMOTE_ADDR"] = client[0]
            environ["REMOTE_PORT"] = str(client[1])
        self._add_headers(environ, scope["headers"])
        return environ

    def _add_headers(self, environ: Environ, headers: list[tuple[bytes, bytes]]) -> None:
        names = self._names
        repeated: dict[str, list[str]] | None = None
        for name, value in headers:
            key = names.get(name)
            if key is None:
                key = self._name(name)
            if not key:
                continue
            text = value.decode("latin-1")
            if key not in environ:
                environ[key] = text
                continue
            # Joined once, at the end: a client may repeat a header as often as it likes.
            if repeated is None:
                repeated = {}
            repeated.setdefault(key, [environ[key]]).append(text)
        if repeated:
            for key, values in repeated.items():
                environ[key] = ("; " if key == "HTTP_COOKIE" else ",").join(values)

    def _name(self, name: bytes) -> str:
        """A header's name in CGI; empty for one that must not reach the application."""
        lowered = name.lower()
        if lowered in _SPECIAL or lowered in _DROPPED:
            key = {**_SPECIAL, **_DROPPED}[lowered]
        elif b"_" in lowered:
            key = ""
        else:
            key = "HTTP_" + lowered.decode("latin-1").upper().replace("-", "_")
        if len(self._names) < _NAMES_KEPT:
            self._names[name] = key
        return key
