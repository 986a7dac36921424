"""The cached report, and the export that streams."""

import csv
from collections.abc import Iterator
from io import StringIO

from flask import Blueprint, stream_with_context
from flask.typing import ResponseReturnValue
from flask_caching import Cache

from services.catalog import queries, reports
from services.catalog.schemas import ItemOut
from services.flask_service.answers import as_json
from services.flask_service.database import get_session

ROWS_AT_ONCE = 500

blueprint = Blueprint("reports", __name__)
cache = Cache()


@blueprint.get("/report")
def report() -> ResponseReturnValue:
    """Answer the report, from the cache where it can."""
    session = get_session()
    report, hit = reports.read_through(
        cache,
        session.scalars(queries.revision()).one(),
        lambda: reports.build(session.execute(queries.report_rows()).all()),
    )
    return as_json(report, headers={"X-Cache": "HIT" if hit else "MISS"})


@blueprint.get("/export.csv")
def export() -> ResponseReturnValue:
    """Stream all items; only a few are in memory at a time."""

    def rows() -> Iterator[str]:
        buffer = StringIO()
        writer = csv.writer(buffer)
        writer.writerow(ItemOut.model_fields)
        # The view's own session is closed by now: this one lasts as long as the stream.
        items = get_session().scalars(queries.all_items().execution_options(yield_per=ROWS_AT_ONCE))
        for some in items.partitions():
            for item in some:
                values = ItemOut.model_validate(item).model_dump(mode="json").values()
                writer.writerow([_without_formula(value) for value in values])
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
        yield buffer.getvalue()

    return stream_with_context(rows()), {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": 'attachment; filename="items.csv"',
    }


def _without_formula(value: object) -> object:
    # A spreadsheet would run a cell that starts so ("CSV Injection", OWASP).
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
