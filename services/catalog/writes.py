"""Every write, once: Flask calls them with its Session, FastAPI by `AsyncSession.run_sync`."""

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from services.catalog import queries
from services.catalog.models import Change, ChangeKind, Item, Revision, now
from services.catalog.schemas import ItemIn

KEPT_CHANGES = 1000


def create_item(session: Session, data: ItemIn) -> Item:
    """Add an item and commit.

    Args:
        session: A session with nothing uncommitted in it.
        data: The item.

    Returns:
        The item as stored.
    """
    change_id = _next_revision(session)
    at = now()
    item = Item(**data.model_dump(), created_at=at, updated_at=at)
    session.add(item)
    session.flush()
    _record(session, change_id, "created", item.id)
    return item


def replace_item(session: Session, item_id: int, data: ItemIn) -> Item | None:
    """Replace an item and commit.

    Args:
        session: A session with nothing uncommitted in it.
        item_id: The item's id.
        data: The item as it shall be.

    Returns:
        The item as stored, or none where there is none.
    """
    change_id = _next_revision(session)
    item = session.scalar(queries.item(item_id))
    if item is None:
        session.rollback()
        return None
    for field, value in data.model_dump().items():
        setattr(item, field, value)
    item.updated_at = now()
    _record(session, change_id, "replaced", item_id)
    return item


def delete_item(session: Session, item_id: int) -> bool:
    """Delete an item and commit.

    Args:
        session: A session with nothing uncommitted in it.
        item_id: The item's id.

    Returns:
        Whether there was one.
    """
    change_id = _next_revision(session)
    item = session.scalar(queries.item(item_id))
    if item is None:
        session.rollback()
        return False
    session.delete(item)
    _record(session, change_id, "deleted", item_id)
    return True


def _next_revision(session: Session) -> int:
    # First in every write: the row's lock holds the next writer back until this one commits.
    statement = update(Revision).values(value=Revision.value + 1).returning(Revision.value)
    return session.scalars(statement).one()


def _record(session: Session, change_id: int, kind: ChangeKind, item_id: int) -> None:
    session.add(Change(id=change_id, kind=kind, item_id=item_id))
    session.execute(delete(Change).where(Change.id <= change_id - KEPT_CHANGES))
    session.commit()
