"""JSON documents to their differences, and what rules excuse of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.switch.compare import MISSING, Comparison, JsonRule, Rules, compare
from tests.gateway.switch.answers import answer, documents, names

UUIDS = "0e4b7a3c-1f2d-4c5b-8a6e-9d0f1a2b3c4d", "FFFFFFFF-1f2d-4c5b-8a6e-9d0f1a2b3c4d"
INSTANTS = "2026-11-22T10:00:00.5+01:00", "Sun, 22 Nov 2026 09:00:00 GMT"


def found(comparison: Comparison) -> dict[str, tuple[Any, Any]]:
    assert all(each.kind == "json" for each in comparison.differences)
    return {each.where: each.values for each in comparison.differences}


def escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


@dataclass
class Spot:
    """A container of a document, and the pointer to it."""

    pointer: str
    container: Any

    def change(self, key: Any) -> tuple[str, Any, Any]:
        """Put something else there; the pointer, what was there, and what is."""
        before = self.container[key]
        after = "something else" if before != "something else" else 0
        self.container[key] = after
        name = escaped(key) if isinstance(key, str) else str(key)
        return f"{self.pointer}/{name}", before, after


def spots(document: Any, pointer: str = "") -> list[Spot]:
    """All containers of a document that have something in them."""
    if isinstance(document, dict):
        inner = [spots(value, f"{pointer}/{escaped(key)}") for key, value in document.items()]
    elif isinstance(document, list):
        inner = [spots(value, f"{pointer}/{index}") for index, value in enumerate(document)]
    else:
        return []
    return [Spot(pointer, document)] * bool(document) + [spot for each in inner for spot in each]


# --- Planted differences --------------------------------------------------------------------------


@given(st.lists(documents, min_size=1, max_size=3), st.data())
def test_every_planted_difference_is_reported_at_its_place_and_nothing_else(
    first: list[Any], data: st.DataObject
) -> None:
    """Values, types, members that are missing or added, items at the end of a list."""
    second = copy.deepcopy(first)
    expected: dict[str, tuple[Any, Any]] = {}
    taken: set[int] = set()
    for _ in range(data.draw(st.integers(1, 3), label="differences")):
        # What is inside of what was planted already is no place of both documents any more.
        at = data.draw(st.sampled_from(spots(second) or [Spot("", first)]), label="spot")
        if (
            at.container is first
            or id(at.container) in taken
            or any(at.pointer.startswith(one) for one in expected)
        ):
            continue
        taken.add(id(at.container))
        keys = list(at.container) if isinstance(at.container, dict) else range(len(at.container))
        key = data.draw(st.sampled_from(list(keys)), label="key")
        kind = data.draw(st.sampled_from(["change", "remove", "add"]), label="kind")
        own = {where for where in expected if where.startswith(at.pointer)}
        if kind == "change":
            where, before, after = at.change(key)
        elif isinstance(at.container, dict):
            key = "new" * 3 if kind == "add" else key
            before = at.container.get(key, MISSING)
            after = "added" if kind == "add" else MISSING
            at.container.pop(key, None)
            if kind == "add":
                at.container[key] = after
            where = f"{at.pointer}/{escaped(key)}"
        else:
            before, after = (MISSING, "added") if kind == "add" else (at.container[-1], MISSING)
            where = f"{at.pointer}/{len(at.container) - (kind == 'remove')}"
            at.container.append(after) if kind == "add" else at.container.pop()
        # What was planted inside of it is gone with it.
        assume(not any(one.startswith(where) for one in own))
        expected[where] = (before, after)
    comparison = compare(answer(first), answer(second))
    assert repr(sorted(found(comparison).items())) == repr(sorted(expected.items()))
    assert comparison.outcome == "mismatch"


@given(documents)
def test_the_order_of_members_and_the_bytes_do_not_count(document: Any) -> None:
    """Flask sorts and escapes, FastAPI does neither."""
    turned = _turned(document)
    assert compare(answer(document), answer(turned)).outcome == "match"


def _turned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _turned(one) for key, one in reversed(value.items())}
    return [_turned(one) for one in value] if isinstance(value, list) else value


ODD: list[Any] = [
    0,
    0.0,
    False,
    "",
    None,
    [],
    {},
    "0",
    1,
    1.0,
    True,
    "1",
    "null",
    [None],
    {"": None},
]


@pytest.mark.parametrize("first", range(len(ODD)))
@pytest.mark.parametrize("second", range(len(ODD)))
def test_types_are_strict(first: int, second: int) -> None:
    """To Python, 1, 1.0 and true are equal; to clients they are three."""
    comparison = compare(answer({"a": ODD[first]}), answer({"a": ODD[second]}))
    assert (comparison.outcome == "match") is (first == second)


def test_a_missing_member_is_not_null() -> None:
    """A client's types tell them apart."""
    assert found(compare(answer({"a": None}), answer({}))) == {"/a": (None, MISSING)}


def test_what_one_list_has_more_is_one_difference() -> None:
    """A page of a hundred items against one of twenty is not eighty differences."""
    comparison = compare(answer(list(range(100))), answer(list(range(20))))
    assert found(comparison) == {"/20": (20, MISSING)}
    assert "80 items more" in comparison.differences[0].why


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("1.10", 1.1), "one number, as a string"),
        ((1, 1.0), "one number, as two types"),
        ((1, 2), "two numbers"),
        (INSTANTS, "one instant"),
        (UUIDS, "two UUIDs"),
        (("a", "b"), "two strings"),
        (("a", None), "a string and null"),
        (([], {}), "a list and an object"),
        ((True, False), "each a boolean"),
    ],
)
def test_it_is_said_what_is_different(values: tuple[Any, Any], words: str) -> None:
    """In words, and so that one sees which rule might be wanted."""
    (difference,) = compare(answer(values[0]), answer(values[1])).differences
    assert words in difference.why


# --- Rules ----------------------------------------------------------------------------------------

EXCUSED: dict[str, tuple[JsonRule, Any, Any]] = {
    "ignore": (JsonRule("ignore", "/at"), {"a": 1}, [2]),
    "ignore what is missing": (JsonRule("ignore", "/at"), None, MISSING),
    "number": (JsonRule("number", "/at", tolerance=0.5), 1, 1.5),
    "number of two types": (JsonRule("number", "/at"), 1, 1.0),
    "uuid": (JsonRule("uuid", "/at"), *UUIDS),
    "instant": (JsonRule("instant", "/at"), *INSTANTS),
    "instant without a zone": (
        JsonRule("instant", "/at"),
        "2026-11-22T09:00:00",
        "Sun, 22 Nov 2026 09:00:00 GMT",
    ),
    "instant of a date": (
        JsonRule("instant", "/at"),
        "2026-11-22",
        "Sun, 22 Nov 2026 00:00:00 GMT",
    ),
    "decimal": (JsonRule("decimal", "/at"), "1.10", 1.1),
    "decimal of a whole number": (JsonRule("decimal", "/at"), 7, "7.00"),
    "unordered": (
        JsonRule("unordered", "/at", key="id"),
        [{"id": 1}, {"id": 2}],
        [{"id": 2}, {"id": 1}],
    ),
    "unordered values": (JsonRule("unordered", "/at"), ["b", 1, "b"], [1, "b", "b"]),
}
NOT_EXCUSED: dict[str, tuple[JsonRule, Any, Any]] = {
    "number beyond": (JsonRule("number", "/at", tolerance=0.5), 1, 1.6),
    "number and boolean": (JsonRule("number", "/at", tolerance=5), 1, True),
    "number and text": (JsonRule("number", "/at", tolerance=5), 1, "1"),
    "huge numbers": (JsonRule("number", "/at", tolerance=5), 10**400, 1.5),
    "uuid and text": (JsonRule("uuid", "/at"), UUIDS[0], "a"),
    "uuid and null": (JsonRule("uuid", "/at"), UUIDS[0], None),
    "instant a second later": (JsonRule("instant", "/at"), INSTANTS[0], "2026-11-22T09:00:01Z"),
    "instant a moment later": (JsonRule("instant", "/at"), INSTANTS[0], "2026-11-22T09:00:00.4Z"),
    "no instants": (JsonRule("instant", "/at"), "yesterday", "2 days ago"),
    "decimal of another value": (JsonRule("decimal", "/at"), "1.10", 1.11),
    "decimals as text": (JsonRule("decimal", "/at"), "1.10", "1.1"),
    "decimal in words": (JsonRule("decimal", "/at"), "NaN", float("nan")),
    "decimal and boolean": (JsonRule("decimal", "/at"), "1", True),
    "unordered without keys": (
        JsonRule("unordered", "/at", key="id"),
        [{"id": 1}, {}],
        [{}, {"id": 1}],
    ),
}


def both(first: Any, second: Any, *more: JsonRule) -> Comparison:
    one, other = (answer({} if value is MISSING else {"at": value}) for value in (first, second))
    return compare(one, other, Rules(json=more))


@pytest.mark.parametrize("name", EXCUSED)
def test_a_rule_excuses_what_it_names(name: str) -> None:
    """From either side, and it is told that it was needed."""
    rule, first, second = EXCUSED[name]
    for values in ((first, second), (second, first)):
        comparison = both(*values, rule)
        assert comparison.outcome == "match by rule"
        assert set(comparison.hits) == {rule.name}
        assert both(*values).outcome == "mismatch"
    assert both(first, first, rule).outcome == "match"


@pytest.mark.parametrize("name", [*NOT_EXCUSED])
def test_a_rule_excuses_nothing_else(name: str) -> None:
    """What is only like what it is for differs."""
    rule, first, second = NOT_EXCUSED[name]
    comparison = both(first, second, rule)
    assert comparison.outcome == "mismatch"
    assert not comparison.hits


@pytest.mark.parametrize("name", EXCUSED)
def test_a_rule_excuses_nothing_at_another_place(name: str) -> None:
    """Beside, above and below the place that it names."""
    rule, first, second = EXCUSED[name]
    if second is MISSING:
        second = 1
    above = [] if rule.kind == "ignore" else [""]  # ignoring the whole document ignores all in it
    for pointer in (*above, "/other", "/at/at", "/at/id", "/at/*/*/*"):
        elsewhere = JsonRule(rule.kind, pointer, rule.key, rule.tolerance)
        comparison = both(first, second, elsewhere)
        assert comparison.outcome == "mismatch"
        assert not comparison.hits


@given(documents, documents, names)
def test_an_ignored_place_is_ignored_with_all_that_is_below_it(
    first: Any, second: Any, name: str
) -> None:
    """And nothing beside it is."""
    rule = JsonRule("ignore", f"/{escaped(name)}")
    pair = [{name: value, f"{name}x": 1} for value in (first, second)]
    comparison = compare(answer(pair[0]), answer(pair[1]), Rules(json=(rule,)))
    assert comparison.outcome != "mismatch"
    pair[1][f"{name}x"] = 2
    comparison = compare(answer(pair[0]), answer(pair[1]), Rules(json=(rule,)))
    # A star names each member.
    assert comparison.outcome == ("match by rule" if name == "*" else "mismatch")


def test_a_star_is_any_one_step() -> None:
    """An index or a name, not two of them and not none."""
    rule = JsonRule("ignore", "/items/*/at")
    first = {"items": [{"at": 1}, {"at": 1}], "at": 1}
    second = {"items": [{"at": 2}, {"at": 3}], "at": 1}
    comparison = compare(answer(first), answer(second), Rules(json=(rule,)))
    assert comparison.outcome == "match by rule"
    assert comparison.hits == {"ignore /items/*/at": 2}
    for other in ({"items": {"at": 1}}, {"items": {"a": {"b": {"at": 1}}}}):
        changed = (
            {"items": {"at": 2}} if "at" in other["items"] else {"items": {"a": {"b": {"at": 2}}}}
        )
        assert compare(answer(other), answer(changed), Rules(json=(rule,))).outcome == "mismatch"


def test_a_pointer_is_unescaped_in_the_right_order() -> None:
    """`~01` is a tilde and a one, not a slash (RFC 6901, section 4)."""
    rule = JsonRule("ignore", "/~01~1")
    one, other = (answer({"~1/": value}) for value in (1, 2))
    assert compare(one, other, Rules(json=(rule,))).outcome == "match by rule"


def test_items_beyond_a_list_s_end_may_be_ignored_one_by_one() -> None:
    """What is left of them is told."""
    rule = JsonRule("ignore", "/1")
    comparison = compare(answer([0]), answer([0, 1, 2, 3]), Rules(json=(rule,)))
    assert found(comparison) == {"/2": (MISSING, 2)}
    assert "2 items more" in comparison.differences[0].why
    every = compare(answer([0]), answer([0, 1, 2]), Rules(json=(JsonRule("ignore", "/*"),)))
    assert every.hits == {"ignore /*": 2}


def test_an_unordered_list_is_compared_item_by_item() -> None:
    """By their keys, which is how the place of a difference is told."""
    rule = JsonRule("unordered", "", key="id")
    first = [{"id": 1, "n": "a"}, {"id": 2, "n": "b"}, {"id": 3}]
    second = [{"id": 2, "n": "c"}, {"id": 1, "n": "a"}, {"id": 4}]
    comparison = compare(answer(first), answer(second), Rules(json=(rule,)))
    assert found(comparison) == {
        "/id=2/n": ("b", "c"),
        "/id=3": ({"id": 3}, MISSING),
        "/id=4": (MISSING, {"id": 4}),
    }
    assert comparison.hits == {"unordered (the whole document) by id": 1}


def test_an_unordered_list_that_only_lacks_an_item_needed_no_rule_for_its_order() -> None:
    """The hits of a rule say what it has excused; the item's key is not part of the signature."""
    rules = Rules(json=(JsonRule("unordered", "", key="id"),))
    items = [{"id": 1}, {"id": 2}, {"id": 3}]
    first = compare(answer(items), answer(items[1:]), rules)
    second = compare(answer(items), answer(items[:1] + items[2:]), rules)
    assert found(first) == {"/id=1": ({"id": 1}, MISSING)}
    assert found(second) == {"/id=2": ({"id": 2}, MISSING)}
    assert not first.hits
    assert first.signature == second.signature


@given(st.lists(st.integers(0, 3) | st.sampled_from(["1", 1.0, True, None])), st.randoms())
def test_an_unordered_list_has_its_items_in_any_order(items: list[Any], chance: Any) -> None:
    """Each as often as it is there."""
    shuffled = items.copy()
    chance.shuffle(shuffled)
    rules = Rules(json=(JsonRule("unordered", ""),))
    assert compare(answer(items), answer(shuffled), rules).outcome != "mismatch"
    assert compare(answer(items), answer([*shuffled, 0]), rules).outcome == "mismatch"


@pytest.mark.parametrize("fault", [{"pointer": "items"}, {"pointer": "", "tolerance": -1.0}])
def test_a_rule_that_makes_no_sense_is_refused(fault: dict[str, Any]) -> None:
    """When it is made, not when a request comes."""
    with pytest.raises(ValueError, match=r"JSON Pointer|tolerance"):
        JsonRule("number", **fault)
