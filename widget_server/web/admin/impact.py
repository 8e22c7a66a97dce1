"""The only place that shows what an edit would do to seats that are taken, and reads what the operator chose."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from widget_server.domain.impact import Affected, Choice, Chosen, Overlap, Trouble
from widget_server.domain.move_requests import MESSAGE_LETTERS_MAX
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.errors import Changed, InvalidRequest, Unavailable
from widget_server.use_cases.edits import Edited, fingerprint_of
from widget_server.web.admin.times import said_span
from widget_server.web.forms import Form

SHOWN_MAX = 100
SINGLE_MAX = 100
"""For so many bookings something else can be chosen than for all."""
_SINGLE = "choice-"
_SINGLE_FIELD = re.compile(_SINGLE + r"(\d{1,10})", re.ASCII)
_WHY = {
    Trouble.NOT_OFFERED: "no opening hours then",
    Trouble.WITHDRAWN: "the service would not be offered",
    Trouble.BLACKOUT: "in the blackout",
    Trouble.NO_SHIFTS: "nobody would be there",
    Trouble.CLOSED: "closed",
    Trouble.TOO_FEW_SEATS: "more seats taken than it would have",
    Trouble.STAFF_AWAY: "who is to serve it would be away",
    Trouble.UNSERVED: "by shift, and nobody is there for it",
}


@dataclass(frozen=True, slots=True)
class ShownBooking:
    customer: str
    said: str
    field: str
    """In which something else is chosen for it than for all; empty where there is none."""


@dataclass(frozen=True, slots=True)
class ShownSlot:
    when: str
    service: str
    taken: str
    why: str
    bookings: tuple[ShownBooking, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownOverlap:
    said: str
    bookings: tuple[ShownBooking, ...] = ()
    """Of the taken slot, unless they are shown before."""
    when: str = ""


@dataclass(frozen=True, slots=True)
class ShownImpact:
    too_full: list[ShownSlot]
    affected: list[ShownSlot]
    overlaps: list[ShownOverlap]
    more: int
    """So many are not shown."""
    bookings: int
    bookings_seen: str
    """The fingerprint of all bookings concerned, also of those that are not shown."""
    have_changed: bool
    are_unserved: bool
    """Not too full, but with nobody to serve them."""


def chosen(form: Form) -> Chosen | None:
    """What the operator wants of those who are affected, as far as they have said so."""
    every, message = _choice(form.text("choice")), read_message(form)
    if every is None or message is None:
        return None
    singles = {
        int(found[1]): _choice(form.text(name)) for name in form.values if (found := _SINGLE_FIELD.fullmatch(name))
    }
    otherwise = {booking_id: choice for booking_id, choice in singles.items() if choice is not None}
    return Chosen(every, otherwise, message, form.text("bookings_seen"))


def read_message(form: Form) -> str | None:
    """What customers are to read, without characters that nobody can; None where it is too long."""
    message = "".join(letter for letter in form.text("message") if letter.isprintable() or letter == "\n")
    if len(message) > MESSAGE_LETTERS_MAX:
        told = f"Your message has {len(message)} characters, and may have {MESSAGE_LETTERS_MAX}: shorten it."
        form.refuse("page", told)
        return None
    return message


def _choice(text: str) -> Choice | None:
    return Choice(text) if text in set(Choice) else None


@contextmanager
def refused_beside(form: Form, changed: str) -> Iterator[None]:
    """Why an edit is not taken goes into its form: also that somebody else has saved another one meanwhile."""
    try:
        yield
    except Changed:
        form.is_outdated = True
        form.refuse("page", changed)
    except InvalidRequest as refusal:
        form.refuse_as(refusal)


def refuse_for_now(form: Form, refusal: Unavailable) -> None:
    """Whether anything was saved may not even be known; what was typed is not lost in any case."""
    form.refuse("page", f"{refusal.message} All you typed is still here: save it once more.")


async def shown_impact(request: Request, site: Site, schedule: Schedule, edited: Edited | None) -> ShownImpact | None:
    """None where there is nothing to tell."""
    if edited is None or edited.is_saved:
        return None
    found = edited.consequences
    bookings: dict[Slot, list[ShownBooking]] = {}
    for number, booked in enumerate(edited.bookings):
        said = " · ".join(part for part in (booked.customer, booked.email, booked.number) if part)
        has_field = number < SINGLE_MAX and len(edited.bookings) > 1
        field = f"{_SINGLE}{booked.booking_id}" if has_field else ""
        bookings.setdefault(booked.slot, []).append(ShownBooking(booked.customer, said, field))

    def shown(one: Affected) -> ShownSlot:
        taken = one.taken
        return ShownSlot(
            when=said_when(taken.slot, schedule),
            service=schedule.services[taken.slot.service].name,
            taken=said_taken(taken.booked, taken.held),
            why=_WHY[one.trouble],
            bookings=tuple(bookings.pop(taken.slot, ())),
        )

    def shown_overlap(one: Overlap) -> ShownOverlap:
        across, taken = said_when(one.taken.slot, schedule), said_taken(one.taken.booked, one.taken.held)
        said = f"{said_when(one.slot, schedule)} would lie across {across}, which has {taken}"
        return ShownOverlap(said, tuple(bookings.pop(one.taken.slot, ())), across)

    return ShownImpact(
        too_full=[shown(one) for one in found.too_full[:SHOWN_MAX]],
        affected=[shown(one) for one in found.affected[:SHOWN_MAX]],
        overlaps=[shown_overlap(one) for one in found.overlaps[:SHOWN_MAX]],
        more=sum(max(0, len(each) - SHOWN_MAX) for each in (found.too_full, found.affected, found.overlaps)),
        bookings=len(edited.bookings),
        bookings_seen=fingerprint_of(edited.bookings),
        have_changed=edited.have_changed,
        are_unserved=any(one.trouble is Trouble.UNSERVED for one in found.too_full),
    )


def said_when(slot: Slot, schedule: Schedule) -> str:
    """Day and times on the clocks of the site."""
    starts, ends = (at.astimezone(schedule.zone) for at in (slot.starts_at, slot.ends_at))
    return f"{said_day(starts)}, {said_span(starts, ends)}"


def said_day(day: datetime) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def said_taken(booked: int, held: int) -> str:
    """`2 booked, 1 held`"""
    said = [f"{seats} {word}" for seats, word in ((booked, "booked"), (held, "held")) if seats]
    return ", ".join(said)
