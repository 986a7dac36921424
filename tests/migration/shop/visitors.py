"""People and programs who use the shop: `python -m shop.visitors http://127.0.0.1:8000`."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Callable, Mapping

import httpx

PICTURE = ("tea.gif", b"GIF89a-of-a-new-tea", "image/gif")
Story = Callable[[httpx.Client], None]


def program(http: httpx.Client) -> None:
    """Read what is there for programs."""
    for path in (
        "/api/products",
        "/api/products?q=sen",
        "/api/products?page=2",
        "/api/products?page=x",
        "/api/products/1",
        "/api/products/7",
        "/api/products/99",
        "/api/products/assam",
        "/api/me",
    ):
        http.get(path)


def reader(http: httpx.Client) -> None:
    """Look around, and sign in nowhere."""
    for path in (
        "/",
        "/products",
        "/products?q=sen",
        "/products?q=&page=2",
        "/products/1",
        "/products/7",
        "/products/99",
        "/products/1/picture",
        "/products/1/picture?download",
        "/catalogue?q=As",
        "/basket",
        "/orders",
        "/nowhere",
        "/static/shop.css",
        "/login?next=/orders",
        "/register",
    ):
        http.get(path)


def buyer(http: httpx.Client) -> None:
    """Buy a tea, with the mistakes that people make."""
    sign_in(http, "ann", "no tea")
    http.post("/basket", data={"product_id": "1", "quantity": "2"})
    http.get("/basket")
    http.post("/basket", data={"product_id": "first"})
    http.post("/currency", data={"currency": "GBP"})
    http.get("/basket")
    http.get("/checkout")
    sign_in(http, "ann", "annes tea", "/checkout")
    http.get("/checkout")
    http.post("/checkout", data={"street": "Main Street 1", "town": "Hull"})
    post(http, "/checkout", {"street": "", "town": "Hull"}, page="/checkout")
    placed = post(http, "/checkout", {"street": "Main Street 1", "town": "Hull"}, page="/checkout")
    http.get(placed.headers.get("Location", "/orders"))
    http.get("/orders")
    http.get("/orders/999")
    post(http, "/products/1/reviews", {"stars": "6"}, page="/products/1")
    post(http, "/products/1/reviews", {"stars": "5", "words": "Fine."}, page="/products/1")
    http.get("/products/1")
    http.get("/api/me")
    http.post("/basket/empty")
    http.get("/desk/products/new")
    post(http, "/logout", {}, page="/")
    http.get("/")


def newcomer(http: httpx.Client) -> None:
    """Register, or try to."""
    post(http, "/register", {"name": "Zoe 1", "password": "short"}, page="/register")
    post(http, "/register", {"name": "ann", "password": "long enough"}, page="/register")
    post(http, "/register", {"name": "zoe", "password": "long enough"}, page="/register")
    http.get("/orders")


def clerk(http: httpx.Client) -> None:
    """Work in the shop."""
    http.put("/api/products/2/stock", json={"stock": 5})
    sign_in(http, "sue", "sues tea")
    http.get("/desk/products/new")
    tea = {"name": "Earl Grey", "price": "5.2", "stock": "7", "origin": ""}
    form = "/desk/products/new"
    post(http, "/desk/products", {**tea, "price": "much"}, page=form)
    post(http, "/desk/products", tea, page=form, files={"picture": ("a.txt", b"a", "text/plain")})
    added = post(http, "/desk/products", tea, page=form, files={"picture": PICTURE})
    http.get(added.headers.get("Location", "/"))
    http.get(f"{added.headers.get('Location', '/')}/picture")
    http.get("/desk/orders.csv")
    http.put("/api/products/2/stock", json={"stock": 5})
    http.put("/api/products/99/stock", json={"stock": 5})
    http.get("/api/products/2")


STORIES: dict[str, Story] = {
    "program": program,
    "reader": reader,
    "buyer": buyer,
    "newcomer": newcomer,
    "clerk": clerk,
}


def sign_in(http: httpx.Client, name: str, password: str, following: str = "") -> httpx.Response:
    """Fill the form in."""
    form = {"name": name, "password": password, "next": following}
    return post(http, "/login", form, page="/login")


def post(
    http: httpx.Client,
    path: str,
    form: Mapping[str, str],
    *,
    page: str,
    files: Mapping[str, tuple[str, bytes, str]] | None = None,
) -> httpx.Response:
    """Send a form with the token of a page."""
    found = re.search(r'name="csrf_token" value="([^"]*)"', http.get(page).text)
    token = found[1] if found else ""
    return http.post(path, data={**form, "csrf_token": token}, files=files)


def main() -> None:
    """Be some of them, one after the other, and tell what they were answered."""
    parser = argparse.ArgumentParser(prog="python -m shop.visitors", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--who", choices=STORIES, nargs="+", default=["program", "reader"])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--ask", metavar="PATH", help="only ask who answers this")
    given = parser.parse_args()
    if given.ask:
        asked = httpx.get(given.url + given.ask, headers={"X-Gateway-Served-By": "?"})
        print(asked.headers.get("X-Gateway-Served-By", "no switch"))  # noqa: T201
        return
    statuses: Counter[int] = Counter()
    with httpx.Client(base_url=given.url, timeout=10) as http:
        http.event_hooks["response"] = [lambda got: statuses.update([got.status_code])]
        for _ in range(given.times):
            for who in given.who:
                STORIES[who](http)
                # The next one is somebody else.
                http.cookies.clear()
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    print(f"{sum(statuses.values())} requests: {told}")  # noqa: T201


if __name__ == "__main__":
    main()
