"""Two operations in one."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.openapi.descriptions import Operation
from gateway.openapi.merging import merged
from gateway.openapi.paths import paths_of, with_distinct_names


def test_what_only_one_of_them_requires_is_not_required() -> None:
    """A client of the other does without it."""
    first = {
        "parameters": [
            {"name": "a", "in": "query", "required": True},
            {"name": "b", "in": "query", "required": True, "schema": {"type": "string"}},
        ],
        "requestBody": {"required": True, "content": {"text/plain": {}}},
    }
    second = {
        "parameters": [{"name": "b", "in": "query", "schema": {"type": "integer"}}],
        "requestBody": {"content": {"application/json": {}}},
    }
    whole = merged(first, second)
    assert whole["parameters"] == [
        {"name": "a", "in": "query"},
        {
            "name": "b",
            "in": "query",
            "schema": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        },
    ]
    assert whole["requestBody"] == {"content": {"text/plain": {}, "application/json": {}}}


def test_a_body_that_only_one_takes_is_optional() -> None:
    """The other is asked without."""
    body = {"required": True, "content": {"text/plain": {}}}
    assert merged({"requestBody": body}, {})["requestBody"] == {"content": {"text/plain": {}}}


def test_answers_of_both_are_answers() -> None:
    """Of the same status by either schema; of different statuses each."""
    first = {
        "200": {"description": "A.", "content": {"application/json": {"schema": {"$id": "a"}}}}
    }
    second = {
        "200": {"description": "B.", "content": {"application/json": {"schema": {"$id": "b"}}}},
        "404": {"description": "None."},
    }
    whole = merged({"responses": first}, {"responses": second})["responses"]
    assert whole["200"]["description"] == "A. Or: B."
    schema = whole["200"]["content"]["application/json"]["schema"]
    assert schema == {"anyOf": [{"$id": "a"}, {"$id": "b"}]}
    assert whole["404"] == {"description": "None."}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([{"a": []}], [{"b": []}], [{"a": []}, {"b": []}]),
        ([{"a": []}], [{"a": []}], [{"a": []}]),
        ([{"a": []}], None, None),
    ],
)
def test_either_way_in_is_a_way_in(first: Any, second: Any, expected: Any) -> None:
    """Where one has none of its own, what holds for the whole document does."""
    operations = [{"security": one} if one else {} for one in (first, second)]
    assert merged(operations[0], operations[1]).get("security") == expected


def test_deprecated_is_what_both_are() -> None:
    """One that is not is still to be used."""
    assert "deprecated" not in merged({"deprecated": True}, {})
    assert merged({"deprecated": True}, {"deprecated": True})["deprecated"]


def test_parameters_of_the_path_are_always_there() -> None:
    """Those that nobody described are texts; those that the path does not have are dropped."""
    parameters = [{"name": "gone", "in": "path", "required": True, "schema": {}}]
    paths = paths_of([Operation("/{a}/{b}", "get", {"parameters": parameters})])
    assert [p["name"] for p in paths["/{a}/{b}"]["get"]["parameters"]] == ["a", "b"]


def test_answers_that_are_referred_to_are_merged_as_well() -> None:
    """Neither is dropped for being somewhere else."""
    components = {
        "responses": {"A": {"description": "A."}, "B": {"description": "B."}},
        "requestBodies": {"C": {"content": {"text/plain": {}}}},
    }
    first = {"responses": {"200": {"$ref": "#/components/responses/A"}}}
    second = {
        "responses": {"200": {"$ref": "#/components/responses/B"}},
        "requestBody": {"$ref": "#/components/requestBodies/C"},
    }
    paths = paths_of([Operation("/x", "put", first), Operation("/x", "put", second)], components)
    assert paths["/x"]["put"]["responses"]["200"]["description"] == "A. Or: B."
    assert paths["/x"]["put"]["requestBody"] == {"content": {"text/plain": {}}}


def test_identifiers_that_services_use_twice_are_told_apart() -> None:
    """The first keeps its own; others get what tells them apart."""
    same = {"operationId": "a.read"}
    operations = [
        Operation("/x", "get", same),
        Operation("/x", "put", same),
        Operation("/y", "put", same),
        Operation("/z", "get", {}),
    ]
    names = [one.content["operationId"] for one in with_distinct_names(operations)]
    assert names == ["a.read", "a.read.put", "a.read.y.put", "z.get"]
