"""The only place that turns a staff member with shifts and days off into a form, and back."""

from collections import defaultdict
from collections.abc import Iterable
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


def keep_who(form: Form, schedule: Schedule, present: StaffMember) -> None:
    """For a form of the member's own: who they are and what they serve stays as it is, whatever was sent."""
    of_owner = {name: value for name, value in form_of(schedule, present).values.items() if _is_who(name)}
    form.values = {name: value for name, value in form.values.items() if not _is_who(name)} | of_owner


def _is_who(name: str) -> bool:
    return name in ("name", "email", "is_active") or name.startswith("serves-")


def read_member(form: Form, schedule: Schedule, present: StaffMember) -> Wanted:
    """The member as the form wants them. What is wrong stands in `form.errors` afterwards."""
    name = form.text_within("name", NAME_LENGTH_MAX, wanted="Give a name.", one_line=True)
    member = replace(
        present,
        key=present.key or key_of(name, "staff"),
        name=name,
        email=_email(form),
        services=frozenset(key for key in schedule.services if form.text(f"serves-{key}") == "on"),
        is_active=form.text("is_active") == "on",
    )
    wanted = _Wanted(form, schedule, present, member)
    return Wanted(member, [*_weekly(wanted), *_dated(wanted)], _days_off(form))


def named_in(form: Form, prefix: str, services: Iterable[str]) -> list[str]:
    """Those of these services that a row of the form is for; none: for all."""
    return [service for service in services if form.text(f"{prefix}-only-{service}") == "on"]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What rows of shifts are read by: the form, and the member as they were and as they are to be."""

    form: Form
    schedule: Schedule
    present: StaffMember
    member: StaffMember

    def services_in(self, row: Row) -> frozenset[str] | None:
        """Of those that a shift is for, what the member still serves; None where that is nothing.

        Without any services it would be for all of them: so a shift goes with the last service that it was for.
        """
        named = frozenset(named_in(self.form, row.prefix, self.schedule.services))
        if never := sorted(named - self.member.services - self.present.services):
            names = ", ".join(self.schedule.services[key].name for key in never)
            row.refuse(f"They do not serve this: {names}. Tick it above, or not here.")
        services = named & self.member.services
        return services if services or not named else None


def _put(form: Form, prefix: str, day: str, shift: Shift) -> None:
    form.values |= {
        f"{prefix}-day": day,
        f"{prefix}-starts": f"{shift.starts:%H:%M}",
        f"{prefix}-ends": f"{shift.ends:%H:%M}",
    } | {f"{prefix}-only-{service}": "on" for service in shift.services}


def _email(form: Form) -> str | None:
    typed = form.text("email")
    if not typed:
        return None
    try:
        return validate_email(typed, check_deliverability=False).normalized
    except EmailNotValidError:
        form.refuse("email", "This is not an e-mail address.")
        return None


def _weekly(wanted: _Wanted) -> Iterable[Shift]:
    by_day: defaultdict[str, list[tuple[Row, time, time]]] = defaultdict(list)
    for row in rows_of(wanted.form, "w"):
        if row.text("day") not in set("0123456"):
            row.refuse("Choose a weekday.", "day")
        elif (span := row.span()) is not None:
            by_day[row.text("day")].append((row, *span))
    for day, rows in sorted(by_day.items()):
        refuse_overlaps(rows)
        for row, starts, ends in rows:
            if (services := wanted.services_in(row)) is not None:
                yield Shift(wanted.member.key, starts, ends, weekday=int(day), services=services)


def _dated(wanted: _Wanted) -> Iterable[Shift]:
    by_day: defaultdict[date, list[tuple[Row, time, time]]] = defaultdict(list)
    for row in _begun(wanted.form):
        day = parse_day(row.text("day"))
        if day is None:
            row.refuse("Choose a date.", "day")
        elif (span := row.span()) is not None:
            by_day[day].append((row, *span))
    for day, rows in sorted(by_day.items()):
        refuse_overlaps(rows)
        for row, starts, ends in rows:
            if (services := wanted.services_in(row)) is not None:
                yield Shift(wanted.member.key, starts, ends, day=day, services=services)


def _begun(form: Form) -> Iterable[Row]:
    """Of single days. One without times is no blank row: whoever typed a day wants something of it."""
    rows = [Row(f"d-{number}", form) for number in numbers_of(form, "d")]
    return [row for row in rows if not row.is_gone and (row.text("day") or not row.is_blank)]


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
