"""Routes and settings: what is typed is what is shown."""

from __future__ import annotations

from tests.live.portal.conftest import OpenPage


def test_routes_are_filtered_while_somebody_types(open_page: OpenPage) -> None:
    """All words have to be there; what is left is counted, and empty groups go."""
    page = open_page("/routes").page
    page.fill("#q", "POST flask items")
    assert page.inner_text("[data-count]") == "2 of 7"
    assert page.locator("tbody.pair:visible").count() == 1
    assert page.locator("text=Only in flask").is_hidden()
    page.wait_for_url("**/routes?q=POST+flask+items")
    page.fill("#q", "nowhere")
    assert page.is_visible("text=No route has all of these words.")
    page.fill("#q", "")
    assert page.inner_text("[data-count]") == "7 of 7"


def test_address_and_typing_find_the_same(open_page: OpenPage) -> None:
    """`?q=` works without scripts, and shows what typing shows."""
    plain = open_page("/routes?q=flask+csv", scripts=False).page
    typed = open_page("/routes").page
    typed.fill("#q", "flask csv")
    for page in (plain, typed):
        assert page.inner_text("[data-count]") == "1 of 7"
        assert page.locator("tr[data-route]:visible").count() == 1


def test_pair_leads_to_its_comparison(open_page: OpenPage) -> None:
    """The link fills in the compare page."""
    page = open_page("/routes").page
    page.click("tbody.pair >> nth=1 >> text=Compare")
    assert page.input_value("#path") == "/items"
    assert page.input_value("#method") == "GET"
    assert page.input_value("#first") == "flask"
    assert page.input_value("#second") == "fastapi"
    assert page.locator("#pair option:checked").inner_text() == "GET /items (flask, fastapi)"


def test_settings_are_filtered_by_text_and_by_origin(open_page: OpenPage) -> None:
    """Somebody looks for what was changed here."""
    page = open_page("/configuration").page
    page.check("#changed")
    assert page.inner_text("[data-count]") == "5 of 11"
    page.fill("#q", "trusted")
    assert page.inner_text("[data-count]") == "1 of 11"
    assert page.is_visible("text=trusted_proxies")
    page.wait_for_url("**/configuration?q=trusted&changed=1")
    plain = open_page("/configuration?q=trusted&changed=1", scripts=False).page
    assert plain.locator("tr[data-text]:visible").count() == 1


def test_request_is_looked_up(open_page: OpenPage) -> None:
    """An ID that was pasted leads to the request's own address."""
    page = open_page("/requests").page
    page.fill("#id", " a0ffc11e3cdd9f808f14656704e1e823 ")
    page.click("text=Look it up")
    assert page.url.endswith("/requests/a0ffc11e3cdd9f808f14656704e1e823")
    assert "KeyError: '<broken>'" in page.inner_text("main")
