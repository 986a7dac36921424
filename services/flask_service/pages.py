"""The first page, and the smallest one."""

from flask import Blueprint, current_app, render_template, request

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def index() -> str:
    """Say hello, and link to everything."""
    twin = current_app.config["FASTAPI_URL"] if request.script_root else None
    return render_template("index.html", twin=twin)


@blueprint.get("/hello")
def hello() -> tuple[str, dict[str, str]]:
    """Say hello in plain text."""
    return "Hello, World!", {"Content-Type": "text/plain; charset=utf-8"}
