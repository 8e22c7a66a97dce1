"""The audit log: what operators have done, when, and to what, and what became of money without them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.audit_log import Deed, KeptEntry, money_in
from widget_server.domain.slots import Slot
from widget_server.domain.wall_times import first_instant
from widget_server.web.admin.choices import THEMES, locales
from widget_server.web.admin.looking import read_day
from widget_server.web.admin.pages import page
from widget_server.web.admin.service_form import KINDS, PLACES, RULES, SHOWN
from widget_server.web.admin.session import AtSite
from widget_server.web.admin.writing import count, money, name_of_service, span
from widget_server.web.context import use_cases

_WORDS = {
    Deed.SETTINGS_CHANGED: "Changed settings",
    Deed.BOOKING_CANCELLED: "Cancelled a booking",
    Deed.MOVE_ASKED: "Asked for another time",
    Deed.MOVE_WITHDRAWN: "Asked no more for another time",
    Deed.PERSONAL_DATA_ERASED: "Erased personal data",
    Deed.REFUNDED: "Paid money back",
    Deed.BOOKED_BY_PHONE: "Booked by phone",
    Deed.HOLD_EXTENDED: "Extended a hold",
    Deed.HOLD_RELEASED: "Gave a hold back",
    Deed.HOLD_BOOKED: "Booked a hold for its visitor",
    Deed.CLEARING_STOPPED: "Stopped what was still being done to many bookings",
    Deed.SITE_MADE: "Made the site",
    Deed.PERSON_INVITED: "Invited somebody",
    Deed.INVITATION_WITHDRAWN: "Withdrew an invitation",
    Deed.INVITATION_ACCEPTED: "Accepted an invitation",
    Deed.ROLE_CHANGED: "Changed a role",
    Deed.ACCESS_TAKEN_AWAY: "Took away access",
    Deed.SLOT_FROZEN: "Froze a time",
    Deed.SLOT_UNFROZEN: "Unfroze a time",
    Deed.SAME_SEATS_TAKEN: "Paid too late: the same seats were booked",
    Deed.ALTERNATIVES_HELD: "Paid too late: other times are held",
    Deed.ALTERNATIVE_TAKEN: "Paid too late: another time was chosen",
    Deed.ALTERNATIVES_DECLINED: "Paid too late: no other time was wanted",
    Deed.ALTERNATIVES_RUN_OUT: "Paid too late: no other time was chosen in time",
    Deed.CAPTURE_REFUSED: "A payment could not be taken",
    Deed.PAYMENT_VOIDED: "Gave an authorised payment up",
    Deed.PAYMENT_REFUNDED: "Paid back what was paid without a booking",
    Deed.PAYMENT_WINDOW_ENDED: "The time to pay was over",
    Deed.PAYMENT_LET_GO: "Let seats go, as Stripe did not say whether they were paid",
    Deed.PAYMENT_DIFFERS: "Something else was paid than was asked for: it goes back",
    Deed.PAYMENT_DISPUTED: "Somebody has asked their bank to take back what they had paid",
    Deed.DISPUTE_WON: "A dispute was won: the money stays",
    Deed.DISPUTE_LOST: "A dispute was lost: the money has gone back",
    Deed.MOVE_SETTLED: "A customer moved a booking whose price has changed",
    Deed.PAYMENT_GIVEN_BACK: "Given back at Stripe before it was booked: the rest goes back, too",
}
_OF_SERVICES = {Deed.SERVICE_ADDED, Deed.SERVICE_CHANGED, Deed.CALENDAR_CHANGED}
_OF_STAFF = {Deed.STAFF_ADDED, Deed.STAFF_CHANGED}
_FIELDS = {
    "length_min": "minutes long",
    "seats_per_booking_max": "seats a booking",
    "capacity_rule": "seats come",
    "capacity": "maximum customers per slot",
    "buffer_before_min": "minutes free before",
    "buffer_after_min": "minutes free after",
    "notice_min": "minutes of notice",
    "horizon_days": "days ahead",
    "cancel_until_min": "minutes before which it can be cancelled",
    "refund_percent": "percent that goes back",
    "remind_hours": "hours before which it is reminded of",
    "attendees_shown": "who comes is shown by",
    "attendee_emails": "asks for addresses of who comes",
    "is_offered": "can be booked",
    "is_active": "is active",
    "uses_max": "uses",
    "uses_per_address_max": "uses per address",
    "zone": "time zone",
    "locale": "language",
    "accent": "accent colour",
    "is_test": "test mode",
    "hold_minutes": "minutes of a hold",
    "origins": "allowed origins",
    "receipt_seller": "who sells",
    "receipt_tax": "about taxes",
}
"""Where its name does not say it."""
_CHOICES = {
    "kind": KINDS,
    "place": PLACES,
    "capacity_rule": RULES,
    "attendees_shown": SHOWN,
    "theme": THEMES,
    "locale": locales(),
}
"""What was chosen from a list is told in the words of that list."""
DEEDS = {deed: _WORDS.get(deed, deed.replace("_", " ").capitalize()) for deed in Deed}


@dataclass(frozen=True, slots=True)
class About:
    name: str
    path: str


async def show_audit_log(request: Request, at: AtSite) -> Response:
    asked, zone = request.query_params, at.site.zone
    typed = {name: asked.get(name, "")[:40] for name in ("deed", "from", "to")}
    first, last = read_day(typed["from"]), read_day(typed["to"])
    before = re.fullmatch(
        r"\d{1,9}", asked.get("before", ""), re.ASCII
    )  # more is no id: a database takes no such number
    found = await use_cases(request).audit_log.read(
        at.site,
        deed=Deed(typed["deed"]) if typed["deed"] in set(Deed) else None,
        since=first_instant(first, time(0), zone) if first else None,
        until=first_instant(last + timedelta(days=1), time(0), zone) if last else None,
        before=int(before[0]) if before else None,
    )
    people = await use_cases(request).people.emails_of({_person(entry) for entry in found.entries} - {0})
    return page(
        request,
        "audit_log",
        at.signed_in,
        site=at.site,
        typed=typed,
        deeds=DEEDS,
        found=found,
        is_narrow=any(typed.values()),
        is_further=before is not None,
        told=[(entry, _deed(entry), _about(entry, at), _details(entry, at, people)) for entry in found.entries],
        older=urlencode({**typed, "before": found.entries[-1].id}) if found.has_older else "",
    )


def _deed(entry: KeptEntry) -> str:
    """Of what only a newer version does, its name as it stands there."""
    return DEEDS[Deed(entry.deed)] if entry.deed in set(Deed) else entry.deed.replace("_", " ")


def _about(entry: KeptEntry, at: AtSite) -> About | None:
    """Where what it is about is still there."""
    schedule, key = at.schedule, entry.about
    if entry.order_number is not None:
        return About(f"Order {entry.order_number}", f"{at.path}/orders/{key}")
    if entry.deed in _OF_SERVICES and (service := schedule.services.get(key)):
        below = "/calendar" if entry.deed == Deed.CALENDAR_CHANGED else ""
        return About(service.name, f"{at.path}/services/{key}{below}")
    if entry.deed in _OF_STAFF and (member := schedule.staff.get(key)):
        return About(member.name, f"{at.path}/staff/{key}")
    if entry.deed == Deed.BLACKOUT_CHANGED and any(key == str(one.id) for one in schedule.blackouts):
        return About("This blackout", f"{at.path}/blackouts/{key}")
    return None


def _details(entry: KeptEntry, at: AtSite, people: Mapping[int, str]) -> list[str]:
    """Each in one line; of what a newer version has written, all as it stands there."""
    detail = dict(entry.detail)
    slots = detail.pop("slots", None) or [slot for slot in [detail.pop("slot", None)] if slot]
    seats = detail.pop("seats", None)
    if entry.order_number is not None:
        detail.pop("number", None)  # it stands in the link
    if person := people.get(_person(entry)):
        detail["person"] = person
    lines = [_slot(slot, at) for slot in slots]
    if isinstance(seats, int):
        lines.append(count(seats, "seat"))
    words = _words_of(at)
    return lines + [
        f"{_FIELDS.get(name) or name.replace('_', ' ')}: {_change(value, words.get(name, {}))}"
        for name, value in detail.items()
    ]


def _words_of(at: AtSite) -> dict[str, dict[str, str]]:
    """By the name of a detail, what its values are called on the pages."""
    words = {name: {choice.value: choice.label for choice in choices} for name, choices in _CHOICES.items()}
    services, staff = at.schedule.services.values(), at.schedule.staff.values()
    return words | {"services": {one.key: one.name for one in services}, "staff": {one.key: one.name for one in staff}}


def _person(entry: KeptEntry) -> int:
    """The operator it is about; 0 for nobody."""
    person = entry.detail.get("person", 0)
    return person if isinstance(person, int) else 0


def _slot(slot_id: str, at: AtSite) -> str:
    try:
        slot = Slot.parse(slot_id)
    except ValueError:
        return slot_id
    return f"{name_of_service(at.schedule, slot)}, {span(slot, at.site.zone)}"


def _change(value: object, words: Mapping[str, str]) -> str:
    if isinstance(value, list) and len(value) == 2:
        return f"{_shown(value[0], words)} → {_shown(value[1], words)}"
    return _shown(value, words)


def _shown(value: object, words: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if (amount := money_in(value)) is not None:
        return "nothing" if amount.is_free else money(amount)
    return ", ".join(words.get(each, each) for each in str(value).split(", ")) or "nothing"
