"""docs/migrate.md, walked from its first step to its last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.live.serving import wait_until
from tests.migration.shop.visitors import sign_in
from tests.migration.walking import PAGE, ROOT, Step, Walk, steps_of

STEPS = steps_of(PAGE.read_text(encoding="utf-8"))
TEA = "/api/products/1"


class Walked:
    """A walk that has come so far, and a customer who is there all the time."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.taken = 0
        self.wrong = ""
        self.customer = httpx.Client(timeout=10)

    def up_to(self, step: Step) -> None:
        """Take the steps that are left up to this one.

        Raises:
            AssertionError: This one, or one before it, went wrong.
        """
        while self.taken <= STEPS.index(step):
            assert not self.wrong, f"step {self.wrong} went wrong, and the walk ended there"
            self.wrong = STEPS[self.taken].title
            self.walk.take(STEPS[self.taken])
            self.customer.base_url = httpx.URL(self.walk.url)
            if self.taken == 0:
                self.customer.post("/basket", data={"product_id": "3", "quantity": "2"})
                sign_in(self.customer, "bob", "bobs tea")
            self.wrong = ""
            self.taken += 1

    def visitors(self, number: int) -> Iterator[httpx.Client]:
        """People whom the gateway has not seen yet, one after the other."""
        with httpx.Client(base_url=self.walk.url, timeout=10) as http:
            for _ in range(number):
                yield http
                http.cookies.clear()

    def set(self, *words: str) -> None:
        """Set a mode."""
        self.walk.run(f"gateway switch set {' '.join(words)}\n")


def asks(http: httpx.Client, path: str, method: str = "GET") -> str:
    """Who answers: `legacy, shadow`; empty where no switch does."""
    told = http.request(method, path, headers={"X-Gateway-Served-By": "?"}).headers
    parts = told.get("X-Gateway-Served-By", "").split("; ")
    return ", ".join(part.partition("=")[2] for part in parts[1:3])


# --- What holds after each step, besides what the page shows -------------------------------------


def flask_alone(walked: Walked) -> None:
    """There is no switch."""
    assert asks(walked.customer, TEA) == ""


def nothing_changes(walked: Walked) -> None:
    """Flask answers what it did."""
    assert {asks(walked.customer, path) for path in (TEA, "/", "/nowhere")} == {"legacy, legacy"}


def flask_answers(walked: Walked) -> None:
    """The candidate's answers go to nobody: its price is a number."""
    assert asks(walked.customer, TEA) == "legacy, shadow"
    assert walked.customer.get(TEA).json()["price"] == "4.50"


def some_are_in(walked: Walked) -> None:
    """About a quarter, and the same ones each time."""
    seen = []
    for http in walked.visitors(60):
        first = asks(http, TEA)
        assert asks(http, TEA) == first
        seen.append(first)
    assert set(seen) == {"legacy, canary", "candidate, canary"}
    assert seen.count("candidate, canary") < 30


def it_is_undone_in_two_seconds(walked: Walked) -> None:
    """Within the time that the page says, from the end of the command."""
    for mode, expected in (("legacy", "legacy, legacy"), ("candidate", "candidate, candidate")):
        walked.set("teas", mode)
        began = time.monotonic()
        wait_until(lambda expected=expected: asks(walked.customer, TEA) == expected, 10)
        assert time.monotonic() - began < 2


def page_and_forms_go_together(walked: Walked) -> None:
    """Whoever sees the basket of one service fills and empties that one's."""
    wait_until(lambda: asks(walked.customer, "/basket").endswith("canary"))
    sides = set()
    for http in walked.visitors(30):
        ways = [("/basket", "GET"), ("/basket", "POST"), ("/basket/empty", "POST")]
        own = {asks(http, path, method) for path, method in ways}
        assert len(own) == 1
        sides |= own
    assert sides == {"legacy, canary", "candidate, canary"}


def fastapi_answers(walked: Walked) -> None:
    """And Flask is asked afterwards."""
    assert asks(walked.customer, "/basket") == "candidate, candidate-shadow"


def nothing_is_left_to_flask(walked: Walked) -> None:
    """Every path that there is; what there is not, Flask says."""
    for path in ("/", "/products/1", "/orders", "/static/shop.css", "/api/me", TEA):
        assert asks(walked.customer, path) == "candidate, candidate"
    assert asks(walked.customer, "/nowhere") == "legacy, candidate"


def flask_is_gone(walked: Walked) -> None:
    """Nobody could ask it any more."""
    assert asks(walked.customer, TEA) == ""
    assert not (walked.walk.folder / "shop" / "web").exists()


CHECKS: tuple[Callable[[Walked], None], ...] = (
    flask_alone,
    nothing_changes,
    flask_answers,
    flask_answers,
    some_are_in,
    it_is_undone_in_two_seconds,
    page_and_forms_go_together,
    fastapi_answers,
    nothing_is_left_to_flask,
    flask_is_gone,
)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """One walk for all steps, as each begins where the last has ended."""
    walked = Walked(Walk(tmp_path_factory.mktemp("home")))
    yield walked
    walked.customer.close()
    walked.walk.end()


@pytest.mark.parametrize(
    ("step", "holds"), list(zip(STEPS, CHECKS, strict=True)), ids=[step.title for step in STEPS]
)
def test_each_step_does_what_the_page_says(
    walked: Walked, step: Step, holds: Callable[[Walked], None]
) -> None:
    """Its commands run, print what is shown, and who signed in before the walk still is."""
    walked.up_to(step)
    holds(walked)
    page = walked.customer.get("/basket").text
    assert "Orders of bob" in page
    assert "2 x Sencha" in page


def test_code_on_the_page_is_the_shop_s() -> None:
    """An example that nobody runs goes wrong one day."""
    sources = [path.read_text() for path in (ROOT / "tests/migration/shop").rglob("*.py")]
    examples = [block for step in STEPS for block in step.blocks if block.kind == "python"]
    assert examples
    for example in examples:
        assert any(example.text in source for source in sources), example
