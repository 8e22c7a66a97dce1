"""The only place that turns a week of a service's calendar into rows of a form, and back."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from widget_server.domain.schedule import CapacityRule, Opening, Schedule, Service, SlotRule
from widget_server.domain.services import CAPACITY_MAX
from widget_server.domain.slots import Slot
from widget_server.use_cases.calendar import fingerprint_of
from widget_server.web.admin.merging import marked, part_of_day, take_theirs
from widget_server.web.admin.times import numbers_of, parse_day, refuse_overlaps, rows_of, said_span
from widget_server.web.forms import Form

WEEK = timedelta(days=7)
COPIES_MAX = 52
_CLOSED = "closed"
_FIELDS = ("day", "starts", "ends", "kind", "repeat", "gone")


@dataclass(frozen=True, slots=True)
class Wanted:
    openings: list[Opening]
    rules: list[SlotRule]


def days_from(first: date) -> list[date]:
    return [first + timedelta(days=n) for n in range(7)]


def form_of(schedule: Schedule, service: str, first: date, *, from_row: int = 0) -> Form:
    """One row for each opening of this week, by its day and start."""
    form = Form({"seen": fingerprint_of(schedule, service)})
    for number, (day, opening) in enumerate(_of_week(schedule, service, first), from_row):
        _put_row(form, number, day, opening)
    return marked(form)


def merge(form: Form, schedule: Schedule, service: str, first: date) -> list[str]:
    """Days that nobody has touched in it become what somebody else has saved meanwhile.

    Returns what they saved on those that both have changed, in words: there it stays as it was typed.
    """
    contested = take_theirs(form, form_of(schedule, service, first, from_row=next_row(form)))
    days = [day for day in days_from(first) if part_of_day(day) in contested]
    return [f"{day:%A} {day.day} {day:%B}: {_spelled_day(schedule, service, day)}" for day in days]


def next_row(form: Form) -> int:
    """A number that no row has yet."""
    return max(numbers_of(form, "t"), default=-1) + 1


def read_calendar(form: Form, schedule: Schedule, service: Service, first: date) -> Wanted:
    """All openings of the service as the form wants them, and rules for the slots of this week.

    What is wrong stands in `form.errors` afterwards, by the names of the fields.
    """
    of_week = _read_openings(form, service.key, first)
    hidden = [o for o in schedule.openings if o.service == service.key and not _is_shown(o, first)]
    copies = _copies(of_week, _read_copies(form), {(o.day, o.starts, o.ends) for o in hidden})
    return Wanted([*hidden, *of_week, *copies], _read_rules(form, schedule, service, first))


def copy_day(form: Form, first: date) -> None:
    """Put what is typed for one day of the week on others, too, where it does not stand already."""
    source = parse_day(form.text("copy_from"))
    targets = [day for day in days_from(first) if form.text(f"copy_to-{day}") == "on" and day != source]
    if source is None or not targets:
        form.refuse("copy_from", "Choose a day, and at least one other that shall have the same times.")
        return
    rows = list(rows_of(form, "t"))
    number = next_row(form)
    for day in targets:
        there = {(row.text("starts"), row.text("ends")) for row in rows if row.text("day") == str(day)}
        for row in rows:
            if row.text("day") == str(source) and (row.text("starts"), row.text("ends")) not in there:
                copied = {field: row.text(field) for field in _FIELDS} | {"day": str(day)}
                form.values |= {f"t-{number}-{field}": value for field, value in copied.items()}
                number += 1


def rows_of_day(form: Form, day: date) -> list[int]:
    """The numbers of the rows that stand on this day, in the order of their starts."""
    numbers = [n for n in numbers_of(form, "t") if form.text(f"t-{n}-day") == str(day)]
    return sorted(numbers, key=lambda n: (form.text(f"t-{n}-starts") == "", form.text(f"t-{n}-starts").zfill(5), n))


def _of_week(schedule: Schedule, service: str, first: date) -> list[tuple[date, Opening]]:
    own = [opening for opening in schedule.openings if opening.service == service]
    found = [(day, opening) for day in days_from(first) for opening in own if opening.is_on(day)]
    return sorted(found, key=lambda each: (each[0], each[1].starts, each[1].ends))


def _is_shown(opening: Opening, first: date) -> bool:
    return opening.day is None or first <= opening.day < first + WEEK


def _put_row(form: Form, number: int, day: date, opening: Opening) -> None:
    form.values |= {
        f"t-{number}-day": str(day),
        f"t-{number}-starts": f"{opening.starts:%H:%M}",
        f"t-{number}-ends": f"{opening.ends:%H:%M}",
        f"t-{number}-kind": "slot" if opening.whole else "hours",
        f"t-{number}-repeat": "weekly" if opening.day is None else "once",
        f"t-{number}-gone": "",
    }


def _read_openings(form: Form, service: str, first: date) -> list[Opening]:
    openings: list[Opening] = []
    for day in days_from(first):
        rows = []
        for row in rows_of(form, "t"):
            if row.text("day") != str(day) or (span := row.span()) is None:
                continue
            rows.append((row, *span))
            is_weekly = row.text("repeat") == "weekly"
            openings.append(
                Opening(
                    service,
                    *span,
                    weekday=day.weekday() if is_weekly else None,
                    day=None if is_weekly else day,
                    whole=row.text("kind") == "slot",
                )
            )
        refuse_overlaps(rows)
    return openings


def _read_copies(form: Form) -> int:
    typed = form.text("copies") or "0"
    if not re.fullmatch(r"\d{1,2}", typed, re.ASCII) or int(typed) > COPIES_MAX:
        form.refuse("copies", f"Use a number of weeks up to {COPIES_MAX}.")
        return 0
    return int(typed)


def _copies(openings: Iterable[Opening], weeks: int, there: set[object]) -> list[Opening]:
    """What is on single dates, in the weeks that follow; what is there already is not doubled."""
    dated = [(opening, opening.day) for opening in openings if opening.day is not None]
    return [
        Opening(opening.service, opening.starts, opening.ends, day=day + n * WEEK, whole=opening.whole)
        for n in range(1, weeks + 1)
        for opening, day in dated
        if (day + n * WEEK, opening.starts, opening.ends) not in there
    ]


def _read_rules(form: Form, schedule: Schedule, service: Service, first: date) -> list[SlotRule]:
    """Of the slots whose fields were in the form; the others stay as they are."""
    slots = [offered.slot for day in days_from(first) for offered in schedule.slots_on(service.key, day)]
    return [_read_rule(form, schedule, service, slot) for slot in slots if form.text(f"slot-{slot.id}")]


def _read_rule(form: Form, schedule: Schedule, service: Service, slot: Slot) -> SlotRule:
    present = schedule.rule_of(slot)
    capacity = present.capacity
    if service.capacity_rule is CapacityRule.FIXED:
        capacity = _read_seats(form, service, slot) if is_typed(form, slot) else present.capacity
    return SlotRule(slot, is_to_be_closed(form, slot, present.is_closed), capacity, present.is_kept)


def said_shown(seats: int, *, is_closed: bool) -> str:
    """What the form shows of a slot, as it is sent along: `12`, or `12 closed`."""
    return f"{seats} {_CLOSED}" if is_closed else str(seats)


def is_typed(form: Form, slot: Slot) -> bool:
    """Whether somebody typed other seats than the form had shown: what is only sent back is no wish."""
    return form.text(f"slot-{slot.id}").partition(" ")[0] != form.text(f"seats-{slot.id}")


def is_to_be_closed(form: Form, slot: Slot, is_closed: bool) -> bool:
    """As it is by now, unless somebody ticked otherwise than was shown: it may have been frozen meanwhile."""
    is_ticked = form.text(f"closed-{slot.id}") == "on"
    was_shown = form.text(f"slot-{slot.id}").endswith(_CLOSED)
    return is_closed if is_ticked == was_shown else is_ticked


def _read_seats(form: Form, service: Service, slot: Slot) -> int | None:
    """None where it is just what all slots of the service have."""
    typed = form.text(f"seats-{slot.id}")
    if not typed:
        return None
    if not re.fullmatch(r"\d{1,6}", typed, re.ASCII) or not 1 <= int(typed) <= CAPACITY_MAX:
        form.refuse(f"seats-{slot.id}", f"Use a whole number of seats from 1 to {CAPACITY_MAX}.")
        return None
    return None if int(typed) == service.capacity else int(typed)


def _spelled_day(schedule: Schedule, service: str, day: date) -> str:
    own = sorted((o for o in schedule.openings if o.service == service and o.is_on(day)), key=lambda o: o.starts)
    said = (said_span(o.starts, o.ends) + (f", every {day:%A}" if o.day is None else "") for o in own)
    return "; ".join(said) or "no times"
