"""Changes as they happen: server-sent events, and a WebSocket."""

from collections.abc import AsyncIterable
from contextlib import aclosing, suppress
from typing import Annotated, Any

from anyio import create_task_group
from fastapi import APIRouter, Header, Query, WebSocket, WebSocketDisconnect
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field

from services.catalog.schemas import ChangeOut
from services.fastapi_service.dependencies import CatalogDep

router = APIRouter(prefix="/events", tags=["events"])

ChangeId = Annotated[int, Field(ge=0, le=2**63 - 1)]


INVALID_ID: dict[int | str, dict[str, Any]] = {
    422: {
        "description": "The id is not one",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Invalid"}}},
    }
}


@router.get("", response_class=EventSourceResponse, responses=INVALID_ID)
async def stream_changes(
    catalog: CatalogDep, last_event_id: Annotated[ChangeId | None, Header()] = None
) -> AsyncIterable[ChangeOut]:
    """Announce changes as server-sent events; a client that comes back misses none."""
    after = await catalog.feed.latest() if last_event_id is None else last_event_id
    # An id with no data: a client that is cut off before the first change still resumes here.
    yield _event(after, comment="listening")
    async with aclosing(catalog.feed.listen(after)) as changes:
        async for change in changes:
            yield _event(change.id, data=change)


# Any, because the schema shall show what the events carry, and not what carries it.
def _event(change_id: int, **fields: Any) -> Any:
    return ServerSentEvent(id=str(change_id), **fields)


@router.websocket("/ws")
async def announce_changes(
    websocket: WebSocket, catalog: CatalogDep, after: Annotated[ChangeId | None, Query()] = None
) -> None:
    """Announce changes as JSON messages; `?after=ID` resumes."""
    start = await catalog.feed.latest() if after is None else after
    await websocket.accept()

    async def send() -> None:
        with suppress(WebSocketDisconnect):
            async with aclosing(catalog.feed.listen(start)) as changes:
                async for change in changes:
                    await websocket.send_text(change.model_dump_json())

    async with create_task_group() as tasks:
        tasks.start_soon(send)
        while (await websocket.receive())["type"] != "websocket.disconnect":
            pass
        tasks.cancel_scope.cancel()
