"""What a client cannot be told, the log is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.bridge.driver import ask, until
from tests.bridge.machines import bridged, is_whole


async def test_a_header_of_the_connection_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """However often an application sends it, and however it writes its name."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [(environ["QUERY_STRING"], "x"), ("X-Kept", "1")])
        return [b"ok"]

    async with bridged(app) as bridge:
        for name in (b"Keep-Alive", b"Keep-Alive", b"keep-alive", b"KEEP-ALIVE", b"Upgrade"):
            answer = await ask(bridge, query=name)
            assert [key for key, _ in answer.headers] == [b"x-kept", b"content-length"]
    assert [record.args[1:] for record in caplog.records if isinstance(record.args, tuple)] == [
        ("Keep-Alive",),
        ("Upgrade",),
    ]


@pytest.mark.parametrize("chunks", [[b"abcdef"], [b"abc", b"def"], [b"ab", b"cd", b"ef"]])
async def test_what_is_cut_off_is_told_of(
    chunks: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes beyond Content-Length go to nobody, so that their author has to learn of them."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "3")])
        return iter(chunks)

    async with bridged(app) as bridge:
        assert (await ask(bridge, "/cut", query=b"a=b")).body == b"abc"
    assert caplog.records
    assert all("GET /cut?a=b is longer" in message for message in caplog.messages)


async def test_an_error_after_the_answer_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """The client has its answer, whole; what fails then is still seen by somebody."""

    class Broken(list[bytes]):
        def close(self) -> None:
            raise ValueError("in close")

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return Broken([b"whole"])

    async with bridged(app, threads=1) as bridge:
        answer = await ask(bridge, "/after")
        assert (answer.status, answer.body, answer.complete) == (200, b"whole", True)
        await until(lambda: is_whole(bridge.pool))
    (record,) = caplog.records
    assert "after the end of the answer to GET /after" in record.getMessage()
    assert record.exc_info
    assert isinstance(record.exc_info[1], ValueError)


async def test_nobody_is_told_of_a_client_that_left(caplog: pytest.LogCaptureFixture) -> None:
    """An upload that is broken off is counted, and is no error of the application's."""
    async with bridged(lambda environ, start_response: []) as bridge:
        headers = [(b"content-length", b"100")]
        answer = await ask(bridge, body=[b"half"], method="POST", headers=headers, leaves=True)
        assert answer.status == 0
        assert (bridge.pool.counters.left_early, bridge.pool.counters.served) == (1, 0)
    assert not caplog.records
