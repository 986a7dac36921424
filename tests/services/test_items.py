"""Items, by either stack: what one answers the other does too."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from services.catalog import queries, writes
from services.catalog.schemas import ItemIn
from tests.services.conftest import Stack

both_databases = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)

JSON = {"Content-Type": "application/json"}
NEW: dict[str, Any] = {"name": "Kettle", "description": "Whistles.", "price": "1.1", "stock": 3}


@both_databases
async def test_life_of_an_item(signed_in: Stack) -> None:
    """An item is created, read, replaced and deleted, and each answer shows it as it then is."""
    client = signed_in.client
    created = await client.post("/items", json=NEW)
    assert created.status_code == 201
    item = created.json()
    assert item == {
        **NEW,
        "id": 31,
        "price": "1.10",
        "created_at": item["created_at"],
        "updated_at": item["created_at"],
    }
    assert item["created_at"].endswith("Z")
    assert created.headers["location"] == "/items/31"
    read = await client.get("/items/31")
    assert (read.status_code, read.json()) == (200, item)

    replaced = await client.put("/items/31", json={"name": "Pot", "price": 2})
    assert replaced.status_code == 200
    assert replaced.json() | {"updated_at": ""} == {
        **item,
        "name": "Pot",
        "description": "",
        "price": "2.00",
        "stock": 0,
        "updated_at": "",
    }
    assert replaced.json()["updated_at"] > item["updated_at"]
    assert (await client.get("/items/31")).json() == replaced.json()

    deleted = await client.delete("/items/31")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "content-type" not in deleted.headers
    gone = await client.get("/items/31")
    assert (gone.status_code, gone.json()) == (404, {"detail": "Item not found"})


@both_databases
async def test_pages(stack: Stack) -> None:
    """The list comes in pages that together hold each item once."""
    pages = [
        (await stack.client.get("/items", params={"page": page, "size": 12})).json()
        for page in (1, 2, 3, 4)
    ]
    assert [item["id"] for page in pages for item in page["items"]] == list(range(1, 31))
    assert [len(page["items"]) for page in pages] == [12, 12, 6, 0]
    assert {(page["size"], page["total"], page["pages"]) for page in pages} == {(12, 30, 3)}
    default = (await stack.client.get("/items")).json()
    assert (default["page"], default["size"], len(default["items"])) == (1, 20, 20)


@both_databases
async def test_sorting(stack: Stack) -> None:
    """The list is sorted either way, and items that sort alike come in the order of ids."""

    async def ids(sort: str) -> list[int]:
        answer = await stack.client.get("/items", params={"sort": sort, "size": 100})
        return [item["id"] for item in answer.json()["items"]]

    items = (await stack.client.get("/items", params={"size": 100})).json()["items"]
    keys: dict[str, Callable[[Any], Any]] = {
        "id": lambda item: item["id"],
        "price": lambda item: Decimal(item["price"]),
        "stock": lambda item: item["stock"],
        "created_at": lambda item: item["created_at"],
    }
    for sort, key in keys.items():
        assert await ids(sort) == [item["id"] for item in sorted(items, key=key)]
        falling = sorted(items, key=key, reverse=True)
        assert await ids(f"-{sort}") == [item["id"] for item in falling]
    # Which of two names comes first is for the database's collation to say.
    by_name = await ids("name")
    assert by_name != await ids("id")
    assert by_name == list(reversed(await ids("-name")))


@both_databases
async def test_search(signed_in: Stack) -> None:
    """A search looks for its text, wildcards included, in names and descriptions."""
    await signed_in.client.post("/items", json={"name": "100% cotton_cloth", "price": 1})
    for q, names in {
        "MUG": {"Enamel mug", "Enamel mug, large", "Titanium mug", "Coffee dripper"},
        "%": {"100% cotton_cloth"},
        "n_c": {"100% cotton_cloth"},
        "/": set(),
        "no such thing": set(),
    }.items():
        found = (await signed_in.client.get("/items", params={"q": q, "size": 100})).json()
        assert {item["name"] for item in found["items"]} == names
        assert found["total"] == len(names)
    assert (await signed_in.client.get("/items", params={"q": ""})).json()["total"] == 31


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=1000001", "page"),
        ("size=101", "size"),
        ("size=x", "size"),
        ("sort=password_hash", "sort"),
        ("q=a%00b", "q"),
        (f"q={'x' * 101}", "q"),
    ],
)
async def test_bad_query(stack: Stack, query: str, field: str) -> None:
    """A query that asks for what there cannot be is a 422 that names the parameter."""
    answer = await stack.client.get(f"/items?{query}")
    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"] == ["query", field]
    assert set(fault) == {"type", "loc", "msg"}


BAD_BODIES: list[tuple[dict[str, Any], str]] = [
    ({"price": None}, "price"),
    ({"price": -1}, "price"),
    ({"price": "1.234"}, "price"),
    ({"price": "123456789.00"}, "price"),
    ({"price": "NaN"}, "price"),
    ({"name": "  "}, "name"),
    ({"name": "x" * 121}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"name": "\ud800"}, "name"),
    ({"description": "x" * 2001}, "description"),
    ({"stock": -1}, "stock"),
    ({"stock": 2**31}, "stock"),
    ({"stock": 1.5}, "stock"),
]


@pytest.mark.parametrize(("change", "field"), BAD_BODIES)
async def test_bad_item(signed_in: Stack, change: dict[str, Any], field: str) -> None:
    """An item that cannot be is a 422 that names the field, and nothing is written."""
    body = json.dumps(NEW | change)
    for answer in (
        await signed_in.client.post("/items", content=body, headers=JSON),
        await signed_in.client.put("/items/1", content=body, headers=JSON),
    ):
        assert answer.status_code == 422
        (fault,) = answer.json()["detail"]
        assert fault["loc"] == ["body", field]
        assert set(fault) == {"type", "loc", "msg"}
    assert (await signed_in.client.get("/items")).json()["total"] == 30
    assert (await signed_in.client.get("/items/1")).json()["name"] == "Enamel mug"


async def test_all_faults_at_once(signed_in: Stack) -> None:
    """A 422 names every fault, in the same words from either stack."""
    answer = await signed_in.client.post("/items", json={"stock": "many"})
    assert answer.json() == {
        "detail": [
            {"type": "missing", "loc": ["body", "name"], "msg": "Field required"},
            {"type": "missing", "loc": ["body", "price"], "msg": "Field required"},
            {
                "type": "int_parsing",
                "loc": ["body", "stock"],
                "msg": "Input should be a valid integer, unable to parse string as an integer",
            },
        ]
    }


async def test_malformed_json(signed_in: Stack) -> None:
    """A body that is no JSON is refused in the shape of all refusals."""
    answer = await signed_in.client.post("/items", content=b'{"name":', headers=JSON)
    assert answer.status_code == {"flask": 400, "fastapi": 422}[signed_in.name]
    assert set(answer.json()) == {"detail"}


async def test_body_too_large(signed_in: Stack) -> None:
    """A body that no item needs is refused before it is read."""
    answer = await signed_in.client.post("/items", json=NEW | {"description": "x" * 70_000})
    assert answer.status_code == 413


@pytest.mark.parametrize("item_id", ["999", "0", "2147483648", "9" * 30])
async def test_no_such_item(signed_in: Stack, item_id: str) -> None:
    """An id of no item is a 404 for each method, also where no column could hold it."""
    path = f"/items/{item_id}"
    for answer in (
        await signed_in.client.get(path),
        await signed_in.client.put(path, json=NEW),
        await signed_in.client.delete(path),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Item not found"})


async def test_id_that_is_none(stack: Stack) -> None:
    """An id that is not a number is a 422 from FastAPI, and no route of Flask's."""
    answer = await stack.client.get("/items/abc")
    assert answer.status_code == {"flask": 404, "fastapi": 422}[stack.name]


async def test_unknown_path_and_method(stack: Stack) -> None:
    """What has no route is refused in the same words by either stack."""
    unknown = await stack.client.get("/nope")
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "Not Found"})
    method = await stack.client.patch("/items")
    assert (method.status_code, method.json()) == (405, {"detail": "Method Not Allowed"})
    assert "allow" in method.headers


async def test_writes_need_a_user(stack: Stack) -> None:
    """Who is not signed in changes nothing."""
    for answer in (
        await stack.client.post("/items", json=NEW),
        await stack.client.put("/items/1", json=NEW),
        await stack.client.delete("/items/1"),
    ):
        assert (answer.status_code, answer.json()) == (401, {"detail": "Sign in first"})
        assert "www-authenticate" in answer.headers
    items = (await stack.client.get("/items")).json()
    assert (items["total"], items["items"][0]["name"]) == (30, "Enamel mug")


@both_databases
def test_changes_are_recorded_in_order(session: Session) -> None:
    """Each write leaves one change, numbered without gaps by the revision."""
    data = ItemIn(name="Kettle", price=Decimal(1))
    item = writes.create_item(session, data)
    writes.replace_item(session, item.id, data)
    assert writes.replace_item(session, 999, data) is None
    writes.delete_item(session, item.id)
    assert not writes.delete_item(session, item.id)
    changes = session.scalars(queries.changes_since(0, 10)).all()
    assert [(change.id, change.kind, change.item_id) for change in changes] == [
        (1, "created", 31),
        (2, "replaced", 31),
        (3, "deleted", 31),
    ]
    assert session.scalars(queries.revision()).one().value == 3


def test_old_changes_are_pruned(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest changes are kept."""
    monkeypatch.setattr(writes, "KEPT_CHANGES", 2)
    for _ in range(4):
        writes.create_item(session, ItemIn(name="Kettle", price=Decimal(1)))
    changes = session.scalars(queries.changes_since(0, 10)).all()
    assert [change.id for change in changes] == [3, 4]


def test_ids_are_not_used_again(session: Session) -> None:
    """The id of a deleted item is not given to another one."""
    data = ItemIn(name="Kettle", price=Decimal(1))
    first = writes.create_item(session, data).id
    writes.delete_item(session, first)
    assert writes.create_item(session, data).id > first


@both_databases
@pytest.mark.parametrize("price", ["0.00", "0.01", "0.29", "19.99", "1.10", "99999999.99"])
def test_prices_are_exact(session: Session, price: str) -> None:
    """A price comes back from the database as it went in, with its two places."""
    item = writes.create_item(session, ItemIn(name="Kettle", price=Decimal(price)))
    session.expire_all()
    stored = session.scalars(queries.item(item.id)).one()
    assert str(stored.price) == price
    assert stored.created_at.utcoffset() is not None


@pytest.mark.parametrize(
    ("sent", "kept"), [("-0", "0.00"), ("1", "1.00"), (1.1, "1.10"), ("1E+2", "100.00")]
)
def test_prices_look_alike(sent: str | float, kept: str) -> None:
    """One price has one spelling, whatever the client's."""
    assert str(ItemIn.model_validate({"name": "Kettle", "price": sent}).price) == kept
