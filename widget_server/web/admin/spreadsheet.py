"""The only place that writes files for spreadsheets: as they are read, and with nothing in them that would be run."""

import csv
import re
from collections.abc import AsyncIterator, Sequence
from io import StringIO

from starlette.responses import StreamingResponse

_BYTE_ORDER_MARK = "\ufeff"
"""Without it, Excel takes the bytes for those of the machine's old encoding, and all umlauts are lost."""
_BEGINS_A_FORMULA = re.compile(r"""(^|[;\t\r\n][\s"]*)(?=[=+\-@\t\r])""")
"""Also within a text: where numbers are written with commas, it is semicolons and tabs that part cells."""

Cell = str | int


def spreadsheet(name: str, head: Sequence[str], rows: AsyncIterator[list[list[Cell]]]) -> StreamingResponse:
    """Sent as it is read, so that it may be as long as it likes. `name` without an ending."""
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(_lines(head, rows), headers=headers, media_type="text/csv; charset=utf-8")


def safe(cell: Cell) -> Cell:
    """What somebody typed into a form must not become a formula in the operator's spreadsheet."""
    return _BEGINS_A_FORMULA.sub(r"\1'", cell) if isinstance(cell, str) else cell


async def _lines(head: Sequence[str], rows: AsyncIterator[list[list[Cell]]]) -> AsyncIterator[str]:
    yield _BYTE_ORDER_MARK + _written([head])
    async for chunk in rows:
        yield _written(chunk)


def _written(rows: Sequence[Sequence[Cell]]) -> str:
    text = StringIO()
    csv.writer(text).writerows([safe(cell) for cell in row] for row in rows)
    return text.getvalue()
