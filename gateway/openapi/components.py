"""A service's description in the whole: under its prefix, with its names told apart (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.openapi.descriptions import Description
from gateway.openapi.nodes import SCHEMAS, Node, rewritten

SHARED_SESSION = "session"

_COMPONENTS = "#/components/"
_PATHS = "#/paths/"
# OpenAPI 3.1, section 4.8.7.
_UNNAMEABLE = re.compile(r"[^A-Za-z0-9._-]")
_URLS = ("authorizationUrl", "tokenUrl", "refreshUrl", "openIdConnectUrl")


@dataclass(frozen=True)
class Place:
    """Where a description stands in the whole.

    Attributes:
        mount: The name of the mount, put in front of tags and operation IDs.
        prefix: The mount's public prefix; empty for the root.
        namespace: What is put in front of the names of components.
        cookie: The name of the cookie of the shared session; None where none is shared.
        host: The only host that the mount answers for; empty for any.
    """

    mount: str
    prefix: str
    namespace: str
    cookie: str | None = None
    host: str = ""


def placed(description: Description, place: Place) -> Description:
    """The description with paths prefixed, and with components, tags and operations named apart.

    References follow, those of discriminators too: what a name alone said before is said by a
    mapping. A scheme that stands for the shared session's cookie becomes the shared one.
    """
    schemes = _schemes(description.components, place)

    def visit(node: Node) -> Node:
        for key in ("$ref", "operationRef"):
            if isinstance(node.get(key), str):
                node[key] = _moved(node[key], place)
        if isinstance(node.get("operationId"), str):
            node["operationId"] = f"{place.mount}.{node['operationId']}"
        if isinstance(node.get("tags"), list):
            node["tags"] = [f"{place.mount}.{tag}" for tag in node["tags"]]
        if isinstance(node.get("security"), list):
            node["security"] = [
                {schemes.get(name, name): scopes for name, scopes in needed.items()}
                for needed in node["security"]
            ]
        if isinstance(node.get("discriminator"), dict):
            node["discriminator"] = _discriminator(node, place)
        for key in _URLS:
            if isinstance(url := node.get(key), str) and "://" not in url:
                node[key] = f"{place.prefix}/{url.lstrip('/')}"
        return node

    whole: Node = rewritten(
        {
            "operations": [operation.content for operation in description.operations],
            "components": description.components,
            "webhooks": description.webhooks,
        },
        visit,
    )
    contents: list[Node] = whole["operations"]
    return Description(
        [
            replace(
                operation,
                path=place.prefix + operation.path,
                host=operation.host or place.host,
                content={**content, "tags": content.get("tags") or [place.mount]},
            )
            for operation, content in zip(description.operations, contents, strict=True)
        ],
        _components(description.components, whole["components"], schemes, place),
        [{**tag, "name": f"{place.mount}.{tag.get('name')}"} for tag in description.tags],
        {f"{place.mount}.{name}": item for name, item in whole["webhooks"].items()},
        description.info,
    )


def _components(
    before: Node, rewritten_ones: Node, schemes: Mapping[str, str], place: Place
) -> Node:
    """The components under their new names."""
    found: Node = {
        section: {_name(name, place): inner for name, inner in named.items()}
        for section, named in rewritten_ones.items()
        if isinstance(named, dict) and not section.startswith("x-")
    }
    for parent, names in _children(before).items():
        _name_children(found["schemas"][_name(parent, place)], names, place)
    for name, shared in schemes.items():
        if shared == SHARED_SESSION:
            del found["securitySchemes"][_name(name, place)]
    return {section: named for section, named in found.items() if named}


def _name(name: str, place: Place) -> str:
    return f"{place.namespace}.{_UNNAMEABLE.sub('_', name)}"


def _moved(reference: str, place: Place) -> str:
    if reference.startswith(_COMPONENTS):
        section, slash, rest = reference[len(_COMPONENTS) :].partition("/")
        name, deeper, below = rest.partition("/")
        name = name.replace("~1", "/").replace("~0", "~")
        return f"{_COMPONENTS}{section}{slash}{_name(name, place)}{deeper}{below}"
    if reference.startswith(_PATHS):
        prefix = place.prefix.replace("/", "~1")
        return f"{_PATHS}{prefix}{reference[len(_PATHS) :]}"
    return reference


def _schemes(components: Node, place: Place) -> Mapping[str, str]:
    """What each security scheme is called in the whole."""
    found: dict[str, str] = {}
    for name, scheme in components.get("securitySchemes", {}).items():
        is_session = place.cookie is not None and (
            scheme.get("type"),
            scheme.get("in"),
            scheme.get("name"),
        ) == ("apiKey", "cookie", place.cookie)
        found[name] = SHARED_SESSION if is_session else _name(name, place)
    return found


def _discriminator(node: Node, place: Place) -> Node:
    """With a mapping that says what the names of schemas said before they were named apart."""
    discriminator: Node = dict(node["discriminator"])
    mapping = {
        value: _moved(target, place)
        if target.startswith("#") or not re.fullmatch(r"[A-Za-z0-9._-]+", target)
        else f"{SCHEMAS}{_name(target, place)}"
        for value, target in discriminator.get("mapping", {}).items()
    }
    for alternative in [*node.get("oneOf", []), *node.get("anyOf", [])]:
        # Its reference is rewritten already: inner objects come first.
        reference = str(alternative.get("$ref", ""))
        own = f"{SCHEMAS}{place.namespace}."
        if reference.startswith(own) and reference not in mapping.values():
            mapping[reference[len(own) :]] = reference
    if mapping:
        discriminator["mapping"] = mapping
    return discriminator


def _children(components: Node) -> dict[str, list[str]]:
    """Schemas with a discriminator that names no alternatives, and those that build on each."""
    schemas: Node = components.get("schemas", {})
    parents: dict[str, list[str]] = {
        name: []
        for name, schema in schemas.items()
        if isinstance(schema, dict)
        and isinstance(schema.get("discriminator"), dict)
        and not schema.keys() & {"anyOf", "oneOf"}
    }
    if not parents:
        return {}
    for name, schema in schemas.items():
        bases = schema.get("allOf", []) if isinstance(schema, dict) else []
        for base in bases:
            parent = str(base.get("$ref", "")).removeprefix(SCHEMAS)
            if parent in parents:
                parents[parent].append(name)
    return parents


def _name_children(schema: Node, names: list[str], place: Place) -> None:
    mapping = schema["discriminator"].setdefault("mapping", {})
    for name in names:
        reference = f"{SCHEMAS}{_name(name, place)}"
        if reference not in mapping.values():
            mapping[name] = reference
