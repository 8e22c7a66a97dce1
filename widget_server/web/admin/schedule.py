"""The table of the pages about what can be booked, when and with whom."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from widget_server.use_cases.sites import SignedIn
from widget_server.web.admin import blackouts, calendar, services, staff, start
from widget_server.web.admin.session import signed_in_only
from widget_server.web.forms import FORM_BYTES_MAX, TABLE_BYTES_MAX

SITE = "/admin/sites/{site}"

Page = Callable[[Request, SignedIn], Awaitable[Response]]


def _shown(path: str, page: Page) -> Route:
    return Route(f"{SITE}{path}", signed_in_only(page))


def _sent(path: str, page: Page, bytes_max: int = FORM_BYTES_MAX) -> Route:
    return Route(f"{SITE}{path}", signed_in_only(page), methods=["POST"], max_body_size=bytes_max)


routes = [
    _shown("/start", start.show_start),
    _shown("/services", services.show_services),
    _shown("/services/new", services.show_new),
    _sent("/services/new", services.add),
    _shown("/services/{service}", services.show_service),
    _sent("/services/{service}", services.save),
    _shown("/services/{service}/calendar", calendar.show_calendar),
    _sent("/services/{service}/calendar", calendar.update, TABLE_BYTES_MAX),
    _shown("/staff", staff.show_staff),
    _shown("/staff/new", staff.show_new),
    _sent("/staff/new", staff.add, TABLE_BYTES_MAX),
    _shown("/staff/{member}", staff.show_member),
    _sent("/staff/{member}", staff.save, TABLE_BYTES_MAX),
    _shown("/blackouts", blackouts.show_blackouts),
    _shown("/blackouts/new", blackouts.show_new),
    _sent("/blackouts/new", blackouts.add),
    _shown("/blackouts/{blackout:int}", blackouts.show_blackout),
    _sent("/blackouts/{blackout:int}", blackouts.save),
    _sent("/blackouts/{blackout:int}/removal", blackouts.remove),
]
