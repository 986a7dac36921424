"""What a switch has decided for a request, while things happen that seldom do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.config import SwitchSettings
from gateway.exchange import Exchange, ExchangeMiddleware, Observers
from gateway.switch.deciding import Decision
from gateway.switch.evidence import Evidence
from gateway.switch.records import RunTime
from gateway.switch.router import Shared, Switch
from gateway.switch.rules import Rule
from gateway.switch.shadows import Shadows
from gateway.switch.shadows.copying import Tap
from tests.gateway.switch.sides import answering, piece, request, side_of, start

RULE = Rule("/{rest:path}", mode="candidate-shadow")


async def nobody_is_admin(scope: Scope) -> bool:
    return False


def switch_of(legacy: ASGIApp, candidate: ASGIApp) -> Switch:
    settings = SwitchSettings(shadows_per_second=1000)
    shared = Shared(settings, Shadows(settings, Evidence()), lambda scope, key: "", nobody_is_admin)
    sides = side_of(legacy, "legacy"), side_of(Tap(candidate), "candidate")
    return Switch("api", *sides, [RULE], shared)


async def asked(switch: Switch) -> tuple[bytes, Exchange]:
    """What a client gets, and the exchange."""
    ended: list[Exchange] = []
    sent: list[bytes] = []

    def closed(exchanges: Iterable[Exchange]) -> None:
        ended.extend(exchanges)

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> Message:
        raise AssertionError("nobody reads")

    app = ExchangeMiddleware(switch, Observers(closed=[closed]))
    await app(request("GET", "/api/items"), receive, send)
    await asyncio.sleep(0)
    return b"".join(sent), ended[0]


async def test_a_late_answer_of_the_candidate_does_not_undo_what_is_known_of_the_fallback() -> None:
    """Automatic return is decided by it."""
    late: list[asyncio.Task[None]] = []
    begun = asyncio.Event()

    async def candidate(scope: Scope, receive: Receive, send: Send) -> None:
        async def answer() -> None:
            await begun.wait()
            await send(start(500))
            await send(piece(b"late"))

        late.append(asyncio.ensure_future(answer()))
        raise RuntimeError("as it is meant to")

    async def legacy(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(200))
        begun.set()
        await late[0]
        await send(piece(b"instead"))

    body, exchange = await asked(switch_of(legacy, candidate))
    assert body == b"instead"
    decision = exchange.decision
    assert isinstance(decision, Decision)
    assert (decision.side, decision.fallback) == ("legacy", "exception")
    assert "in place of" in decision.uncompared


async def test_a_request_is_evidence_of_the_rule_that_was_in_force_when_it_came() -> None:
    """Whatever is set meanwhile."""

    async def candidate(scope: Scope, receive: Receive, send: Send) -> None:
        switch.apply(RunTime(killed=True))
        raise RuntimeError("as it is meant to")

    switch = switch_of(answering(start(), piece(b"instead"), reads=False), candidate)
    body, exchange = await asked(switch)
    assert body == b"instead"
    decision = exchange.decision
    assert isinstance(decision, Decision)
    assert decision.rule == RULE
    assert decision.fallback == "exception"
    _, exchange = await asked(switch)
    assert isinstance(exchange.decision, Decision)
    assert exchange.decision.rule is None
