"""The only place that turns a staff member with shifts and days off into a form, and back."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, time

from email_validator import EmailNotValidError, validate_email

from widget_server.domain.schedule import Schedule, Shift, StaffMember
from widget_server.use_cases.services import key_of
from widget_server.use_cases.staffing import fingerprint_of
from widget_server.web.admin.times import Row, numbers_of, parse_day, refuse_overlaps, rows_of
from widget_server.web.forms import Form

NAME_LENGTH_MAX = 200
BLANK_ROWS = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    member: StaffMember
    shifts: list[Shift]
    days_off: list[date]


def form_of(schedule: Schedule, member: StaffMember) -> Form:
    form = Form(
        {
            "seen": fingerprint_of(schedule, member.key) if member.key in schedule.staff else "",
            "name": member.name,
            "email": member.email or "",
            "is_active": "on" if member.is_active else "",
        }
    )
    form.values |= {f"serves-{service}": "on" for service in member.services}
    own = [shift for shift in schedule.shifts if shift.staff == member.key]
    for number, shift in enumerate(sorted((s for s in own if s.weekday is not None), key=lambda s: s.starts)):
        _put(form, f"w-{number}", str(shift.weekday), shift)
    for number, shift in enumerate(sorted((s for s in own if s.day is not None), key=lambda s: (s.day, s.starts))):
        _put(form, f"d-{number}", str(shift.day), shift)
    days = sorted(off.day for off in schedule.days_off if off.staff == member.key)
    form.values |= {f"off-{number}-day": str(day) for number, day in enumerate(days)}
    return form


def read_member(form: Form, schedule: Schedule, present: StaffMember) -> Wanted:
    """The member as the form wants them. What is wrong stands in `form.errors` afterwards."""
    name = " ".join(form.text("name").split())
    if not name:
        form.refuse("name", "Give a name.")
    if len(name) > NAME_LENGTH_MAX:
        form.refuse("name", f"Use at most {NAME_LENGTH_MAX} characters.")
    member = replace(
        present,
        key=present.key or key_of(name, "staff"),
        name=name,
        email=_email(form),
        services=frozenset(key for key in schedule.services if form.text(f"serves-{key}") == "on"),
        is_active=form.text("is_active") == "on",
    )
    return Wanted(member, [*_weekly(form, member), *_dated(form, member)], _days_off(form))


def _put(form: Form, prefix: str, day: str, shift: Shift) -> None:
    form.values |= {
        f"{prefix}-day": day,
        f"{prefix}-starts": f"{shift.starts:%H:%M}",
        f"{prefix}-ends": f"{shift.ends:%H:%M}",
        f"{prefix}-only": " ".join(sorted(shift.services)),
    }


def _email(form: Form) -> str | None:
    typed = form.text("email")
    if not typed:
        return None
    try:
        return validate_email(typed, check_deliverability=False).normalized
    except EmailNotValidError:
        form.refuse("email", "This is not an e-mail address.")
        return None


def _weekly(form: Form, member: StaffMember) -> Iterable[Shift]:
    by_day: defaultdict[str, list[tuple[Row, time, time]]] = defaultdict(list)
    for row in rows_of(form, "w"):
        if row.text("day") not in set("0123456"):
            row.refuse("Choose a weekday.", "day")
        elif (span := row.span()) is not None:
            by_day[row.text("day")].append((row, *span))
    for day, rows in sorted(by_day.items()):
        refuse_overlaps(rows)
        for services, starts, ends in _served(rows, member):
            yield Shift(member.key, starts, ends, weekday=int(day), services=services)


def _dated(form: Form, member: StaffMember) -> Iterable[Shift]:
    by_day: defaultdict[date, list[tuple[Row, time, time]]] = defaultdict(list)
    for row in rows_of(form, "d"):
        day = parse_day(row.text("day"))
        if day is None:
            row.refuse("Choose a date.", "day")
        elif (span := row.span()) is not None:
            by_day[day].append((row, *span))
    for day, rows in sorted(by_day.items()):
        refuse_overlaps(rows)
        for services, starts, ends in _served(rows, member):
            yield Shift(member.key, starts, ends, day=day, services=services)


def _served(rows: Iterable[tuple[Row, time, time]], member: StaffMember) -> Iterator[tuple[frozenset[str], time, time]]:
    """A shift may be for some services only; what the member does not serve any more is left out.

    One of which nothing is left goes: without any services it would be for all of them.
    """
    for row, starts, ends in rows:
        only = frozenset(row.text("only").split())
        services = only & member.services
        if services or not only:
            yield services, starts, ends


def _days_off(form: Form) -> list[date]:
    days = []
    for number in numbers_of(form, "off"):
        row = Row(f"off-{number}", form)
        if not row.text("day") or row.is_gone:
            continue
        day = parse_day(row.text("day"))
        if day is None:
            row.refuse("Choose a date.", "day")
        else:
            days.append(day)
    return days
