"""The table of docs/bridge.md: `python -m tests.bridge.table` writes it anew into the page."""

from __future__ import annotations

from pathlib import Path

from tests.bridge.conformance import CASES
from tests.bridge.known import KNOWN

PAGE = Path(__file__).parents[2] / "docs" / "bridge.md"
BEGIN = "<!-- python -m tests.bridge.table -->"
END = "<!-- end of the table -->"


def table() -> str:
    """What each adapter holds, as the conformance suite has it."""
    lines = ["| case | bridge | a2wsgi | asgiref |", "|---|---|---|---|"]
    section = ""
    for title, (heading, _) in CASES.items():
        if heading != section:
            section = heading
            lines.append(f"| **{heading}** | | | |")
        cells = []
        for adapter in ("bridge", "a2wsgi", "asgiref"):
            reason = KNOWN[adapter].get(title)
            cells.append(f"no: {reason}" if reason else "yes")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def page_with_table(page: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
