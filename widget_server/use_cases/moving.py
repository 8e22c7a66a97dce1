"""The only place where bookings move once what that costs more is paid: the money first, then all in one transaction.

Were the money taken last, as for a new order, and refused then, the old seats might be somebody else's by that time.
"""

import structlog

from widget_server.domain.attempts import Attempt
from widget_server.domain.bookings import BookingState
from widget_server.domain.payments import AttemptState, Payment, PaymentState
from widget_server.domain.sites import Site
from widget_server.errors import (
    Changed,
    Paying,
    PaymentRefused,
    PaymentsAway,
    PaymentsNotSetUp,
    Refusal,
    SlotFull,
    Unavailable,
)
from widget_server.store.bookings import OutcomeTaken
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.offering import NOT_MEANT, NotMeant, Offering, must_be_meant, must_not_be_over
from widget_server.use_cases.paid_seats import move_of

_log = structlog.get_logger()


class Moving(Offering):
    async def _move(self, site: Site, attempt: Attempt, payment: Payment) -> Attempt:
        """It is paid: the bookings move, or the money goes back, and they stay where they are."""
        try:
            await self._repeat(site.key, lambda listing: self._must_be_possible(listing, attempt))
            payment = await self._taken(attempt, payment)
            if payment.state is PaymentState.GONE:
                return await self._payments.give_up(attempt.id, self.now(), why="the authorisation has ended")
            moved, fence = await self._repeat(site.key, lambda listing: self._write(listing, attempt, payment))
        except (Unavailable, Paying, PaymentsNotSetUp):
            raise  # nobody knows, somebody is at it, or the keys let nobody: the next look tells
        except NotMeant:
            return await self._payments.void(attempt.id, self.now(), payment=payment, why=NOT_MEANT)
        except (OutcomeTaken, Refusal) as problem:
            why = problem.on_record if isinstance(problem, Refusal) else "the seats were given up before"
            _log.warning("move_paid_for_nothing", site=site.key, attempt=attempt.id, why=why)
            return await self._payments.void(attempt.id, self.now(), payment=payment, why=why)
        if moved.state is AttemptState.PAID:
            await self._reconciliation.tell_booked(site, attempt.hold_id, fence)
        return moved

    async def _must_be_possible(self, listing: Listing, attempt: Attempt) -> None:
        """Before any money is taken. Raises NotMeant, Changed, SlotClosed, and what a hold does."""
        must_be_meant(listing, attempt)
        must_not_be_over(attempt, self.now())
        if not await self._stands(attempt):
            raise Changed("This booking was changed while its move was paid.")
        await self._pin_again(listing, attempt)

    async def _stands(self, attempt: Attempt) -> bool:
        """Whether the order is as it was when its customer began to pay for the move."""
        assert attempt.move is not None
        found = await self._store.find(attempt.site_id, attempt.order_id)
        if found is None:
            return False
        bookings = {booking.slot: booking.state for booking in found[0].bookings}
        are_theirs = all(bookings.get(slot) is BookingState.CONFIRMED for slot in attempt.move.leaves)
        return tuple(bookings) == attempt.move.seen and are_theirs

    async def _taken(self, attempt: Attempt, payment: Payment) -> Payment:
        """CAPTURED, or GONE where nothing was taken and nothing can be. Raises PaymentsAway."""
        if payment.state is not PaymentState.AUTHORISED:
            return payment
        account = await self._account(attempt)
        try:
            return await self._gateway.capture(account, payment, attempt_id=attempt.id)
        except PaymentRefused:
            payment = await self._read(account, attempt)
        if payment.state not in (PaymentState.CAPTURED, PaymentState.GONE):
            raise PaymentsAway("Stripe has not decided yet.")
        return payment

    async def _write(self, listing: Listing, attempt: Attempt, payment: Payment) -> tuple[Attempt, int]:
        pin = await self._pin_again(listing, attempt)
        try:
            moved = await self._payments.move(attempt.id, payment, move_of(listing, attempt, pin), self.now())
        except SlotFull:  # of which Redis knew nothing
            await self._reconciliation.mend(listing.site, [line.slot for line in attempt.wanted.lines])
            raise
        return moved, pin.fence
