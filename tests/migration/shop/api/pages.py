"""The Flask application's own templates: what they call is here by the same names."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse
from starlette.routing import NoMatchFound

from .. import checking
from .visits import Visit

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=select_autoescape(),
)


def url_for(request: Request, name: str, /, **values: Any) -> str:
    """The path of a route, as Flask's `url_for` has it: what is not in the path is in the query."""
    root = request.scope.get("root_path", "")
    if name == "static":
        values = {"path": values["filename"]}
    try:
        return f"{root}{request.app.url_path_for(name, **values)}"
    except NoMatchFound:
        if name == "static":
            return f"{root}/static/{values['path']}"
        # Werkzeug leaves these as they are, too.
        query = urlencode(values, safe="!$'()*,/:;?@")
        return f"{root}{request.app.url_path_for(name)}?{query}"


def page(visit: Visit, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """Fill a template in."""
    currency = checking.currency(visit.request.cookies.get("currency"))

    def flashed() -> list[str]:
        return [text for _, text in visit.session.pop("_flashes", [])]

    def token() -> Markup:
        field = Markup('<input type="hidden" name="csrf_token" value="{}">')
        return field.format(visit.token())

    def path_of(name: str, **given: Any) -> str:
        return url_for(visit.request, name, **given)

    text = _TEMPLATES.get_template(template).render(
        **values,
        url_for=path_of,
        get_flashed_messages=flashed,
        token=token,
        user=visit.user,
        basket_count=sum(visit.session.get("basket", {}).values()),
        money=lambda amount: checking.money(amount, currency),
    )
    return HTMLResponse(text, status)
