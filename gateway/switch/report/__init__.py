"""Everything that is known of a switch's routes, as JSON (pure)."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from gateway.histogram import quantiles
from gateway.switch.records import (
    EVERY_ROUTE,
    Change,
    Finding,
    Mode,
    Period,
    RunTime,
    Side,
    Tally,
)
from gateway.switch.report.explaining import Explanation, explain, suggest
from gateway.switch.report.inventory import Joined
from gateway.switch.report.lines import Line, lines_of
from gateway.switch.report.verdict import MOVED, Facts, Verdict, durations, family, verdict_of
from gateway.switch.rules import Rule
from gateway.switch.rules.in_force import rules_in_force

_SIDES: Final[tuple[Side, Side]] = ("legacy", "candidate")
_OUTCOMES: Final = ("match", "match by rule", "mismatch", "error", "timeout")
_SHARES: Final = (0.5, 0.95, 0.99)
_MOST_FINDINGS: Final = 10
_MOST_CHANGES: Final = 20
_GATEWAY: Final = "gateway"
# Of a request, what a client's library sends by itself, and what belongs to one connection.
_NOT_IN_CURL: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "host",
        "traceparent",
        "transfer-encoding",
        "user-agent",
        "x-request-id",
    }
)


@dataclass(frozen=True)
class SwitchFacts:
    """A switch, as its report names it.

    Attributes:
        name: Of its mount.
        prefix: Of its mount.
        host: For which it answers; empty for any.
        legacy: The legacy service's mount.
        candidate: The candidate's mount or address.
        enabled: Whether switches are, by the configuration.
        address: Where the gateway listens, for lines to paste: `http://127.0.0.1:8000`.
    """

    name: str
    prefix: str
    host: str = ""
    legacy: str = "legacy"
    candidate: str = "candidate"
    enabled: bool = True
    address: str = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Known:
    """What the store knows of a switch.

    Attributes:
        run_time: What was set at run time.
        evidence: All that is kept.
        history: The changes, the newest first.
    """

    run_time: RunTime = field(default_factory=RunTime)
    evidence: Mapping[Period, Tally] = field(default_factory=dict)
    history: Sequence[Change] = ()


def report(
    facts: SwitchFacts, routes: Sequence[Joined], base: Sequence[Rule], known: Known
) -> dict[str, Any]:
    """The report of a switch.

    Args:
        facts: Which.
        routes: What its services have.
        base: The configuration's rules.
        known: What the store knows of it.
    """
    run_time = known.run_time
    rules = rules_in_force(base, run_time)
    lines = lines_of(routes, rules, known.evidence)
    told = [_route(facts, line, run_time, known.history) for line in lines]
    verdicts = Counter(route["verdict"]["verdict"] for route in told)
    return {
        "switch": facts.name,
        "prefix": facts.prefix,
        "host": facts.host,
        "legacy": facts.legacy,
        "candidate": facts.candidate,
        "enabled": facts.enabled,
        "killed": run_time.killed,
        "revision": run_time.revision,
        "totals": {
            "routes": len(told),
            "moved": verdicts["MOVED"],
            "ready": verdicts["READY"],
            "by_mode": dict(sorted(Counter(route["mode"] for route in told).items())),
        },
        "routes": told,
    }


def _route(
    facts: SwitchFacts, line: Line, run_time: RunTime, history: Sequence[Change]
) -> dict[str, Any]:
    rule, now, compared = line.rule, line.now.counts, line.compared.counts
    outcomes = family(compared, "shadow")
    changes = [change for change in history if change.rule in {line.rule_name, EVERY_ROUTE}]
    return {
        "route": line.route.key,
        "method": line.route.method,
        "path": line.path,
        "legacy": asdict(line.route.legacy) if line.route.legacy else None,
        "candidate": asdict(line.route.candidate) if line.route.candidate else None,
        "rule": line.rule_name,
        "mode": line.mode,
        "percent": rule.percent if rule else 0.0,
        "group": rule.belongs_to if rule else "",
        "set": _set(run_time, line.rule_name),
        "requests": {side: family(now, f"served {side}") for side in _SIDES},
        "requests_in_all": {
            side: sum(family(line.in_all, f"served {side}").values()) for side in _SIDES
        },
        "fallbacks": family(now, "fallback"),
        "compared_in": line.compared_in,
        "compared": {name: outcomes.get(name, 0) for name in _OUTCOMES},
        "uncompared": family(compared, "uncompared"),
        "dropped": family(compared, "dropped"),
        "unsampled": compared.get("unsampled requests", 0),
        "bodies": family(compared, "bodies"),
        "hits": family(compared, "hit"),
        "noise": {name: compared.get(f"noise {name}", 0) for name in ("asked", "differed")},
        "went_away": compared.get("mismatch went away", 0),
        "match_rate": _match_rate(outcomes),
        "latency": {
            "paired": {side: _quantiles(compared, f"paired {side}") for side in _SIDES},
            "served": {side: _quantiles(now, f"latency {side}") for side in _SIDES},
        },
        "mismatches": [_mismatch(facts, line, one) for one in _findings(line, "mismatch")],
        "suggestions": [_suggestion(line, one) for one in _findings(line, "noise")],
        "unlisted": {kind: compared.get(f"{kind} other", 0) for kind in ("mismatch", "noise")},
        "verdict": _verdict(line, _returned(line, run_time)),
        "history": [_change(change) for change in changes[:_MOST_CHANGES]],
    }


def _set(run_time: RunTime, name: str) -> dict[str, Any] | None:
    one = run_time.rules.get(name)
    if one is None:
        return None
    return {"who": one.who, "at": _when(one.at), "why": one.why, "epoch": one.epoch}


def _returned(line: Line, run_time: RunTime) -> str:
    one = run_time.rules.get(line.rule_name)
    return one.why if one is not None and one.who == _GATEWAY and one.mode == "legacy" else ""


def _verdict(line: Line, returned: str) -> dict[str, Any]:
    rule, method = line.rule, line.route.method
    found: Verdict = verdict_of(
        Facts(
            line.mode,
            _lacking(line),
            line.now.counts,
            line.compared.counts,
            line.compared_mode,
            (rule or Rule(line.path)).repeats("GET" if method == "*" else method),
            returned,
        )
    )
    return {"verdict": found.verdict, "reasons": list(found.reasons), "bound": found.bound}


def _lacking(line: Line) -> str:
    route = line.route
    if route.legacy is None and route.candidate is None:
        return "neither service has such a route"
    if route.candidate is None:
        return "the candidate has no such route"
    if route.legacy is None:
        return "the legacy service has no such route"
    is_socket = route.method == "WEBSOCKET" and line.mode not in MOVED
    return "a WebSocket is not compared" if is_socket else ""


def _match_rate(outcomes: Mapping[str, int]) -> float | None:
    matches = outcomes.get("match", 0) + outcomes.get("match by rule", 0)
    number = matches + outcomes.get("mismatch", 0)
    return matches / number if number else None


def _quantiles(counts: Mapping[str, int], name: str) -> dict[str, float | None]:
    found = quantiles(durations(counts, name), _SHARES)
    return dict(zip(("p50", "p95", "p99"), found, strict=True))


def _findings(line: Line, kind: str) -> list[Finding]:
    found = [one for one in line.compared.findings.values() if one.kind == kind]
    return sorted(found, key=lambda one: (-one.count, one.signature))[:_MOST_FINDINGS]


def _mismatch(facts: SwitchFacts, line: Line, one: Finding) -> dict[str, Any]:
    sample = one.sample
    asked = sample.get("request")
    return {
        **_finding(one, explain(sample, line.rule.compare if line.rule else None)),
        "first": _when(one.first),
        "last": _when(one.last),
        "differences": sample.get("differences", []),
        "sample": {
            "method": sample.get("method", ""),
            "target": sample.get("target", ""),
            "curl": curl_line(facts, sample, asked if isinstance(asked, Mapping) else {}),
            "legacy": sample.get("legacy"),
            "candidate": sample.get("candidate"),
        },
    }


def _suggestion(line: Line, one: Finding) -> dict[str, Any]:
    return _finding(one, suggest(one.sample, line.rule.compare if line.rule else None))


def _finding(one: Finding, explanation: Explanation) -> dict[str, Any]:
    return {
        "signature": one.signature,
        "count": one.count,
        "explanation": explanation.text,
        "proposal": explanation.proposal,
    }


def curl_line(facts: SwitchFacts, sample: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """A shell's line that asks the gateway the same again. Secrets in it are masked."""
    method = str(sample.get("method", "GET"))
    words = ["curl", "--include", "--globoff"]
    if method == "HEAD":
        words[1] = "--head"
    elif method != "GET":
        words += ["--request", method]
    host = {"Host": facts.host} if facts.host and not facts.host.startswith("*.") else {}
    for name, value in (*host.items(), *_headers(asked)):
        words += ["--header", f"{name}: {value}" if value else f"{name};"]
    if asked.get("body"):
        words += ["--data-raw", str(asked["body"])]
    return shlex.join([*words, f"{facts.address}{sample.get('target', '')}"])


def _headers(asked: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    headers: Iterable[Any] = asked.get("headers") or ()
    for pair in headers:
        if isinstance(pair, list | tuple) and len(pair) == 2:  # noqa: PLR2004
            name, value = str(pair[0]), str(pair[1])
            if name.lower() not in _NOT_IN_CURL:
                yield name, value


def _change(change: Change) -> dict[str, Any]:
    is_kill = change.rule == EVERY_ROUTE
    return {
        "at": _when(change.at),
        "who": change.who,
        "before": _mode(change.before, is_kill=is_kill),
        "after": _mode(change.after, is_kill=is_kill),
        "why": change.why,
    }


def _mode(setting: tuple[Mode, float] | None, *, is_kill: bool = False) -> str:
    """A setting in words."""
    if is_kill:
        return "kill switch off" if setting is None else "kill switch on"
    if setting is None:
        return "file"
    mode, percent = setting
    return mode_in_words(mode, percent)


def mode_in_words(mode: Mode, percent: float) -> str:
    """A mode, with its share: `canary 5 %`."""
    return f"{mode} {percent:g} %" if mode == "canary" else mode


def _when(at: datetime) -> str:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return f"{aware.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
