"""The only place where money of paid orders goes back: by the policy they were sold with, or as an operator decides."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from widget_server.clock import Clock
from widget_server.domain.attempts import Attempt
from widget_server.domain.audit_log import Entry
from widget_server.domain.money import Money
from widget_server.domain.payments import Payment, PaymentAccount, Refund, Refunded, RefundReason, RefundState
from widget_server.errors import PaymentRefused, PaymentsNotSetUp, Refusal, StripeSilent
from widget_server.payments.stripe_gateway import StripeGateway
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.store.refunds import DueRefund, Refunds

_BATCH = 10
_FIRST_PAUSE, _PAUSE_MAX = timedelta(seconds=2), timedelta(minutes=10)
_AT_STRIPE_PAUSE = timedelta(hours=1)
"""Some refunds wait at Stripe, for days perhaps."""

_log = structlog.get_logger()


class Refunding:
    def __init__(self, *, refunds: Refunds, accounts: PaymentAccounts, gateway: StripeGateway, clock: Clock) -> None:
        self._refunds = refunds
        self._accounts = accounts
        self._gateway = gateway
        self._clock = clock

    async def refund(self, site_id: int, order_id: str, amount: Money, *, entry: Entry) -> Refund:
        """Give so much of what was paid back, whatever is cancelled or not. The worker does it within seconds.

        The same form again (`entry.form_key`): the same refund. Raises NotFound; InvalidRequest for nothing, another
        currency, or more than is left.
        """
        return await self._refunds.add(site_id, order_id, amount, entry=entry)

    async def left(self, site_id: int, order_id: str) -> Money:
        """What was paid for an order and has not gone back, nor is on its way. Raises NotFound."""
        return await self._refunds.left(site_id, order_id)

    async def refund_due(self) -> int:
        """Do the refunds that are due, of all sites, some at a time, and return how many that were."""
        due = await self._refunds.due(_BATCH, at=self._clock.now())
        await asyncio.gather(*(self._try(refund) for refund in due))
        return len(due)

    async def return_all(self, attempt: Attempt, payment: Payment) -> bool:
        """Give a payment back for which there is no booking. Whether it has gone back. Raises Unavailable."""
        due = await self._refunds.return_all(attempt, payment, self._clock.now())
        if due is None or due.state is not RefundState.WAITING or not await self._do(due):
            return due is None
        is_another = due.stripe_id is not None and payment.refunded_minor < payment.captured_minor
        return not is_another or await self._return_more(attempt, payment)

    async def _return_more(self, attempt: Attempt, payment: Payment) -> bool:
        """All that we gave back has arrived: so it is another refund, made at Stripe before, that a bank refused."""
        now = self._clock.now()
        account = await self._accounts.find_answering(attempt.site_id, is_test=attempt.is_test, at=now)
        present = await self._gateway.read(account, payment.session_id)
        due = await self._refunds.return_all(attempt, present, now, besides=True)
        return due is None or (due.state is RefundState.WAITING and await self._do(due))

    async def notice(self, attempt: Attempt, payment: Payment) -> None:
        """Write down what was given back in Stripe's own pages."""
        found = await self._refunds.notice(attempt, payment, self._clock.now())
        if not found.is_free:
            _log.info("refunded_at_stripe", attempt=attempt.id, amount_minor=found.amount_minor)

    async def _try(self, due: DueRefund) -> None:
        try:
            await self._do(due)
        except Refusal as problem:
            if isinstance(problem, StripeSilent):
                now = self._clock.now()
                await self._accounts.silences.suspect(due.site_id, is_test=due.is_test, at=now, wait=problem.wait)
            if isinstance(problem, PaymentsNotSetUp):  # keys may be good for all else: nobody would look at them
                await self._accounts.doubt(due.site_id, is_test=due.is_test)
            _log.warning("refund_waits", refund=due.id, why=problem.on_record)
            await self._refunds.again(due, self._later(due), problem.on_record)
        except Exception:
            _log.exception("refund_failed", refund=due.id)  # no refund keeps back others: its claim ends by itself

    async def _do(self, due: DueRefund) -> bool:
        """With its own key: once, however often it is tried. Whether it is done. Raises Unavailable."""
        now = self._clock.now()
        account = await self._accounts.find_answering(due.site_id, is_test=due.is_test, at=now)
        try:
            if due.stripe_id is not None:
                answer = await self._gateway.read_refund(account, due.stripe_id)
            elif due.reason is RefundReason.AT_STRIPE:
                return await self._count_anew(account, due)
            else:
                answer = await self._found(account, due) or await self._gateway.refund(
                    account, due.intent_id, due.amount.amount_minor, refund_id=due.id
                )
        except PaymentRefused as refused:
            answer = Refunded("", RefundState.FAILED, refused.on_record)
            if due.stripe_id is None and due.reason is not RefundReason.NO_SEATS:
                with suppress(PaymentRefused):  # of another account: then there is nothing to be known
                    return await self._refused(account, due, answer)
        payment = await self._read_at_the_end(account, due, answer)
        now = self._clock.now()
        await self._refunds.answered(due, answer, now, next_at=now + _AT_STRIPE_PAUSE, payment=payment)
        if answer.state is RefundState.FAILED:
            _log.error("refund_refused", refund=due.id, why=answer.why)
        return answer.state is RefundState.DONE

    async def _read_at_the_end(self, account: PaymentAccount, due: DueRefund, answer: Refunded) -> Payment | None:
        """While it waited at Stripe, for days perhaps, nobody could say what its part was of all that had gone back."""
        if due.stripe_id is None or due.reason is RefundReason.NO_SEATS or answer.state is RefundState.WAITING:
            return None
        with suppress(PaymentRefused):
            return await self._gateway.read(account, due.session_id)
        return None

    async def _refused(self, account: PaymentAccount, due: DueRefund, answer: Refunded) -> bool:
        """Somebody may have given some of it back in Stripe's own pages, and that is why: Stripe is asked before it is
        written, so that whoever dies in between is refused, and asks, again.
        """
        payment = await self._gateway.read(account, due.session_id)
        again = await self._refunds.refused(due, answer, payment, self._clock.now())
        if again is None:
            _log.error("refund_refused", refund=due.id, why=answer.why)
        else:
            _log.warning("refund_lowered", refund=due.id, to_minor=again.amount_minor)
        return False

    async def _count_anew(self, account: PaymentAccount, due: DueRefund) -> bool:
        """Somebody made it at Stripe, so it is there, if its bank has not refused it since."""
        payment = await self._gateway.read(account, due.session_id)
        await self._refunds.count_at_stripe(due, payment, self._clock.now())
        return True

    async def _found(self, account: PaymentAccount, due: DueRefund) -> Refunded | None:
        """What an earlier try has made of it: Stripe keeps a key for a day, and with it an answer that may say nothing.

        Sums say nothing either: as much may have gone back for another refund.
        """
        if due.tries <= 1:
            return None
        return await self._gateway.find_refund(account, due.intent_id, refund_id=due.id)

    def _later(self, due: DueRefund) -> datetime:
        return self._clock.now() + min(_FIRST_PAUSE * (1 << min(due.tries, 10)), _PAUSE_MAX)
