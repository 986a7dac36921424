"""What a switch decided for one request, and what that is evidence of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Scope

from gateway.exchange import Exchange, route_of
from gateway.histogram import bucket_of
from gateway.switch.evidence import Evidence
from gateway.switch.records import Mode, Period, Side
from gateway.switch.rules import Rule
from gateway.switch.rules.templates import route_key

# Where no rule names a request, and neither service has a route for it.
NO_ROUTE: Final = "(no route)"
# Sorts of exchanges, before they are settled early.
_MOST_ALIKE: Final = 1000
_SERVER_ERROR: Final = 500
_CLASSES: Final = tuple(f"{hundred}xx" for hundred in range(10))


@dataclass(frozen=True, eq=False, slots=True)
class Decision:
    """Who answers a request, and by what: one object for all requests that are alike in it.

    Attributes:
        switch: The switch's name.
        rule: The rule; None where none is for it.
        side: Who answers, as far as is known.
        fallback: Why the legacy service answers in the candidate's place; empty where it does not.
        left_out: The count of those that were not shadowed for the same reason; empty where it was,
            or is not to be.
        uncompared: Why nothing was compared where it should have been; empty elsewhere.
    """

    switch: str
    rule: Rule | None
    side: Side = "legacy"
    fallback: str = ""
    left_out: str = ""
    uncompared: str = ""

    @property
    def mode(self) -> Mode:
        """Of the rule; "legacy" where there is none."""
        return "legacy" if self.rule is None else self.rule.mode

    def period(self, exchange: Exchange, scope: Scope | None = None) -> Period:
        """What the request is evidence of.

        Args:
            exchange: The request, answered.
            scope: Where the service may have left its route, while the exchange is open.
        """
        rule = self.rule
        template = exchange.route
        if not template and scope is not None:
            template = route_of(scope, exchange.root_path)
        if template:
            route = route_key(exchange.method, template)
        elif rule is None:
            route = NO_ROUTE
        else:
            route = route_key(exchange.method, rule.path)
        if rule is None:
            return Period(self.switch, "", route, 0, "legacy")
        return Period(self.switch, rule.name, route, rule.epoch, rule.mode)


class AnswerCounts:
    """Counts who answered what, and how: an observer of exchanges that ended.

    What a request costs here, every request of a switch costs; so it is counted by what it was, and
    what that is evidence of is worked out once for all that were alike.

    Args:
        evidence: Where the counts go when somebody takes it.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._alike: dict[tuple[Any, ...], _Alike] = {}
        evidence.before_take.append(self.settle)

    def closed(self, exchanges: Iterable[Exchange]) -> None:
        """Count exchanges."""
        for exchange in exchanges:
            decision = exchange.decision
            if not isinstance(decision, Decision):
                continue
            bucket = 0
            if exchange.first_byte:
                bucket = bucket_of(exchange.first_byte - exchange.started)
            alike = (
                decision,
                exchange.method,
                exchange.route,
                exchange.status,
                exchange.outcome,
                exchange.complete,
                bucket,
            )
            known = self._alike.get(alike)
            if known is not None:
                known.number += 1
                continue
            self._alike[alike] = _Alike(exchange, decision, bucket)
            if len(self._alike) >= _MOST_ALIKE:
                self.settle()

    def settle(self) -> None:
        """Count as evidence what was counted here."""
        alike, self._alike = self._alike, {}
        count = self._evidence.count
        for one in alike.values():
            decision, exchange, number = one.decision, one.exchange, one.number
            period = decision.period(exchange)
            count(period, f"served {decision.side} {_class(exchange)}", number)
            if exchange.first_byte:
                count(period, f"latency {decision.side} {one.bucket}", number)
            if decision.fallback:
                count(period, f"fallback {decision.fallback}", number)
            if decision.uncompared:
                count(period, f"uncompared {decision.uncompared}", number)
            if decision.left_out:
                count(period, decision.left_out, number)


@dataclass(slots=True)
class _Alike:
    """Exchanges that are evidence of the same.

    Attributes:
        exchange: One of them.
        decision: Its.
        bucket: Of their latencies.
        number: How many.
    """

    exchange: Exchange
    decision: Decision
    bucket: int
    number: int = 1


def _class(exchange: Exchange) -> str:
    match exchange.outcome:
        # A body that was too slow is the client's fault, and answered with 408.
        case "timeout" if not 0 < exchange.status < _SERVER_ERROR:
            return "timeout"
        case "client left":
            return "left"
    broken = not exchange.complete and exchange.outcome == "error"
    return "error" if broken or not exchange.status else _CLASSES[exchange.status // 100]
