"""What stands beside the Flask application: a small FastAPI service, and next to nothing."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

api = FastAPI()


@api.get("/ping")
async def ping() -> dict[str, bool]:
    """Answer at once, on the event loop."""
    return {"pong": True}


async def empty(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200 with nothing: what is left is the server's own work."""
    if scope["type"] != "http":
        return
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
