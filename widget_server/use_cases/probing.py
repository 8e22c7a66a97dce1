"""The only place that finds out whether Stripe, silent so far, answers again: one asks, and all others wait."""

import asyncio
from datetime import timedelta
from functools import partial

import structlog

from widget_server.clock import Clock
from widget_server.errors import PaymentRefused, PaymentsAway, PaymentsNotSetUp, StripeSilent
from widget_server.payments.stripe_gateway import StripeGateway
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.use_cases.forever import forever

UNDER_WAY_MAX = 20
"""In each worker. A probe may hang until it is given up; the next of its account does not wait for that."""
_LOOK_EVERY_S = 0.5

_log = structlog.get_logger()


class Probing:
    def __init__(self, *, accounts: PaymentAccounts, gateway: StripeGateway, clock: Clock) -> None:
        self._accounts, self._silences = accounts, accounts.silences
        self._gateway, self._clock = gateway, clock
        self._under_way = 0

    async def probe_due(self) -> int:
        """Ask once for each account of which it is time, and return for how many."""
        due = await self._silences.to_probe(UNDER_WAY_MAX - self._under_way, at=self._clock.now())
        await asyncio.gather(*(self._probe(site_id, is_test) for site_id, is_test in due))
        return len(due)

    async def run(self) -> None:
        """As `probe_due`, until cancelled, but that nobody waits for those who hang."""
        async with asyncio.TaskGroup() as probes:
            await forever("probe", partial(self._begin_due, probes))

    async def _begin_due(self, probes: asyncio.TaskGroup) -> None:
        if self._under_way < UNDER_WAY_MAX:
            due = await self._silences.to_probe(UNDER_WAY_MAX - self._under_way, at=self._clock.now())
            for site_id, is_test in due:
                probes.create_task(self._try(site_id, is_test))
        await asyncio.sleep(_LOOK_EVERY_S)

    async def _try(self, site_id: int, is_test: bool) -> None:
        self._under_way += 1
        try:
            await self._probe(site_id, is_test)
        except Exception:
            _log.exception("probe_failed", site=site_id)  # the next is due in a moment
        finally:
            self._under_way -= 1

    async def _probe(self, site_id: int, is_test: bool) -> None:
        """Whatever Stripe says of a payment that waits, it speaks. Where none does, nobody needs it to."""
        try:
            session_id = await self._accounts.session_under_way(site_id, is_test=is_test)
            if session_id is not None:
                await self._gateway.read(await self._accounts.find(site_id, is_test=is_test), session_id)
        except PaymentsAway as away:
            wait = away.wait if isinstance(away, StripeSilent) else timedelta(0)
            if await self._silences.goes_on(site_id, is_test=is_test, at=self._clock.now(), wait=wait):
                _log.warning("stripe_silent", site=site_id, wait_s=wait.total_seconds())
            return
        except (PaymentRefused, PaymentsNotSetUp):
            pass
        if await self._silences.is_over(site_id, is_test=is_test, at=self._clock.now()):
            _log.info("stripe_answers", site=site_id)
