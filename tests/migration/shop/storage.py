"""The shop's tables, and every question that is asked of them (SQLite; no web framework)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from werkzeug.security import generate_password_hash

PAGE_SIZE: Final = 5
# One transparent pixel (GIF): the picture of each tea that the shop begins with.
PIXEL: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)

_TABLES = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, password TEXT NOT NULL,
    staff INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, price TEXT NOT NULL, stock INTEGER NOT NULL,
    origin TEXT, added TEXT NOT NULL, picture BLOB);
CREATE TABLE IF NOT EXISTS reviews (
    id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL REFERENCES products,
    user_id INTEGER NOT NULL REFERENCES users, stars INTEGER NOT NULL, words TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users, address TEXT NOT NULL,
    total TEXT NOT NULL, placed TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lines (
    order_id INTEGER NOT NULL REFERENCES orders, product_id INTEGER NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL, price TEXT NOT NULL);
"""
_TEAS = (
    ("Assam", "4.50", 40, "India"),
    ("Darjeeling", "7.20", 25, "India"),
    ("Sencha", "6.80", 30, "Japan"),
    ("Genmaicha", "5.90", 12, "Japan"),
    ("Keemun", "8.10", 9, "China"),
    ("Lapsang Souchong", "6.30", 18, "China"),
    ("Rooibos", "3.90", 50, None),
    ("Peppermint", "2.95", 60, None),
)
_USERS = (("ann", "annes tea", 0), ("bob", "bobs tea", 0), ("sue", "sues tea", 1))


def connect() -> sqlite3.Connection:
    """Open the database that `SHOP_DATABASE` names; make it where there is none."""
    path = Path(os.environ.get("SHOP_DATABASE", "shop.db"))
    # FastAPI may open, use and close it in three threads, one after the other.
    connection = sqlite3.connect(path, timeout=5, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def prepare() -> None:
    """Make the tables and the first teas, unless they are there."""
    connection = connect()
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_TABLES)
        with connection:
            # Two processes may come here at once: the second waits for the first, and finds them.
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("SELECT count(*) FROM products").fetchone()[0] == 0:
                _fill(connection)
    finally:
        connection.close()


def _fill(connection: sqlite3.Connection) -> None:
    added = datetime(2025, 3, 1, 9, 30, tzinfo=UTC).isoformat()
    connection.executemany(
        "INSERT INTO products (name, price, stock, origin, added, picture) VALUES (?,?,?,?,?,?)",
        [(*tea, added, PIXEL) for tea in _TEAS],
    )
    connection.executemany(
        "INSERT INTO users (name, password, staff) VALUES (?, ?, ?)",
        [(name, hashed(password), staff) for name, password, staff in _USERS],
    )


def hashed(password: str) -> str:
    """A password as it is kept."""
    # Fewer rounds than a real shop's: the walk signs many people in.
    return generate_password_hash(password, "pbkdf2:sha256:1000")


# --- people ------------------------------------------------------------------------------------


def user(db: sqlite3.Connection, user_id: int) -> sqlite3.Row | None:
    """A user by number."""
    return _one(db, "SELECT * FROM users WHERE id = ?", user_id)


def user_named(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """A user by name."""
    return _one(db, "SELECT * FROM users WHERE name = ?", name)


def add_user(db: sqlite3.Connection, name: str, password: str) -> int:
    """Register somebody.

    Raises:
        sqlite3.IntegrityError: The name is taken.
    """
    return _write(db, "INSERT INTO users (name, password) VALUES (?, ?)", name, hashed(password))


# --- teas --------------------------------------------------------------------------------------


def products(db: sqlite3.Connection, words: str, page: int) -> list[sqlite3.Row]:
    """A page of the teas whose names hold the words."""
    return db.execute(
        "SELECT * FROM products WHERE name LIKE ? ORDER BY id LIMIT ? OFFSET ?",
        (f"%{words}%", PAGE_SIZE, (page - 1) * PAGE_SIZE),
    ).fetchall()


def count_products(db: sqlite3.Connection, words: str) -> int:
    """How many there are in all."""
    question = "SELECT count(*) FROM products WHERE name LIKE ?"
    return int(db.execute(question, (f"%{words}%",)).fetchone()[0])


def product(db: sqlite3.Connection, product_id: int) -> sqlite3.Row | None:
    """A tea by number."""
    return _one(db, "SELECT * FROM products WHERE id = ?", product_id)


def add_product(db: sqlite3.Connection, values: Mapping[str, Any], picture: bytes) -> int:
    """Put a tea on the shelf."""
    return _write(
        db,
        "INSERT INTO products (name, price, stock, origin, added, picture) VALUES (?,?,?,?,?,?)",
        values["name"],
        str(values["price"]),
        values["stock"],
        values["origin"],
        _now(),
        picture,
    )


def set_stock(db: sqlite3.Connection, product_id: int, stock: int) -> None:
    """Say how much of a tea is left."""
    _write(db, "UPDATE products SET stock = ? WHERE id = ?", stock, product_id)


def reviews(db: sqlite3.Connection, product_id: int) -> list[sqlite3.Row]:
    """What people say of a tea."""
    return db.execute(
        "SELECT reviews.*, users.name AS author FROM reviews JOIN users ON users.id = user_id"
        " WHERE product_id = ? ORDER BY reviews.id",
        (product_id,),
    ).fetchall()


def add_review(
    db: sqlite3.Connection, product_id: int, user_id: int, values: Mapping[str, Any]
) -> None:
    """Say something of a tea."""
    _write(
        db,
        "INSERT INTO reviews (product_id, user_id, stars, words) VALUES (?, ?, ?, ?)",
        product_id,
        user_id,
        values["stars"],
        values["words"],
    )


# --- the basket, which is in the session, and orders ----------------------------------------------


def priced(db: sqlite3.Connection, basket: Mapping[str, int]) -> tuple[list[Any], Decimal]:
    """The lines of a basket (number of the tea to quantity) with their prices, and the total."""
    lines: list[Any] = []
    for number, quantity in basket.items():
        tea = product(db, int(number))
        if tea is not None:
            amount = Decimal(tea["price"]) * quantity
            lines.append({"product": tea, "quantity": quantity, "amount": amount})
    return lines, sum((line["amount"] for line in lines), Decimal("0.00"))


def place_order(
    db: sqlite3.Connection, user_id: int, address: str, basket: Mapping[str, int]
) -> int:
    """Turn a basket into an order, all or nothing."""
    lines, total = priced(db, basket)
    with db:
        order_id = db.execute(
            "INSERT INTO orders (user_id, address, total, placed) VALUES (?, ?, ?, ?)",
            (user_id, address, str(total), _now()),
        ).lastrowid
        for line in lines:
            tea = line["product"]
            db.execute(
                "INSERT INTO lines (order_id, product_id, quantity, price) VALUES (?, ?, ?, ?)",
                (order_id, tea["id"], line["quantity"], tea["price"]),
            )
            db.execute(
                "UPDATE products SET stock = max(stock - ?, 0) WHERE id = ?",
                (line["quantity"], tea["id"]),
            )
    return int(order_id or 0)


def orders(db: sqlite3.Connection, user_id: int | None = None) -> list[sqlite3.Row]:
    """The orders of somebody, or all."""
    return db.execute(
        "SELECT * FROM orders WHERE ? IS NULL OR user_id = ? ORDER BY id", (user_id, user_id)
    ).fetchall()


def order(db: sqlite3.Connection, order_id: int, user_id: int) -> sqlite3.Row | None:
    """An order of somebody."""
    return _one(db, "SELECT * FROM orders WHERE id = ? AND user_id = ?", order_id, user_id)


def order_lines(db: sqlite3.Connection, order_id: int) -> list[sqlite3.Row]:
    """What was ordered."""
    return db.execute(
        "SELECT lines.*, products.name AS name FROM lines JOIN products ON products.id = product_id"
        " WHERE order_id = ?",
        (order_id,),
    ).fetchall()


def _one(db: sqlite3.Connection, question: str, *values: object) -> sqlite3.Row | None:
    found: sqlite3.Row | None = db.execute(question, values).fetchone()
    return found


def _write(db: sqlite3.Connection, statement: str, *values: object) -> int:
    with db:
        return int(db.execute(statement, values).lastrowid or 0)


def _now() -> str:
    return datetime.now(UTC).isoformat()
