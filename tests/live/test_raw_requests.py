"""Each request that no ordinary client sends has its one answer, and harms no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest

from tests.live.raw import CASES
from tests.live.raw.case import HEADER_SECONDS, Case, get
from tests.live.raw.wire import Outcome, exchange
from tests.live.serving import serving

ROOT = Path(__file__).parents[2]
# At a time: most of them only wait.
CLIENTS = 8
PLAIN = get(b"/fastapi/", b"Connection: close")

Address = tuple[str, int]
Outcomes = dict[str, Future[tuple[Outcome, Outcome]]]


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcomes]:
    """What becomes of every case that was asked for, and of a plain request right after it."""
    wanted = [
        cast("Case", item.callspec.params["case"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == request.path
        and hasattr(item, "callspec")
    ]
    env = {
        "CATALOG_DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('data')}/catalog.db",
        "GATEWAY_SERVER__HEADER_SECONDS": f"{HEADER_SECONDS}",
    }
    # Those first that wait for a deadline.
    wanted.sort(key=lambda case: (not case.stands, case.group not in {"time", "limit"}))
    with serving(cwd=ROOT, env=env) as gateway, ThreadPoolExecutor(CLIENTS) as clients:
        parts = urlsplit(gateway.url)
        assert parts.hostname is not None
        assert parts.port is not None
        address = (parts.hostname, parts.port)
        yield {case.id: clients.submit(play, case, address) for case in wanted}
        clients.shutdown(cancel_futures=True)


PARAMETERS = [
    pytest.param(
        case,
        id=case.id,
        marks=[pytest.mark.xfail(reason=case.stands, strict=True)] if case.stands else [],
    )
    for case in CASES
]


@pytest.mark.parametrize("case", PARAMETERS)
def test_a_raw_request_has_its_answer(case: Case, outcomes: Outcomes) -> None:
    """The answers are those expected, no more; afterwards others are served as before."""
    outcome, bystander = outcomes[case.id].result()
    assert bystander.statuses == (200,)
    faults = differences(case, outcome)
    assert not faults, f"{'; '.join(faults)} ({case.source}. {case.why})"


def test_every_case_says_where_it_comes_from() -> None:
    """A case without a source is an opinion."""
    assert all(case.source.startswith("RFC ") for case in CASES)
    assert len(CASES) >= 490


def test_no_two_cases_have_one_name() -> None:
    """A case that fails can be found."""
    names = [case.id for case in CASES]
    assert sorted(set(names)) == sorted(names)


def play(case: Case, address: Address) -> tuple[Outcome, Outcome]:
    """What becomes of a case, and of somebody else after it."""
    outcome = exchange(
        address,
        case.segments,
        answers=len(case.expect),
        stays=case.stays,
        methods=case.methods,
        # One that is known to fail says so after a moment.
        **({"seconds": 2.0} if case.stands else {}),
    )
    return outcome, exchange(address, [PLAIN], answers=1, stays=False)


def differences(case: Case, outcome: Outcome) -> list[str]:
    """In what an outcome is not what its case expects."""
    wanted = [e if isinstance(e, frozenset) else frozenset({e}) for e in case.expect]
    found = outcome.statuses
    right = len(found) == len(wanted) and all(s in w for s, w in zip(found, wanted, strict=True))
    possible = {
        f"answered {list(found)} instead of {[sorted(w) for w in wanted]}": not right,
        f"interim {outcome.interim} instead of {list(case.interim)}": (
            tuple(outcome.interim) != case.interim
        ),
        "a smuggled request was answered": (
            any(answer.request_id == "smuggled" for answer in outcome.answers)
        ),
        f"bytes that are no answer: {outcome.rest[:80]!r}": bool(outcome.rest),
        "the connection is not usable afterwards": bool(case.stays) and not outcome.usable,
        "the connection stays open": not outcome.closed,
        "a refusal without its ID": any(
            not answer.request_id or json.loads(answer.body)["request_id"] != answer.request_id
            for answer in outcome.answers
            if answer.body and answer.headers.get("content-type") == "application/problem+json"
        ),
    }
    faults = [fault for fault, is_so in possible.items() if is_so]
    if case.check and right:
        try:
            case.check(outcome.answers)
        except AssertionError as error:
            faults.append(str(error))
    return faults
