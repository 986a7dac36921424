"""Every read, once, as a statement: Flask runs it in a Session, FastAPI in an AsyncSession."""

from decimal import Decimal

from sqlalchemy import ColumnElement, Select, false, func, or_, select, true

from services.catalog.models import MAX_ID, Change, Item, Revision, User
from services.catalog.schemas import Paging


def _matches(q: str) -> ColumnElement[bool]:
    if not q:
        return true()
    return or_(
        Item.name.icontains(q, autoescape=True), Item.description.icontains(q, autoescape=True)
    )


def page_of_items(paging: Paging) -> Select[Item]:
    """The items on one page; those that sort alike are ordered by id."""
    column = getattr(Item, paging.sort.removeprefix("-"))
    order = column.desc() if paging.sort.startswith("-") else column.asc()
    return (
        select(Item)
        .where(_matches(paging.q))
        .order_by(order, Item.id)
        .offset((paging.page - 1) * paging.size)
        .limit(paging.size)
    )


def count_of_items(paging: Paging) -> Select[int]:
    """How many items all pages have together."""
    return select(func.count()).select_from(Item).where(_matches(paging.q))


def item(item_id: int) -> Select[Item]:
    """One item; an id that no column could hold belongs to none."""
    return select(Item).where(Item.id == item_id if item_id <= MAX_ID else false())


def all_items() -> Select[Item]:
    """The whole catalogue in the order of ids."""
    return select(Item).order_by(Item.id)


def report_rows() -> Select[int, str, Decimal, int]:
    """What the report is made from: id, name, price and stock, newest first."""
    return select(Item.id, Item.name, Item.price, Item.stock).order_by(Item.id.desc())


def user(user_id: int) -> Select[User]:
    """One user, by id."""
    return select(User).where(User.id == user_id)


def user_named(username: str) -> Select[User]:
    """One user, by name."""
    return select(User).where(User.username == username)


def revision() -> Select[Revision]:
    """The catalogue's revision."""
    return select(Revision)


def changes_since(change_id: int, limit: int) -> Select[Change]:
    """The changes after one, oldest first."""
    return select(Change).where(Change.id > change_id).order_by(Change.id).limit(limit)
