"""Flask's routes as an OpenAPI document (pure)."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from flask import Flask
from werkzeug.routing import Rule

from gateway.openapi.converters import parameter
from gateway.openapi.descriptions import Description, Operation
from gateway.openapi.models import Models
from gateway.openapi.nodes import Node
from gateway.openapi.views import described, handler, types_of

# RFC 6570, section 2.1: what a template may say literally; the rest is percent-encoded.
_LITERAL = "/!$&'()*+,;=:@~"
# Views of these are their own pages and files: documentation, assets.
_FRAMEWORKS = frozenset({"apiflask", "flask", "flask_openapi3", "flask_smorest", "spectree"})


def flask_routes(app: Flask) -> Description:
    """The operations that a Flask app's own views answer, by endpoint in the app's order."""
    operations: list[Operation] = []
    models = Models()
    rules = _ordered(app.url_map.iter_rules())
    optional = _defaults(rules)
    seen: set[str] = set()
    for rule in rules:
        view = app.view_functions.get(str(rule.endpoint))
        host = rule_host(app, rule)
        if view is None or host is None or rule.build_only or rule.websocket or _is_own(view):
            continue
        for method in methods(rule):
            types = types_of(view, method, sorted(rule.arguments))
            name = f"{rule.endpoint}.{method.lower()}"
            if name in seen:  # another rule of the same endpoint
                name += "." + (re.sub(r"\W+", "_", rule.rule).strip("_") or "root")
            seen.add(name)
            content = _operation(app, rule, method, optional)
            content["operationId"] = name
            models.add(content, method, types)
            operations.append(Operation(flask_path(rule), method.lower(), content, host))
    schemas = models.fill()
    used = {tag for operation in operations for tag in operation.content.get("tags", ())}
    return Description(operations, {"schemas": schemas}, [_tag(app, name) for name in sorted(used)])


def flask_path(rule: Rule) -> str:
    """A rule as OpenAPI spells it: `/items/{item_id}`."""
    # The part before the first "|" is the host's or the subdomain's.
    trace = rule._trace  # noqa: SLF001
    start = next((i for i, (_, text) in enumerate(trace) if text == "|"), -1) + 1
    parts = (f"{{{text}}}" if is_name else _literal(text) for is_name, text in trace[start:])
    return "".join(parts)


def methods(rule: Rule) -> list[str]:
    """The methods that somebody chose: HEAD and OPTIONS that Flask adds by itself are left out."""
    if rule.methods is None:
        return ["DELETE", "GET", "PATCH", "POST", "PUT"]
    chosen = set(rule.methods)
    if "GET" in chosen:
        chosen.discard("HEAD")
    if getattr(rule, "provide_automatic_options", True) and chosen != {"OPTIONS"}:
        chosen.discard("OPTIONS")
    return sorted(chosen)


def rule_host(app: Flask, rule: Rule) -> str | None:
    """The host that a rule is for; empty for any, None where no request can reach it."""
    if app.url_map.host_matching:
        return _host(rule) if rule.host else None
    subdomain = rule.subdomain or ""
    default = app.url_map.default_subdomain or ""
    if not app.subdomain_matching:
        return "" if subdomain == default else None
    server_name = app.config["SERVER_NAME"]
    if not server_name:
        return "" if not subdomain else None
    return f"{_host(rule)}.{server_name}" if subdomain else str(server_name)


def _host(rule: Rule) -> str:
    """Host or subdomain, its variables in braces."""
    parts = []
    for is_name, text in rule._trace:  # noqa: SLF001
        if text == "|" and not is_name:
            break
        parts.append(f"{{{text}}}" if is_name else text)
    return "".join(parts)


def _literal(text: str) -> str:
    return "".join(c if ord(c) > 0xA0 else quote(c, safe=_LITERAL) for c in text)  # noqa: PLR2004


def _is_own(view: Any) -> bool:
    module = str(getattr(inspect.unwrap(view), "__module__", None) or "")
    package = module.partition(".")[0]
    return package in _FRAMEWORKS or package.startswith("flask_openapi3_")


def _ordered(rules: Iterable[Rule]) -> list[Rule]:
    """Of one endpoint the simplest first, whose operations are called by the endpoint alone."""
    by_endpoint: dict[str, list[Rule]] = {}
    for rule in rules:
        by_endpoint.setdefault(str(rule.endpoint), []).append(rule)
    return [
        rule
        for those in by_endpoint.values()
        for rule in sorted(those, key=lambda one: (len(one.arguments), len(one.rule), one.rule))
    ]


def _defaults(rules: Iterable[Rule]) -> dict[str, Node]:
    """What each endpoint's parameters are where a rule of it does without them."""
    found: dict[str, Node] = {}
    for rule in rules:
        for name, value in (rule.defaults or {}).items():
            if _is_json(value):
                found.setdefault(str(rule.endpoint), {})[name] = value
    return found


def _operation(app: Flask, rule: Rule, method: str, optional: dict[str, Node]) -> Node:
    endpoint = str(rule.endpoint)
    view = app.view_functions[endpoint]
    summary, description = described(view, method, endpoint)
    fixed = {name: value for name, value in (rule.defaults or {}).items() if _is_json(value)}
    lines = [f"Here `{name}` is `{json.dumps(value)}`." for name, value in fixed.items()]
    description = "\n\n".join([description, *lines] if description else lines)
    content: Node = {"summary": summary}
    if description:
        content["description"] = description
    blueprint = endpoint.rpartition(".")[0]
    if blueprint:
        content["tags"] = [blueprint]
    if parameters := list(_parameters(rule, optional.get(endpoint, {}))):
        content["parameters"] = parameters
    if getattr(handler(view, method), "__deprecated__", None):
        content["deprecated"] = True
    return content


def _parameters(rule: Rule, defaults: Node) -> Iterator[Node]:
    path = flask_path(rule)
    for name, converter in rule._converters.items():  # noqa: SLF001
        if f"{{{name}}}" in path:  # else it is one of the host
            found = parameter(name, converter)
            if _fits(defaults.get(name), found["schema"]):
                found["schema"]["default"] = defaults[name]
            yield found


def _tag(app: Flask, name: str) -> Node:
    blueprint = app.blueprints.get(name)
    module = sys.modules.get(blueprint.import_name) if blueprint else None
    text = inspect.cleandoc(getattr(module, "__doc__", None) or "")
    tag: Node = {"name": name}
    return {**tag, "description": text} if text else tag


def _fits(value: object, schema: Node) -> bool:
    """Whether a default is one of the values that the parameter may have."""
    match schema["type"]:
        case "integer":
            return type(value) is int
        case "number":
            return type(value) in {int, float}
    return isinstance(value, str) and value in schema.get("enum", [value])


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
