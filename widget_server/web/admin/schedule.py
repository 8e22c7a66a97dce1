"""The table of the pages about what can be booked, when and with whom."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from widget_server.use_cases.sites import SignedIn
from widget_server.web.admin import blackouts, calendar, coupons, exports, imports, services, staff, start
from widget_server.web.admin.session import SitePage, at_site, signed_in_only
from widget_server.web.forms import FORM_BYTES_MAX, TABLE_BYTES_MAX, UPLOAD_BYTES_MAX

SITE = "/admin/sites/{site}"

Page = Callable[[Request, SignedIn], Awaitable[Response]]


def _shown(path: str, page: Page) -> Route:
    return Route(f"{SITE}{path}", signed_in_only(page))


def _sent(path: str, page: Page, bytes_max: int = FORM_BYTES_MAX) -> Route:
    return Route(f"{SITE}{path}", signed_in_only(page), methods=["POST"], max_body_size=bytes_max)


def _at_site(path: str, page: SitePage) -> Route:
    return Route(f"{SITE}{path}", at_site(page))


def _sent_at_site(path: str, page: SitePage, bytes_max: int = FORM_BYTES_MAX) -> Route:
    return Route(f"{SITE}{path}", at_site(page), methods=["POST"], max_body_size=bytes_max)


routes = [
    _shown("/start", start.show_start),
    _shown("/services", services.show_services),
    _shown("/services/new", services.show_new),
    _sent("/services/new", services.add, TABLE_BYTES_MAX),
    _shown("/services/{service}", services.show_service),
    _sent("/services/{service}", services.save, TABLE_BYTES_MAX),
    _shown("/services/{service}/calendar", calendar.show_calendar),
    _sent("/services/{service}/calendar", calendar.update, TABLE_BYTES_MAX),
    _shown("/services/{service}/import", imports.show_import),
    _sent("/services/{service}/import", imports.import_slots, UPLOAD_BYTES_MAX),
    _at_site("/services/{service}/import/template.csv", exports.show_template),
    _at_site("/services/{service}/export", exports.show_export),
    _at_site("/services/{service}/slots.csv", exports.export_csv),
    _at_site("/services/{service}/slots.ics", exports.export_ics),
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
    _at_site("/coupons", coupons.list_coupons),
    _at_site("/coupons/new", coupons.show_new),
    _sent_at_site("/coupons/new", coupons.add, TABLE_BYTES_MAX),
    _at_site("/coupons/{coupon:int}", coupons.show_coupon),
    _sent_at_site("/coupons/{coupon:int}", coupons.save, TABLE_BYTES_MAX),
    _sent_at_site("/coupons/{coupon:int}/removal", coupons.remove),
]
