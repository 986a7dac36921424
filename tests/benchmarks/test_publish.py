"""Where results go, and the picture of them."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks.peers import Bar
from benchmarks.plot import LEAST, MOST, plot, position
from benchmarks.publish import BEGIN, END, NoPlaceError, amended, command, replaced, results
from benchmarks.ratios import Ratio
from benchmarks.report import Line
from benchmarks.serving import ROOT


def test_only_what_is_between_the_comments_is_replaced() -> None:
    """And again by the next run."""
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = replaced(page, "new\n")
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert replaced(once, "new") == once


@pytest.mark.parametrize(
    "page", ["", BEGIN, END, f"{END} {BEGIN}", f"{BEGIN} {END} {BEGIN} {END}", f"{BEGIN}{END}{END}"]
)
def test_a_page_without_a_place_for_results_is_refused(page: str) -> None:
    """Rather than guessed."""
    with pytest.raises(NoPlaceError, match="once"):
        replaced(page, "new")


def test_the_page_of_this_repository_has_a_place() -> None:
    """So that a run of minutes does not end with a refusal."""
    assert "new" in replaced((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8"), "new")


def test_a_run_of_some_replaces_their_tables_and_no_others() -> None:
    """Each says when and how it was measured; what is measured for the first time comes last."""
    section = results("day one", "make bench", "CPython", [("a", "| 1 |"), ("b", "| 2 |")], None)
    page = replaced(f"before\n{BEGIN}\n{END}\nafter\n", section)
    later = [("a", "| 3 |"), ("c", "| 4 |")]
    found = amended(page, "day two", "make more", "CPython", later)
    told = ["before", "day one", "make bench", "### a", "day two", "make more", "| 3 |"]
    told += ["### b", "| 2 |", "### c", "day two", "make more", "| 4 |", END, "after"]
    at = 0
    for word in told:
        at = found.index(word, at)
    assert "| 1 |" not in found
    assert found.count("###") == 3
    assert amended(found, "day two", "make more", "CPython", later) == found
    assert found.count("CPython") == 1
    assert amended(found, "day two", "make more", "another", later).count("another") == 2


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        ([], "make bench"),
        (["--only", "bridge"], 'make bench ARGS="--only bridge"'),
        (["--write", "a b.md"], "make bench ARGS=\"--write 'a b.md'\""),
    ],
)
def test_the_command_can_be_typed_again(arguments: list[str], typed: str) -> None:
    """As make wants it."""
    assert command(arguments) == typed


def test_results_name_their_day_their_command_and_all_tables() -> None:
    """In the order of the run."""
    written = results("2026-01-02", "make bench", "CPython", [("bridge", "| a |")], "b.svg")
    places = [written.index(w) for w in ("2026-01-02", "make bench", "CPython", "b.svg", "| a |")]
    assert places == sorted(places)
    assert "svg" not in results("2026-01-02", "make bench", "CPython", [], None)


def test_the_scale_is_logarithmic_and_bounded() -> None:
    """Twice as fast is as far from 1 as half as fast."""
    one = position(1.0)
    assert position(2.0) - one == pytest.approx(one - position(0.5), abs=0.11)
    assert position(1000.0) == position(MOST)
    assert position(0.0001) == position(LEAST)


def test_the_plot_is_xml_with_what_was_missed_in_it() -> None:
    """Names are escaped, a figure that is not known has no bar."""
    bars = (Bar("b", "throughput", 2.5), Bar("b", "p99", 1.0))
    figures = {"throughput": Ratio(2.0, 1.9, 2.1), "p99": Ratio(0.5, 0.4, 0.6), "CPU": None}
    line = Line("GET /a&b", "us / <them>", figures, bars)  # type: ignore[arg-type]
    drawn = plot([("bridge", [line])])
    words = [element.text for element in ET.fromstring(drawn).iter() if element.text]
    assert {"GET /a&b", "us / <them>", "bridge", "2.00 missed", "0.50"} <= set(words)
