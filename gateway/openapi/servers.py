"""Where the document's paths are, as its reader sees the gateway (pure)."""

from __future__ import annotations

from typing import Any

from gateway.openapi.nodes import Node


def located(document: Node, root_path: str, port: int | None) -> Node:
    """The document with the servers that the reader has to ask.

    Args:
        document: The whole, as `gateway.openapi.document` makes it.
        root_path: The public prefix of the whole gateway; empty for none.
        port: The port that the reader came by, which the services of a certain host have, too;
            None for the scheme's own.
    """
    paths: Node = {
        path: {**item, "servers": [_located(server, root_path, port) for server in item["servers"]]}
        if "servers" in item
        else item
        for path, item in document["paths"].items()
    }
    servers = {"servers": [{"url": root_path}]} if root_path else {}
    return {**document, **servers, "paths": paths}


def _located(server: Any, root_path: str, port: int | None) -> Any:
    host = str(server["url"]).removeprefix("//")
    has_port = host.rpartition(":")[2].isdecimal()
    where = host if has_port or port is None else f"{host}:{port}"
    return {**server, "url": f"//{where}{root_path}"}
