"""Items."""

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from services.catalog import queries, writes
from services.catalog.schemas import ItemIn, ItemOut, ItemPage
from services.fastapi_service.dependencies import PagingDep, SessionDep, get_current_user
from services.fastapi_service.errors import INVALID, NOT_FOUND, UNAUTHORIZED, UNREADABLE

router = APIRouter(prefix="/items", tags=["items"], responses=INVALID)
signed_in = [Depends(get_current_user, scope="function")]


@router.get("")
async def list_items(paging: PagingDep, session: SessionDep) -> ItemPage:
    """List a page of items."""
    items = (await session.scalars(queries.page_of_items(paging))).all()
    total = (await session.scalars(queries.count_of_items(paging))).one()
    return ItemPage.of(items, paging, total)


@router.get("/{item_id}", responses=NOT_FOUND)
async def read_item(item_id: int, session: SessionDep) -> ItemOut:
    """Show one item."""
    item = await session.scalar(queries.item(item_id))
    if item is None:
        raise _not_found()
    return ItemOut.model_validate(item)


@router.post("", status_code=201, dependencies=signed_in, responses=UNAUTHORIZED | UNREADABLE)
async def create_item(
    data: ItemIn, session: SessionDep, request: Request, response: Response
) -> ItemOut:
    """Create an item."""
    item = await session.run_sync(writes.create_item, data)
    response.headers["Location"] = request.url_for("read_item", item_id=item.id).path
    return ItemOut.model_validate(item)


@router.put("/{item_id}", dependencies=signed_in, responses=UNAUTHORIZED | NOT_FOUND | UNREADABLE)
async def replace_item(item_id: int, data: ItemIn, session: SessionDep) -> ItemOut:
    """Replace an item."""
    item = await session.run_sync(writes.replace_item, item_id, data)
    if item is None:
        raise _not_found()
    return ItemOut.model_validate(item)


@router.delete(
    "/{item_id}",
    status_code=204,
    # The default, of JSON, would say the type of a content that there is not.
    response_class=Response,
    dependencies=signed_in,
    responses=UNAUTHORIZED | NOT_FOUND,
)
async def delete_item(item_id: int, session: SessionDep) -> None:
    """Delete an item."""
    if not await session.run_sync(writes.delete_item, item_id):
        raise _not_found()


def _not_found() -> HTTPException:
    return HTTPException(404, "Item not found")
