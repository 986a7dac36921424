"""What a form sends, read as Flask reads it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header


@dataclass
class Form:
    """A form's fields and files, as `request.form` and `request.files` have them in Flask."""

    fields: MultiDict[str, str]
    files: MultiDict[str, FileStorage]


async def any_form(request: Request) -> Form:
    """Read it.

    FastAPI's own `Form()` answers 422 for a field that is not there, before the view can show the
    page again; and Werkzeug's parser finds what it found in Flask.
    """
    body = await request.body()
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    _, fields, files = FormDataParser().parse(BytesIO(body), kind, len(body), options)
    return Form(fields, files)


AnyForm = Annotated[Form, Depends(any_form)]


def form_with_token(request: Request, form: AnyForm) -> Form:
    """A form that brings the session's token (what Flask-WTF's CSRFProtect asks for)."""
    expected = str(request.session.get("csrf", "-"))
    if not secrets.compare_digest(form.fields.get("csrf_token", ""), expected):
        raise HTTPException(400, "The form has expired. Load it again.")
    return form


TokenForm = Annotated[Form, Depends(form_with_token)]
