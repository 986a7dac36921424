"""Flask's pages: complete, accessible, and right under a prefix."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask

from services import flask_service
from services.catalog.settings import CatalogSettings
from tests.services.conftest import HTML, Stack, open_stack

PAGES = ["/", "/items", "/items/1", "/items/new", "/login", "/nope"]
CSS = Path(flask_service.__file__).parent / "static" / "style.css"
VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """What the tests want to know of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Hold the page to closing its elements in order."""
        assert self._open.pop() == tag

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        """The attributes of all elements with one of these tags."""
        return [attributes for tag, attributes in self.tags if tag in tags]


@pytest.mark.parametrize("path", PAGES)
async def test_accessible(settings: CatalogSettings, path: str) -> None:
    """Each page has a language, landmarks, one heading, a skip link and labelled fields."""
    async with open_stack("flask", settings) as stack:
        await stack.log_in()
        answer = await stack.client.get(path, headers=HTML)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("title")) == len(page.all("main")) == 1
    assert len(page.all("header")) == 1
    assert all(nav.get("aria-label") for nav in page.all("nav"))
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert page.all("a")[0]["href"] == f"#{page.all('main')[0]['id']}"
    labels = {label["for"] for label in page.all("label")}
    for field in page.all("input", "select", "textarea"):
        assert field.get("type") == "hidden" or field["id"] in labels
    assert all("scope" in cell for cell in page.all("th"))


@pytest.mark.parametrize("path", PAGES)
async def test_links_keep_the_prefix(settings: CatalogSettings, path: str) -> None:
    """Under a prefix every link and form stays under it, and nothing comes from elsewhere."""
    async with open_stack("flask", settings, prefix="/shop") as stack:
        await stack.log_in()
        answer = await stack.client.get(path, headers=HTML)
        page = Page(answer.text)
        addresses = {
            str(attributes[name])
            for _, attributes in page.tags
            for name in ("href", "src", "action")
            if name in attributes
        }
        for address in addresses - {"#content", "data:,", "/fastapi/", "/fastapi/docs"}:
            assert address.startswith("/shop/")
            if address not in {"/shop/logout", "/shop/items/new"} and "?" not in address:
                found = await stack.client.get(address.removeprefix("/shop"), headers=HTML)
                assert found.status_code == 200


async def test_twin_is_linked_only_under_a_prefix(settings: CatalogSettings) -> None:
    """The first page links to the FastAPI twin where the two share a server."""
    for prefix, linked in (("/flask", True), ("", False)):
        async with open_stack("flask", settings, prefix=prefix) as stack:
            page = (await stack.client.get("/")).text
        assert "<h1>Hello, World!</h1>" in page
        assert ('href="/fastapi/docs"' in page) == linked


async def test_hello(settings: CatalogSettings) -> None:
    """The smallest answer is plain text."""
    async with open_stack("flask", settings) as stack:
        answer = await stack.client.get("/hello")
    assert answer.text == "Hello, World!"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("image/png", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        (HTML["Accept"], "text/html; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("path", ["/items", "/items/1", "/items/999", "/nope"])
async def test_negotiation(
    settings: CatalogSettings, accept: str | None, kind: str, path: str
) -> None:
    """Browsers get pages and programs get JSON, and caches are told that it depends."""
    async with open_stack("flask", settings) as stack:
        del stack.client.headers["accept"]
        headers = {"Accept": accept} if accept else {}
        answer = await stack.client.get(path, headers=headers)
    assert answer.headers["content-type"] == kind
    assert "Accept" in answer.headers["vary"]


async def test_form_creates_an_item(settings: CatalogSettings) -> None:
    """The form creates an item and leads to its page; what it holds is shown as text."""
    async with open_stack("flask", settings) as stack:
        await stack.log_in()
        form = {"name": "<b>Kettle", "description": "", "price": "1.10", "stock": "2"}
        answer = await stack.client.post("/items", data=form, headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, "/items/31")
        page = await stack.client.get("/items/31", headers=HTML)
    assert "<h1>&lt;b&gt;Kettle</h1>" in page.text


async def test_form_says_what_is_wrong(settings: CatalogSettings) -> None:
    """A form with faults comes back filled in, each fault bound to its field."""
    async with open_stack("flask", settings) as stack:
        await stack.log_in()
        form = {"name": '"Kettle', "price": "cheap", "stock": "2"}
        answer = await stack.client.post("/items", data=form, headers=HTML)
    assert answer.status_code == 422
    page = Page(answer.text)
    fields = {str(field.get("id")): field for field in page.all("input", "textarea")}
    assert fields["name"]["value"] == '"Kettle'
    assert "aria-invalid" not in fields["name"]
    assert fields["price"]["aria-invalid"] == "true"
    assert fields["price"]["aria-describedby"] in {p.get("id") for p in page.all("p")}


async def test_search_page(settings: CatalogSettings) -> None:
    """The list's page keeps the search and the order from page to page."""
    async with open_stack("flask", settings) as stack:
        query = "/items?q=a&sort=-price&size=5&page=2"
        answer = await stack.client.get(query, headers=HTML)
    page = Page(answer.text)
    (following,) = [link for link in page.all("a") if link.get("rel") == "next"]
    assert following["href"] == "/items?page=3&size=5&q=a&sort=-price"
    assert [option["value"] for option in page.all("option") if "selected" in option] == ["-price"]


def test_server_error(settings: CatalogSettings) -> None:
    """A fault of ours is a page for a browser and JSON for a program, and tells neither why."""
    app: Flask = flask_service.create_app(settings)

    @app.get("/fault")
    def fault() -> str:
        raise RuntimeError("s3cret")

    client = app.test_client()
    page, data = client.get("/fault", headers=HTML), client.get("/fault")
    assert (page.status_code, data.status_code) == (500, 500)
    assert "<h1>Something went wrong</h1>" in page.text
    assert data.json == {"detail": "Internal Server Error"}
    assert "s3cret" not in page.text + data.text


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2, "contrast ratio")."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours() -> None:
    """Text, links and faults stand out from the page, in the light and in the dark."""
    blocks = re.findall(r":root \{(.*?)\}", CSS.read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
        for name in ("text", "quiet", "link", "fault"):
            assert contrast(colours[name], colours["page"]) >= 4.5


def test_style_needs_nothing_from_outside() -> None:
    """The style sheet shows where the focus is, and names no other address."""
    css = CSS.read_text()
    assert ":focus-visible" in css
    assert not re.search(r"url\(|@import|//", css)


async def test_not_found_is_for_either(stack: Stack) -> None:
    """A program that meets a missing item gets JSON from either stack."""
    answer = await stack.client.get("/items/999")
    assert answer.headers["content-type"].startswith("application/json")
