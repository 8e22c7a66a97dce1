"""The only place where attempts go from state to state: each step is one transaction, and none is taken twice."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.attempts import STUCK, Attempt
from widget_server.domain.audit_log import NOBODY, Deed, Entry
from widget_server.domain.bookings import BookingState
from widget_server.domain.messages import Kind, NewMessage, Role
from widget_server.domain.money import Money
from widget_server.domain.orders import OrderState, OutcomeState
from widget_server.domain.payments import AttemptState, Dispute, Payment, PaymentState
from widget_server.domain.slots import Slot
from widget_server.errors import KEYS_REFUSED, NotFound, Paying
from widget_server.store import meetings
from widget_server.store.assignments import free
from widget_server.store.attempts import WAITING, lock_attempt, move_on, new_row, order_of, read_last, to_attempt
from widget_server.store.audit_log import put_entry
from widget_server.store.confirmations import Confirmation, Stage, write_confirmation
from widget_server.store.coupons import give_back_use, take_use
from widget_server.store.database import Database, insert
from widget_server.store.disputes import write_dispute
from widget_server.store.messages import put_message
from widget_server.store.outbox import BOOKING_CANCELLED, tell_engine
from widget_server.store.outcomes import abandon, move_outcome, void_outcome
from widget_server.store.reschedulings import Rescheduling, write_rescheduling
from widget_server.store.tables import AssignmentRow, AttemptRow, BookingRow, MeetingRow, OrderRow, values
from widget_server.store.telling import tell_booked

LET_GO_AGAIN_AFTER = timedelta(seconds=5)
"""Whoever ends an attempt gives its seats back at once; should they die, the worker does after that."""
_FIRST_LOOK = timedelta(seconds=2)
_Write = Callable[[AsyncSession, AttemptRow], Awaitable[None]]


class Payments:
    """All of it may be done twice, by several at once, and by somebody who was stopped for an hour: what is to happen
    from one state happens only in that state, and the answer is the attempt as it is by then.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def begin(self, new: Attempt, *, due_at: datetime) -> Attempt:
        """Written before anybody at Stripe hears of it, with the use of its coupon. Where the hold has one that has not
        ended, that is returned. Raises CouponRefused.
        """
        row = new_row(new, due_at=due_at)
        async with self._db.transaction() as session:
            await session.exec(insert(session, AttemptRow).values(values(row)).on_conflict_do_nothing())
            found = await read_last(session, new.site_id, new.hold_id)
            assert found is not None
            if found.public_id == new.id and (coupon := new.wanted.coupon):
                email = new.wanted.customer.email
                await take_use(session, new.site_id, coupon.id, hold_id=new.hold_id, email=email, at=new.created_at)
            return to_attempt(found)

    async def begin_move(self, new: Attempt, *, due_at: datetime) -> Attempt:
        """Likewise, for what a move costs more. Raises NotFound; Paying while another move of the order is paid."""
        row, order_id = new_row(new, due_at=due_at), new.order_id
        of_hold = (col(OrderRow.site_id) == new.site_id, col(OrderRow.hold_id) == order_id)
        others = (
            col(AttemptRow.site_id) == new.site_id,
            col(AttemptRow.order_id) == order_id,
            col(AttemptRow.hold_id) != new.hold_id,
            col(AttemptRow.state).in_(WAITING),
        )
        async with self._db.transaction() as session:
            if (await session.exec(select(OrderRow.id).where(*of_hold).with_for_update())).one_or_none() is None:
                raise NotFound("There is no such order.")
            if (await session.exec(select(AttemptRow.id).where(*others).limit(1))).first() is not None:
                raise Paying("Another move of this booking is just being paid.")
            await session.exec(insert(session, AttemptRow).values(values(row)).on_conflict_do_nothing())
            found = await read_last(session, new.site_id, new.hold_id)
            assert found is not None
            return to_attempt(found)

    async def move(self, attempt_id: str, payment: Payment, wanted: Rescheduling, at: datetime) -> Attempt:
        """What a move costs more was taken: the bookings move, all in one. Raises what `Bookings.reschedule` raises."""
        assert payment.state is PaymentState.CAPTURED

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            row.fence, row.intent_id, row.was_paid = wanted.fence, payment.intent_id, True
            row.method = asdict(payment.method) if payment.method else None
            put_deed(session, row, Deed.PAYMENT_CAPTURED, at, slots=[move.offered.slot.id for move in wanted.moves])
            move_on(row, AttemptState.PAID, at=at, due_in=None)
            await session.flush()
            await write_rescheduling(session, wanted)

        return await self._step(attempt_id, (AttemptState.OPEN,), write)

    async def opened(self, attempt_id: str, payment: Payment, *, fence: int, at: datetime) -> Attempt:
        """Its customer can pay from now on."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            row.session_id, row.session_url, row.fence = payment.session_id, payment.url, fence
            move_on(row, AttemptState.OPEN, at=at, due_in=_FIRST_LOOK)

        return await self._step(attempt_id, (AttemptState.OPENING,), write)

    async def pinned_again(self, attempt_id: str, *, fence: int) -> Attempt:
        """Redis had lost its pin; it has another one by now."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            row.fence = fence

        return await self._step(attempt_id, (AttemptState.OPEN,), write)

    async def go_back(self, attempt_id: str, at: datetime) -> Attempt:
        """Its customer does not want to pay any more. Stripe may say that they have."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            row.went_back_at = row.went_back_at or at
            row.due_at = at + LET_GO_AGAIN_AFTER

        return await self._step(attempt_id, (AttemptState.OPEN,), write)

    async def book(self, attempt_id: str, payment: Payment, wanted: Confirmation, at: datetime) -> Attempt:
        """What Stripe says is paid becomes an order: with the money still to be taken, or, where it is, all at once.

        Raises what `Bookings.confirm` raises.
        """

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            if at >= row.pay_until:
                put_deed(session, row, Deed.SAME_SEATS_TAKEN, at)
            await book_paid(session, row, payment, wanted, at)

        return await self._step(attempt_id, (AttemptState.OPEN,), write)

    async def captured(self, attempt_id: str, at: datetime, *, remind_hours: Mapping[str, int]) -> Attempt:
        """The money is taken: the order is paid, its bookings are confirmed, and whom it concerns is told."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            move_on(row, AttemptState.PAID, at=at, due_in=None)
            put_deed(session, row, Deed.PAYMENT_CAPTURED, at)
            before, after = OutcomeState.CONFIRMING, OutcomeState.CONFIRMED
            await move_outcome(session, row.site_id, _held_by(row), before=before, after=after)
            order = await _move_order(session, row, before=OrderState.AUTHORISED, after=OrderState.PAID)
            of_order = (col(BookingRow.order_id) == order.id, col(BookingRow.state) == BookingState.CONFIRMING)
            await session.exec(update(BookingRow).where(*of_order).values(state=BookingState.CONFIRMED))
            has_attendees = any(any(line.get("emails", ())) for line in row.wanted["lines"])
            held_by = _held_by(row)
            await _tell_booked(
                session, order, at, held_by=held_by, remind_hours=remind_hours, has_attendees=has_attendees
            )

        return await self._step(attempt_id, (AttemptState.CAPTURING,), write)

    async def undo(self, attempt_id: str, at: datetime, *, why: str) -> Attempt:
        """The capture was refused: the seats are free again, and what is set aside goes back."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            move_on(row, AttemptState.RETURNING, at=at, why=why)
            put_deed(session, row, Deed.CAPTURE_REFUSED, at)
            await void_outcome(session, row.site_id, _held_by(row), fence=row.fence)
            order = await _move_order(session, row, before=OrderState.AUTHORISED, after=OrderState.VOIDED)
            await _give_seats_back(session, order, at)
            tell_engine(session, BOOKING_CANCELLED, row.site_id, row.hold_id, fence=None, at=at)

        return await self._step(attempt_id, (AttemptState.CAPTURING,), write)

    async def void(
        self, attempt_id: str, at: datetime, *, payment: Payment | None, why: str, deed: Deed = Deed.PAID_TOO_LATE
    ) -> Attempt:
        """There are no seats for it: what is paid, now or later, goes back, and the hold never becomes a booking.

        `deed` is what the audit log says where something was paid.
        """

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            note_payment(row, payment)
            move_on(row, AttemptState.RETURNING, at=at, why=why)
            put_deed(session, row, deed if payment and row.was_paid else Deed.PAYMENT_LET_GO, at)
            await void_outcome(session, row.site_id, row.hold_id, fence=row.fence)

        return await self._step(attempt_id, (AttemptState.OPEN,), write)

    async def not_opened(self, attempt_id: str, at: datetime, *, fence: int = 0, why: str) -> Attempt:
        """There is no page for it, or none that anybody has heard of. `fence` is that of its pin, if there is one."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            row.fence = fence
            await _end(session, row, at, why=why)

        return await self._step(attempt_id, (AttemptState.OPENING,), write)

    async def give_up(self, attempt_id: str, at: datetime, *, why: str) -> Attempt:
        """Stripe says that nothing was paid, and nothing can be any more. Its customer may try again."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            if row.went_back_at is None:
                put_deed(session, row, Deed.PAYMENT_WINDOW_ENDED, at)
            await _end(session, row, at, why=why)

        return await self._step(attempt_id, (AttemptState.OPEN,), write)

    async def returned(self, attempt_id: str, at: datetime, *, is_refund: bool) -> Attempt:
        """All that was paid has gone back, and its customer is told, if anything was. Otherwise than by a refund, what
        was set aside was given up.
        """

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            move_on(row, AttemptState.ENDED, at=at, due_in=None)
            before, after = OutcomeState.VOIDING, OutcomeState.VOIDED
            for hold_id in {row.hold_id, _held_by(row)}:
                await move_outcome(session, row.site_id, hold_id, before=before, after=after)
            if row.was_paid:
                put_deed(session, row, Deed.PAYMENT_REFUNDED if is_refund else Deed.PAYMENT_VOIDED, at)
                await put_message(session, _returned(to_attempt(row), at))
            await _give_use_back(session, row)

        return await self._step(attempt_id, (AttemptState.RETURNING,), write)

    async def return_again(self, attempt_id: str, at: datetime) -> Attempt:
        """What had gone back has not: a bank has refused it."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            row.ended_at = None
            move_on(row, AttemptState.RETURNING, at=at)
            before, after = OutcomeState.VOIDED, OutcomeState.VOIDING
            await move_outcome(session, row.site_id, row.hold_id, before=before, after=after)

        return await self._step(attempt_id, (AttemptState.ENDED,), write)

    async def was_paid(self, attempt_id: str, payment: Payment) -> Attempt:
        """What Stripe says of one whose money is to go back: there is some."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            note_payment(row, payment)

        return await self._step(attempt_id, (AttemptState.RETURNING,), write)

    async def stuck(self, attempt_id: str, at: datetime, *, keys: str) -> Attempt:
        """Its keys can neither take nor give back the money: the owners are told, once for these keys."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            row.why = KEYS_REFUSED
            told = NewMessage(
                row.site_id, Kind.PAYMENT_STUCK, Role.OPERATOR, f"keys/{keys}", at, order_id=order_of(row)
            )
            await put_message(session, told)

        return await self._step(attempt_id, STUCK, write)

    async def disputed(self, attempt_id: str, dispute: Dispute, at: datetime) -> Attempt:
        """What a bank is asked, or has decided: whatever became of the payment."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            await write_dispute(session, row, dispute, at)

        return await self._step(attempt_id, tuple(AttemptState), write)

    async def rest(self, attempt_id: str) -> Attempt:
        """All that follows from its end, or from being paid, has been done."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            row.due_at = None

        return await self._step(attempt_id, (AttemptState.ENDED, AttemptState.PAID), write)

    async def _step(self, attempt_id: str, states: tuple[AttemptState, ...], write: _Write) -> Attempt:
        """Locks in the order that all transactions keep: attempt, outcome, site, order, meetings by id, staff by id,
        coupon.
        """
        async with self._db.transaction() as session:
            row = await lock_attempt(session, attempt_id)
            if row.state in states:
                await write(session, row)
            return to_attempt(row)


async def _end(session: AsyncSession, row: AttemptRow, at: datetime, *, why: str) -> None:
    move_on(row, AttemptState.ENDED, at=at, due_in=LET_GO_AGAIN_AFTER, why=why)
    if row.fence:
        await abandon(session, row.site_id, row.hold_id, fence=row.fence)
    await _give_use_back(session, row)


async def _give_use_back(session: AsyncSession, row: AttemptRow) -> None:
    """Of its coupon, if it had one: nothing has come of it."""
    if row.wanted.get("coupon"):
        await give_back_use(session, row.site_id, row.hold_id)


async def book_paid(
    session: AsyncSession, row: AttemptRow, payment: Payment, wanted: Confirmation, at: datetime
) -> None:
    """What Stripe says is paid becomes an order: with the money still to be taken, or, where it is, all at once."""
    is_captured = wanted.stage is Stage.CAPTURED
    assert payment.state is (PaymentState.CAPTURED if is_captured else PaymentState.AUTHORISED)
    row.fence, row.intent_id, row.was_paid = wanted.fence, payment.intent_id, True
    row.method = asdict(payment.method) if payment.method else None
    if is_captured:
        put_deed(session, row, Deed.PAYMENT_CAPTURED, at)
        move_on(row, AttemptState.PAID, at=at, due_in=_FIRST_LOOK if row.seats_id else None)
    else:
        move_on(row, AttemptState.CAPTURING, at=at, due_in=_FIRST_LOOK)
    await session.flush()
    await write_confirmation(session, wanted)


def put_deed(session: AsyncSession, row: AttemptRow, deed: Deed, at: datetime, *, slots: Sequence[str] = ()) -> None:
    """What becomes of money stands in the audit log, with the step itself."""
    detail = {"number": row.wanted["number"], "slots": list(slots)}
    entry = Entry(row.site_id, NOBODY, deed, at, about=order_of(row), detail=detail)
    put_entry(session, entry.with_money("amount", Money(row.amount_minor, row.currency)))


def _held_by(row: AttemptRow) -> str:
    """The hold that has the seats of its order."""
    return row.seats_id or row.hold_id


def note_payment(row: AttemptRow, payment: Payment | None) -> None:
    if payment is not None:
        row.intent_id = payment.intent_id or row.intent_id
        row.was_paid = row.was_paid or payment.state in (PaymentState.AUTHORISED, PaymentState.CAPTURED)


async def _move_order(session: AsyncSession, row: AttemptRow, *, before: OrderState, after: OrderState) -> OrderRow:
    of_hold = (col(OrderRow.site_id) == row.site_id, col(OrderRow.hold_id) == row.hold_id)
    order = (await session.exec(select(OrderRow).where(*of_hold).with_for_update(key_share=True))).one()
    assert order.state == before, "it changes with its attempt"
    order.state = after
    session.add(order)
    return order


async def _give_seats_back(session: AsyncSession, order: OrderRow, at: datetime) -> None:
    of_order = (col(BookingRow.order_id) == order.id, col(BookingRow.state) == BookingState.CONFIRMING)
    bookings = (await session.exec(select(BookingRow).where(*of_order).order_by(col(BookingRow.meeting_id)))).all()
    await free(session, [row.id for row in bookings if row.id], at)
    for row in bookings:
        await meetings.give_seats_back(session, row.meeting_id, row.seats)
        row.state, row.cancelled_at = BookingState.CANCELLED, at
        session.add(row)


async def _tell_booked(
    session: AsyncSession,
    order: OrderRow,
    at: datetime,
    *,
    held_by: str,
    remind_hours: Mapping[str, int],
    has_attendees: bool,
) -> None:
    of_order = (
        select(BookingRow.id, MeetingRow.slot)
        .join(MeetingRow, col(MeetingRow.id) == col(BookingRow.meeting_id))
        .where(col(BookingRow.order_id) == order.id)
        .order_by(col(BookingRow.id))
    )
    bookings = {Slot.parse(slot): booking_id for booking_id, slot in await session.exec(of_order) if booking_id}
    serving = select(func.count()).where(col(AssignmentRow.booking_id).in_(bookings.values()))
    await tell_booked(
        session,
        order.site_id,
        order.hold_id,
        bookings,
        at,
        has_address=bool(order.customer_email),
        has_staff=(await session.exec(serving)).one() > 0,
        has_attendees=has_attendees,
        remind_hours=remind_hours,
        held_by=held_by,
    )


def _returned(attempt: Attempt, at: datetime) -> NewMessage:
    return NewMessage(
        attempt.site_id,
        Kind.MOVE_RETURNED if attempt.move else Kind.PAYMENT_RETURNED,
        Role.CUSTOMER,
        f"returned/{attempt.id}",
        at,
        order_id=attempt.order_id,
        address=attempt.wanted.customer.email,
        detail={"amount": attempt.amount.amount_minor, "currency": attempt.amount.currency},
    )
