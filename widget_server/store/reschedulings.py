"""The only place where bookings move: new seats are taken and old ones given back in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.audit_log import NOBODY, Deed, Entry
from widget_server.domain.bookings import BookingState
from widget_server.domain.claims import Assignment
from widget_server.domain.coupons import fold
from widget_server.domain.money import Money
from widget_server.domain.move_prices import MoveTerms, SeatPrice
from widget_server.domain.move_requests import MoveState
from widget_server.domain.orders import Move, Order, OrderState, OutcomeState
from widget_server.domain.slots import Slot
from widget_server.errors import Changed, NotFound, PriceChanged, TooLate
from widget_server.store import meetings
from widget_server.store.assignments import assign, free
from widget_server.store.audit_log import put_entry
from widget_server.store.clearings import read_cleared
from widget_server.store.coupons import to_coupon
from widget_server.store.move_requests import end_requests
from widget_server.store.orders import read_order
from widget_server.store.outbox import BOOKING_RESCHEDULED, tell_engine
from widget_server.store.outcomes import decide
from widget_server.store.refunds import refund_moved
from widget_server.store.sites import lock_site_as_of
from widget_server.store.tables import BookingRow, CouponRow, MeetingRow, OrderRow, ReschedulingRow
from widget_server.store.telling import tell_moved

LOOK_AGAIN = "The price has changed meanwhile: look at it again."


@dataclass(frozen=True, slots=True)
class Rescheduling:
    """All that one moving transaction needs, and what it was worked out from: epoch, schedule, slots of the order."""

    site_id: int
    epoch: int
    schedule_version: int
    order_id: str
    seen: tuple[Slot, ...]
    """Where the order's bookings were, in their order."""
    hold_id: str
    """Under which the new seats are pinned."""
    fence: int
    moves: tuple[Move, ...]
    digest: str
    owner: str
    """Follows from the order's secret: whoever was told no under it cannot succeed."""
    at: datetime
    """When it began, before the hold was pinned."""
    remind_hours: Mapping[str, int] = field(default_factory=dict)
    """Service -> so long before its start its customers are reminded; others are not."""
    assignments: tuple[Assignment, ...] = ()
    """Who was claimed with the new seats, where their slots need somebody."""
    only_as_asked: frozenset[Slot] = frozenset()
    """What may be left by now only because the customer is asked to: it moves only while they still are."""
    prices: Mapping[Slot, SeatPrice] = field(default_factory=dict)
    """By the slots that are left, of those that cost something else from now on."""
    agreed_minor: int = 0
    """What its customer has agreed to settle for that; less than nothing: it goes back."""
    keep_as_asked: frozenset[Slot] = frozenset()
    """What would cost something else, if its customer were not asked to move it."""

    def __post_init__(self) -> None:
        assert self.moves
        leaves, takes = {move.leaves for move in self.moves}, {move.offered.slot for move in self.moves}
        assert len(leaves) == len(takes) == len(self.moves), "each slot once"
        assert leaves <= set(self.seen), "what moves was seen"
        assert set(self.prices) <= leaves, "what stays keeps its price"
        assert not takes & set(self.seen), "an order has each slot once"


@dataclass(frozen=True, slots=True)
class _Standing:
    """A booking as it stands while its order is locked."""

    id: int
    meeting_id: int
    slot: Slot
    seats: int
    state: BookingState
    price_minor: int
    """Of all its seats."""


async def read_terms(session: AsyncSession, site_id: int, order: Order) -> MoveTerms:
    """What decides about the price of its moves, where its services have another price by now."""
    of_code = (col(CouponRow.site_id) == site_id, col(CouponRow.folded) == fold(order.coupon))
    coupon = (await session.exec(select(CouponRow).where(*of_code))).one_or_none() if order.coupon else None
    of_order = (
        select(col(BookingRow.id), MeetingRow.slot)
        .join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id))
        .join(MeetingRow, col(MeetingRow.id) == col(BookingRow.meeting_id))
        .where(col(OrderRow.site_id) == site_id, col(OrderRow.hold_id) == order.id)
    )
    slots = {booking_id: Slot.parse(slot) for booking_id, slot in await session.exec(of_order) if booking_id}
    cleared = await read_cleared(session, list(slots))
    return MoveTerms(to_coupon(coupon) if coupon else None, frozenset(slots[booking_id] for booking_id in cleared))


async def write_rescheduling(session: AsyncSession, wanted: Rescheduling) -> Order:
    """Locks in the order that all transactions keep: outcome, site, order, meetings by id, staff by id."""
    hold_id, state, fence = wanted.hold_id, OutcomeState.CONFIRMED, wanted.fence
    await decide(session, wanted.site_id, hold_id, state, fence=fence, digest=wanted.digest, owner=wanted.owner)
    await lock_site_as_of(
        session, wanted.site_id, epoch=wanted.epoch, schedule_version=wanted.schedule_version, began_at=wanted.at
    )
    standing = await _lock_bookings(session, wanted)
    must_stand_as_seen(standing, wanted)
    asked = await end_requests_of(session, wanted, standing)
    back = await settle(session, wanted, standing, asked)
    await _move(session, wanted, {booking.slot: booking for booking in standing}, back)
    tell_engine(session, BOOKING_RESCHEDULED, wanted.site_id, hold_id, fence=fence, at=wanted.at)
    found = await read_order(session, wanted.site_id, wanted.order_id)
    assert found is not None
    return found[0]


async def _lock_bookings(session: AsyncSession, wanted: Rescheduling) -> list[_Standing]:
    """Of the order, in their order. Whoever else wants to move or cancel them waits."""
    of_id = select(OrderRow.id).where(col(OrderRow.site_id) == wanted.site_id, col(OrderRow.hold_id) == wanted.order_id)
    order = (await session.exec(of_id.with_for_update())).one_or_none()
    if order is None:
        raise NotFound("There is no such order.")
    of_order = (
        select(BookingRow, MeetingRow.slot)
        .join(MeetingRow, col(MeetingRow.id) == col(BookingRow.meeting_id))
        .where(col(BookingRow.order_id) == order)
        .order_by(col(BookingRow.id))
    )
    return [_standing(row, slot) for row, slot in await session.exec(of_order)]


def _standing(row: BookingRow, slot: str) -> _Standing:
    assert row.id is not None
    price_minor = row.unit_price_minor * row.seats - row.discount_minor
    return _Standing(row.id, row.meeting_id, Slot.parse(slot), row.seats, BookingState(row.state), price_minor)


def must_stand_as_seen(standing: Sequence[_Standing], wanted: Rescheduling) -> None:
    """What was worked out for other bookings than these must not happen to them."""
    leaves = {move.leaves for move in wanted.moves}
    if any(booking.state is not BookingState.CONFIRMED for booking in standing if booking.slot in leaves):
        raise TooLate("This booking was cancelled and can no longer be moved.")
    if tuple(booking.slot for booking in standing) != wanted.seen:
        raise Changed("This booking was moved meanwhile: read it again.")


async def end_requests_of(
    session: AsyncSession, wanted: Rescheduling, standing: Sequence[_Standing]
) -> frozenset[Slot]:
    """Whoever was asked for another time has chosen one: for which bookings, by the slots they leave. An operator may
    have withdrawn meanwhile: raises TooLate.
    """
    leaves = {move.leaves for move in wanted.moves}
    moving = {booking.id: booking.slot for booking in standing if booking.slot in leaves}
    asked = await end_requests(session, moving, MoveState.MOVED, wanted.at)
    were_asked = frozenset(moving[booking_id] for booking_id in asked)
    if wanted.only_as_asked - were_asked:
        raise TooLate("You are not asked to move this booking any more, and it is too late to move it otherwise.")
    return were_asked


async def settle(
    session: AsyncSession, wanted: Rescheduling, standing: Sequence[_Standing], asked: frozenset[Slot]
) -> Money | None:
    """What bookings cost from now on, and what goes back for that, if anything does. Where no price changes, not one
    statement is run. Raises PriceChanged where that is not what was agreed to.
    """
    if wanted.keep_as_asked - asked or asked & set(wanted.prices):
        raise PriceChanged(LOOK_AGAIN)
    repriced = [booking for booking in standing if booking.slot in wanted.prices]
    if repriced and await read_cleared(session, [booking.id for booking in repriced]):
        raise PriceChanged(LOOK_AGAIN)
    change = 0
    for booking in repriced:
        price = wanted.prices[booking.slot]
        change += price.of(booking.seats) - booking.price_minor
        priced = {"unit_price_minor": price.unit_price_minor, "discount_minor": price.discount_minor}
        await session.exec(update(BookingRow).where(col(BookingRow.id) == booking.id).values(**priced))
    back = None
    if change > 0:
        of_order = (col(OrderRow.site_id) == wanted.site_id, col(OrderRow.hold_id) == wanted.order_id)
        paid = {"total_minor": col(OrderRow.total_minor) + change, "state": OrderState.PAID}
        await session.exec(update(OrderRow).where(*of_order).values(**paid))
    if change < 0:
        back = await refund_moved(session, wanted.site_id, wanted.order_id, -change, wanted.at)
    if (-back.amount_minor if back else change) != wanted.agreed_minor:
        raise PriceChanged(LOOK_AGAIN)
    if back and not back.is_free:
        settled = Entry(wanted.site_id, NOBODY, Deed.MOVE_SETTLED, wanted.at, wanted.order_id)
        put_entry(session, settled.with_money("goes_back", back))
    return back


async def _move(
    session: AsyncSession, wanted: Rescheduling, standing: dict[Slot, _Standing], back: Money | None
) -> None:
    made = await meetings.find_or_make(session, wanted.site_id, [move.offered for move in wanted.moves])
    takes = {made[move.offered.slot.id]: move for move in wanted.moves}
    gives = {standing[move.leaves].meeting_id: standing[move.leaves].seats for move in wanted.moves}
    for meeting_id in sorted([*takes, *gives]):
        if meeting_id in takes:
            await meetings.take_seats(session, meeting_id, takes[meeting_id].offered, takes[meeting_id].seats)
        else:
            await meetings.give_seats_back(session, meeting_id, gives[meeting_id])
    for meeting_id, move in takes.items():
        await _repoint(session, wanted, standing[move.leaves], meeting_id)
    bookings = {move.offered.slot: standing[move.leaves].id for move in wanted.moves}
    await free(session, bookings.values(), wanted.at)
    offered = {move.offered.slot: move.offered for move in wanted.moves}
    await assign(session, wanted.site_id, wanted.assignments, offered, bookings)
    await tell_moved(
        session,
        wanted.site_id,
        wanted.order_id,
        bookings,
        wanted.at,
        hold_id=wanted.hold_id,
        left={standing[move.leaves].id: move.leaves for move in wanted.moves},
        remind_hours=wanted.remind_hours,
        back=back,
    )


async def _repoint(session: AsyncSession, wanted: Rescheduling, booking: _Standing, meeting_id: int) -> None:
    await session.exec(update(BookingRow).where(col(BookingRow.id) == booking.id).values(meeting_id=meeting_id))
    session.add(
        ReschedulingRow(
            site_id=wanted.site_id,
            hold_id=wanted.hold_id,
            booking_id=booking.id,
            from_meeting_id=booking.meeting_id,
            to_meeting_id=meeting_id,
            created_at=wanted.at,
        )
    )
