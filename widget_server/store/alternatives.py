"""The only place where whoever has paid too late is offered other seats: each step is one transaction, taken once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.alternatives import STANDING, Alternative, AlternativeState
from widget_server.domain.attempts import Attempt
from widget_server.domain.audit_log import Deed
from widget_server.domain.messages import Kind, NewMessage, Role
from widget_server.domain.orders import OutcomeState
from widget_server.domain.payments import AttemptState, Payment
from widget_server.store.attempts import move_on, to_attempt
from widget_server.store.confirmations import Confirmation
from widget_server.store.messages import put_message
from widget_server.store.offered import read_alternatives, read_offered, to_alternative
from widget_server.store.outcomes import abandon, move_outcome, void_outcome
from widget_server.store.payments import Payments, book_paid, note_payment, put_deed
from widget_server.store.tables import AlternativeRow, AttemptRow, BookingRow, OrderRow, ReschedulingRow

_ANY_FENCE = 2**31 - 1
"""Nothing ever comes of an alternative that was given up, whoever pins it later."""


class LatePayments(Payments):
    async def alternatives(self, attempt_id: str) -> list[Alternative]:
        """All that were ever looked for, in the order in which they are offered."""
        its_attempt = col(AttemptRow.id) == col(AlternativeRow.attempt_id)
        of_attempt = select(AlternativeRow).join(AttemptRow, its_attempt).where(col(AttemptRow.public_id) == attempt_id)
        async with self._db.snapshot() as session:
            return [to_alternative(row) for row in await session.exec(of_attempt.order_by(col(AlternativeRow.id)))]

    async def offer(
        self,
        attempt_id: str,
        at: datetime,
        *,
        payment: Payment,
        why: str,
        until: datetime,
        alternatives: Sequence[Alternative],
    ) -> Attempt:
        """What was wanted never becomes a booking; these are to be held in its place, before anybody hears of them.

        Nor for what goes back already, unless it was let go before anybody knew that it was paid.
        """

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            if row.state == AttemptState.RETURNING and row.was_paid:
                return
            note_payment(row, payment)
            move_on(row, AttemptState.OFFERING, at=at, why=why)
            row.offered_until = until
            await void_outcome(session, row.site_id, row.hold_id, fence=row.fence)
            session.add_all(_new_row(row, each) for each in alternatives)
            put_deed(session, row, Deed.PAID_TOO_LATE, at)

        return await self._step(attempt_id, (AttemptState.OPEN, AttemptState.RETURNING), write)

    async def held(
        self, attempt_id: str, at: datetime, *, held: Mapping[str, int], gone: Collection[str] = ()
    ) -> Attempt:
        """Which of them can be had, by their fences, and which cannot. The very seats that were paid for are chosen by
        that. Of others the customer is told, once; where there are none, the money goes back.
        """

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            alternatives = await read_alternatives(session, row.id)
            was_told = any(each.state == AlternativeState.HELD for each in alternatives)
            for each in alternatives:
                if each.hold_id in held and each.state in STANDING:
                    each.state, each.fence = AlternativeState.HELD, held[each.hold_id]
            await _give_up(session, row, [each for each in alternatives if each.hold_id in gone])
            if row.chosen_id is None:
                await _ask(session, row, alternatives, at, was_told=was_told)

        return await self._step(attempt_id, (AttemptState.OFFERING,), write)

    async def choose(self, attempt_id: str, hold_id: str, at: datetime) -> Attempt:
        """Its customer wants these; who chooses first has chosen. Nothing changes once the time is over."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            offered = await read_offered(session, row.id)
            if row.chosen_id is None and _is_offered(row, at) and hold_id in {each.hold_id for each in offered}:
                row.chosen_id, row.due_at = hold_id, at

        return await self._step(attempt_id, (AttemptState.OFFERING,), write)

    async def decline(self, attempt_id: str, at: datetime) -> Attempt:
        """Its customer wants none of them: the money goes back. Nothing changes once they have chosen."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            if row.chosen_id is None:
                put_deed(session, row, Deed.ALTERNATIVES_DECLINED, at)
                await _send_back(session, row, at, why="the customer wanted no other time")

        return await self._step(attempt_id, (AttemptState.OFFERING,), write)

    async def run_out(self, attempt_id: str, at: datetime) -> Attempt:
        """Nobody has chosen in time, likewise."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            if row.chosen_id is None and not _is_offered(row, at):
                put_deed(session, row, Deed.ALTERNATIVES_RUN_OUT, at)
                await _send_back(session, row, at, why="no other time was chosen in time")

        return await self._step(attempt_id, (AttemptState.OFFERING,), write)

    async def withdraw(self, attempt_id: str, at: datetime, *, why: str) -> Attempt:
        """Nothing can be booked with this payment any more, whatever is chosen."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            await _send_back(session, row, at, why=why)

        return await self._step(attempt_id, (AttemptState.OFFERING,), write)

    async def lost(self, attempt_id: str, hold_id: str, at: datetime) -> Attempt:
        """What was chosen cannot be had after all: another one may be chosen, if there is one."""

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            if row.chosen_id != hold_id:
                return
            alternatives = await read_alternatives(session, row.id)
            row.chosen_id, row.due_at = None, at
            await _give_up(session, row, [each for each in alternatives if each.hold_id == hold_id])
            if not any(each.state in STANDING for each in alternatives):
                await _send_back(session, row, at, why="no other time could be had")

        return await self._step(attempt_id, (AttemptState.OFFERING,), write)

    async def take(self, attempt_id: str, payment: Payment, wanted: Confirmation, at: datetime) -> Attempt:
        """What was chosen becomes the order, as it was sold, in the place of what was wanted; the others are given up.

        Raises what `Bookings.confirm` raises.
        """

        async def write(session: AsyncSession, row: AttemptRow) -> None:
            if row.chosen_id != wanted.hold_id:
                return
            alternatives = await read_alternatives(session, row.id)
            (chosen,) = (each for each in alternatives if each.hold_id == wanted.hold_id)
            lines = zip(row.wanted["lines"], chosen.slots, strict=True)
            row.wanted = {**row.wanted, "lines": [{**line, "slot": of} for line, of in lines]}
            row.seats_id, chosen.state = wanted.hold_id, AlternativeState.TAKEN
            before, after = OutcomeState.VOIDING, OutcomeState.VOIDED
            await move_outcome(session, row.site_id, row.hold_id, before=before, after=after)
            await _give_up(session, row, [each for each in alternatives if each is not chosen])
            deed = Deed.SAME_SEATS_TAKEN if chosen.is_same else Deed.ALTERNATIVE_TAKEN
            put_deed(session, row, deed, at, slots=chosen.slots)
            await book_paid(session, row, payment, wanted, at)
            await _note_who_holds(session, row, at)

        return await self._step(attempt_id, (AttemptState.OFFERING,), write)


async def _ask(
    session: AsyncSession, row: AttemptRow, alternatives: Sequence[AlternativeRow], at: datetime, *, was_told: bool
) -> None:
    held = [each for each in alternatives if each.state == AlternativeState.HELD]
    same = next((each for each in held if each.is_same), None)
    if same is not None:
        row.chosen_id = same.hold_id
    elif held and not was_told:
        put_deed(session, row, Deed.ALTERNATIVES_HELD, at, slots=[slot for each in held for slot in each.slots])
        await put_message(session, _question(row, at))
    elif not any(each.state in STANDING for each in alternatives):
        move_on(row, AttemptState.RETURNING, at=at)


async def _send_back(session: AsyncSession, row: AttemptRow, at: datetime, *, why: str) -> None:
    row.chosen_id = None
    move_on(row, AttemptState.RETURNING, at=at, why=why)
    await _give_up(session, row, await read_alternatives(session, row.id))


async def _give_up(session: AsyncSession, row: AttemptRow, alternatives: Sequence[AlternativeRow]) -> None:
    """Whoever finds a pin of theirs frees it: their outcome says that nothing comes of it."""
    for each in alternatives:
        if each.state in STANDING:
            each.state = AlternativeState.GONE
            await abandon(session, row.site_id, each.hold_id, fence=_ANY_FENCE)


async def _note_who_holds(session: AsyncSession, row: AttemptRow, at: datetime) -> None:
    """The seats of this order were taken under another hold than its own: as if it had moved there at once."""
    of_order = (col(OrderRow.site_id) == row.site_id, col(OrderRow.hold_id) == row.hold_id)
    bookings = select(BookingRow.id, BookingRow.meeting_id).join(OrderRow, _its_order).where(*of_order)
    for booking_id, meeting_id in (await session.exec(bookings)).all():
        assert booking_id is not None
        assert row.seats_id is not None
        between = {"from_meeting_id": meeting_id, "to_meeting_id": meeting_id}
        session.add(
            ReschedulingRow(site_id=row.site_id, hold_id=row.seats_id, booking_id=booking_id, created_at=at, **between)
        )


_its_order = col(OrderRow.id) == col(BookingRow.order_id)


def _is_offered(row: AttemptRow, at: datetime) -> bool:
    return row.offered_until is not None and at < row.offered_until


def _question(row: AttemptRow, at: datetime) -> NewMessage:
    return NewMessage(
        row.site_id,
        Kind.PAID_TOO_LATE,
        Role.CUSTOMER,
        f"late/{row.public_id}",
        at,
        order_id=row.hold_id,
        address=to_attempt(row).wanted.customer.email,
    )


def _new_row(row: AttemptRow, wanted: Alternative) -> AlternativeRow:
    assert row.id is not None
    return AlternativeRow(
        site_id=row.site_id,
        attempt_id=row.id,
        hold_id=wanted.hold_id,
        slots=[slot.id for slot in wanted.slots],
        is_same=wanted.is_same,
        state=wanted.state,
        fence=wanted.fence,
    )
