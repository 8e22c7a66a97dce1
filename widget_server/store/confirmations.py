"""The only place where held seats become booked: the steps of the confirming transaction, in their order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import insert
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.audit_log import Entry
from widget_server.domain.bookings import BookingState, Customer
from widget_server.domain.claims import Assignment
from widget_server.domain.coupons import UsedCoupon
from widget_server.domain.money import Money
from widget_server.domain.orders import Order, OrderState, OutcomeState
from widget_server.domain.questions import Answer
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.ids import hash_address, new_order_number
from widget_server.store import meetings
from widget_server.store.assignments import assign
from widget_server.store.audit_log import put_entry
from widget_server.store.coupons import take_use
from widget_server.store.database import insert_by
from widget_server.store.orders import read_order
from widget_server.store.outbox import BOOKING_CONFIRMED, tell_engine
from widget_server.store.outcomes import decide
from widget_server.store.questions import rows_of_answers
from widget_server.store.sites import lock_site_as_of
from widget_server.store.tables import AttendeeRow, BookingRow, OrderRow, values
from widget_server.store.telling import tell_booked

_NUMBER_TRIES_MAX = 5
_INSERT_BOOKING: Any = insert(BookingRow.__table__).returning(BookingRow.__table__.c.id)  # type: ignore[attr-defined]
_INSERT_ATTENDEES: Any = insert(AttendeeRow.__table__)  # type: ignore[attr-defined]
_INSERT = insert_by(
    OrderRow,
    lambda new: new.on_conflict_do_nothing(index_elements=["site_id", "number"]).returning(new.table.c.id),
)
_ANY_FENCE = 2**31 - 1
"""A hold has one attempt to pay it at a time, and its row is locked: whatever pin was given up before was another's. A
Redis that was filled anew counts its fences from one again."""


class Stage(StrEnum):
    """How much of an order is paid when its seats are booked."""

    FREE = "free"
    """There is nothing to pay."""
    AUTHORISED = "authorised"
    """The money is set aside and taken next; nobody is told before."""
    CAPTURED = "captured"


_STATES = {
    Stage.FREE: (OutcomeState.CONFIRMED, OrderState.PAID, BookingState.CONFIRMED),
    Stage.AUTHORISED: (OutcomeState.CONFIRMING, OrderState.AUTHORISED, BookingState.CONFIRMING),
    Stage.CAPTURED: (OutcomeState.CONFIRMED, OrderState.PAID, BookingState.CONFIRMED),
}


@dataclass(frozen=True, slots=True)
class ConfirmationLine:
    offered: OfferedSlot
    seats: int
    unit_price: Money
    service_name: str
    attendees: tuple[str, ...] = ()
    """Names of those who come, at most one a seat; may be empty, as may each name."""
    answers: tuple[Answer, ...] = ()
    discount_minor: int = 0
    """What a coupon takes off the price of all its seats."""
    attendee_emails: tuple[str, ...] = ()
    """Of those who come, likewise."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """All that one confirming transaction needs, and what it was worked out from: epoch and schedule version."""

    site_id: int
    epoch: int
    schedule_version: int
    hold_id: str
    fence: int
    lines: tuple[ConfirmationLine, ...]
    customer: Customer
    digest: str
    order_number: str
    order_secret_hash: str
    """Of a secret that follows from the hold's: whoever was told no under it cannot succeed."""
    at: datetime
    """When it began, before the hold was pinned."""
    entry: Entry | None = None
    """For the audit log, where an operator has booked for the customer."""
    assignments: tuple[Assignment, ...] = ()
    """Who was claimed with the hold, where its slots need somebody."""
    remind_hours: Mapping[str, int] = field(default_factory=dict)
    """Service -> so long before its start its customers are reminded; others are not."""
    order_id: str = ""
    """Where it is not the hold's own: seats that were taken in the place of others have a hold of their own."""
    is_test: bool = False
    """Whether the site is in test mode, in this version of its schedule; of what is paid, when that began."""
    stage: Stage = Stage.FREE
    coupon: UsedCoupon | None = None
    """With which it was sold. What is paid has taken its use with the attempt to pay it."""

    def __post_init__(self) -> None:
        assert self.lines
        assert len({line.offered.slot for line in self.lines}) == len(self.lines), "each slot once"
        assert all(
            line.seats > 0 and max(len(line.attendees), len(line.attendee_emails)) <= line.seats for line in self.lines
        )
        assert self.total.is_free is (self.stage is Stage.FREE), "a priced order is confirmed by its capture"

    @property
    def total(self) -> Money:
        lines = (line.unit_price.times(line.seats).less(line.discount_minor) for line in self.lines)
        return sum(lines, Money(0, self.lines[0].unit_price.currency))


async def write_confirmation(session: AsyncSession, wanted: Confirmation) -> Order:
    """Locks in the order that all transactions keep: outcome, site, meetings by id, staff by id, coupon."""
    site_id, hold_id, owner = wanted.site_id, wanted.hold_id, wanted.order_secret_hash
    state, fence = _STATES[wanted.stage][0], wanted.fence if wanted.stage is Stage.FREE else _ANY_FENCE
    await decide(session, site_id, hold_id, state, fence=fence, digest=wanted.digest, owner=owner)
    await lock_site_as_of(
        session, site_id, epoch=wanted.epoch, schedule_version=wanted.schedule_version, began_at=wanted.at
    )
    meeting_ids = await _take_seats(session, wanted)
    bookings = await _write_order(session, wanted, meeting_ids)
    offered = {line.offered.slot: line.offered for line in wanted.lines}
    await assign(session, site_id, wanted.assignments, offered, bookings)
    if wanted.coupon is not None and wanted.stage is Stage.FREE:
        email = wanted.customer.email
        await take_use(session, site_id, wanted.coupon.id, hold_id=hold_id, email=email, at=wanted.at)
    if wanted.entry is not None:
        put_entry(session, wanted.entry)
    tell_engine(session, BOOKING_CONFIRMED, wanted.site_id, wanted.hold_id, fence=wanted.fence, at=wanted.at)
    if wanted.stage is not Stage.AUTHORISED:
        await tell_booked(
            session,
            site_id,
            wanted.order_id or hold_id,
            bookings,
            wanted.at,
            has_address=bool(wanted.customer.email),
            has_staff=bool(wanted.assignments),
            has_attendees=any(any(line.attendee_emails) for line in wanted.lines),
            remind_hours=wanted.remind_hours,
            held_by=hold_id,
        )
    found = await read_order(session, wanted.site_id, wanted.order_id or hold_id)
    assert found is not None
    return found[0]


async def _take_seats(session: AsyncSession, wanted: Confirmation) -> dict[str, int]:
    """The id of each slot's meeting."""
    lines = {line.offered.slot.id: line for line in wanted.lines}
    meeting_ids = await meetings.find_or_make(session, wanted.site_id, [line.offered for line in wanted.lines])
    for slot, meeting_id in meeting_ids.items():
        await meetings.take_seats(session, meeting_id, lines[slot].offered, lines[slot].seats)
    return meeting_ids


async def _write_order(session: AsyncSession, wanted: Confirmation, meeting_ids: dict[str, int]) -> dict[Slot, int]:
    """The id of each slot's booking."""
    order_id = await _insert_order(session, wanted)
    _, _, state = _STATES[wanted.stage]
    ids: dict[Slot, int] = {}
    attendees: list[dict[str, Any]] = []
    for line in wanted.lines:
        booking = {
            "order_id": order_id,
            "meeting_id": meeting_ids[line.offered.slot.id],
            "service_name": line.service_name,
            "seats": line.seats,
            "unit_price_minor": line.unit_price.amount_minor,
            "answers": rows_of_answers(line.answers),
            "discount_minor": line.discount_minor,
            "state": state,
            "created_at": wanted.at,
        }
        booking_id: int = (await session.exec(_INSERT_BOOKING, params=booking)).scalar_one()
        attendees += _attendees(booking_id, line)
        ids[line.offered.slot] = booking_id
    await session.exec(_INSERT_ATTENDEES, params=attendees)
    return ids


async def _insert_order(session: AsyncSession, wanted: Confirmation) -> int:
    """A number that the site has given already is exchanged for another; they are random and hardly ever meet."""
    row = _new_order(wanted)
    for _ in range(_NUMBER_TRIES_MAX):
        order_id: int | None = (await session.exec(_INSERT(session), params=values(row))).scalar_one_or_none()
        if order_id is not None:
            return order_id
        row.number = new_order_number()
    raise AssertionError("order numbers are random")


def _new_order(wanted: Confirmation) -> OrderRow:
    return OrderRow(
        site_id=wanted.site_id,
        hold_id=wanted.order_id or wanted.hold_id,
        number=wanted.order_number,
        secret_hash=wanted.order_secret_hash,
        state=_STATES[wanted.stage][1],
        customer_name=wanted.customer.name,
        customer_email=wanted.customer.email or None,
        customer_zone=wanted.customer.zone,
        customer_locale=wanted.customer.locale,
        total_minor=wanted.total.amount_minor,
        currency=wanted.total.currency,
        created_at=wanted.at,
        is_test=wanted.is_test,
        address_hash=hash_address(wanted.customer.email) if wanted.customer.email else None,
        coupon=wanted.coupon.code if wanted.coupon else None,
    )


def _attendees(booking_id: int, line: ConfirmationLine) -> list[dict[str, Any]]:
    names, emails = (each + ("",) * (line.seats - len(each)) for each in (line.attendees, line.attendee_emails))
    return [
        {"booking_id": booking_id, "seat": seat, "name": name.strip(), "email": email or None}
        for seat, (name, email) in enumerate(zip(names, emails, strict=True), 1)
    ]
