"""The same request side by side, as somebody asks for it in a browser."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page

from tests.live.portal.conftest import OpenPage
from tests.live.portal.serving import SeededPortal

POST_ITEMS = "/compare?method=POST&path=/items&first=flask&second=fastapi"
FILLED_IN = "text=Filled in from the OpenAPI document."


def opened(open_page: OpenPage, path: str = "/compare") -> Page:
    """The page, with its form filled in."""
    page = open_page(path).page
    page.wait_for_selector(FILLED_IN)
    return page


def test_form_is_filled_in_from_the_schema(open_page: OpenPage, portal: SeededPortal) -> None:
    """Path parameters by place where the stacks name them differently; required query fields."""
    page = opened(open_page)
    assert page.input_value("#param-item_id") == "1"
    page.select_option("#pair", label="GET /items (flask, fastapi)")
    page.wait_for_selector("[data-rows=query] .row")
    page.click("text=Send")
    page.wait_for_selector("[data-answers] article")
    assert portal.asked == [
        {
            "method": "GET",
            "mounts": ["flask", "fastapi"],
            "target": "/items?limit=20",
            "headers": {},
            "body": "",
            "times": 1,
            "repeat_unsafe": False,
        }
    ]


def test_body_is_proposed(open_page: OpenPage, portal: SeededPortal) -> None:
    """A method with a body gets an example that its schema allows, and the type of it."""
    page = opened(open_page, POST_ITEMS)
    page.click("text=Send")
    page.wait_for_selector("[data-answers] article")
    assert json.loads(portal.asked[0]["body"]) == {"name": "A lamp", "price": 1, "tags": ["new"]}
    assert portal.asked[0]["headers"] == {"Content-Type": "application/json"}


def test_differences_are_marked(open_page: OpenPage) -> None:
    """By a sign and in words, on both sides, and nothing else is."""
    page = opened(open_page)
    page.click("text=Send")
    page.wait_for_selector("[data-answers] article")
    assert page.inner_text("[data-verdict]") == "2 differences"
    marked = page.locator("[data-answers] .differs").all_inner_texts()
    squeezed = [" ".join(text.split()) for text in marked]
    assert squeezed == [
        "≠ differs: content-type: application/json; charset=utf-8",
        '≠ differs: "price": "1.10",',
        "≠ differs: content-type: application/json",
        '≠ differs: "price": 1.1,',
    ]
    assert page.evaluate("document.activeElement.hasAttribute('data-result')")


def test_numbers_are_shown_as_they_were_sent(open_page: OpenPage, portal: SeededPortal) -> None:
    """Also where a browser's numbers are too short for them, or it would spell them otherwise."""
    portal.bodies = (
        '{"price": 12345678901234567891, "of": [1.0, -0, {}], "a/b": "\\u00e4"}',
        '{"price": 12345678901234567892, "of": [1e2, "1.0", []], "__proto__": {"x": null}}',
    )
    page = opened(open_page)
    page.click("text=Send")
    page.wait_for_selector("[data-answers] article")
    one, other = (
        [" ".join(text.split()) for text in lines.locator("> div").all_text_contents()]
        for lines in page.locator(".lines.body").all()
    )
    assert " ".join(one) == (
        '{ ≠ differs: "price": 12345678901234567891, "of": [ 1.0, -0, {} ], "a/b": "ä" }'
    )
    assert " ".join(other) == (
        '{ ≠ differs: "price": 12345678901234567892, "of": [ 1e2, "1.0", [] ], '
        '"__proto__": { "x": null } }'
    )


def test_long_and_deep_bodies_are_shown_in_part(open_page: OpenPage, portal: SeededPortal) -> None:
    """What nobody reads to its end takes neither the result nor the browser away."""
    portal.bodies = (
        f"[{'0,' * 119_999}0]",
        f"{'[' * 60_000}0,{{}}{']' * 60_000}",
    )
    watched = open_page("/compare")
    page = watched.page
    page.wait_for_selector(FILLED_IN)
    page.click("text=Send")
    page.wait_for_selector("[data-answers] article")
    long, deep = page.locator(".lines.body").all()
    assert long.locator("> div").count() == 2000
    assert page.locator("[data-answers] .hint").all_inner_texts() == [
        "118002 lines more are left out here."
    ]
    # 64 that open, one for all that is in them, 64 that close.
    assert deep.locator("> div").count() == 129
    assert deep.locator("> div").nth(64).inner_text().strip() == "[ … ]"
    assert watched.complaints == []


def test_repeating_draws_both_distributions(open_page: OpenPage, portal: SeededPortal) -> None:
    """Each run is a dot in its row; the ratio is told with its spread."""
    page = opened(open_page)
    page.click("text=Run 200 times")
    page.wait_for_selector("svg.plot")
    assert portal.asked[0]["times"] == 200
    assert page.locator("svg.plot g.first circle").count() == 200
    assert page.locator("svg.plot g.second circle").count() == 200
    assert "flask 3.3\u00a0ms, fastapi 1.2\u00a0ms" in (
        page.get_attribute("svg.plot", "aria-label") or ""
    )
    ratio = "At the median fastapi takes 0.36 times as long as flask (0.35 to 0.38)."
    assert page.inner_text(".ratio") == ratio
    # On one axis: the slower one's median stands further to the right.
    xs = page.locator("svg.plot .median").evaluate_all("all => all.map(o => o.getBBox().x)")
    assert xs[0] > xs[1]


def test_unsafe_methods_are_repeated_only_with_the_tick(
    open_page: OpenPage, portal: SeededPortal
) -> None:
    """Two hundred new items are nobody's accident; one is what was asked for."""
    page = opened(open_page, POST_ITEMS)
    page.click("text=Run 200 times")
    page.wait_for_timeout(200)
    assert portal.asked == []
    page.check("#repeat")
    page.click("text=Run 200 times")
    page.wait_for_selector("svg.plot")
    assert portal.asked[0]["times"] == 200
    assert portal.asked[0]["repeat_unsafe"] is True


def test_result_is_taken_along(open_page: OpenPage, tmp_path: Path) -> None:
    """As JSON, copied or in a file, and as a curl line for each mount."""
    page = opened(open_page)
    page.click("text=Send")
    page.click("text=Copy curl for fastapi")
    page.wait_for_selector("text=Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "curl -i 'http://127.0.0.1:8000/fastapi/items/1'"
    with page.expect_download() as download:
        page.click("text=Save as JSON")
    download.value.save_as(tmp_path / "comparison.json")
    saved = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert saved["equal"] is False
    assert saved["question"]["target"] == "/items/1"


def test_refusal_is_told(open_page: OpenPage) -> None:
    """The API's own words, as an alert."""
    page = opened(open_page)
    page.fill("#path", "/refused")
    page.click("text=Send")
    page.wait_for_selector("[role=alert]:has-text('repeat_unsafe is not set')")
    assert page.locator("[data-send]").is_enabled()


def test_parameters_follow_the_path(open_page: OpenPage, portal: SeededPortal) -> None:
    """Another target is typed; its parameters are asked for, and encoded."""
    page = open_page("/compare").page
    page.fill("#path", "/files/{name}/{part}")
    page.press("#path", "Tab")
    page.fill("#param-name", "a b/ü?")
    page.fill("#param-part", "2")
    page.click("text=Send")
    page.wait_for_selector("[data-answers] article")
    assert portal.asked[0]["target"] == "/files/a%20b/%C3%BC%3F/2"
