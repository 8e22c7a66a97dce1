"""The rooms of the operator."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from widget_server.web.admin import (
    audit_log,
    bookings,
    clearings,
    diary,
    freezing,
    home,
    invitations,
    live,
    meetings,
    messages,
    new_site,
    payments,
    people,
    phone,
    reliability,
    schedule,
    settings,
    signing_in,
    staff,
    test_mode,
    week,
)
from widget_server.web.admin.refusals import refused_page
from widget_server.web.admin.session import SitePage, at_site, signed_in_only
from widget_server.web.forms import FORM_BYTES_MAX, TABLE_BYTES_MAX

__all__ = ["refused_page", "routes"]

_SITE = "/admin/sites/{site}"


def _shown(path: str, page: SitePage, *, for_staff: bool = False) -> Route:
    """For owners only, unless it says so."""
    return Route(f"{_SITE}{path}", at_site(page, for_staff=for_staff))


def _sent(path: str, page: SitePage, bytes_max: int = FORM_BYTES_MAX, *, for_staff: bool = False) -> Route:
    """A form to this address."""
    return Route(f"{_SITE}{path}", at_site(page, for_staff=for_staff), methods=["POST"], max_body_size=bytes_max)


def _door(path: str, page: Callable[[Request], Awaitable[Response]]) -> Route:
    """A form of those who are not signed in, or at no site."""
    return Route(path, page, methods=["POST"], max_body_size=FORM_BYTES_MAX)


routes = [
    Route("/admin", signed_in_only(home.show_home)),
    Route("/admin/setup", signing_in.show_setup),
    Route("/admin/setup", signing_in.set_up, methods=["POST"], max_body_size=FORM_BYTES_MAX),
    Route("/admin/sign-in", signing_in.show_sign_in),
    Route("/admin/sign-in", signing_in.sign_in, methods=["POST"], max_body_size=FORM_BYTES_MAX),
    Route("/admin/sign-out", signed_in_only(signing_in.sign_out), methods=["POST"], max_body_size=FORM_BYTES_MAX),
    Route("/admin/password", signed_in_only(signing_in.show_password)),
    Route(
        "/admin/password", signed_in_only(signing_in.change_password), methods=["POST"], max_body_size=FORM_BYTES_MAX
    ),
    Route("/admin/invitation", invitations.show_invitation),
    _door("/admin/invitation", invitations.open_invitation),
    _door("/admin/invitation/acceptance", invitations.accept_invitation),
    Route("/admin/new-site", signed_in_only(new_site.show_new_site)),
    _door("/admin/new-site", signed_in_only(new_site.make_site)),
    _shown("", home.show_today, for_staff=True),
    _shown("/diary", diary.show_diary, for_staff=True),
    _shown("/shifts", staff.show_own, for_staff=True),
    _sent("/shifts", staff.save_own, TABLE_BYTES_MAX, for_staff=True),
    _shown("/people", people.show_people),
    _sent("/people", people.invite),
    _sent("/people/invitations/{invitation:int}/withdrawal", people.withdraw),
    _shown("/people/{person:int}", people.show_person),
    _sent("/people/{person:int}", people.save_person),
    _sent("/people/{person:int}/removal", people.remove_person),
    _shown("/payments", payments.show_payments),
    _sent("/payments/{mode}", payments.enter_keys),
    _sent("/payments/{mode}/check", payments.check_keys),
    _sent("/payments/{mode}/removal", payments.remove_keys),
    _shown("/week", week.show_week),
    _shown("/week/blocks", week.show_week_blocks),
    _shown("/bookings", bookings.list_bookings),
    _shown("/bookings/new", phone.show_phone),
    _sent("/bookings/new", phone.book_by_phone),
    _shown("/bookings.csv", bookings.export_bookings),
    _shown("/orders/{order}", bookings.show_order),
    _shown("/meetings/{slot}", meetings.show_meeting),
    _sent("/meetings/{slot}/freezing", freezing.freeze),
    _shown("/attendees", meetings.list_attendees),
    _shown("/attendees.csv", meetings.export_attendees),
    _sent("/orders/{order}/bookings/{booking:int}/cancellation", bookings.cancel_booking),
    _sent("/orders/{order}/refunds", bookings.refund),
    _sent("/orders/{order}/erasure", bookings.erase_personal_data),
    _sent("/test-bookings/cancellation", test_mode.cancel_tests),
    _sent("/orders/{order}/bookings/{booking:int}/withdrawal", bookings.withdraw_move_request),
    _shown("/live", live.show_live),
    _shown("/live/holds", live.show_live_holds),
    _sent("/live/{hold}/extension", live.extend_hold),
    _sent("/live/{hold}/release", live.release_hold),
    _shown("/live/{hold}/booking", live.show_hold_booking),
    _sent("/live/{hold}/booking", live.book_hold),
    _shown("/messages", messages.list_messages),
    _shown("/messages/preview", messages.show_preview),
    _shown("/messages/preview/body", messages.show_preview_body),
    _shown("/messages/{message}", messages.show_message),
    _shown("/messages/{message}/body", messages.show_body),
    _shown("/messages/{message}/booking.ics", messages.show_calendar),
    _sent("/messages/{message}/sending", messages.send_again),
    _shown("/clearings/{clearing:int}", clearings.show_clearing),
    _shown("/clearings/{clearing:int}/progress", clearings.show_progress),
    _shown("/reliability", reliability.show_reliability),
    _shown("/audit-log", audit_log.show_audit_log),
    Route("/admin/sites/{site}/settings", signed_in_only(settings.show_settings)),
    Route(
        "/admin/sites/{site}/settings",
        signed_in_only(settings.save_settings),
        methods=["POST"],
        max_body_size=FORM_BYTES_MAX,
    ),
    *schedule.routes,
]
