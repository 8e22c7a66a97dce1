"""Who has attempts to pay settled: Stripe's webhooks, customers who come back, and the worker, should both be silent.

All of them call the same, as often as they like and at once. So an event that comes twice, late or out of order is no
more than another reason to ask.
"""

import asyncio
from typing import Unpack

import structlog

from widget_server.domain.attempts import Attempt
from widget_server.domain.payments import AttemptState, PaymentAccount, PaymentEvent
from widget_server.errors import BadSignature, NotFound, Refusal
from widget_server.store.payment_events import PaymentEvents
from widget_server.use_cases.deciding import Deciding
from widget_server.use_cases.forever import forever
from widget_server.use_cases.paid_seats import DecidingParts
from widget_server.use_cases.pinning import PinningParts
from widget_server.use_cases.probing import Probing

_BATCH = 10
_LOOK_EVERY_S, _PRUNE_EVERY_S = 1.0, 600.0

_log = structlog.get_logger()


class Settling(Deciding):
    def __init__(self, *, events: PaymentEvents, deciding: DecidingParts, **parts: Unpack[PinningParts]) -> None:
        super().__init__(deciding, **parts)
        self._events = events
        self._probing = Probing(accounts=self._accounts, gateway=self._gateway, clock=self._clock)

    async def settle(self, site_id: int, attempt_id: str) -> AttemptState:
        """Ask Stripe, do the next steps for what it says, and return the state by then. Any number may do so at once.

        Raises NotFound; PaymentsAway, Unavailable, PaymentsNotSetUp: it goes on from there when called again.
        """
        attempt = await self._attempts.find(site_id, attempt_id)
        if attempt is None:
            raise NotFound("There is no such attempt.")
        return (await self.carry_on(attempt)).state

    async def settle_due(self) -> int:
        """See to the attempts that are due, of all sites, some at a time, and return how many that were."""
        due = await self._attempts.due(_BATCH, at=self.now())
        await asyncio.gather(*(self._try(attempt) for attempt in due))
        return len(due)

    async def probe_due(self) -> int:
        """Where Stripe was silent, ask whether it answers, and return for how many accounts."""
        return await self._probing.probe_due()

    async def heard(self, site_key: str, body: bytes, signature: str) -> None:
        """Stripe tells of something: find out what, and do what follows. Doubled, late, out of order: all the same.

        It is noted when all that follows is written: if we die before, Stripe sends it again, and all was done once.
        Raises BadSignature; NotFound for a site that does not exist; Unavailable, PaymentsAway, PaymentsNotSetUp: then
        Stripe sends it again.
        """
        site = (await self._catalog.find(site_key)).site
        event, account = await self._read_event(site.id, body, signature)
        if await self._events.is_known(site.id, event.id):
            return
        attempt = await self._of_event(site.id, event) or await self._of_dispute(site.id, event, account)
        if attempt is not None:
            if event.dispute is not None:
                attempt = await self._payments.disputed(attempt.id, event.dispute, self.now())
            await self.carry_on(attempt)
        await self._events.note(site.id, event.id, self.now())

    async def run(self) -> None:
        """All that a worker does with attempts and refunds, until cancelled. Any number of workers may run."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._probing.run())
            tasks.create_task(forever("settle", self._settle_or_wait))
            tasks.create_task(forever("refund", self._refund_or_wait))
            tasks.create_task(forever("forget_events", self._prune_or_wait))

    async def _try(self, attempt: Attempt) -> None:
        """What goes wrong with one keeps back no other."""
        try:
            after = await self.carry_on(attempt)
        except Refusal as problem:
            _log.warning("attempt_waits", attempt=attempt.id, why=problem.on_record)
            await self._attempts.look_again(attempt, attempt.next_look(self.now()), problem.on_record)
        except Exception:
            _log.exception("attempt_failed", attempt=attempt.id)  # its claim ends by itself
        else:
            await self._attempts.look_again(after, after.next_look(self.now()))

    async def _read_event(self, site_id: int, body: bytes, signature: str) -> tuple[PaymentEvent, PaymentAccount]:
        """Signed for one of the site's accounts: that of real money, or that of test mode."""
        refusal = BadSignature("This site has no webhook at Stripe.")
        for account in await self._accounts.with_webhook(site_id):
            try:
                return self._gateway.read_event(account, body, signature), account
            except BadSignature as problem:
                refusal = problem
        raise refusal

    async def _of_event(self, site_id: int, event: PaymentEvent) -> Attempt | None:
        """None for what somebody has charged without us."""
        if event.attempt_id is not None:
            return await self._attempts.find(site_id, event.attempt_id)
        return await self._attempts.of_intent(site_id, event.intent_id) if event.intent_id else None

    async def _of_dispute(self, site_id: int, event: PaymentEvent, account: PaymentAccount) -> Attempt | None:
        """It names nothing but a payment, of which we may not have heard: whatever else is told, we find out by asking,
        but never of a dispute. So Stripe is asked whose payment it is: of ours, of another site's with the same
        account, or of nobody we know.
        """
        if event.dispute is None or event.intent_id is None:
            return None
        attempt_id = await self._gateway.attempt_of(account, event.intent_id)
        return await self._attempts.find(site_id, attempt_id) if attempt_id else None

    async def _settle_or_wait(self) -> None:
        if not await self.settle_due():
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _refund_or_wait(self) -> None:
        if not await self._refunding.refund_due():
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _prune_or_wait(self) -> None:
        if not await self._events.prune(self.now()):
            await asyncio.sleep(_PRUNE_EVERY_S)
