"""The only place that decides what becomes of an attempt to pay: Stripe says what was paid, SQL what is booked.

It may be stopped anywhere: each step is a committed state of the attempt, from which whoever comes next goes on.
"""

from contextlib import suppress

import structlog

from widget_server.domain.attempts import OPENING_FOR, STUCK, Attempt
from widget_server.domain.audit_log import Deed
from widget_server.domain.payments import AttemptState, Payment, PaymentAccount, PaymentState, lost_minor
from widget_server.domain.sites import Site
from widget_server.errors import (
    NotFound,
    Paying,
    PaymentRefused,
    PaymentsAway,
    PaymentsNotSetUp,
    Refusal,
    SlotFull,
    StripeSilent,
    Unavailable,
)
from widget_server.store.bookings import OutcomeTaken
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.moving import Moving
from widget_server.use_cases.offering import GIVEN_BACK, NOT_MEANT, PAID, NotMeant, must_be_meant, must_not_be_over
from widget_server.use_cases.paid_seats import LOST, confirmation_of

_STEPS_MAX = 8

_log = structlog.get_logger()


class Deciding(Moving):
    async def carry_on(self, attempt: Attempt) -> Attempt:
        """Ask Stripe, do the next steps for what it says, and return what it is by then. Any number may do so at once.

        Raises PaymentsAway, Unavailable, PaymentsNotSetUp: it goes on from there when called again.
        """
        site = await self._sites.by_id(attempt.site_id)
        if site is None:
            raise NotFound("There is no such site.")
        for _ in range(_STEPS_MAX):
            try:
                after = await self._step(site, attempt)
            except StripeSilent as silent:
                await self._accounts.silences.suspect(site.id, is_test=attempt.is_test, at=self.now(), wait=silent.wait)
                raise
            except PaymentsNotSetUp:
                await self._wait_for_keys(site, attempt)
                raise
            if after.state is attempt.state:
                return after
            _log.info("attempt_moved", site=site.key, attempt=attempt.id, state=after.state.value, why=after.why or "")
            attempt = after
            if attempt.state is AttemptState.PAID:
                break
        return attempt

    async def _wait_for_keys(self, site: Site, attempt: Attempt) -> None:
        """Somebody has to know, where there is money in it. Nothing is undone: it goes on once there are other keys."""
        if attempt.is_stuck:
            return
        await self._accounts.doubt(site.id, is_test=attempt.is_test)
        if attempt.state not in STUCK:
            return
        _log.error("keys_needed", site=site.key, attempt=attempt.id)
        found = await self._accounts.read(site.id, is_test=attempt.is_test)
        keys = f"{attempt.is_test:d}/{found[0].entered_at:%Y%m%dT%H%M%S%f}" if found else f"{attempt.is_test:d}"
        await self._payments.stuck(attempt.id, self.now(), keys=keys)

    async def give_up_opening(self, site: Site, attempt: Attempt, why: str) -> Attempt:
        """Another one is to be opened in its place: it gives back the pin that it may have by now."""
        return await self.carry_on(await self._not_opened(site, attempt, why))

    async def _step(self, site: Site, attempt: Attempt) -> Attempt:
        match attempt.state:
            case AttemptState.OPENING:
                return await self._finish_opening(site, attempt)
            case AttemptState.OPEN:
                return await self._ask(site, attempt)
            case AttemptState.OFFERING:
                return await self._go_on_offering(site, attempt)
            case AttemptState.CAPTURING:
                return await self._capture(site, attempt)
            case AttemptState.PAID:
                return await self._look_for_refunds(site, attempt)
            case AttemptState.RETURNING:
                return await self._give_back(site, attempt)
            case AttemptState.ENDED:
                return await self._let_go(site, attempt)

    async def _finish_opening(self, site: Site, attempt: Attempt) -> Attempt:
        """Whoever was opening its page has died, or Stripe has not answered. Should there be one, nobody knows of it,
        so nobody can pay; it closes by itself.
        """
        now = self.now()
        if now < attempt.created_at + OPENING_FOR:
            return attempt
        return await self._not_opened(site, attempt, "its page was not opened in time")

    async def _not_opened(self, site: Site, attempt: Attempt, why: str) -> Attempt:
        fence = await self._fence_of(site, attempt)
        return await self._payments.not_opened(attempt.id, self.now(), fence=fence, why=why)

    async def _fence_of(self, site: Site, attempt: Attempt) -> int:
        """Of its pin, if there is one: while it has not ended, nobody else pins its hold."""
        with suppress(NotFound):
            pin = await self._engine.pinned(site, attempt.hold_id)
            return pin.fence if pin else 0
        return 0

    async def _ask(self, site: Site, attempt: Attempt) -> Attempt:
        """Stripe's answer wins, also when the window is over, and nobody gives up without having heard it."""
        now = self.now()
        is_over = attempt.is_over(now)
        if not is_over and not await self._keeps_seats(site, attempt):
            present = await self._attempts.find(attempt.site_id, attempt.id)
            if present is None or present.state is not AttemptState.OPEN:  # booked or ended, by somebody else
                return present or attempt
            _log.warning("seats_lost_while_paying", site=site.key, attempt=attempt.id)
            is_over = True
        try:
            payment = await self._answer_of(attempt, is_over=is_over)
        except PaymentsAway as away:
            return await self._let_go_or_wait(site, attempt, None, away)
        match payment.state:
            case PaymentState.OPEN:
                return attempt
            case PaymentState.PROCESSING:
                return await self._let_go_or_wait(site, attempt, payment, None)
            case PaymentState.GONE:
                return await self._payments.give_up(attempt.id, now, why="not paid")
            case PaymentState.AUTHORISED | PaymentState.CAPTURED:
                return await self._pay(site, attempt, payment)

    async def _answer_of(self, attempt: Attempt, *, is_over: bool) -> Payment:
        """Raises PaymentsAway."""
        assert attempt.session_id is not None, "it is open"
        ask = self._gateway.expire if is_over else self._gateway.read
        try:
            return await ask(await self._account(attempt), attempt.session_id)
        except (PaymentsNotSetUp, PaymentRefused):  # refused: these keys know of no such page
            message = "The payment service does not say just now how this payment stands."
            raise PaymentsAway(message) from None

    async def _account(self, attempt: Attempt) -> PaymentAccount:
        """While Stripe is silent nobody asks but whoever would give up otherwise."""
        now = self.now()
        if attempt.state is AttemptState.OPEN and attempt.is_let_go(now):
            return await super()._account(attempt)
        return await self._accounts.find_answering(attempt.site_id, is_test=attempt.is_test, at=now)

    async def _keeps_seats(self, site: Site, attempt: Attempt) -> bool:
        """Redis may have lost the pin: then the same seats are taken again, if nobody else has them by now."""
        if attempt.move is not None and not await self._stands(attempt):
            return False  # nobody is to pay for a move that cannot be any more
        try:
            await self._repeat(site.key, lambda listing: self._pin_again(listing, attempt))
        except LOST:
            return False
        return True

    async def _let_go_or_wait(
        self, site: Site, attempt: Attempt, payment: Payment | None, refusal: Refusal | None
    ) -> Attempt:
        """An hour after the window others may have the seats; what Stripe says after that is given back."""
        if attempt.is_let_go(self.now()):
            _log.error("seats_let_go", site=site.key, attempt=attempt.id)
            return await self._payments.void(attempt.id, self.now(), payment=payment, why="no answer in time")
        if refusal is not None:
            raise refusal
        return attempt

    async def _pay(self, site: Site, attempt: Attempt, payment: Payment) -> Attempt:
        """It is paid, if it is what was asked for."""
        if payment.amount != attempt.amount or payment.attempt_id != attempt.id:
            _log.error("payment_differs", site=site.key, attempt=attempt.id)
            deed, why = Deed.PAYMENT_DIFFERS, "another amount was paid"
            return await self._payments.void(attempt.id, self.now(), payment=payment, why=why, deed=deed)
        if payment.refunded_minor:
            deed = Deed.PAYMENT_GIVEN_BACK
            return await self._payments.void(attempt.id, self.now(), payment=payment, why=GIVEN_BACK, deed=deed)
        return await (self._move if attempt.move else self._book)(site, attempt, payment)

    async def _book(self, site: Site, attempt: Attempt, payment: Payment) -> Attempt:
        """SQL books the seats, or the money goes back. Whoever has decided before has decided for us."""

        async def book(listing: Listing) -> tuple[Attempt, int]:
            must_be_meant(listing, attempt)
            must_not_be_over(attempt, self.now())
            pin = await self._pin_again(listing, attempt)
            wanted = confirmation_of(listing, attempt, pin, payment)
            try:
                return await self._payments.book(attempt.id, payment, wanted, self.now()), pin.fence
            except SlotFull:  # of which Redis knew nothing
                await self._reconciliation.mend(site, [line.slot for line in attempt.wanted.lines])
                raise

        try:
            booked, fence = await self._repeat(site.key, book)
        except (Unavailable, Paying):
            raise  # nobody knows, or somebody is at it: the next look tells
        except NotMeant:
            return await self._payments.void(attempt.id, self.now(), payment=payment, why=NOT_MEANT)
        except (OutcomeTaken, Refusal) as problem:
            return await self._come_too_late(site, attempt, payment, problem)
        if booked.state in (AttemptState.CAPTURING, AttemptState.PAID):
            await self._reconciliation.tell_booked(site, attempt.hold_id, fence)
        return booked

    async def _come_too_late(
        self, site: Site, attempt: Attempt, payment: Payment, problem: OutcomeTaken | Refusal
    ) -> Attempt:
        """Unless somebody else has booked these seats for it."""
        why = problem.on_record if isinstance(problem, Refusal) else "the seats were given up before"
        if isinstance(problem, OutcomeTaken) and problem.order is not None:
            after = await self._payments.void(attempt.id, self.now(), payment=payment, why=why)
        else:
            lost = str(problem.details.get("slot", "")) if isinstance(problem, Refusal) else ""
            after = await self._offer(site, attempt, payment, why, lost=lost)
        if after.state in (AttemptState.OFFERING, AttemptState.RETURNING):
            _log.warning("paid_too_late", site=site.key, attempt=attempt.id, why=why)
        return after

    async def _capture(self, site: Site, attempt: Attempt) -> Attempt:
        """The seats are booked, so the money is taken. Where nobody knows whether it was, nothing is undone."""
        await self._free_others(site, attempt)
        account, why = await self._account(attempt), "the authorisation has ended"
        payment = await self._read(account, attempt)
        if payment.state is PaymentState.AUTHORISED:
            try:
                payment = await self._gateway.capture(account, payment, attempt_id=attempt.id)
            except PaymentRefused as refused:
                why, payment = refused.on_record, await self._read(account, attempt)
        if payment.state is PaymentState.CAPTURED:
            listing = await self._catalog.find(site.key)
            return await self._payments.captured(attempt.id, self.now(), remind_hours=listing.schedule.remind_hours)
        if payment.state not in (PaymentState.AUTHORISED, PaymentState.GONE):
            raise PaymentsAway("Stripe has not decided yet.")
        _log.warning("capture_refused", site=site.key, attempt=attempt.id, why=why)
        undone = await self._payments.undo(attempt.id, self.now(), why=why)
        await self._reconciliation.tell_freed(site, await self._store.booked_after(site.id, attempt.hold_id))
        return undone

    async def _give_back(self, site: Site, attempt: Attempt) -> Attempt:
        """There is no booking for it: an authorisation is voided, what was taken is refunded, a page is closed."""
        await self._free_seats(site, attempt.hold_id)
        await self._free_others(site, attempt)
        account = await self._account(attempt)
        payment = await self._read(account, attempt)
        if payment.state is PaymentState.OPEN:
            payment = await self._gateway.expire(account, payment.session_id)
        if payment.state in PAID and not attempt.was_paid:
            is_as_wanted = payment.amount == attempt.amount and payment.attempt_id == attempt.id
            if attempt.move is None and is_as_wanted and not payment.refunded_minor:
                return await self._offer(site, attempt, payment, attempt.why or "")
            attempt = await self._payments.was_paid(attempt.id, payment)
        if payment.state is PaymentState.AUTHORISED:
            payment = await self._gateway.void(account, payment, attempt_id=attempt.id)
        if payment.state is PaymentState.CAPTURED:
            if not await self._refunding.return_all(attempt, payment):
                return attempt
        elif payment.state is not PaymentState.GONE:
            return attempt
        is_refund = payment.state is PaymentState.CAPTURED
        returned = await self._payments.returned(attempt.id, self.now(), is_refund=is_refund)
        how = "refunded" if is_refund else "voided" if returned.was_paid else "not_paid"
        _log.warning("payment_returned", site=site.key, attempt=attempt.id, how=how, why=returned.why or "")
        return returned

    async def _let_go(self, site: Site, attempt: Attempt) -> Attempt:
        """Not paid: the hold is one again."""
        if attempt.rests:
            return await self._look_for_return(attempt) if attempt.was_paid else attempt
        await self.end_pin(site, attempt)
        return await self._payments.rest(attempt.id)

    async def _look_for_return(self, attempt: Attempt) -> Attempt:
        """What had gone back may have been refused by a bank days later."""
        payment = await self._read(await self._account(attempt), attempt)
        gone = payment.refunded_minor + lost_minor(attempt.disputes)
        if payment.state is PaymentState.CAPTURED and gone < payment.captured_minor:
            return await self._payments.return_again(attempt.id, self.now())
        return attempt

    async def _look_for_refunds(self, site: Site, attempt: Attempt) -> Attempt:
        """Somebody may have given money back in Stripe's own pages."""
        if attempt.seats_id and attempt.due_at:
            await self._free_others(site, attempt)
            attempt = await self._payments.rest(attempt.id)
        payment = await self._read(await self._account(attempt), attempt)
        await self._refunding.notice(attempt, payment)
        return attempt
