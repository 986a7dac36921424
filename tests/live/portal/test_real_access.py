"""Who signs in, at the portal and at the services, in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.live.portal.conftest import OpenPage
from tests.live.portal.project import TOKEN, real_gateway
from tests.live.serving import Gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Both services, with an admin token."""
    with real_gateway(tmp_path_factory.mktemp("project"), TOKEN) as gateway:
        yield gateway


def sign_in(page: Page, token: str) -> None:
    page.fill("input[type=password]", token)
    page.click("button")


def test_portal_is_for_whoever_has_the_token(open_url: OpenPage, gateway: Gateway) -> None:
    """A wrong token says so, the right one leads to the page, signing out ends it."""
    there = f"{gateway.url}/_gateway/configuration"
    page = open_url(there).page
    assert "/_gateway/sign-in?next=" in page.url
    sign_in(page, "another-token")
    assert page.inner_text("[role=alert]") == "That is not the token."
    sign_in(page, TOKEN)
    page.wait_for_url(there)
    assert page.inner_text("h1") == "Configuration"
    assert TOKEN not in page.content()
    page.click("text=Sign out")
    page.wait_for_url("**/_gateway/sign-in")
    page.goto(there)
    assert "/_gateway/sign-in?next=" in page.url


def test_live_pages_work_with_the_cookie_alone(open_url: OpenPage, gateway: Gateway) -> None:
    """The stream and the comparison go the same way in, and no service sees the cookie."""
    page = open_url(f"{gateway.url}/_gateway/").page
    sign_in(page, TOKEN)
    page.wait_for_selector("text=/Live, /")
    page.click("nav >> text=Compare")
    page.wait_for_selector("text=Filled in")
    page.click("text=Send")
    page.wait_for_selector("[data-answers] article")


def test_try_it_out_works_for_both_stacks(open_url: OpenPage, gateway: Gateway) -> None:
    """Who signs in at Flask there is known to FastAPI there."""
    page = open_url(f"{gateway.url}/_gateway/docs").page
    sign_in(page, TOKEN)

    def try_out(path: str) -> str:
        operation = page.locator(f".opblock:has([data-path='{path}'])")
        operation.locator(".opblock-summary-control").click()
        operation.locator(".execute").click()
        answer = operation.locator(".live-responses-table .response-col_description .microlight")
        return " ".join(answer.first.inner_text().split())

    assert try_out("/web/login") == '{ "user": "ada" }'
    assert try_out("/api/me") == '{ "user": "ada" }'
