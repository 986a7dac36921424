"""What people may write into the shop's forms: each check gives the values, and the faults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

Checked = tuple[dict[str, Any], dict[str, str]]

RATES = {"EUR": Decimal(1), "GBP": Decimal("0.85")}
_SIGNS = {"EUR": "€", "GBP": "£"}
_LOCAL_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\\]*")


def review(form: Mapping[str, str]) -> Checked:
    """A review: one to five stars, and some words."""
    faults = {}
    stars = whole(form.get("stars", ""))
    if stars is None or not 1 <= stars <= 5:
        faults["stars"] = "Give one to five stars."
    words = form.get("words", "").strip()
    if not words:
        faults["words"] = "Say something."
    return {"stars": stars, "words": words}, faults


def address(form: Mapping[str, str]) -> Checked:
    """Where the tea goes."""
    street, town = form.get("street", "").strip(), form.get("town", "").strip()
    faults = {}
    if not street:
        faults["street"] = "Which street?"
    if not town:
        faults["town"] = "Which town?"
    return {"street": street, "town": town}, faults


def registration(form: Mapping[str, str]) -> Checked:
    """A new customer."""
    name, password = form.get("name", "").strip(), form.get("password", "")
    faults = {}
    if not re.fullmatch(r"[a-z]{2,20}", name):
        faults["name"] = "Two to twenty small letters."
    if len(password) < 8:
        faults["password"] = "Eight characters or more."
    return {"name": name, "password": password}, faults


def tea(form: Mapping[str, str]) -> Checked:
    """A tea for the shelf."""
    faults = {}
    name = form.get("name", "").strip()
    if not name:
        faults["name"] = "What is it called?"
    try:
        price = Decimal(form.get("price", "")).quantize(Decimal("0.01"))
    except InvalidOperation:
        price = Decimal(-1)
    if not Decimal(0) <= price < Decimal(10000):
        faults["price"] = "A price, such as 4.50."
    stock = whole(form.get("stock", ""))
    if stock is None:
        faults["stock"] = "How many are there?"
    return {
        "name": name,
        "price": price,
        "stock": stock,
        "origin": form.get("origin", "").strip() or None,
    }, faults


def whole(text: str) -> int | None:
    """A whole number from 0, or None."""
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None


def page_number(text: str | None) -> int:
    """The number of a page; 1 for whatever is none."""
    return max(whole(text or "") or 1, 1)


def local_path(text: str | None, otherwise: str) -> str:
    """A path on this host to go on to; browsers read two slashes as the start of another."""
    return text if text and _LOCAL_PATH.fullmatch(text) else otherwise


def currency(text: str | None) -> str:
    """A currency that the shop knows."""
    return text if text in RATES else "EUR"


def money(amount: Decimal | str, currency: str) -> str:
    """An amount of euros as a customer reads it."""
    value = (Decimal(amount) * RATES[currency]).quantize(Decimal("0.01"))
    return f"{_SIGNS[currency]}{value}"


def signed(text: str, otherwise: int) -> int:
    """A whole number as Flask's `type=int` reads it, or the other."""
    try:
        return int(text)
    except ValueError:
        return otherwise
