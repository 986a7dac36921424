"""The Paths Object that is made of the operations of all services (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.openapi.descriptions import METHODS, VARIABLE, Operation, shape_of
from gateway.openapi.merging import merged
from gateway.openapi.nodes import Node, resolved

# Where operations of methods stand that OpenAPI 3.1 does not know, as 3.2 calls the place.
_OTHER_METHODS = "x-additionalOperations"


def paths_of(operations: Iterable[Operation], components: Node | None = None) -> Node:
    """The Paths Object.

    Operations of the same path, but for the names of parameters, share one entry with the names
    that came first; those of the same method, too, are merged. What is for another host gets an
    entry of its own, told apart by a fragment, which no client sends.

    Args:
        operations: Of all services.
        components: What they refer to.
    """
    document = {"components": components or {}}
    listed = list(operations)
    hosts: dict[str, list[str]] = {}
    for one in listed:
        known = hosts.setdefault(shape_of(one.path), [])
        if one.host not in known:
            known.append(one.host)
    names: dict[tuple[str, str], str] = {}
    paths: Node = {}
    for one in listed:
        shape = shape_of(one.path)
        path = names.setdefault((shape, one.host), one.path)
        # What is for any host, else what came first, has the path for itself.
        plain = "" if "" in hosts[shape] else hosts[shape][0]
        # Braces would make a parameter of the path out of one of the host.
        key = path if one.host == plain else path + "#" + VARIABLE.sub(r"(\1)", one.host)
        item = paths.setdefault(key, {"servers": [server_of(one.host)]} if one.host else {})
        if one.method not in METHODS:
            item = item.setdefault(_OTHER_METHODS, {})
        method = one.method if one.method in METHODS else one.method.upper()
        content = _renamed(one, path)
        if method in item:
            content = merged(_inlined(item[method], document), _inlined(content, document))
        item[method] = content
    return paths


def server_of(host: str) -> Node:
    """The Server Object of a host; the scheme is that of the page."""
    name = f"{{subdomain}}{host[1:]}" if host.startswith("*.") else host
    found: Node = {"url": f"//{name}"}
    if variables := VARIABLE.findall(name):
        found["variables"] = {variable: {"default": variable} for variable in variables}
    return found


def with_distinct_names(operations: Sequence[Operation]) -> list[Operation]:
    """The operations, none with the ID of another: the first keeps it, later ones get their path.

    So the ID of an operation does not depend on what is added after it.
    """
    taken: set[str] = set()
    found = []
    for one in operations:
        name = str(one.content.get("operationId", ""))
        slug = re.sub(r"\W+", "_", one.path).strip("_") or "root"
        name = name or f"{slug}.{one.method}"
        choices = [name, f"{name}.{one.method}", f"{name}.{slug}.{one.method}"]
        choices += [f"{choices[-1]}.{number}" for number in range(2, len(operations) + 2)]
        name = next(choice for choice in choices if choice not in taken)
        taken.add(name)
        found.append(replace(one, content={**one.content, "operationId": name}))
    return found


def _inlined(operation: Node, document: Node) -> Node:
    """The operation with its body and its answers in it, not referred to."""
    answers = operation.get("responses", {})
    found = {
        **operation,
        "responses": {key: resolved(answer, document) for key, answer in answers.items()},
    }
    if "requestBody" in found:
        found["requestBody"] = resolved(found["requestBody"], document)
    return found


def _renamed(operation: Operation, path: str) -> Node:
    """The operation with the path's names of parameters, and with each of them described."""
    wanted = VARIABLE.findall(path)
    names = dict(zip(VARIABLE.findall(operation.path), wanted, strict=True))
    found = []
    for parameter in operation.content.get("parameters", []):
        if parameter.get("in") != "path":
            found.append(parameter)
        elif parameter.get("name") in names:
            found.append({**parameter, "name": names[parameter["name"]], "required": True})
    described = {one["name"] for one in found if one.get("in") == "path"}
    found += [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in dict.fromkeys(wanted)
        if name not in described
    ]
    content = {key: value for key, value in operation.content.items() if key != "parameters"}
    return {**content, "parameters": found} if found else content
