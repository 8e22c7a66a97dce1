"""The only place that says in a few words what an edit has changed, for the audit log: short, and not of customers."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any, TypeVar

from widget_server.domain.audit_log import kept_money
from widget_server.domain.blackouts import Blackout
from widget_server.domain.coupons import Coupon
from widget_server.domain.impact import Choice, Chosen
from widget_server.domain.money import Money
from widget_server.domain.openings import Opening, SlotRule
from widget_server.domain.schedule import Schedule
from widget_server.domain.services import Service
from widget_server.domain.slots import Slot
from widget_server.domain.staffing import Shift
from widget_server.domain.wall_times import Stretch
from widget_server.domain.weeks import WEEKDAYS

TEXT_LENGTH_MAX = 300
LISTED_MAX = 10
"""Of what was added or removed, so many are named, and of the others how many there are."""
OTHER = "changed"
"""In place of a text that is long, or that nobody needs to read twice."""
EVERYTHING = "Everything"
UNCHANGED = {"saved": "as it was"}
"""Somebody has pressed *Save*, and nothing is other than before."""

Detail = dict[str, Any]
Item = TypeVar("Item")

_OF_SERVICES = (
    "name",
    "kind",
    "place",
    "length_min",
    "capacity_rule",
    "capacity",
    "seats_per_booking_max",
    "price",
    "buffer_before_min",
    "buffer_after_min",
    "notice_min",
    "horizon_days",
    "cancel_until_min",
    "refund_percent",
    "remind_hours",
    "attendees_shown",
    "attendee_emails",
    "is_offered",
)
_OF_NEW_SERVICES = _OF_SERVICES[: _OF_SERVICES.index("price") + 1]
_OF_COUPONS = ("percent", "amount", "first_day", "last_day", "uses_max", "uses_per_address_max", "is_active")
_TEXTS_OF_SERVICES = ("description", "access", "questions")
_OF_OPENINGS = attrgetter("starts", "ends", "weekday", "day", "whole")
_OF_SHIFTS = attrgetter("starts", "ends", "weekday", "day", "services")
_BECAME = {Choice.KEEP: "bookings_kept", Choice.MOVE: "bookings_asked_to_move", Choice.CANCEL: "bookings_cancelled"}


def changed(before: object, after: object, names: Iterable[str]) -> Detail:
    """Each of these that is another now, as it was and as it is."""
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in names)
    return {name: [_plain(was), _plain(now)] for name, was, now in pairs if was != now}


def of_new_service(new: Service) -> Detail:
    return _said(new, _OF_NEW_SERVICES)


def of_service(old: Service, new: Service) -> Detail:
    texts = {name: OTHER for name in _TEXTS_OF_SERVICES if getattr(old, name) != getattr(new, name)}
    return changed(old, new, _OF_SERVICES) | texts


def of_member(old: Schedule, new: Schedule, staff: str) -> Detail:
    """Who they are, what they serve, and when. `old` may not have them yet."""
    was, now = old.staff.get(staff), new.staff[staff]
    told = changed(was, now, ("name", "is_active")) if was else {}
    if was and was.email != now.email:
        told["email"] = OTHER
    served, serves = [_names(each, one.services) if one else "" for each, one in ((old, was), (new, now))]
    if served != serves:
        told["serves"] = [served, serves]
    shifts = ([one for one in each.shifts if one.staff == staff] for each in (old, new))
    days_off = ([one.day for one in each.days_off if one.staff == staff] for each in (old, new))
    told |= _difference("shifts", *shifts, key=_OF_SHIFTS, say=lambda shift: _said_shift(new, shift))
    return told | _difference("days_off", *days_off, key=lambda day: day, say=said_day)


def of_calendar(old: Schedule, new: Schedule, service: str) -> Detail:
    """Times that came and went, and what is said of single slots."""
    times = ([one for one in each.openings if one.service == service] for each in (old, new))
    told = _difference("times", *times, key=_OF_OPENINGS, say=_said_opening)
    slots = sorted({rule.slot for each in (old, new) for rule in each.slot_rules if rule.slot.service == service})
    rules = [(slot, old.rule_of(slot), new.rule_of(slot)) for slot in slots]
    closed = [slot for slot, was, now in rules if now.is_closed > was.is_closed]
    opened = [slot for slot, was, now in rules if now.is_closed < was.is_closed]
    seats = [rule for rule in rules if rule[1].capacity != rule[2].capacity]
    told |= _listed("closed", closed, lambda slot: _said_slot(new, slot))
    told |= _listed("opened", opened, lambda slot: _said_slot(new, slot))
    return told | _listed("seats_of_single_times", seats, lambda rule: _said_seats(new, *rule))


def of_blackout(old: Schedule, before: Blackout | None, after: Blackout) -> Detail:
    """Whose and when. Not why: that may be about somebody."""
    if before is None:
        return {"for": said_whose(old, after), "when": said_when(after)}
    pairs = (("for", said_whose(old, before), said_whose(old, after)), ("when", said_when(before), said_when(after)))
    told: Detail = {name: [was, now] if was != now else now for name, was, now in pairs}
    return told | ({"reason": OTHER} if before.reason != after.reason else {})


def of_choice(chosen: Chosen, bookings: Iterable[int]) -> Detail:
    """What becomes of so many bookings that an edit concerns; where there are none, of seats that are only held."""
    became = Counter(chosen.of(booking_id) for booking_id in bookings)
    told: Detail = {_BECAME[choice]: became[choice] for choice in Choice if became[choice]}
    return told or {"held_seats": "given up" if chosen.all is Choice.CANCEL else "kept"}


def of_new_coupon(new: Coupon) -> Detail:
    return _said(new, ("code", *_OF_COUPONS)) | {"services": _said_services(new)}


def of_coupon(old: Coupon, new: Coupon) -> Detail:
    served = [_said_services(one) for one in (old, new)]
    return changed(old, new, _OF_COUPONS) | ({"services": served} if old.services != new.services else {})


def said_when(blackout: Blackout) -> str:
    """Days, weekdays and times of a blackout in a line."""
    first, last = blackout.first_day, blackout.last_day
    said = said_day(first) if last == first else f"{said_day(first)} \u2013 {said_day(last) if last else 'for ever'}"
    if blackout.weekdays:
        said += ", " + ", ".join(WEEKDAYS[n][:3] for n in sorted(blackout.weekdays))
    if blackout.starts and blackout.ends:
        said += f", {blackout.starts:%H:%M}\u2013{blackout.ends:%H:%M}"
    return said + (", every year" if blackout.yearly else "")


def said_whose(schedule: Schedule, blackout: Blackout) -> str:
    if blackout.service is not None:
        return schedule.services[blackout.service].name
    return schedule.staff[blackout.staff].name if blackout.staff is not None else EVERYTHING


def said_day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _said(new: object, names: Iterable[str]) -> Detail:
    """What is said of something new, without what is left empty."""
    return {name: said for name in names if (said := _plain(getattr(new, name))) != ""}


def _said_services(coupon: Coupon) -> str:
    return _cut(", ".join(sorted(coupon.services))) or "all"


def _difference(
    what: str,
    before: Iterable[Item],
    after: Iterable[Item],
    *,
    key: Callable[[Item], object],
    say: Callable[[Item], str],
) -> Detail:
    """Which are the same, their `key` tells: a calendar has thousands of times, and few of them change at once."""
    was, now = [(key(item), item) for item in before], [(key(item), item) for item in after]
    by_key = dict([*was, *now])
    had, has = Counter(of for of, _ in was), Counter(of for of, _ in now)
    added, removed = ([by_key[of] for of in each.elements()] for each in (has - had, had - has))
    return _listed(f"{what}_added", added, say) | _listed(f"{what}_removed", removed, say)


def _listed(name: str, items: Sequence[Item], say: Callable[[Item], str]) -> Detail:
    more = [f"and {len(items) - LISTED_MAX:,} more"] if len(items) > LISTED_MAX else []
    return {name: "; ".join([*map(say, items[:LISTED_MAX]), *more])} if items else {}


def _plain(value: object) -> object:
    match value:
        case Money():
            return kept_money(value)
        case int():
            return value
        case tuple():
            return _cut(", ".join(map(str, value)))
    return _cut("" if value is None else str(value))


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LENGTH_MAX else f"{text[: TEXT_LENGTH_MAX - 1]}\u2026"


def _names(schedule: Schedule, services: Iterable[str]) -> str:
    return _cut(", ".join(schedule.services[key].name for key in sorted(services) if key in schedule.services))


def _said_opening(opening: Opening) -> str:
    return _said_stretch(opening) + (", one slot" if opening.whole else "")


def _said_shift(schedule: Schedule, shift: Shift) -> str:
    return _said_stretch(shift) + (f", for {_names(schedule, shift.services)}" if shift.services else "")


def _said_stretch(one: Stretch) -> str:
    on = said_day(one.day) if one.day is not None else f"{WEEKDAYS[one.weekday or 0]}s"
    return f"{on}, {one.starts:%H:%M}\u2013{one.ends:%H:%M}"


def _said_slot(schedule: Schedule, slot: Slot) -> str:
    starts, ends = (at.astimezone(schedule.zone) for at in (slot.starts_at, slot.ends_at))
    return f"{said_day(starts.date())}, {_clock(starts)}\u2013{_clock(ends)}"


def _said_seats(schedule: Schedule, slot: Slot, was: SlotRule, now: SlotRule) -> str:
    usual = schedule.services[slot.service].capacity
    seats = [usual if rule.capacity is None else rule.capacity for rule in (was, now)]
    return f"{_said_slot(schedule, slot)}: {seats[0]} \u2192 {seats[1]}"


def _clock(at: datetime) -> str:
    return f"{at:%H:%M}"
