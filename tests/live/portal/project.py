"""Two small services of which one answer differs, for a real gateway with its portal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.gateway.projects import WEB_AND_API, write_project
from tests.live.serving import Gateway, serving

TOKEN = "a-token-of-this-test"

# `/items` differs in the price, `/turns` in what every other answer of Flask is.
SERVICES = """
from itertools import count

from fastapi import FastAPI, Request
from flask import Flask, request, session
from pydantic import BaseModel


class Item(BaseModel):
    name: str
    price: float = 1.5


web = Flask(__name__)
web.secret_key = "the key of these tests, and of nothing else"
api = FastAPI()
turns = count()


@web.get("/items/<int:item_id>")
def read(item_id):
    return {"id": item_id, "name": "A lamp", "price": "1.10"}


@api.get("/items/{number}")
def read_item(number: int):
    return {"id": number, "name": "A lamp", "price": 1.1}


@web.post("/items")
def create():
    return request.get_json(), 201


@api.post("/items", status_code=201)
def create_item(item: Item) -> Item:
    return item


@web.get("/turns")
def take_turns():
    return {"turn": "x"}, 200 if next(turns) % 2 else 202


@api.get("/turns")
async def always():
    return {"turn": "x"}


@web.post("/login")
def login():
    session["user"] = "ada"
    return {"user": "ada"}


@api.get("/me", tags=["who am I"])
async def me(request: Request):
    return {"user": request.session.get("user")}


@web.get("/broken")
def broken():
    raise RuntimeError("it is broken")
"""


@contextmanager
def real_gateway(folder: Path, token: str = "") -> Iterator[Gateway]:
    """Serve both, as `gateway serve` does, until the block ends.

    Args:
        folder: Where their project is written.
        token: The admin token; empty for none.
    """
    write_project(folder, WEB_AND_API, {"services_": SERVICES})
    with serving(cwd=folder, env={"GATEWAY_ADMIN__TOKEN": token} if token else {}) as gateway:
        yield gateway
