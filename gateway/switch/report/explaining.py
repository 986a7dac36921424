"""What differs, in words, by what is known of Flask and FastAPI, and what to do about it (pure).

A rule is proposed where a client may not mind the difference: the same instant in two formats, a
status that says the same, the words of an error. Where it would, the explanation says what to
change in the candidate, and no rule is proposed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.switch.compare import JsonRule, Rules
from gateway.switch.report.closeness import are_close_instants, rounding_of
from gateway.switch.report.known import EXCUSABLE, HEADERS, STATUSES, of_error_bodies
from gateway.switch.report.orders import unordered_lists
from gateway.switch.report.proposing import Addition, pattern_of, toml_of, with_additions

_ERROR: Final = 400
_MOST_SENTENCES: Final = 6
# The longest that one service is asked after the other.
_MOMENT_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Explanation:
    """What a sort of difference comes from.

    Attributes:
        text: In sentences.
        proposal: The table for the rule, with what it says already, that would excuse what a rule
            should; empty where none should.
    """

    text: str
    proposal: str = ""


@dataclass(frozen=True)
class _Remark:
    """About one difference.

    Attributes:
        text: A sentence or two.
        addition: What would excuse it; None where nothing should.
    """

    text: str
    addition: Addition | None = None


def explain(sample: Mapping[str, Any], present: Rules | None = None) -> Explanation:
    """What a mismatch comes from, and what would excuse or mend it.

    Args:
        sample: The example that was stored of it, see `redaction.sample`.
        present: What the rule says already.
    """
    differences = _differences(sample)
    remarks, rest = _of_lists(differences, sample)
    remarks += [_remark(one, sample) for one in rest]
    return _explanation(remarks, present or Rules())


def suggest(sample: Mapping[str, Any], present: Rules | None = None) -> Explanation:
    """What makes two answers of the legacy service differ, and what would excuse that.

    Args:
        sample: The example that was stored; its two answers are both the legacy service's.
        present: What the rule says already.
    """
    differences = _differences(sample)
    remarks, rest = _of_lists(differences, sample)
    remarks += [_of_noise(one) for one in rest]
    found = _explanation(remarks, present or Rules())
    told = f"The legacy service does not answer the same twice. {found.text}"
    return Explanation(told, found.proposal)


def _differences(sample: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = sample.get("differences")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _explanation(remarks: Sequence[_Remark], present: Rules) -> Explanation:
    texts = list(dict.fromkeys(remark.text for remark in remarks))
    more = len(texts) - _MOST_SENTENCES
    texts[_MOST_SENTENCES:] = [f"And {more} more."] if more > 0 else []
    additions = [remark.addition for remark in remarks if remark.addition is not None]
    if not additions:
        return Explanation(" ".join(texts))
    if len(additions) < len(remarks):
        texts.append("The rule excuses what a rule should; the rest is to be mended.")
    return Explanation(" ".join(texts), toml_of(with_additions(present, additions)))


def _remark(difference: Mapping[str, Any], sample: Mapping[str, Any]) -> _Remark:
    match difference.get("kind"):
        case "status":
            return _of_status(difference)
        case "header":
            return _of_header(difference, sample)
        case "json":
            return _of_json(difference, sample)
    return _of_text(difference, sample)


def _of_status(difference: Mapping[str, Any]) -> _Remark:
    legacy, candidate = difference.get("legacy"), difference.get("candidate")
    both = f"{legacy} and {candidate}"
    if not (isinstance(legacy, int) and isinstance(candidate, int)):
        return _Remark(f"The statuses are {both}.")
    known = STATUSES.get((legacy, candidate))
    if known is not None:
        excused = (legacy, candidate) in EXCUSABLE
        addition = Addition(statuses=frozenset((legacy, candidate))) if excused else None
        return _Remark(f"{both}: {known}", addition)
    if candidate >= 500:  # noqa: PLR2004
        return _Remark(f"{both}: the candidate fails; its log has the exception.")
    if legacy >= 500:  # noqa: PLR2004
        return _Remark(f"{both}: the legacy service fails and the candidate does not.")
    if legacy < _ERROR and candidate < _ERROR:
        return _Remark(f"{both}: set status_code={legacy} on the candidate's route.")
    return _Remark(f"{both}: the candidate decides otherwise; its view has to be looked at.")


def _statuses(sample: Mapping[str, Any]) -> tuple[int, int]:
    sides = (sample.get("legacy"), sample.get("candidate"))
    found = [side.get("status") if isinstance(side, Mapping) else None for side in sides]
    legacy, candidate = (status if isinstance(status, int) else 0 for status in found)
    return legacy, candidate


def _are_errors(sample: Mapping[str, Any]) -> bool:
    return min(_statuses(sample)) >= _ERROR


def _of_header(difference: Mapping[str, Any], sample: Mapping[str, Any]) -> _Remark:
    name = str(difference.get("place", ""))
    legacy, candidate = difference.get("legacy"), difference.get("candidate")
    if name.lower() == "content-type":
        if _are_errors(sample):
            return _Remark(of_error_bodies(_statuses(sample)))
        if _type(legacy) == "text/html" and _type(candidate) == "application/json":
            return _Remark(HEADERS["returned text"])
    said = HEADERS.get(name.lower())
    if name.lower() == "vary" and "cookie" not in f"{legacy} {candidate}".lower():
        return _Remark(
            "Vary: a view that negotiates says what it looks at, for shared caches. Excuse it "
            "where none keeps these answers; else have the candidate send it, too.",
            Addition(header="Vary"),
        )
    if said:
        return _Remark(said)
    missing = "the candidate" if candidate is None else "the legacy service"
    if legacy is None or candidate is None:
        return _Remark(f"{name}: {missing} does not send it.")
    return _Remark(f"{name}: the candidate sends another value.")


def _type(value: Any) -> str:
    return str(value or "").partition(";")[0].strip().lower()


def _of_json(difference: Mapping[str, Any], sample: Mapping[str, Any]) -> _Remark:
    place = str(difference.get("place", ""))
    if _are_errors(sample) and _is_error_body(difference, sample):
        sides = difference.get("legacy"), difference.get("candidate")
        if all(isinstance(side, str) for side in sides):
            return _Remark(
                f"{place}: two errors in other words, which are for people; the status says what "
                "it is. Excuse it where no client reads the words.",
                Addition(json=JsonRule("ignore", place)),
            )
        return _Remark(of_error_bodies(_statuses(sample)))
    known = _by_reason(place, difference)
    return known if known is not None else _of_values(place, difference)


def _is_error_body(difference: Mapping[str, Any], sample: Mapping[str, Any]) -> bool:
    """Whether two documents differ as those of two frameworks' errors do."""
    place = str(difference.get("place", ""))
    if not place or place.split("/")[1] == "detail":
        return True
    one_sided = difference.get("legacy") is None or difference.get("candidate") is None
    return (
        one_sided
        and place.count("/") == 1
        and any(str(one.get("place", "")).startswith("/detail") for one in _differences(sample))
    )


def _by_reason(place: str, difference: Mapping[str, Any]) -> _Remark | None:
    """By what the comparison itself found out."""
    why = str(difference.get("why", ""))
    pointer = pattern_of(place)
    if why.startswith("one instant"):
        return _Remark(
            f"{place}: Flask writes a datetime as HTTP does (RFC 822), FastAPI in ISO 8601. "
            "Excuse it where every client reads both; else have the candidate write it so "
            "(PlainSerializer).",
            Addition(json=JsonRule("instant", pointer)),
        )
    if why.startswith("one number, as") and "two types" not in why:
        return _Remark(
            f"{place}: Flask writes a Decimal as text, FastAPI as a number where no response model "
            "declares it. Excuse it where every client reads both; else declare a Decimal.",
            Addition(json=JsonRule("decimal", pointer)),
        )
    if why.startswith("two UUIDs"):
        return _Remark(
            f"{place}: each service makes an ID of its own. Excuse it unless it is the ID of "
            "something that both should find.",
            Addition(json=JsonRule("uuid", pointer)),
        )
    if why.startswith("one number, as two types"):
        return _Remark(
            f"{place}: 1 and 1.0 are one number; a candidate that declares a float writes 1.0.",
            Addition(json=JsonRule("number", pointer)),
        )
    return None


def _of_values(place: str, difference: Mapping[str, Any]) -> _Remark:
    legacy, candidate = difference.get("legacy"), difference.get("candidate")
    why = str(difference.get("why", ""))
    at = place or "The document"
    if why.startswith("only in the first"):
        return _Remark(
            f"{at}: the candidate leaves it out; a response model drops what it does not declare."
        )
    if why.startswith("only in the second"):
        empty = "response_model_exclude_none=True leaves a null out, " if candidate is None else ""
        return _Remark(
            f"{at}: only the candidate has it; {empty}response_model_exclude_unset=True what "
            "nobody has set."
        )
    if tolerance := rounding_of(legacy, candidate):
        rule = JsonRule("number", pattern_of(place), tolerance=tolerance)
        return _Remark(f"{at}: the same but for rounding.", Addition(json=rule))
    if are_close_instants(legacy, candidate, _MOMENT_SECONDS):
        return _Remark(
            f"{at}: two moments, as the services answer one after the other. Excuse it if it is "
            "the time of the answer.",
            Addition(json=JsonRule("ignore", pattern_of(place))),
        )
    if legacy is None or candidate is None:
        return _Remark(f"{at}: null in one of them; a default of the model's, or a lookup.")
    return _Remark(f"{at}: {why or 'two values'}: the candidate computes another.")


def _of_text(difference: Mapping[str, Any], sample: Mapping[str, Any]) -> _Remark:
    if _are_errors(sample):
        return _Remark(of_error_bodies(_statuses(sample)))
    candidate = str(difference.get("candidate") or "")
    if candidate.startswith('"') and not str(difference.get("legacy") or "").startswith('"'):
        return _Remark(HEADERS["returned text"])
    return _Remark(f"The bodies: {difference.get('why') or 'two texts'}.")


def _of_lists(
    differences: Sequence[Mapping[str, Any]], sample: Mapping[str, Any]
) -> tuple[list[_Remark], list[Mapping[str, Any]]]:
    """What lists in another order explain, and the differences that they do not."""
    if sample.get("left_out"):
        return [], list(differences)
    remarks = []
    rest = list(differences)
    for found in unordered_lists(differences):
        rest = [one for one in rest if not any(one is each for each in found.differences)]
        rule = JsonRule("unordered", pattern_of(found.place), key=found.key)
        at = found.place or "The document"
        remarks.append(
            _Remark(
                f"{at}: the same items in another order. Excuse it where no client minds the "
                "order; else sort them in the candidate.",
                Addition(json=rule),
            )
        )
    return remarks, rest


def _of_noise(difference: Mapping[str, Any]) -> _Remark:
    place = str(difference.get("place", ""))
    match difference.get("kind"):
        case "status":
            return _Remark("Two statuses for one request: no rule should excuse that.")
        case "header" if place.lower() == "set-cookie":
            return _Remark("It sets other cookies each time.", Addition(cookies=False))
        case "header":
            return _Remark(f"{place} is another each time.", Addition(header=place))
        case "json":
            return _of_noise_in_json(place, difference)
    return _Remark("Its text is another each time; only bodies = false would excuse that.")


def _of_noise_in_json(place: str, difference: Mapping[str, Any]) -> _Remark:
    if not place:
        return _Remark("The whole document is another each time: no rule should excuse that.")
    known = _by_reason(place, difference)
    addition = known.addition if known is not None else None
    if addition is None:
        addition = Addition(json=JsonRule("ignore", pattern_of(place)))
    return _Remark(f"{place} is another each time.", addition)
