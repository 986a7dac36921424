"""The cached report."""

from anyio import from_thread, to_thread
from fastapi import APIRouter, Response

from services.catalog import queries, reports
from services.catalog.reports import ReportRow
from services.catalog.schemas import Report
from services.fastapi_service.dependencies import CatalogDep, SessionDep

router = APIRouter(tags=["report"])


@router.get("/report")
async def read_report(session: SessionDep, catalog: CatalogDep, response: Response) -> Report:
    """Answer the report, from the cache where it can; `X-Cache` says which."""
    revision = (await session.scalars(queries.revision())).one()

    async def load() -> list[ReportRow]:
        return list((await session.execute(queries.report_rows())).all())

    # The cache blocks and the report computes: both in a thread, off the event loop.
    report, hit = await to_thread.run_sync(
        reports.read_through,
        catalog.cache,
        revision,
        lambda: reports.build(from_thread.run(load)),
    )
    response.headers["X-Cache"] = "HIT" if hit else "MISS"
    return report
