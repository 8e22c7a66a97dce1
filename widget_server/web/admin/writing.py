"""The only place that writes times, numbers and names for operators: by the site's clocks, with the weekday."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from widget_server.domain.money import Money, digits_of
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot

_UNTIL = "\N{EN DASH}"


def day(at: datetime | date, zone: ZoneInfo | None = None) -> str:
    """`Mon 23 Nov 2026`"""
    on = at.astimezone(zone).date() if isinstance(at, datetime) else at
    return f"{on:%a} {on.day} {on:%b %Y}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """`Mon 23 Nov 2026, 10:00`"""
    return f"{day(at, zone)}, {at.astimezone(zone):%H:%M}"


def clock_span(slot: Slot, zone: ZoneInfo) -> str:
    """`10:00-11:00`, and the day of the end where it is another one."""
    starts, ends = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
    until = f"{ends:%H:%M}" if starts.date() == ends.date() else moment(ends, zone)
    return f"{starts:%H:%M}{_UNTIL}{until}"


def span(slot: Slot, zone: ZoneInfo) -> str:
    """`Mon 23 Nov 2026, 10:00-11:00`"""
    return f"{day(slot.starts_at, zone)}, {clock_span(slot, zone)}"


def name_of_service(schedule: Schedule, slot: Slot) -> str:
    """Its key where the service is gone."""
    service = schedule.services.get(slot.service)
    return service.name if service else slot.service


def count(number: int, one: str, more: str = "") -> str:
    """`1 seat`, `2 seats`"""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def money(amount_of: Money) -> str:
    """`45.00 EUR`"""
    return f"{amount(amount_of)} {amount_of.currency}"


def amount(money: Money) -> str:
    """`45.00`, without its currency."""
    decimals = digits_of(money.currency)
    return f"{money.amount_minor / 10**decimals:.{decimals}f}"
