"""Builds small projects in a folder, as a user would: Python files and a gateway.toml."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

# Two mounts, of the applications `web` and `api` in the module `services_`.
WEB_AND_API = """
    [[mounts]]
    name = "web"
    prefix = "/web"
    app = "services_:web"
    [[mounts]]
    name = "api"
    prefix = "/api"
    app = "services_:api"
"""
# Their module, where each tells its process and logs a line.
PIDS = """
    import logging, os
    from fastapi import FastAPI
    from flask import Flask

    web = Flask(__name__)
    api = FastAPI()

    @web.get("/pid")
    def web_pid():
        logging.getLogger("of.web").warning("in flask")
        return str(os.getpid())

    @api.get("/pid")
    async def api_pid():
        logging.getLogger("of.api").warning("in fastapi")
        return os.getpid()
"""


def write_project(folder: Path, toml: str, modules: Mapping[str, str] | None = None) -> Path:
    """Write the modules and the configuration; return the configuration's path."""
    for name, source in (modules or {}).items():
        path = folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), encoding="utf-8")
    file = folder / "gateway.toml"
    file.write_text(dedent(toml), encoding="utf-8")
    return file


@contextmanager
def clean_imports() -> Iterator[None]:
    """Forget the modules that are imported meanwhile, and the folders that they came from."""
    modules, path = set(sys.modules), list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            del sys.modules[name]
