"""Specifications that Flask services carry already (pure).

Of flask-smorest, APIFlask, flask-openapi3 and spectree, told by what they leave in an app: none of
them has to be installed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import yaml
from flask import Flask

from gateway.openapi.descriptions import shape_of
from gateway.openapi.nodes import Node, plain
from gateway.openapi.versions import as_3_1, is_understood

logger = logging.getLogger("gateway.openapi")

_OF_CLASSES = {"apiflask": "spec", "flask_openapi3": "api_doc"}


def carried_documents(app: Flask, shapes: frozenset[str]) -> list[Node]:
    """What an app's own specifications say, in OpenAPI 3.1.

    One that cannot be had, or is of another format, is left out: the routes are still known.

    Args:
        app: The app.
        shapes: Its paths without the names of parameters, to which those of a specification belong.
    """
    found = []
    for make in _sources(app):
        try:
            with app.app_context():
                made = make()
                # APIFlask's is text where it is set to YAML.
                document = plain(yaml.safe_load(made) if isinstance(made, str) else made)
        except Exception:
            logger.exception("the specification of the Flask app %r cannot be had", app.name)
            continue
        if is_understood(document):
            found.append(_based(as_3_1(document), shapes))
        else:
            logger.warning("the specification of the Flask app %r is not OpenAPI 3", app.name)
    return found


def _sources(app: Flask) -> Iterator[Callable[[], Any]]:
    for name, attribute in _OF_CLASSES.items():
        if any(cls.__module__.partition(".")[0] == name for cls in type(app).__mro__):
            yield partial(getattr, app, attribute)
    smorest = app.extensions.get("flask-smorest") or {}
    for entry in smorest.get("apis", {}).values():
        yield entry["ext_obj"].spec.to_dict
    trees = {id(tree): tree for view in app.view_functions.values() for tree in _spectrees(view)}
    for tree in trees.values():
        yield partial(getattr, tree, "spec")


def _spectrees(view: Any) -> Iterator[Any]:
    """The tree leaves itself nowhere but in the views of its own pages."""
    if str(getattr(view, "__module__", "")).partition(".")[0] == "spectree":
        for cell in getattr(view, "__closure__", None) or ():
            if (tree := getattr(cell.cell_contents, "spectree", None)) is not None:
                yield tree


def _based(document: Node, shapes: frozenset[str]) -> Node:
    """The document with paths as the app's routes have them, whatever its servers add to them."""
    paths: Node = document.get("paths", {})
    servers = document.get("servers") or []
    bases = ["", *(urlsplit(str(server.get("url", ""))).path.rstrip("/") for server in servers)]

    def known(base: str) -> int:
        return sum(shape_of(base + path) in shapes for path in paths)

    base = max(bases, key=known)
    return {**document, "paths": {base + path: item for path, item in paths.items()}}
