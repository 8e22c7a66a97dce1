"""A meeting with all who come to it, to look at and to print, and all attendees of all meetings."""

from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.dashboard import Attendance
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound, Unavailable
from widget_server.use_cases.dashboard import MeetingView
from widget_server.use_cases.offers import Offer
from widget_server.web.admin.bookings import STATES, wall_clock
from widget_server.web.admin.looking import read_look
from widget_server.web.admin.pages import page
from widget_server.web.admin.session import AtSite
from widget_server.web.admin.spreadsheet import Cell, spreadsheet
from widget_server.web.context import use_cases

_HEAD = (
    "Attendee",
    "Service",
    "Starts",
    "Ends",
    "Time zone",
    "Order",
    "Booked by",
    "E-mail",
    "State",
    "Served by",
    "Slot",
    "Attendee's e-mail",
)


async def show_meeting(request: Request, at: AtSite) -> Response:
    slot = slot_of(request)
    view = await use_cases(request).dashboard.meeting(at.site, slot)
    offer, is_known = await _offer(request, at, slot)
    service = at.schedule.services.get(slot.service)
    if view.meeting is None and offer is None and (is_known or service is None):
        raise NotFound("There is no such meeting.")
    return page(
        request,
        "meeting",
        at.signed_in,
        site=at.site,
        slot=slot,
        service_name=service.name if service else _name_of(view),
        view=view,
        offer=offer,
        is_known=is_known,
        is_frozen=at.schedule.rule_of(slot).is_closed,
        done=request.query_params.get("done", ""),
        now=use_cases(request).dashboard.now(),
    )


async def list_attendees(request: Request, at: AtSite) -> Response:
    dashboard = use_cases(request).dashboard
    look = read_look(request, at.site.zone, since_today=dashboard.now())
    found = await dashboard.attendees(at.site, look.wanted, after=look.after, before=look.before)
    return page(request, "attendees", at.signed_in, site=at.site, schedule=at.schedule, look=look, found=found)


async def export_attendees(request: Request, at: AtSite) -> Response:
    dashboard, zone = use_cases(request).dashboard, at.site.zone
    look = read_look(request, zone, since_today=dashboard.now())
    lines = dashboard.all_attendees(at.site, look.wanted)
    today = dashboard.now().astimezone(zone).date()
    return spreadsheet(f"attendees-{at.site.key}-{today}", _HEAD, _rows(lines, zone))


def _name_of(view: MeetingView) -> str:
    """Of a service that is gone, as somebody has booked it."""
    return next((line.service_name for line in (*view.coming, *view.cancelled)), "A service that is gone")


def slot_of(request: Request) -> Slot:
    try:
        return Slot.parse(request.path_params["slot"])
    except ValueError as problem:
        raise NotFound("There is no such meeting.") from problem


async def _offer(request: Request, at: AtSite, slot: Slot) -> tuple[Offer | None, bool]:
    """And whether that is known: without Redis there is still the list of who comes."""
    try:
        return await use_cases(request).offers.of(at.site, slot), True
    except NotFound:
        return None, True
    except Unavailable:
        return None, False


async def _rows(chunks: AsyncIterator[list[Attendance]], zone: ZoneInfo) -> AsyncIterator[list[list[Cell]]]:
    async for chunk in chunks:
        yield [_row(seat, zone) for seat in chunk]


def _row(seat: Attendance, zone: ZoneInfo) -> list[Cell]:
    times = [wall_clock(seat.slot.starts_at, zone), wall_clock(seat.slot.ends_at, zone), zone.key]
    booked = [seat.number, seat.customer, seat.email, STATES[seat.state], ", ".join(seat.served_by)]
    return [seat.name, seat.service_name, *times, *booked, seat.slot.id, seat.own_email]
