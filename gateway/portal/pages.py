"""The pages of the portal: drawn on the server, so that each is whole without its script.

A page is a template and the facts that it shows. While it is open, `static/` spells and draws the
same facts in the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway import __version__
from gateway.portal import board, spelling
from gateway.portal.lately import errors_lately, steps_shown
from gateway.portal.static_files import StaticFiles
from gateway.portal.switch import SwitchReports
from gateway.portal.switch_api import origin_of, sentence_of
from gateway.switch.evidence.store import StoreError

# Nothing from elsewhere, nothing that stands in the page itself is run, nobody may frame it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = MappingProxyType({"Cache-Control": "no-store", "Content-Security-Policy": POLICY})
_HERE = Path(__file__).parent

Facts = Mapping[str, Any]


class PortalFacts(Protocol):
    """What the pages show: the documents that the portal's API answers with."""

    async def overview(self) -> Facts:
        """The process group and its mounts."""

    async def routes(self) -> Facts:
        """Every route of every service, and the pairs among them."""

    async def request(self, request_id: str) -> Facts:
        """What is kept of one request."""

    async def configuration(self) -> Facts:
        """The effective settings, and what `gateway check` finds."""


def page_routes(
    facts: PortalFacts,
    *,
    admin_prefix: str,
    signed_in_by_token: bool,
    switches: SwitchReports | None = None,
) -> list[Route]:
    """The routes of the pages and of their static files, below the admin prefix.

    Args:
        facts: What they show.
        admin_prefix: Where they are; what is public before it, a proxy's, mounts have as well.
        signed_in_by_token: Whether there is a token, and so something to sign out of.
        switches: The switches' reports; None where there is no switch.
    """
    pages = Pages(facts, admin_prefix, switches, signed_in_by_token=signed_in_by_token)
    return [
        Route("/", pages.overview),
        Route("/routes", pages.routes),
        Route("/switch", pages.switch),
        Route("/compare", pages.compare),
        Route("/requests", pages.requests),
        Route("/requests/{request_id:path}", pages.request),
        Route("/configuration", pages.configuration),
        Route("/static/{file}", StaticFiles(_HERE / "static", _HEADERS).answer),
    ]


class Pages:
    """One method for each page; see `page_routes`."""

    def __init__(
        self,
        facts: PortalFacts,
        admin_prefix: str,
        switches: SwitchReports | None,
        *,
        signed_in_by_token: bool,
    ) -> None:
        self._facts = facts
        self._admin_prefix = admin_prefix
        self._switches = switches
        self._signed_in_by_token = signed_in_by_token
        self._templates = _templates()

    async def overview(self, request: Request) -> Response:
        """What this process serves, and how it is doing."""
        overview = await self._facts.overview()
        return self._page(
            request,
            "overview",
            overview=overview,
            errors=errors_lately(overview),
            steps=steps_shown(overview),
        )

    async def routes(self, request: Request) -> Response:
        """Every route; with `?q=`, those that have all its words."""
        query = request.query_params.get("q", "")
        groups = grouped_routes(await self._facts.routes(), query)
        mounts = (await self._facts.overview())["mounts"]
        prefixes = {mount["name"]: mount["prefix"].rstrip("/") for mount in mounts}
        return self._page(request, "routes", query=query, prefixes=prefixes, **groups)

    async def switch(self, request: Request) -> Response:
        """The boards; with `?open=`, the evidence of some routes; with `?q=`, some routes alone."""
        opened = frozenset(request.query_params.getlist("open"))
        query = request.query_params.get("q", "")
        try:
            found = await self._switches.reports(origin_of(request)) if self._switches else []
            status, gone = HTTPStatus.OK, ""
        except StoreError as error:
            found, status, gone = [], HTTPStatus.SERVICE_UNAVAILABLE, sentence_of(str(error))

        def drawn() -> Response:
            boards = [board.board(one, opened, query) for one in found]
            asked: Facts = {"query": query, "opened": sorted(opened)}
            return self._page(request, "switch", status, boards=boards, gone=gone, **asked)

        # Beside the event loop: it may be long, and is asked for again and again.
        return await asyncio.to_thread(drawn)

    async def compare(self, request: Request) -> Response:
        """The same request to two mounts; the query says which, to begin with."""
        mounts = [
            mount
            for mount in (await self._facts.overview())["mounts"]
            if not mount["behind_switch"]
        ]
        pairs = grouped_routes(await self._facts.routes())["pairs"]
        wanted = dict(request.query_params)
        if not wanted and pairs:
            wanted = next((pair for pair in pairs if "GET" in pair["methods"]), pairs[0])["choice"]
        names = [mount["name"] for mount in mounts]
        first_two = {"first": names[0], "second": names[-1]} if names else {}
        wanted = {"method": "GET", "path": "/", "first": "", "second": "", **first_two, **wanted}
        return self._page(request, "compare", mounts=mounts, pairs=pairs, wanted=wanted)

    async def requests(self, request: Request) -> Response:
        """Where to ask for a request by its ID."""
        wanted = request.query_params.get("id", "").strip()
        if wanted:
            where = f"{request.scope['root_path']}/requests/{_segment(wanted)}"
            return RedirectResponse(where, HTTPStatus.SEE_OTHER, _HEADERS)
        return self._page(request, "requests", answer=None, wanted="")

    async def request(self, request: Request) -> Response:
        """What is known of one request."""
        wanted = request.path_params["request_id"]
        if not wanted:
            return await self.requests(request)
        answer = await self._facts.request(wanted)
        status = HTTPStatus.OK if answer["found"] else HTTPStatus.NOT_FOUND
        return self._page(request, "requests", status, answer=answer, wanted=wanted)

    async def configuration(self, request: Request) -> Response:
        """The effective settings; with `?q=` and `?changed=`, some of them; and the findings."""
        document = await self._facts.configuration()
        query, changed = (request.query_params.get(name, "") for name in ("q", "changed"))
        settings = [
            _searchable(setting, query, setting["key"], spelling.setting(setting), setting["help"])
            for setting in document["settings"]
        ]
        for setting in settings:
            setting["shown"] &= not changed or setting["origin"] != "default"
        groups = groupby(settings, lambda setting: str(setting["key"]).rpartition(".")[0])
        return self._page(
            request,
            "configuration",
            groups=[(name, list(group)) for name, group in groups],
            total=len(settings),
            shown=sum(setting["shown"] for setting in settings),
            query=query,
            changed=changed,
            findings=document["findings"],
        )

    def _page(
        self, request: Request, name: str, status: HTTPStatus = HTTPStatus.OK, **facts: Any
    ) -> Response:
        base: str = request.scope["root_path"]
        text = self._templates.get_template(f"{name}.html").render(
            base=base,
            public=base.removesuffix(self._admin_prefix),
            here=name,
            version=__version__,
            signed_in_by_token=self._signed_in_by_token,
            has_switch=self._switches is not None,
            **facts,
        )
        return HTMLResponse(text, status, _HEADERS)


def grouped_routes(document: Facts, query: str = "") -> dict[str, Any]:
    """Routes as the page shows them: the pairs together, then each mount's others.

    Args:
        document: The routes and pairs of `PortalFacts.routes`.
        query: Words that a route has to have to be shown.

    Returns:
        `pairs`, each with its two `routes`, and `others`, a list of (mount, routes), all with
        whether they are `shown`; how many routes there are, `total`, and how many `shown`.
    """
    routes = document["routes"]
    pairs = [
        _pair(pair, [routes[index] for index in pair["routes"]], query)
        for pair in document["pairs"]
    ]
    paired = {index for pair in document["pairs"] for index in pair["routes"]}
    others: dict[str, list[dict[str, Any]]] = {}
    for index, route in enumerate(routes):
        if index not in paired:
            found = _searchable(route, query, *_words_of(route))
            others.setdefault(route["mount"], []).append(found)
    shown = [route["shown"] for group in others.values() for route in group]
    in_pairs = [len(pair["routes"]) * pair["shown"] for pair in pairs]
    return {
        "pairs": pairs,
        "others": list(others.items()),
        "total": len(routes),
        "shown": sum(shown) + sum(in_pairs),
    }


def _pair(pair: Facts, routes: Sequence[Facts], query: str) -> dict[str, Any]:
    methods = pair["methods"]
    choice = {
        "method": "GET" if "GET" in methods else methods[0],
        "path": pair["path"],
        "first": routes[0]["mount"],
        "second": routes[1]["mount"],
    }
    found = {**pair, "routes": routes, "choice": choice, "query": urlencode(choice)}
    return _searchable(found, query, *(word for route in routes for word in _words_of(route)))


def _words_of(route: Facts) -> list[str]:
    return [*route["methods"], route["template"], route["path"], route["mount"], route["stack"]]


def _searchable(what: Facts, query: str, *texts: str) -> dict[str, Any]:
    """With the text that the page's filter looks at, and whether the query finds it."""
    text = " ".join(texts).lower()
    return {**what, "text": text, "shown": all(word in text for word in query.lower().split())}


def _segment(text: str) -> str:
    """As one segment of a path, its slashes as well."""
    return quote(text, safe="")


def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        seconds=spelling.seconds,
        rate=spelling.rate,
        share=spelling.share,
        size=spelling.size,
        duration=spelling.duration,
        setting=spelling.setting,
        segment=_segment,
        match_rate=board.match_rate,
        value=board.value,
        listed=board.listed,
    )
    return templates
