"""The processor time of a Flask call by itself: no server, no adapter, no second thread."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, cast

from benchmarks.flask_app import app

_SECONDS = 1.0
_WARM_UP_CALLS = 500
_CALLS_PER_LOOK = 100

WSGIApp = Callable[..., Iterable[bytes]]


def flask_call_ms(path: str, seconds: float = _SECONDS) -> float:
    """CPU time of one call of the benchmarks' application, in milliseconds, on average.

    Args:
        path: What is asked.
        seconds: For how long to call it.

    Raises:
        RuntimeError: It does not answer 200.
    """
    call = cast(WSGIApp, app.wsgi_app)
    template = environ(path)
    if (status := _status(call, template)) != "200 OK":
        raise RuntimeError(f"the application answers {path} with {status}")
    _time(call, template, _WARM_UP_CALLS)
    calls, used = 0, 0.0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        used += _time(call, template, _CALLS_PER_LOOK)
        calls += _CALLS_PER_LOOK
    return 1000 * used / calls


def environ(path: str) -> dict[str, Any]:
    """What a server on this machine passes for a GET of wrk's (PEP 3333, "environ Variables")."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "RAW_URI": path,
        "REQUEST_URI": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "benchmarks",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def _time(call: WSGIApp, template: dict[str, Any], times: int) -> float:
    """CPU seconds of some calls, each with an environ of its own, its answer read and closed."""

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        return None

    begun = time.thread_time()
    for _ in range(times):
        answer = call({**template, "wsgi.input": io.BytesIO()}, start_response)
        for _chunk in answer:
            pass
        if (close := getattr(answer, "close", None)) is not None:
            close()
    return time.thread_time() - begun


def _status(call: WSGIApp, template: dict[str, Any]) -> str:
    found = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        found.append(status)

    answer = call({**template, "wsgi.input": io.BytesIO()}, start_response)
    b"".join(answer)
    if (close := getattr(answer, "close", None)) is not None:
        close()
    return found[-1]
