"""The only place that renders pages of the admin rooms: never kept by a browser, with the operator at the top."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from widget_server.errors import Unavailable
from widget_server.use_cases.sites import SignedIn
from widget_server.web.admin import writing
from widget_server.web.forms import form_token
from widget_server.web.pages import templates


@dataclass(frozen=True, slots=True)
class Room:
    """One entry of the navigation. A page says which it belongs to by `{% set room = "…" %}`, with this path."""

    path: str
    """Below the site's own."""
    name: str


ROOMS = (
    Room("", "Today"),
    Room("week", "Week"),
    Room("bookings", "Bookings"),
    Room("attendees", "Attendees"),
    Room("live", "Live"),
    Room("services", "Services"),
    Room("staff", "Staff"),
    Room("blackouts", "Blackouts"),
    Room("coupons", "Coupons"),
    Room("messages", "Messages"),
    Room("payments", "Payments"),
    Room("people", "People"),
    Room("reliability", "Reliability"),
    Room("audit-log", "Audit log"),
    Room("settings", "Settings"),
    Room("start", "Set up"),
)
"""In this order, on every page of a site."""

_NEVER_KEPT = {"cache-control": "no-store"}

templates.env.globals |= {
    "rooms": ROOMS,
    "moment": writing.moment,
    "span": writing.span,
    "clock_span": writing.clock_span,
    "write_day": writing.day,
    "count": writing.count,
    "money": writing.money,
    "amount": writing.amount,
    "name_of_service": writing.name_of_service,
}


def page(request: Request, name: str, signed_in: SignedIn | None = None, status: int = 200, **context: Any) -> Response:
    context |= {"signed_in": signed_in, "form_token": form_token(signed_in.session) if signed_in else ""}
    headers = _NEVER_KEPT | ({"retry-after": str(Unavailable.retry_after_s)} if status == Unavailable.status else {})
    return templates.TemplateResponse(request, f"admin/{name}.html", context, status, headers)


def go(path: str) -> Response:
    """On to another page, by GET: loading that one again sends no form twice."""
    return RedirectResponse(path, status_code=303, headers=_NEVER_KEPT)
