"""The only place that opens pay pages at Stripe: for an order, or for what a move costs more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Unpack

from widget_server.domain.attempts import Attempt
from widget_server.domain.payments import AttemptState
from widget_server.domain.sites import Site
from widget_server.engine.reservations import Pin
from widget_server.errors import Paying, PaymentRefused, PaymentsNotSetUp, Refusal, Unavailable
from widget_server.use_cases.order_links import OrderLinks
from widget_server.use_cases.paid_seats import DecidingParts
from widget_server.use_cases.pay_pages import to_pay
from widget_server.use_cases.pinning import Pinning, PinningParts
from widget_server.use_cases.settling import Settling
from widget_server.use_cases.tries import Tries

CHECKOUTS_PER_NETWORK_MAX = 500
"""Begun or ended, in a quarter of an hour, in each web process. Stripe takes only so many calls a second of an account:
whoever begins checkouts and leaves them, on and on, must not keep others from paying."""


class Opening(Pinning):
    def __init__(
        self, *, settling: Settling, deciding: DecidingParts, links: OrderLinks, **parts: Unpack[PinningParts]
    ) -> None:
        super().__init__(**parts)
        self._settling = settling
        self._attempts, self._payments = deciding.attempts, deciding.payments
        self._accounts, self._gateway = deciding.accounts, deciding.gateway
        self._links = links
        self._tries = Tries(self._clock)

    async def _end(self, attempt: Attempt) -> Attempt:
        """Nothing more is to be paid with it. Stripe may say that it was.

        Raises Paying while it is being opened; TooManyTries. Of what is paid, or goes back, there is nothing to end.
        """
        if attempt.state in (AttemptState.PAID, AttemptState.OFFERING, AttemptState.RETURNING):
            return attempt
        self._spend(attempt.wanted.network)
        attempt = await self._payments.go_back(attempt.id, self.now())
        if attempt.state is AttemptState.OPENING:
            raise Paying("A page to pay this is just being opened: try again in a moment.")
        return await self._settling.carry_on(attempt)

    def _spend(self, network: str) -> None:
        """Stripe is about to be asked. Raises TooManyTries."""
        self._tries.spend([(network, CHECKOUTS_PER_NETWORK_MAX)])

    async def _open(self, site: Site, attempt: Attempt, pin: Pin) -> Attempt:
        account = await self._accounts.find(site.id, is_test=attempt.is_test)
        try:
            payment = await self._gateway.open(account, to_pay(self._links, site, attempt))
        except (PaymentRefused, PaymentsNotSetUp) as refused:
            ended = await self._payments.not_opened(attempt.id, self.now(), fence=pin.fence, why=refused.on_record)
            await self._settling.carry_on(ended)
            if isinstance(refused, PaymentsNotSetUp):
                await self._accounts.doubt(site.id, is_test=attempt.is_test)
            raise
        opened = await self._payments.opened(attempt.id, payment, fence=pin.fence, at=self.now())
        if opened.state is AttemptState.ENDED:  # by somebody else, meanwhile: nobody hears of that page
            with suppress(Refusal):
                await self._gateway.expire(account, payment.session_id)
            raise Unavailable("This took too long. Please try again.")
        return opened

    @asynccontextmanager
    async def _leaving_no_pin(self, site: Site, attempt: Attempt) -> AsyncIterator[None]:
        """Around pinning and opening. Where that fails, somebody may have ended the attempt before it had this pin, and
        would never hear of it.
        """
        try:
            yield
        except Refusal:
            with suppress(Unavailable):  # then the sweep names it, once its time is over
                present = await self._attempts.find(site.id, attempt.id)
                if present is not None and present.state is AttemptState.ENDED:
                    await self._settling.end_pin(site, present)
            raise
