"""Good traffic: what people and programs ask of both stacks, each answer checked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from http.cookiejar import DefaultCookiePolicy
from random import Random
from typing import Any

import httpx
from websockets.asyncio.client import connect

from benchmarks.flask_app import CHUNK_BYTES, CHUNKS
from benchmarks.peers import MEBIBYTE
from benchmarks.soak.pace import Errand
from benchmarks.soak.tally import UnexpectedError

# The catalogue has this user as long as it is in development.
_DEMO = {"username": "demo", "password": "demo-password"}
# Items that every new catalogue has.
_ITEMS = 30
_FILE_BYTES = 10 * MEBIBYTE
_BODY = b"x" * MEBIBYTE
_PATIENCE_SECONDS = 30.0


class Visitors:
    """Those who behave.

    Args:
        http: Their connections; must keep no cookies.
        websocket_url: Where the changes are announced.
    """

    def __init__(self, http: httpx.AsyncClient, websocket_url: str) -> None:
        self._http = http
        self._websocket_url = websocket_url
        self._cookie = ""

    async def sign_in(self) -> None:
        """Sign in at Flask; the session holds for FastAPI, too."""
        answer = await self._ask("POST", "/flask/login", json=_DEMO)
        self._cookie = answer.headers["set-cookie"].partition(";")[0]

    def errands(self) -> list[Errand]:
        """All kinds of good traffic."""
        return [
            Errand("FastAPI hello", 20, self._get("/fastapi/", {"Hello": "World"})),
            Errand("FastAPI item", 15, self._item("/fastapi")),
            Errand("FastAPI list", 8, self._list("/fastapi")),
            Errand("FastAPI missing item", 3, self._status("/fastapi/items/9999999", 404)),
            Errand("FastAPI invalid item", 3, self._status("/fastapi/items/none", 422)),
            Errand("FastAPI report", 3, self._status("/fastapi/report", 200)),
            Errand("FastAPI user", 3, self._me("/fastapi")),
            Errand("FastAPI write", 2, self._write("/fastapi")),
            Errand("FastAPI sign in", 0.3, self._sign_in("/fastapi")),
            Errand("FastAPI events", 1, self._events),
            Errand("FastAPI WebSocket", 2, self._websocket),
            Errand("Flask hello", 15, self._status("/flask/hello", 200)),
            Errand("Flask item", 12, self._item("/flask")),
            Errand("Flask list", 6, self._list("/flask")),
            Errand("Flask page", 4, self._page),
            Errand("Flask missing item", 3, self._status("/flask/items/9999999", 404)),
            Errand("Flask report", 3, self._status("/flask/report", 200)),
            Errand("Flask export", 4, self._export),
            Errand("Flask user", 3, self._me("/flask")),
            Errand("Flask write", 2, self._write("/flask")),
            Errand("Flask sign in", 0.3, self._sign_in("/flask")),
            Errand("stream", 3, self._stream),
            Errand("file", 0.4, self._file),
            Errand("upload", 1, self._upload("/load", 1)),
            Errand("upload to disk", 0.5, self._upload("/load", 3)),
            Errand("upload read while it arrives", 0.5, self._upload("/stream", 3)),
            Errand("liveness", 1, self._status("/_gateway/livez", 200)),
            Errand("readiness", 1, self._status("/_gateway/readyz", 200)),
        ]

    async def _ask(
        self, method: str, path: str, expected: int = 200, **options: Any
    ) -> httpx.Response:
        answer = await self._http.request(method, path, **options)
        if answer.status_code != expected:
            raise UnexpectedError(
                f"{method} {path} answered {answer.status_code} where {expected} is expected: "
                f"{answer.text[:200]!r}"
            )
        return answer

    def _get(self, path: str, expected: object) -> Any:
        async def act(_: Random) -> str:
            _check((await self._ask("GET", path)).json() == expected, path)
            return "200"

        return act

    def _status(self, path: str, status: int) -> Any:
        async def act(_: Random) -> str:
            await self._ask("GET", path, status)
            return str(status)

        return act

    def _item(self, prefix: str) -> Any:
        async def act(chance: Random) -> str:
            number = chance.randint(1, _ITEMS)
            answer = await self._ask("GET", f"{prefix}/items/{number}")
            _check(answer.json()["id"] == number, prefix)
            return "200"

        return act

    def _list(self, prefix: str) -> Any:
        async def act(chance: Random) -> str:
            query = {"page": 1, "size": chance.randint(1, 25), "sort": chance.choice(["id", "-id"])}
            answer = await self._ask("GET", f"{prefix}/items", params=query)
            _check(len(answer.json()["items"]) == query["size"], prefix)
            return "200"

        return act

    def _me(self, prefix: str) -> Any:
        async def act(_: Random) -> str:
            answer = await self._ask("GET", f"{prefix}/me", headers={"Cookie": self._cookie})
            _check(answer.json()["username"] == _DEMO["username"], prefix)
            return "200"

        return act

    def _sign_in(self, prefix: str) -> Any:
        async def act(_: Random) -> str:
            answer = await self._ask("POST", f"{prefix}/login", json=_DEMO)
            _check("set-cookie" in answer.headers, prefix)
            return "200"

        return act

    def _write(self, prefix: str) -> Any:
        """An item is made, changed and removed: the catalogue stays as large as it is."""

        async def act(chance: Random) -> str:
            cookie = {"Cookie": self._cookie}
            item = {"name": f"Kettle {chance.random()}", "price": "12.50", "stock": 3}
            made = await self._ask("POST", f"{prefix}/items", 201, json=item, headers=cookie)
            place = made.headers["location"]
            await self._ask("PUT", place, json=item | {"stock": 4}, headers=cookie)
            _check((await self._ask("GET", place)).json()["stock"] == 4, place)
            await self._ask("DELETE", place, 204, headers=cookie)
            return "204"

        return act

    async def _page(self, _: Random) -> str:
        answer = await self._ask("GET", "/flask/items", headers={"Accept": "text/html"})
        _check("<html" in answer.text, "/flask/items")
        return "200"

    async def _export(self, _: Random) -> str:
        answer = await self._ask("GET", "/flask/export.csv")
        _check(answer.text.count("\n") > _ITEMS, "/flask/export.csv")
        return "200"

    async def _stream(self, _: Random) -> str:
        answer = await self._ask("GET", "/load/stream")
        _check(len(answer.content) == CHUNKS * CHUNK_BYTES, "/load/stream")
        return "200"

    async def _file(self, _: Random) -> str:
        received = 0
        async with self._http.stream("GET", "/load/file") as answer:
            async for piece in answer.aiter_raw():
                received += len(piece)
        _check(answer.status_code == 200 and received == _FILE_BYTES, "/load/file")
        return "200"

    def _upload(self, prefix: str, mebibytes: int) -> Any:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(mebibytes):
                yield _BODY

        async def act(chance: Random) -> str:
            # With a length, or in chunks of HTTP's own.
            content = _BODY * mebibytes if chance.random() < 0.5 else body()
            answer = await self._ask("POST", f"{prefix}/upload", content=content)
            _check(answer.json() == {"received": mebibytes * MEBIBYTE}, prefix)
            return "200"

        return act

    async def _events(self, _: Random) -> str:
        """Listen until the first event, and leave."""
        async with self._http.stream("GET", "/fastapi/events") as answer:
            _check(answer.status_code == 200, "/fastapi/events")
            async for line in answer.aiter_lines():
                if line.startswith("id:"):
                    return "200"
        raise UnexpectedError("the event stream ended before its first event")

    async def _websocket(self, _: Random) -> str:
        """Listen until the first change, and say goodbye."""
        # The next one, not all that are kept: a client with unread messages waits long for its
        # goodbye to be answered.
        async with connect(
            self._websocket_url, proxy=None, open_timeout=_PATIENCE_SECONDS
        ) as socket:
            change = json.loads(await socket.recv())
            _check("kind" in change, "/fastapi/events/ws")
        return "101"


def visitors_http(url: str) -> httpx.AsyncClient:
    """Connections for those who behave."""
    # Given up before the server closes them, so that no request meets a connection that is closing.
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.0)
    http = httpx.AsyncClient(
        base_url=url, timeout=_PATIENCE_SECONDS, limits=limits, trust_env=False
    )
    http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return http


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise UnexpectedError(f"{what}: not the answer that is expected")
