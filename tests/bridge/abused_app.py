"""A Flask application that suffers strangers and counts; FastAPI beside it tells the counts."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from flask import Flask, Response, request

from gateway.bridge.pool import WorkerPool

web = Flask(__name__)
api = FastAPI()
# All of them by mount: each kind of abuse has one of its own.
lock = threading.Lock()
running: Counter[str] = Counter()
called: Counter[str] = Counter()
read_errors: Counter[str] = Counter()
opened: list[Chunks] = []


class Chunks:
    """An iterable that knows how often it was closed."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.mount = request.script_root
        self.closed = 0
        with lock:
            opened.append(self)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Count it."""
        with lock:
            self.closed += 1


class _Counted:
    """Counts the calls that are between their start and the close of what they returned."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        mount = environ["SCRIPT_NAME"]
        with lock:
            running[mount] += 1
            called[mount] += 1
        try:
            iterable = self._app(environ, start_response)
        except BaseException:
            with lock:
                running[mount] -= 1
            raise
        return _Ended(iterable, mount)


class _Ended:
    def __init__(self, iterable: Any, mount: str) -> None:
        self._iterable = iterable
        self._mount = mount

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._iterable)

    def close(self) -> None:
        try:
            if hasattr(self._iterable, "close"):
                self._iterable.close()
        finally:
            with lock:
                running[self._mount] -= 1


web.wsgi_app = _Counted(web.wsgi_app)  # type: ignore[method-assign]


@web.get("/ok")
def ok() -> str:
    """Answer at once."""
    return "ok"


@web.post("/upload")
def upload() -> str:
    """Read along, and count."""
    count = 0
    try:
        while block := request.stream.read(65536):
            count += len(block)
    except OSError:
        with lock:
            read_errors[request.script_root] += 1
        raise
    return str(count)


@web.get("/endless")
def endless() -> Response:
    """Never end, and never wait."""

    def chunks() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    return Response(Chunks(chunks()))


@web.get("/trickle")
def trickle() -> Response:
    """Never end, in small steps."""

    def chunks() -> Iterator[bytes]:
        while True:
            yield b"x"
            time.sleep(0.01)

    return Response(Chunks(chunks()))


@web.get("/raise")
def raises() -> str:
    """Fail before the answer."""
    raise ValueError("before the answer")


@web.get("/raise-later")
def raises_later() -> Response:
    """Fail within the answer."""

    def chunks() -> Iterator[bytes]:
        yield b"some"
        raise ValueError("within the answer")

    return Response(Chunks(chunks()))


@web.get("/sleep/<float:seconds>")
def sleep(seconds: float) -> Response:
    """Answer late."""
    time.sleep(seconds)
    return Response(Chunks(iter([b"sl", b"ept"])))


def state_of(name: str) -> dict[str, Any]:
    """What has become of a mount's requests."""
    (pool,) = (o for o in gc.get_objects() if isinstance(o, WorkerPool) and o.name == name)
    mount = f"/{name}"
    with lock:
        return {
            "gauges": [pool.busy, pool.awake, pool.queued, pool.stuck],
            "counters": vars(pool.counters),
            "threads": sum(t.name.startswith(f"{name}-") for t in threading.enumerate()),
            "running": running[mount],
            "called": called[mount],
            "read_errors": read_errors[mount],
            "closings": [chunks.closed for chunks in opened if chunks.mount == mount],
        }


@api.get("/ok")
async def fastapi_ok() -> str:
    """Answer, whatever Flask suffers."""
    return "ok"


@api.get("/state/{name}")
async def state(name: str) -> dict[str, Any]:
    """Tell what has become of a mount's requests."""
    return state_of(name)
