"""What may be asked of two mounts, and the lines that ask it in a shell."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

import pytest

from gateway.portal.question import Question, curl_line
from tests.gateway.portal.comparing import portal

# --- What cannot be asked -------------------------------------------------------------------------

UNASKABLE: list[tuple[dict[str, Any], str]] = [
    ({"mounts": ["flask", "x"]}, "No mount is called 'x'; there are flask, fastapi."),
    ({"mounts": ["flask"]}, "mounts: name two of them"),
    ({"mounts": ["flask", "fastapi", "flask"]}, "mounts: name two of them"),
    ({"mounts": "flask"}, "mounts: name two of them"),
    ({"method": "TRACE"}, "method: "),
    ({"times": 0}, "times: "),
    ({"times": 201}, "times: "),
    ({"times": "5"}, "times: "),
    ({"method": "POST", "times": 2}, "POST is not safe to repeat"),
    ({"target": "items"}, "target: it begins with a slash"),
    ({"target": "/a b"}, "target: spaces"),
    ({"target": "/a#b"}, "target: spaces"),
    ({"target": "/../fastapi/same"}, "target: The path has dot segments"),
    ({"target": "/%2e%2e/x"}, "target: The path has dot segments"),
    ({"target": "/%zz"}, "target: The path has a percent sign"),
    ({"headers": {"A B": "1"}}, "'A B' is no header name"),
    ({"headers": {"A": "1\n2"}}, "the value of A"),
    ({"headers": {"A": "1", "a": "2"}}, "a is there twice"),
    ({"headers": {"Content-Length": "1"}}, "Content-Length belongs to a connection"),
    ({"headers": {"Host": "a/b"}}, "is no host"),
    ({"surprise": 1}, "surprise is nothing that can be asked for."),
]


@pytest.mark.parametrize(("change", "words"), UNASKABLE)
async def test_what_cannot_be_asked_is_refused_in_a_sentence(
    change: dict[str, Any], words: str
) -> None:
    """And no service is asked anything."""
    document = {"method": "GET", "mounts": ["flask", "fastapi"], "target": "/same", **change}
    async with portal() as gateway:
        answer = await gateway.post(json.dumps(document).encode())
        assert gateway.two.order == []
    assert answer.status == 422
    assert answer.header("content-type") == "application/problem+json"
    assert words in answer.json["detail"]


async def test_what_is_no_json_is_refused() -> None:
    """With the place where it stops being it."""
    async with portal() as gateway:
        answer = await gateway.post(b'{"method": ')
    assert answer.status == 422
    assert "The body is no JSON: " in answer.json["detail"]


async def test_every_fault_is_told_at_once() -> None:
    """Nobody has to try again for each."""
    async with portal() as gateway:
        answer = await gateway.post(
            b'{"times": 0, "mounts": ["flask", "fastapi"], "x": 1, "method": 1}'
        )
    for words in ("times: ", "x is nothing", "method: "):
        assert words in answer.json["detail"]


@pytest.mark.parametrize(
    ("prefix", "target", "other"),
    [
        ("/", "/_gateway/api/compare", "the gateway itself"),
        ("/", "/%5Fgateway/metrics", "the gateway itself"),
        ("/", "/fastapi/same", "the mount 'fastapi'"),
    ],
)
async def test_what_another_answers_is_not_asked(prefix: str, target: str, other: str) -> None:
    """Least of all the gateway's own endpoints, which believe who asks."""
    async with portal(mounts={"flask": {"prefix": prefix}}) as gateway:
        answer = await gateway.ask(target)
    assert answer.status == 422
    assert f"not answered by the mount 'flask' but by {other}" in answer.json["detail"]


async def test_what_a_mount_within_another_answers_is_not_asked_of_the_outer_one() -> None:
    """The longest prefix wins, as for every request."""
    async with portal(mounts={"flask": {"prefix": "/fastapi/deep"}}) as gateway:
        answer = await gateway.ask("/deep/same")
    assert answer.status == 422
    assert "not answered by the mount 'fastapi' but by the mount 'flask'" in answer.json["detail"]


# --- curl -----------------------------------------------------------------------------------------

NASTY = 'it\'s $HOME `id` "quoted" \\ ä\n@file; rm'


async def test_the_curl_lines_ask_what_was_asked() -> None:
    """Of the public address, without the cookies of whoever asked."""
    async with portal() as gateway:
        named = {"Accept": "text/html", "X-Empty": ""}
        answer = await gateway.ask("/same?a=1&b='", {"Cookie": "session=secret"}, named=named)
    assert [shlex.split(line) for line in answer.json["curl"]] == [
        [
            *("curl", "--include", "--globoff"),
            *("--header", "Accept: text/html", "--header", "X-Empty;"),
            f"http://public.test/{name}/same?a=1&b='",
        ]
        for name in ("flask", "fastapi")
    ]


def test_a_curl_line_is_what_it_says_to_a_shell() -> None:
    """Whatever stands in headers and bodies."""
    question = Question(
        method="POST", mounts=("a", "b"), headers={"X-Own": "it's $HOME `id` \\"}, body=NASTY
    )
    line = curl_line(question, "http://localhost/a?x=[1]&y='")
    printed = subprocess.run(
        ["sh", "-c", f'curl() {{ printf "%s\\0" "$@"; }}; {line}'],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed.split("\0")[:-1] == [
        "--include",
        "--globoff",
        "--request",
        "POST",
        "--header",
        "X-Own: it's $HOME `id` \\",
        "--header",
        "Content-Type:",
        "--data-raw",
        NASTY,
        "http://localhost/a?x=[1]&y='",
    ]
    head = curl_line(Question(method="HEAD", mounts=("a", "b")), "http://localhost/")
    assert head == "curl --head --globoff http://localhost/"
