"""What a WSGI-to-ASGI adapter must hold, case by case."""

from __future__ import annotations

from tests.bridge.conformance import (
    beginning,
    calling,
    ending,
    entering,
    framing,
    naming,
    standing,
)
from tests.bridge.conformance.cases import Case

# In the order of the table, each with its heading there.
CASES: dict[str, tuple[str, Case]] = {
    title: (section.heading, function)
    for section in (
        entering.case,
        beginning.case,
        ending.case,
        framing.case,
        calling.case,
        naming.case,
        standing.case,
    )
    for title, function in section.cases.items()
}
