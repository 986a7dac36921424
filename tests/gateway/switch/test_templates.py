"""Path templates of both stacks as one thing."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.switch.rules.templates import BadTemplate, parse, pattern, route_key, shape
from tests.gateway.switch.paths import UUID, Written, paths, templates


@settings(deadline=None)
@given(templates, paths)
def test_a_template_matches_what_its_stack_would_match(written: Written, path: str) -> None:
    """Each parameter by its converter, for the whole path."""
    found = pattern(parse(written.text).pattern).fullmatch(path)
    assert (found is not None) == written.matches(path)


@settings(deadline=None)
@given(templates, templates, st.lists(paths, min_size=1, max_size=60))
def test_a_template_within_another_matches_nothing_else(
    one: Written, two: Written, sampled: list[str]
) -> None:
    """Whatever the narrower matches, the wider matches, too."""
    if parse(one.text).within(parse(two.text)):
        assert [path for path in sampled if one.matches(path) and not two.matches(path)] == []


@settings(deadline=None)
@given(templates, templates, st.lists(paths, min_size=1, max_size=60))
def test_templates_that_match_a_path_in_common_meet(
    one: Written, two: Written, sampled: list[str]
) -> None:
    """Seen from both sides; and what is within something meets it."""
    first, second = parse(one.text), parse(two.text)
    if any(one.matches(path) and two.matches(path) for path in sampled):
        assert first.meets(second)
        assert second.meets(first)
    assert first.meets(second) == second.meets(first)
    assert first.meets(second) or not first.within(second)


@settings(deadline=None)
@given(templates, templates, templates)
def test_narrower_is_an_order(one: Written, two: Written, three: Written) -> None:
    """A template is within itself, and what is within something narrower is within the wider."""
    first, second, third = parse(one.text), parse(two.text), parse(three.text)
    assert first.within(first)
    if first.within(second) and second.within(third):
        assert first.within(third)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("/a", "/{x}"),
        ("/1", "/<int:x>"),
        ("/<int:x>", "/<x>"),
        ("/<int:x>", "/{x:int}"),
        ("/{x:int}", "/<int:x>"),
        ("/{x:int}", "/{x:float}"),
        ("/<float:x>", "/{x:float}"),
        ("/<uuid:x>", "/{x:uuid}"),
        ("/<any(a, b):x>", "/<x>"),
        ("/<any(a, b):x>", "/<any(b, c, a):x>"),
        ("/<any(1, 2):x>", "/<int:x>"),
        ("/{x}", "/{x:path}"),
        ("/{x}", "/<path:x>"),
        ("/a/b/c", "/a/{x:path}"),
        ("/a/", "/a/{x:path}"),
        ("/<path:x>", "/{x:path}"),
    ],
)
def test_what_is_narrower_is_known(narrow: str, wide: str) -> None:
    """Soundness alone would be had by saying no to everything."""
    assert parse(narrow).within(parse(wide))
    assert parse(narrow).meets(parse(wide))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("/a", "/b"),
        ("/a", "/a/"),
        ("/a", "/a/{x:path}"),
        ("/a/", "/a/<path:x>"),
        ("/a/", "/a/{x}"),
        ("/a", "/<int:x>"),
        ("/<int:x>", "/<uuid:x>"),
        ("/<int:x>", "/<float:x>"),
        ("/<any(a, b):x>", "/<any(c, d):x>"),
        ("/<any(a, b):x>", "/<int:x>"),
        ("/a/{x:path}", "/b/{x:path}"),
    ],
)
def test_what_never_meets_is_known(one: str, two: str) -> None:
    """So that nobody is told of a contradiction that is none."""
    assert not parse(one).meets(parse(two))
    assert not parse(two).meets(parse(one))


@pytest.mark.parametrize(
    ("template", "inside", "outside"),
    [
        ("/<path:x>/edit", "/a/b/edit", "/edit"),
        ("/<path:x>.html", "/a/b.html", "/a/b"),
        ("/{x:path}/edit", "//edit", "/a/edit/"),
        ('/<any("a/b", c):x>', "/a/b", "/a"),
        ('/<any("a,b", c):x>', "/a,b", "/a"),
        ("/<string(2):x>", "/abc", "/a"),
        ("/<string(length=2):x>", "/ab", "/abc"),
        ("/<int(signed=True):x>", "/-1", "/--1"),
        ("/<own:x>", "/anything", "/any/thing"),
        ("/<own('(', \")\"):x>", "/anything", "/any/thing"),
        ("/items/{x}:cancel", "/items/1:cancel", "/items/1"),
        ("/{x:uuid}", f"/{UUID}", f"/{UUID}0"),
    ],
)
def test_the_less_usual_parameters_are_read(template: str, inside: str, outside: str) -> None:
    """A converter's arguments, slashes within a parameter, and text beside one."""
    found = pattern(parse(template).pattern)
    assert found.fullmatch(inside)
    assert not found.fullmatch(outside)


@pytest.mark.parametrize(
    "template",
    ["/<path:x>/edit", "/<path:x>.html", "/{x:path}/", '/<any("a/b", c):x>', "/v{x:path}"],
)
def test_a_parameter_with_slashes_before_the_end_is_seen(template: str) -> None:
    """Such a template cannot be matched segment by segment."""
    assert not parse(template).regular


@settings(deadline=None)
@given(templates)
def test_templates_that_can_be_matched_by_segments_are_known(written: Written) -> None:
    """All but those."""
    assert parse(written.text).regular


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("", "begins with a slash"),
        ("items", "begins with a slash"),
        ("/{x", "'{'"),
        ("/x}", "'}'"),
        ("/<int:>", "'<'"),
        ("/{}", "'{'"),
        ("/{1x}", "'{'"),
        ("/<x:y:z>", "'<'"),
        ("/{x:int:y}", "'{'"),
        ("/<int(signed=True:x>", "'<'"),
    ],
)
def test_what_is_no_template_is_refused_with_words(template: str, why: str) -> None:
    """The text names what is odd."""
    with pytest.raises(BadTemplate, match=why):
        parse(template)


@settings(deadline=None)
@given(st.text())
@example("/<any('\"):x>")
def test_any_text_is_a_template_or_is_refused(text: str) -> None:
    """Nothing else is ever raised, and the shape is to be had of everything."""
    try:
        found = parse(text)
    except BadTemplate:
        pass
    else:
        assert pattern(found.pattern)
        assert found.within(found)
    assert shape(text) == shape(shape(text))


@pytest.mark.parametrize(
    ("one", "two", "key"),
    [
        ("/items/<int:item_id>", "/items/{item_id}", "GET /items/{}"),
        ("/<path:name>", "/{rest:path}", "GET /{*}"),
        ("/v<int:x>/<any(a, b):y>.<z>", "/v{a}/{b:str}.{c:uuid}", "GET /v{}/{}.{}"),
    ],
)
def test_a_route_has_one_key_in_both_stacks(one: str, two: str, key: str) -> None:
    """Whatever its parameters are called; HEAD is what GET is."""
    assert route_key("GET", one) == route_key("HEAD", two) == key
    assert route_key("POST", one) == key.replace("GET", "POST")
