"""How well the seats of a site are counted, in plain words: oversold, leaked, last check, last rebuild, news."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from widget_server.web.admin.pages import page
from widget_server.web.admin.session import AtSite
from widget_server.web.context import use_cases

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


async def show_reliability(request: Request, at: AtSite) -> Response:
    report = await use_cases(request).reliability.report(at.site)
    checked = ago(report.checked_ago) if report.checked_ago is not None else None
    return page(request, "reliability", at.signed_in, site=at.site, report=report, checked=checked, said_ms=said_ms)


def said_ms(length_ms: int) -> str:
    """`4 ms`, or seconds where it is long."""
    return f"{length_ms} ms" if length_ms < 1_000 else f"{length_ms / 1000:,.1f} seconds"


def ago(length: timedelta) -> str:
    """`12 seconds ago`, in the largest unit that it fills."""
    seconds = max(0, int(length.total_seconds()))
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    number = seconds // size
    return f"{number} {unit}{'' if number == 1 else 's'} ago"
