"""A switch: one prefix, two services, and rules that say which of them answers.

What no rule names, the legacy service answers, with nothing between it and the client.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from gateway.config import SwitchSettings
from gateway.exchange import Exchange, announces_body, exchange_of, route_of
from gateway.switch.canary import cookie_of
from gateway.switch.deciding import Decision
from gateway.switch.fallback import Guard, is_gone, why_failed, why_nothing
from gateway.switch.records import RunTime, Side
from gateway.switch.rules import SAFE, Rule, RuleTable, bucket
from gateway.switch.rules.in_force import rules_in_force
from gateway.switch.shadows import Shadows
from gateway.switch.shadows.asking import request_to_repeat
from gateway.switch.shadows.copying import COPY, ExchangeCopy
from gateway.switch.shadows.shadow import Shadow
from gateway.switch.sides import SideService

SERVED_BY: Final = b"x-gateway-served-by"
# Paths, and how long one may be: strangers choose them.
_REMEMBERED: Final = 512
_LONG: Final = 256
# A few for each rule.
_DECISIONS: Final = 4096
# No route of its own: none at all, or one that stands for everything (`RouteSet`).
_ANY: Final = frozenset({None, "/*"})
# Answers to requests for what has changed, which the other service may not take for the same.
_CONDITIONAL: Final = frozenset({304, 412})


class _Found(NamedTuple):
    """What is known of a request by its method and path alone.

    Attributes:
        decision: What is decided by that alone.
        answer: Has it answered, as the rule's mode says.
        compares: Whether the other service is to be asked, too.
        candidate: The candidate's route for it, where both services are asked; None for none.
        legacy: Likewise the legacy service's.
    """

    decision: Decision
    answer: _Answer
    compares: bool = False
    candidate: str | None = None
    legacy: str | None = None


_Answer = Callable[[_Found, Exchange, Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Shared:
    """What the switches of a process have in common.

    Attributes:
        settings: Of all switches.
        shadows: Ask the other service.
        user: A value of a request by one of `SwitchSettings.keys`; empty for none.
        is_admin: Whether whoever sent a request may know who answers it.
    """

    settings: SwitchSettings
    shadows: Shadows
    user: Callable[[Scope, str], str]
    is_admin: Callable[[Scope], Awaitable[bool]]


class Switch:
    """Serves one prefix from two services.

    Args:
        name: Of its mount.
        legacy: The service that is moved from.
        candidate: The service that is moved to.
        rules: Of the configuration; sound ones.
        shared: What all switches have in common.
    """

    def __init__(
        self,
        name: str,
        legacy: SideService,
        candidate: SideService,
        rules: Sequence[Rule],
        shared: Shared,
    ) -> None:
        self.name = name
        self._legacy = legacy
        self._candidate = candidate
        self._base = tuple(rules)
        self._shared = shared
        self._settings = shared.settings
        self.apply(RunTime())

    @property
    def rules(self) -> Sequence[Rule]:
        """Those in force; none while the kill switch is on."""
        return self._table.rules

    def apply(self, run_time: RunTime) -> None:
        """Put in force what was set at run time, over what the configuration says."""
        off = run_time.killed or not self._settings.enabled
        self._table = RuleTable(() if off else rules_in_force(self._base, run_time))
        # Most requests are for paths that were just asked for.
        self._remembered = functools.lru_cache(_REMEMBERED)(self._look_up)
        self._decisions: dict[tuple[object, ...], Decision] = {}

    def returnable(self) -> Sequence[Rule]:
        """The rules that may go back to the legacy service by themselves."""
        modes = {"canary", "candidate", "candidate-shadow"}
        return [rule for rule in self.rules if rule.automatic_return and rule.mode in modes]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer, by one of the two."""
        exchange = exchange_of(scope)
        if SERVED_BY in exchange.fields:
            return self._show(exchange, scope, receive, send)
        return self._decide(exchange, scope, receive, send)

    def _decide(
        self, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        path = scope["path"][len(scope["root_path"]) :] or "/"
        find = self._remembered if len(path) < _LONG else self._look_up
        found = find(exchange.method, path)
        exchange.decision = found.decision
        return found.answer(found, exchange, scope, receive, send)

    def _look_up(self, method: str, path: str) -> _Found:
        rule, legacy = self._table.find(method, path), self._by_legacy
        if rule is None or rule.mode == "legacy":
            return _Found(self._decided(rule), legacy)
        candidate = self._candidate.routes.find(method, path)
        if candidate is None and rule.mode != "shadow":
            return _Found(self._decided(rule, fallback="no such route"), legacy)
        if rule.mode == "canary":
            return _Found(self._decided(rule), self._by_share)
        side: Side = "legacy"
        answer: _Answer = legacy
        if rule.mode != "shadow":
            side = "candidate"
            # What may have changed something runs once.
            answer = self._by_candidate_or_legacy if method in SAFE else self._by_candidate
        if rule.mode == "candidate":
            return _Found(self._decided(rule, side), answer)
        if method == "WEBSOCKET" or not rule.repeats(method):
            why = "a method that may not be repeated"
            return _Found(self._decided(rule, side, uncompared=why), answer)
        if answer != self._by_candidate_or_legacy:
            answer = self._answer_and_shadow
        route = self._legacy.routes.find(method, path)
        return _Found(self._decided(rule, side), answer, True, candidate, route)

    def _decided(
        self,
        rule: Rule | None,
        side: Side = "legacy",
        fallback: str = "",
        left_out: str = "",
        uncompared: str = "",
    ) -> Decision:
        """The one decision that says so."""
        # The decision keeps the rule, whose identity is nobody else's meanwhile.
        key = (id(rule), side, fallback, left_out, uncompared)
        decision = self._decisions.get(key)
        if decision is None:
            if len(self._decisions) >= _DECISIONS:
                self._decisions.clear()
            decision = Decision(self.name, rule, side, fallback, left_out, uncompared)
            self._decisions[key] = decision
        return decision

    def _by_legacy(
        self, _found: _Found, _exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        return self._legacy.answer(scope, receive, send)

    def _by_candidate(
        self, _found: _Found, _exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        return self._candidate.answer(scope, receive, send)

    # --- A share of all users -----------------------------------------------------------------

    def _by_share(
        self, found: _Found, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        """Each request runs once in a canary: there is nothing to fall back on."""
        if found.decision.rule is None or not self._is_in(found.decision.rule, scope, exchange):
            return self._legacy.answer(scope, receive, send)
        exchange.decision = self._decided(found.decision.rule, "candidate")
        return self._candidate.answer(scope, receive, send)

    def _is_in(self, rule: Rule, scope: Scope, exchange: Exchange) -> bool:
        """Whether whoever asks is in the candidate's share."""
        keys = (self._shared.user(scope, key) for key in self._settings.keys)
        who = next(filter(None, keys), "") or cookie_of(scope, exchange)
        # What a shared cache keeps of one user is not for those whom the other service answers.
        exchange.observers.append(self._vary)
        salt = f"{self._settings.salt}\0{self.name}"
        return bucket(salt, rule.belongs_to, who) < rule.percent

    def _vary(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        for key in ("header:Cookie", *self._settings.keys):
            kind, _, name = key.partition(":")
            if kind == "header":
                headers.add_vary_header(name)

    # --- Shadows ------------------------------------------------------------------------------

    def _answer_and_shadow(
        self, found: _Found, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        """Have one service answer, and the other asked afterwards."""
        rule, side, shadows = found.decision.rule, found.decision.side, self._shared.shadows
        if rule is None:
            return self._legacy.answer(scope, receive, send)
        primary, other, own, route = self._legacy, self._candidate, found.legacy, found.candidate
        if side == "candidate":
            primary, other, own, route = other, primary, route, own
        # By the route of whoever answers, as in the evidence; of a service that cannot be looked
        # into there is one for all.
        key = (self.name, rule.name, exchange.method, route if own in _ANY else own)
        left_out = (shadows.leaves_out if route is not None else shadows.would_leave_out)(key)
        if left_out or route is None:
            # Nothing is copied for it.
            why = "" if left_out else f"no such route in {other.name}"
            exchange.decision = self._decided(rule, side, "", left_out, why)
            return primary.answer(scope, receive, send)
        request = request_to_repeat(scope)
        # As it is before a service has put anything of its own into it.
        context = contextvars.copy_context()
        pending = exchange.decision = self._decided(rule, side, uncompared="no whole answer")

        def shadow(copy: ExchangeCopy) -> None:
            if exchange.decision is not pending or not (exchange.answered or is_gone(exchange)):
                return  # somebody else answers
            why = _why_uncompared(exchange, copy)
            exchange.decision = decided = self._decided(rule, side, uncompared=why)
            if not why:
                shadows.put(
                    Shadow(
                        decided.period(exchange, scope),
                        key,
                        rule,
                        primary,
                        other,
                        request,
                        copy.request.body if copy.request is not None else b"",
                        copy.answer,
                        copy.seconds,
                        exchange.request_id,
                        exchange.route or route_of(scope, exchange.root_path),
                        context,
                    )
                )

        limits = self._settings
        scope[COPY] = ExchangeCopy(limits.shadow_request_bytes, limits.shadow_answer_bytes, shadow)
        return primary.answer(scope, receive, send)

    # --- The candidate, and the legacy service in its place -----------------------------------

    async def _by_candidate_or_legacy(
        self, found: _Found, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Have the candidate answer, and where it cannot, the legacy service."""
        ask = self._answer_and_shadow if found.compares else self._by_candidate
        if announces_body(exchange):
            # It will have been read.
            await ask(found, exchange, scope, receive, send)
            return
        spare, observers = dict(scope), len(exchange.observers)
        guard = Guard(send)
        try:
            await ask(found, exchange, scope, receive, guard.send)
        except (Exception, asyncio.CancelledError) as error:
            reason = await why_failed(error, guard, exchange)
            if reason is None:
                raise
        else:
            reason = "" if guard.begun else await why_nothing(guard, exchange)
        if not reason:
            return
        why = f"{self._legacy.name} answered in place of {self._candidate.name}"
        exchange.decision = self._decided(found.decision.rule, "legacy", reason, "", why)
        exchange.resume()
        exchange.route = ""
        del exchange.observers[observers:]
        # The scope that the exchange knows: it tells which route has answered.
        scope.clear()
        scope.update(spare)
        await self._legacy.answer(scope, receive, send)

    # --- Who answered -------------------------------------------------------------------------

    async def _show(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell an admin who answered, and why."""
        is_admin = await self._shared.is_admin(scope)
        # It may hold the admin token, which is no service's business.
        scope["headers"] = [header for header in scope["headers"] if header[0] != SERVED_BY]
        if is_admin:
            exchange.observers.append(
                lambda message: message["headers"].append((SERVED_BY, self._served_by(exchange)))
            )
        await self._decide(exchange, scope, receive, send)

    def _served_by(self, exchange: Exchange) -> bytes:
        decision = exchange.decision
        if not isinstance(decision, Decision):
            return b""
        side = self._candidate if decision.side == "candidate" else self._legacy
        told = [side.name, f"side={decision.side}", f"mode={decision.mode}"]
        if decision.rule is not None:
            told.append(f'rule="{decision.rule.name}"')
        if decision.fallback:
            told.append(f'fallback="{decision.fallback}"')
        return "; ".join(told).encode("latin-1", "backslashreplace")


def _why_uncompared(exchange: Exchange, copy: ExchangeCopy) -> str:
    """Why an answer is not to be compared; empty where it is."""
    if is_gone(exchange):
        return "the client left"
    if copy.answer.status in _CONDITIONAL:
        return "a conditional request"
    return copy.request.why_not if copy.request is not None else ""
