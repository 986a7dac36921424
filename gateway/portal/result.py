"""What came back from two mounts to what the portal shows of it (pure)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gateway.portal.in_process import Reply
from gateway.portal.latencies import Latencies
from gateway.portal.question import SAFE, Asked, Question, curl_line
from gateway.switch.compare import MISSING, Answer, Comparison, Difference, compare

SHOWN_BYTES = 256 * 1024
_SHOWN_CHARACTERS = 300


def result(
    question: Question,
    both: tuple[Asked, Asked],
    series: tuple[Sequence[Reply], Sequence[Reply]],
    end: str = "",
) -> dict[str, Any]:
    """The answer to a question.

    Args:
        question: What was asked.
        both: What that was for each mount.
        series: What each replied, the first time and every other time.
        end: Why the runs were ended before there were as many as asked for; else empty.
    """
    first = series[0][0], series[1][0]
    comparison = _compare(both, first)
    return {
        "answers": [_shown(one, reply) for one, reply in zip(both, first, strict=True)],
        "equal": comparison.outcome != "mismatch",
        "differences": [_shown_difference(each) for each in comparison.differences],
        "runs": _runs(series),
        "curl": [curl_line(question, one.url) for one in both],
        "notes": [*_notes(comparison), *_notes_of_runs(question, both, series, end)],
    }


def _compare(both: tuple[Asked, Asked], replies: tuple[Reply, Reply]) -> Comparison:
    """The comparison; of what a service failed to do, nothing but that."""
    if any(reply.fault for reply in replies):
        why = ", ".join(
            f"{asked.mount} {reply.fault}"
            for asked, reply in zip(both, replies, strict=True)
            if reply.fault
        )
        values = tuple(reply.status or MISSING for reply in replies)
        failed = Difference("status", "", (values[0], values[1]), why, "status failed")
        return Comparison("mismatch", (failed,), not_compared="an answer is missing")
    answers = [_answer(asked, reply) for asked, reply in zip(both, replies, strict=True)]
    return compare(answers[0], answers[1])


def _answer(asked: Asked, reply: Reply) -> Answer:
    absent = reply.cut
    if reply.header("content-encoding").lower() not in {"", "identity"}:
        absent = "a body is encoded: leave out Accept-Encoding to have it compared"
    body = None if absent else bytes(reply.body)
    return Answer(reply.status, reply.headers, body, absent, asked.url, asked.prefix)


def _shown(asked: Asked, reply: Reply) -> dict[str, Any]:
    """An answer as the page shows it; its status is 0 where there is none."""
    _, _, charset = reply.header("content-type").lower().partition("charset=")
    latin = charset.strip('" ').startswith(("iso-8859-1", "latin1", "windows-1252"))
    body = bytes(reply.body[:SHOWN_BYTES]).decode("windows-1252" if latin else "utf-8", "replace")
    return {
        "mount": asked.mount,
        "url": asked.url,
        "status": reply.status,
        "headers": [list(header) for header in reply.headers],
        "body": body,
        "truncated": len(reply.body) > SHOWN_BYTES or bool(reply.cut),
        "seconds": reply.seconds,
    }


def _shown_difference(difference: Difference) -> dict[str, Any]:
    """A difference with its values as text, JSON's as JSON; null for what is not there."""
    as_json = difference.kind == "json"
    return {
        "kind": difference.kind,
        "where": difference.where,
        "values": [
            None if value is MISSING else _json_text(value) if as_json else str(value)
            for value in difference.values
        ],
        "why": difference.why,
    }


def _json_text(value: Any) -> str:
    """The beginning of a value as JSON, however large it is or deep."""
    text = ""
    # What has more digits than Python writes (`int`), or is read as another type for it.
    encoder = json.JSONEncoder(ensure_ascii=False, default=str)
    for piece in encoder.iterencode(value):
        text += piece
        if len(text) > _SHOWN_CHARACTERS:
            return f"{text[:_SHOWN_CHARACTERS]}…"
    return text


def _runs(series: Sequence[Sequence[Reply]]) -> dict[str, Any] | None:
    """The latencies of all runs in which both answered as at first; none for a single one.

    What the gateway refuses, by a rate limit for one, says nothing of the services.
    """
    pairs = list(zip(*series, strict=True))
    statuses = [reply.status for reply in pairs[0]]
    whole = [
        pair
        for pair in pairs
        if not any(reply.fault for reply in pair) and [one.status for one in pair] == statuses
    ]
    if len(whole) < 2:  # noqa: PLR2004 - one is no series
        return None
    seconds = [[pair[side].seconds for pair in whole] for side in (0, 1)]
    latencies = Latencies.of(seconds[0], seconds[1])
    return {
        "times": len(whole),
        "seconds": seconds,
        "medians": list(latencies.medians),
        "ratio": latencies.ratio,
        "spread": list(latencies.spread),
    }


def _notes(comparison: Comparison) -> list[str]:
    """What else there is to know of the comparison, in sentences."""
    notes = []
    if comparison.not_compared:
        notes.append(f"The bodies were not compared: {comparison.not_compared}.")
    if comparison.left_out:
        notes.append(f"There are {comparison.left_out} differences more than are listed.")
    return notes


def _notes_of_runs(
    question: Question, both: Sequence[Asked], series: Sequence[Sequence[Reply]], end: str
) -> list[str]:
    notes = []
    if end:
        notes.append(f"The runs ended {end}: {len(series[0])} of {question.times} were made.")
    for asked, replies in zip(both, series, strict=True):
        statuses = Counter(reply.status for reply in replies)
        if len(statuses) > 1:
            told = ", ".join(
                f"{count} times {status or 'none'}" for status, count in statuses.items()
            )
            notes.append(
                f"Not all answers of {asked.mount} have one status: {told}. "
                "The latencies are of those runs that went as the first."
            )
    if len(series[0]) > 1 and question.method not in SAFE:
        notes.append(f"Each run was a {question.method} of its own in both services.")
    return notes
