"""Heads and bodies that take their time."""

from __future__ import annotations

from tests.live.raw.case import CL, HEADER_SECONDS, Group, either, get, in_order, named
from tests.live.raw.wire import Drip

GROUP = Group("time")
_add = GROUP.add

# Until the server has closed, that is, or does not.
_LATE = HEADER_SECONDS + 10
_SLOW = "The deadline is absolute: no byte moves it."
_add("nothing sent", b"", (), False, "RFC 9112 9.5", "Nothing was asked: closed in silence.")
_add("half a request line", b"GET /fastapi", 408, False, "RFC 9110 15.5.9")
_add("no empty line", get()[:-2], 408, False, "RFC 9110 15.5.9")
_add("half a field", get()[:-2] + b"X-Slow: ", 408, False, "RFC 9110 15.5.9")
_add(
    "a field every half second",
    (get()[:-2], Drip(b"X-Slow: 1\r\n", 0.5, _LATE)),
    408,
    False,
    "RFC 9110 15.5.9",
    _SLOW,
)
_add(
    "a byte every fifth of a second",
    (get()[:-2] + b"X-Slow: ", Drip(b"a", 0.2, _LATE)),
    408,
    False,
    "RFC 9110 15.5.9",
    _SLOW,
)
_add(
    "empty lines for ever",
    Drip(b"\r\n", 0.2, _LATE),
    either(400, 408),
    False,
    "RFC 9112 2.2; RFC 9110 15.5.9",
    _SLOW,
)
_add("a request, then half of one", (get(), get()[:-2]), (200, 408), False, "RFC 9110 15.5.9")
_add(
    "a request and half of one at once",
    named(b"slow", b"/fastapi/async") + get()[:-2],
    (200, 408),
    False,
    "RFC 9110 15.5.9",
    "The time runs from the end of the answer: until then the client has nothing to hurry for.",
    check=in_order("slow"),
)
_add(
    "a body that never ends, after its answer",
    (get(b"/nowhere", CL + b"1000000", method=b"POST"), Drip(b"a", 0.3, _LATE)),
    404,
    False,
    "RFC 9112 9.3",
    "What is left of an answered request has the same time.",
)
_add(
    "a field every third of a second, in time",
    (get()[:-2], Drip(b"X-Slow: 1\r\n", 0.3, HEADER_SECONDS / 2), b"\r\n"),
    200,
    True,
    "RFC 9110 15.5.9",
    "Slow is not too slow.",
)
_add(
    "a request, then nothing, then another",
    (get(), Drip(b"", 0.5, 2), get()),
    (200, 200),
    True,
    "RFC 9112 9.3",
    "The time between two requests is longer than that.",
)
