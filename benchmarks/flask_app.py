"""The Flask application that the comparisons of adapters ask: one view per kind of work."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, request, send_file

# Where the harness says which file `/file` sends; without it that view fails.
FILE_VARIABLE = "BENCHMARKS_FILE"
SLEEP_SECONDS = 0.05
COMPUTE_SECONDS = 0.005
CHUNKS = 100
CHUNK_BYTES = 1024

app = Flask(__name__)


@app.get("/json")
def small() -> dict[str, Any]:
    """Answer at once."""
    return {"id": 1, "name": "chair", "tags": ["wood", "oak"], "in_stock": True}


@app.get("/sleep")
def sleep() -> dict[str, bool]:
    """Block, as a query to a slow database does."""
    time.sleep(SLEEP_SECONDS)
    return {"slept": True}


@app.get("/compute")
def compute() -> dict[str, bool]:
    """Use processor time, however long it takes to get it."""
    until = time.thread_time() + COMPUTE_SECONDS
    while time.thread_time() < until:
        sum(range(100))
    return {"computed": True}


@app.get("/stream")
def stream() -> Response:
    """Answer in pieces, of a length that nobody is told."""
    return Response(_chunks(), mimetype="application/octet-stream")


@app.get("/file")
def file() -> Response:
    """Send the file that the harness made."""
    return send_file(os.environ[FILE_VARIABLE], mimetype="application/octet-stream", etag=False)


@app.post("/upload")
def upload() -> dict[str, int]:
    """Read the body to its end."""
    return {"received": len(request.get_data(cache=False))}


def _chunks() -> Iterator[bytes]:
    for number in range(CHUNKS):
        yield b"%03d\n" % number * (CHUNK_BYTES // 4)
