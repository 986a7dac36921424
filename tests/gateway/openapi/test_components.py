"""Naming apart what a document defines, and translating between versions of OpenAPI."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.openapi.components import Place, placed
from gateway.openapi.descriptions import description_of
from gateway.openapi.versions import as_3_1, without_3_2

PLACE = Place("pets", "/v1", "pets.2", "session")
OLD = {"$ref": "#/components/schemas/Pet"}
NEW = {"$ref": "#/components/schemas/pets.2.Pet"}


def rewritten_schema(schema: dict[str, Any], **others: Any) -> Any:
    """A schema beside that of a pet, after naming apart."""
    document = {"components": {"schemas": {"Pet": {}, "It": schema, **others}}}
    return placed(description_of(document), PLACE).components["schemas"]["pets.2.It"]


def rewritten_operation(operation: dict[str, Any]) -> Any:
    """An operation, after naming apart."""
    document = {"paths": {"/pets": {"get": operation}}}
    return placed(description_of(document), PLACE).operations[0].content


@pytest.mark.parametrize("name", ["default", "example", "examples", "enum", "x-pet", "$ref", "a"])
def test_properties_may_have_any_name(name: str) -> None:
    """A property that is called like a keyword is a schema, and its reference follows."""
    schema = {"type": "object", "properties": {name: OLD}}
    assert rewritten_schema(schema)["properties"][name] == NEW


@pytest.mark.parametrize("keyword", ["default", "example", "const", "x-own"])
def test_values_are_not_touched(keyword: str) -> None:
    """What looks like a reference in a value is a value."""
    assert rewritten_schema({keyword: OLD})[keyword] == OLD


def test_values_in_lists_are_not_touched() -> None:
    """Nor what stands in an enumeration or among examples."""
    schema = {"enum": [OLD], "examples": [OLD]}
    assert rewritten_schema(schema) == schema


def test_answers_by_default_and_named_examples_are_rewritten() -> None:
    """`default` is a status there, and an example may be a reference itself; its value is not."""
    content = rewritten_operation(
        {
            "responses": {"default": {"$ref": "#/components/responses/Odd name~1x"}},
            "requestBody": {
                "content": {
                    "application/json": {
                        "schema": OLD,
                        "examples": {
                            "one": {"$ref": "#/components/examples/One"},
                            "default": {"value": OLD},
                        },
                    }
                }
            },
        }
    )
    assert content["responses"]["default"] == {"$ref": "#/components/responses/pets.2.Odd_name_x"}
    media = content["requestBody"]["content"]["application/json"]
    assert media["schema"] == NEW
    assert media["examples"]["one"] == {"$ref": "#/components/examples/pets.2.One"}
    assert media["examples"]["default"] == {"value": OLD}


def test_links_follow() -> None:
    """By operation ID or by reference to a path."""
    links = {
        "a": {"operationId": "read"},
        "b": {"operationRef": "#/paths/~1pets/get"},
    }
    content = rewritten_operation({"responses": {"200": {"description": "", "links": links}}})
    assert content["responses"]["200"]["links"] == {
        "a": {"operationId": "pets.read"},
        "b": {"operationRef": "#/paths/~1v1~1pets/get"},
    }


def test_what_a_discriminator_says_by_names_is_said_by_a_mapping() -> None:
    """Names of schemas are values on the wire, and stay so."""
    schema = {"oneOf": [OLD], "discriminator": {"propertyName": "kind"}}
    assert rewritten_schema(schema)["discriminator"]["mapping"] == {"Pet": NEW["$ref"]}
    schema = {
        "oneOf": [OLD],
        "discriminator": {"propertyName": "kind", "mapping": {"pet": "Pet", "p": OLD["$ref"]}},
    }
    assert rewritten_schema(schema)["discriminator"]["mapping"] == {
        "pet": NEW["$ref"],
        "p": NEW["$ref"],
    }


def test_schemas_that_build_on_one_with_a_discriminator_are_its_mapping() -> None:
    """Where the alternatives are not listed, they are those that refer to it."""
    base = {"discriminator": {"propertyName": "kind"}}
    child = {"allOf": [{"$ref": "#/components/schemas/It"}]}
    assert rewritten_schema(base, Cat=child)["discriminator"]["mapping"] == {
        "Cat": "#/components/schemas/pets.2.Cat"
    }


def test_what_is_said_for_a_path_or_the_document_is_said_by_each_operation() -> None:
    """Parameters, behind references too, and security; the operation's own come first."""
    document = {
        "security": [{"key": []}],
        "components": {
            "parameters": {"P": {"name": "p", "in": "query", "description": "path's"}},
            "securitySchemes": {"key": {"type": "http", "scheme": "basic"}},
        },
        "paths": {
            "/a": {
                "parameters": [{"$ref": "#/components/parameters/P"}],
                "get": {"parameters": [{"name": "p", "in": "query", "description": "own"}]},
                "put": {"security": []},
            }
        },
    }
    get, put = (one.content for one in placed(description_of(document), PLACE).operations)
    assert [p["description"] for p in get["parameters"]] == ["own"]
    assert [p["description"] for p in put["parameters"]] == ["path's"]
    assert (get["security"], put["security"]) == ([{"pets.2.key": []}], [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        (
            {"type": "string", "nullable": True, "enum": ["a"]},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        ({"nullable": True, "allOf": [OLD]}, {"anyOf": [{"allOf": [OLD]}, {"type": "null"}]}),
        ({"nullable": True}, {}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"properties": {"nullable": OLD}}, {"properties": {"nullable": OLD}}),
        ({"default": {"nullable": True}}, {"default": {"nullable": True}}),
    ],
)
def test_schemas_of_3_0_are_said_in_3_1(before: Any, after: Any) -> None:
    """What may be null, and limits that are excluded, have other words there."""
    document = {"openapi": "3.0.3", "components": {"schemas": {"It": before}}}
    upgraded = as_3_1(document)
    assert upgraded["components"]["schemas"]["It"] == after
    assert upgraded["openapi"].startswith("3.1")


def test_a_document_of_3_1_stays_as_it_is() -> None:
    """There a boolean limit is no limit's business, and `nullable` a stranger's keyword."""
    document = {"openapi": "3.1.0", "components": {"schemas": {"It": {"nullable": True}}}}
    assert as_3_1(document) == document


def test_what_3_2_has_added_becomes_an_extension() -> None:
    """Also where a property has its name, which stays."""
    document: dict[str, Any] = {
        "content": {"a": {"itemSchema": {"properties": {"itemSchema": {}}}}}
    }
    assert without_3_2(document) == {
        "content": {"a": {"x-itemSchema": {"properties": {"itemSchema": {}}}}}
    }
