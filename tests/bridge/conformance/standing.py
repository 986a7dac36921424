"""What an adapter stands."""

from __future__ import annotations

from typing import Any
from wsgiref.validate import validator

from tests.bridge.conformance.cases import Adapt, Section, answering
from tests.bridge.driver import ask

case = Section("Time and load")


@case("a WebSocket does not crash the adapter")
async def websocket(adapt: Adapt) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    app = adapt(answering([b"x"]))
    await app({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert sent[0]["type"] == "websocket.close"


@case("wsgiref's validator finds nothing")
async def validated(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(10)
        start_response(
            "200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        )
        return [body]

    checked = adapt(validator(app))
    assert (await ask(checked, body=[b"hello"], method="POST")).body == b"hello"
    assert (await ask(checked, "/x", query=b"a=1", headers=[(b"x-a", b"1")])).status == 200
