"""The application that the comparisons of adapters ask, and the call that the limit is made of."""

import io
import time
from pathlib import Path
from wsgiref.validate import validator

import pytest

from benchmarks import flask_app
from benchmarks.limit import environ, flask_call_ms


def test_the_views_do_the_work_that_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 KiB in 100 chunks, a file, an upload, 5 ms of processor time, 50 ms of none."""
    file = tmp_path / "file.bin"
    file.write_bytes(b"content")
    monkeypatch.setenv(flask_app.FILE_VARIABLE, str(file))
    client = flask_app.app.test_client()
    stream = client.get("/stream")
    chunks = list(stream.iter_encoded())
    assert [len(chunk) for chunk in chunks] == [1024] * 100
    with client.get("/file") as sent:
        assert sent.data == b"content"
    assert client.post("/upload", data=b"x" * 5000).json == {"received": 5000}
    begun = time.thread_time()
    assert client.get("/compute").json == {"computed": True}
    assert time.thread_time() - begun >= flask_app.COMPUTE_SECONDS
    begun = time.monotonic()
    assert client.get("/sleep").json == {"slept": True}
    assert time.monotonic() - begun >= flask_app.SLEEP_SECONDS


def test_the_call_alone_gets_an_environ_as_pep_3333_wants_it() -> None:
    """The validator of the standard library finds nothing in it."""
    checked = validator(flask_app.app.wsgi_app)
    seen: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> object:
        seen.append(status)
        return lambda data: None

    answer = checked({**environ("/json"), "wsgi.input": io.BytesIO()}, start_response)  # type: ignore[arg-type]
    assert b"chair" in b"".join(answer)
    answer.close()  # type: ignore[attr-defined]
    assert seen == ["200 OK"]


def test_the_call_alone_is_timed_and_a_failing_one_refused() -> None:
    """An error page must not pass for the work."""
    assert 0 < flask_call_ms("/json", seconds=0.01) < 1000
    with pytest.raises(RuntimeError, match="404 NOT FOUND"):
        flask_call_ms("/nowhere", seconds=0.01)
