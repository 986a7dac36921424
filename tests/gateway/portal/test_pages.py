"""The portal's pages as they leave the server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from gateway.portal import spelling
from gateway.portal.pages import grouped_routes, page_routes
from tests.live.portal.facts import (
    REQUEST_ID,
    SeededFacts,
    error,
    mount,
    overview,
    route,
    routes,
)

PATHS = ["/", "/routes", "/compare", "/requests", f"/requests/{REQUEST_ID}", "/configuration"]


def portal(facts: SeededFacts, *, signed_in_by_token: bool = False) -> Starlette:
    """The pages at the usual prefix."""
    pages = page_routes(facts, admin_prefix="/_gateway", signed_in_by_token=signed_in_by_token)
    return Starlette(routes=[Mount("/_gateway", routes=pages)])


def client(app: Starlette, root_path: str = "") -> httpx.AsyncClient:
    """A client of the pages; their paths are below the prefix."""
    transport = httpx.ASGITransport(app=app, root_path=root_path)
    return httpx.AsyncClient(
        transport=transport, base_url=f"http://gateway.test{root_path}/_gateway"
    )


@pytest.fixture
def facts() -> SeededFacts:
    """What the pages show."""
    return SeededFacts()


@pytest.fixture
async def http(facts: SeededFacts) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the pages over these facts."""
    async with client(portal(facts)) as http:
        yield http


def headline(page: str) -> str:
    found = re.search(r"data-headline.*?>(.*?)</p>", page, re.DOTALL)
    assert found
    return " ".join(found[1].replace("\u00a0", " ").split())


@pytest.mark.parametrize("path", PATHS)
async def test_pages_allow_nothing_but_the_gateways_own(http: httpx.AsyncClient, path: str) -> None:
    """No inline script or style and no other origin is allowed, and none is there."""
    answer = await http.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert re.findall(r"<script(?![^>]* src=)|<style| style=| on\w+=", answer.text) == []
    assert re.findall(r"(?:src|href|action)=\"(?:\w+:)?//", answer.text) == []


@pytest.mark.parametrize("path", PATHS)
async def test_what_comes_from_requests_is_text(http: httpx.AsyncClient, path: str) -> None:
    """A path that is a script stays a path."""
    answer = await http.get(path, params={"q": "\"><script>alert('q')</script>"})
    assert "<script>" not in answer.text


@pytest.mark.parametrize("path", PATHS)
async def test_links_know_a_proxys_prefix(facts: SeededFacts, path: str) -> None:
    """Behind a proxy's prefix every link leads through it, to the mounts as well."""
    async with client(portal(facts, signed_in_by_token=True), "/public") as http:
        page = (await http.get(path)).text
    links = set(re.findall(r'(?:src|href|action|data-base)="(/[^"]*)"', page))
    # What others say stays as they say it.
    assert [link for link in links - {"/fastapi/docs"} if not link.startswith("/public/")] == []
    if path == "/":
        assert "/public/flask/" in links


@pytest.mark.parametrize("path", PATHS)
async def test_headings_come_in_order(http: httpx.AsyncClient, path: str) -> None:
    """One first heading, and none that skips a level."""
    levels = [int(level) for level in re.findall(r"<h(\d)", (await http.get(path)).text)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("token", [True, False])
async def test_sign_out_is_offered_where_there_is_a_token(
    facts: SeededFacts, *, token: bool
) -> None:
    """Without a token there is nothing to sign out of."""
    async with client(portal(facts, signed_in_by_token=token)) as http:
        page = (await http.get("/")).text
    assert ('<form method="post" action="/_gateway/sign-out">' in page) is token


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (overview(), "2 services, all ready, 21 req/s, 1 error in the last minute"),
        (overview(mount("web")), "1 service, ready, 8.4 req/s, no errors in the last minute"),
        (
            overview(mount("web", error_rate=0.5)),
            "1 service, ready, 8.4 req/s, errors in the last minute",
        ),
        (
            overview(mount("web", error_rate=0.5), errors=[error("fresh-1", "/web", 500, "error")]),
            "1 service, ready, 8.4 req/s, 1 error in the last minute",
        ),
        (
            overview(mount("a"), mount("b", state="not ready"), mount("c")),
            "3 services, 1 not ready, 25 req/s, no errors in the last minute",
        ),
        (
            overview(mount("web", state="draining"), draining=True),
            "1 service, shutting down, 8.4 req/s, no errors in the last minute",
        ),
        (
            overview(mount("web"), silent=[7, 8], well=False),
            "1 service, ready, 2 workers do not answer, 8.4 req/s, no errors in the last minute",
        ),
        (overview(mounts=[]), "No services, 0 req/s, no errors in the last minute"),
    ],
)
async def test_headline_says_how_it_is_doing(
    facts: SeededFacts, http: httpx.AsyncClient, shown: dict[str, Any], expected: str
) -> None:
    """The first sentence is enough for whoever has ten seconds."""
    facts.current = shown
    assert headline((await http.get("/")).text) == expected


@pytest.mark.parametrize(
    ("changes", "well"),
    [({}, "yes"), ({"silent": [7]}, "no"), ({"well": False}, "no"), ({"draining": True}, "no")],
)
async def test_headline_is_drawn_well(
    facts: SeededFacts, http: httpx.AsyncClient, changes: dict[str, Any], well: str
) -> None:
    """A worker that says nothing, or leaves, is not well, however ready the mounts are."""
    facts.current = overview(mount("web"), **changes)
    assert f'data-well="{well}"' in (await http.get("/")).text


async def test_charts_leave_gaps_where_nothing_was_measured(
    facts: SeededFacts, http: httpx.AsyncClient
) -> None:
    """A line begins anew after a gap, scaled to the highest value."""
    steps = [None, 0.01, 0.02, None, 0.04]
    one = mount("web")
    one["history"] = {
        "requests_per_second": [0.0, 1.0, 2.0, 0.0, 4.0],
        "errors_per_second": [0.0, 0.0, 0.0, 0.0, 0.01],
        **dict.fromkeys(["p50_seconds", "p95_seconds", "p99_seconds"], steps),
    }
    facts.current = overview(one)
    page = (await http.get("/")).text
    assert 'data-shape="p95" d="M1 30.5h.1L2 21.0M4 2.0h.1"' in page
    assert 'data-shape="requests" d="M0 40.0h.1L1 30.5L2 21.0L3 40.0L4 2.0"' in page
    assert 'data-shape="errors" d="M4 40V36.0"' in page


async def test_request_that_nobody_remembers_is_not_found(http: httpx.AsyncClient) -> None:
    """It says so, by its status as well."""
    answer = await http.get("/requests/gone")
    assert answer.status_code == 404
    assert "No worker remembers request" in answer.text


async def test_silent_worker_may_know_more(facts: SeededFacts, http: httpx.AsyncClient) -> None:
    """Whether anything of the request was found or not."""
    facts.silent = [7]
    for request_id, what in [("gone", "it"), (REQUEST_ID, "more")]:
        page = (await http.get(f"/requests/{request_id}")).text
        assert f"1 worker did not answer, and may know {what}." in page


async def test_ids_with_a_slash_have_a_page(facts: SeededFacts, http: httpx.AsyncClient) -> None:
    """Links lead to it, and it is about the whole of the ID."""
    facts.current = overview(mount("web"), errors=[error("a/b", "/web", 500, "error")])
    assert 'href="/_gateway/requests/a%2Fb"' in (await http.get("/")).text
    assert '<code class="id">a/b</code>' in (await http.get("/requests/a%2Fb")).text


async def test_kept_is_a_number_of_requests(http: httpx.AsyncClient) -> None:
    """How long that lasts depends on how many come: no page says minutes."""
    for path in ("/requests", "/requests/", "/requests/gone"):
        page = (await http.get(path)).text
        assert "keeps its last requests" in page
        assert "minutes" not in page


async def test_looking_up_leads_to_the_requests_address(http: httpx.AsyncClient) -> None:
    """An ID that is no path segment by itself becomes one."""
    answer = await http.get("/requests", params={"id": " a/b?c "})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/_gateway/requests/a%2Fb%3Fc"


async def test_static_files_are_asked_for_anew_and_sent_once(http: httpx.AsyncClient) -> None:
    """A new version's page never meets an old script, and an unchanged one costs no transfer."""
    first = await http.get("/static/overview.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["cache-control"] == "no-cache"
    again = await http.get("/static/overview.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await http.get("/static/pages.py")).status_code == 404


def test_pairs_are_shown_together() -> None:
    """What both stacks have stands first, and once; the others by mount."""
    groups = grouped_routes(routes(), "")
    assert [pair["query"] for pair in groups["pairs"]] == [
        "method=GET&path=%2Fitems%2F%7Bitem_id%7D&first=flask&second=fastapi",
        "method=GET&path=%2Fitems&first=flask&second=fastapi",
    ]
    assert [(name, len(alone)) for name, alone in groups["others"]] == [
        ("flask", 2),
        ("fastapi", 1),
    ]
    assert (groups["shown"], groups["total"]) == (7, 7)


def test_routes_are_found_by_all_words_of_a_query() -> None:
    """By method, template, mount and stack, in any order and in any case."""
    document = {"routes": [route("flask", "/a", "/a", "GET", "POST")], "pairs": []}
    for query, shown in [("", 1), ("post FLASK /a", 1), ("flask put", 0)]:
        assert grouped_routes(document, query)["shown"] == shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "\u2013"),
        (0.0, "0 ms"),
        (0.000_001, "<0.01 ms"),
        (0.000_456, "0.46 ms"),
        (0.002_14, "2.1 ms"),
        (0.012_4, "12 ms"),
        (0.99, "990 ms"),
        (1.25, "1.2 s"),
        (42.4, "42 s"),
    ],
)
def test_times_have_the_unit_that_fits(value: float | None, expected: str) -> None:
    """As many digits as anybody reads."""
    assert spelling.seconds(value).replace("\u00a0", " ") == expected


def test_other_figures_have_units_that_fit() -> None:
    """Rates, shares, sizes and durations."""
    spelled = [
        spelling.rate(1234.5),
        spelling.rate(0.25),
        spelling.share(0.0125),
        spelling.share(1.0),
        spelling.size(91_226_112),
        spelling.size(3 * 1024**3 // 2),
        spelling.size(512),
        spelling.duration(42),
        spelling.duration(3600 * 3 + 12 * 60 + 5),
        spelling.duration(86400 * 5 + 3 * 3600),
    ]
    assert [text.replace("\u00a0", " ") for text in spelled] == [
        "1,234 req/s",
        "0.25 req/s",
        "1.2 %",
        "100 %",
        "87 MiB",
        "1.5 GiB",
        "512 B",
        "42 s",
        "3 h 12 min",
        "5 d 3 h",
    ]


async def test_code_in_sentences_is_shown_as_code(http: httpx.AsyncClient) -> None:
    """What stands between backticks is code, and still text."""
    page = (await http.get("/configuration")).text
    assert "Set <code>SESSION_COOKIE_SECURE = True</code> where" in page
