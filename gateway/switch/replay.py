"""Recorded requests, asked of both services of a switch, one after the other, and compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from gateway.histogram import bucket_of
from gateway.switch.compare import Answer, compare
from gateway.switch.deciding import NO_ROUTE
from gateway.switch.evidence import Evidence
from gateway.switch.evidence.redaction import Asked, sample
from gateway.switch.recording import Recorded
from gateway.switch.records import Period, Side, Tally
from gateway.switch.report.inventory import Joined, template_of
from gateway.switch.rules import SAFE, Rule, RuleTable
from gateway.switch.rules.templates import route_key


@dataclass(frozen=True)
class Reply:
    """What a service answered.

    Attributes:
        answer: As it came; status 0 where none did.
        seconds: How long it took.
        fault: Why there is none, or not all of it, in words; empty where all is well.
        timed_out: Whether that is because it took too long.
    """

    answer: Answer
    seconds: float = 0.0
    fault: str = ""
    timed_out: bool = False


Ask = Callable[[Side, Recorded], Awaitable[Reply]]


@dataclass
class Replayed:
    """What a replay has found.

    Attributes:
        evidence: As shadowing would have it.
        asked: How many requests were asked.
        unsafe: How many were left out, as repeating them may change something.
        elsewhere: How many were left out, as they are not below the switch's prefix.
    """

    evidence: dict[Period, Tally] = field(default_factory=dict)
    asked: int = 0
    unsafe: int = 0
    elsewhere: int = 0


def replay_rules(routes: Iterable[Joined], rules: Sequence[Rule]) -> list[Rule]:
    """The rules by which a replay compares: those in force, and one for each other route."""
    shadowed = [replace(rule, mode="shadow", percent=0.0, epoch=0) for rule in rules]
    table = RuleTable([rule for rule in shadowed if template_of(rule.path)])
    for route in routes:
        template = template_of(route.path)
        if template is None or not template.regular or route.method in {"*", "WEBSOCKET"}:
            continue
        covered = any(
            (not rule.methods or route.method in rule.methods)
            and (its := template_of(rule.path)) is not None
            and template.within(its)
            for rule in table.rules
        )
        if not covered:
            shadowed.append(Rule(template.text, (route.method,), "shadow"))
    return shadowed


async def replay(  # noqa: PLR0913
    requests: Iterable[Recorded],
    ask: Ask,
    *,
    switch: str,
    prefix: str,
    routes: Sequence[Joined],
    rules: Sequence[Rule],
    unsafe: bool = False,
) -> Replayed:
    """Ask both services each request, and compare.

    Args:
        requests: In the order in which they are asked.
        ask: Asks one of them.
        switch: The switch's name.
        prefix: Its prefix.
        routes: What its services have.
        rules: By which is compared, `replay_rules`.
        unsafe: Whether to ask what may change something.
    """
    found = Replayed()
    evidence = Evidence()
    table = RuleTable(rules)
    by_route = RuleTable(_as_rules(routes))
    prefix = prefix.rstrip("/")
    for request in requests:
        path = unquote(request.path)
        if path != prefix and not path.startswith(f"{prefix}/"):
            found.elsewhere += 1
            continue
        if request.method not in SAFE and not unsafe:
            found.unsafe += 1
            continue
        found.asked += 1
        below = path.removeprefix(prefix) or "/"
        rule = table.find(request.method, below)
        route = by_route.find(request.method, below)
        path = route.path if route else (rule.path if rule else "")
        key = route_key(request.method, path) if path else NO_ROUTE
        name = rule.name if rule else ""
        period = Period(switch, name, key, 0, "shadow" if rule else "legacy")
        legacy, candidate = await ask("legacy", request), await ask("candidate", request)
        _count(evidence, period, request, rule, (legacy, candidate))
    found.evidence = evidence.take()
    return found


def _as_rules(routes: Iterable[Joined]) -> Iterator[Rule]:
    for route in routes:
        template = template_of(route.path)
        if template is not None and template.regular:
            yield Rule(template.text, () if route.method == "*" else (route.method,))


def _count(
    evidence: Evidence,
    period: Period,
    request: Recorded,
    rule: Rule | None,
    replies: tuple[Reply, Reply],
) -> None:
    legacy, candidate = replies
    evidence.count(period, f"served legacy {_class(legacy)}")
    evidence.count(period, f"latency legacy {bucket_of(legacy.seconds)}")
    if legacy.fault and not legacy.answer.status:
        evidence.count(period, f"uncompared the legacy service {legacy.fault}")
        return
    if candidate.fault and not candidate.answer.status:
        evidence.count(period, f"shadow {'timeout' if candidate.timed_out else 'error'}")
        return
    answers = legacy.answer, candidate.answer
    found = compare(*answers, rule.compare if rule else None)
    evidence.count(period, f"shadow {found.outcome}")
    evidence.count(period, f"paired legacy {bucket_of(legacy.seconds)}")
    evidence.count(period, f"paired candidate {bucket_of(candidate.seconds)}")
    for name, number in found.hits.items():
        evidence.count(period, f"hit {name}", number)
    if found.not_compared:
        evidence.count(period, f"bodies {found.not_compared}")
    if found.outcome == "mismatch":
        asked = Asked(
            request.method,
            request.target,
            request.headers,
            request.body or None,
            rule.path if rule else "",
        )
        evidence.find(period, "mismatch", found.signature, lambda: sample(asked, answers, found))


def _class(reply: Reply) -> str:
    if not reply.answer.status:
        return "timeout" if reply.timed_out else "error"
    return f"{reply.answer.status // 100}xx"
