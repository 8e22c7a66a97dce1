"""What a worker does with messages: writes them, hands them to the mail server, and tries again what went wrong."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from widget_server.clock import Clock
from widget_server.domain.messages import Delivered, KeptMessage, Kind, MessageState
from widget_server.domain.sites import Site
from widget_server.errors import NotFound, Refusal, Unavailable
from widget_server.messages.calendar_files import folded
from widget_server.messages.smtp import TRY_S, Envelope, Mailer, Round
from widget_server.store.sending import Sending, Written
from widget_server.store.sites import Sites
from widget_server.use_cases.forever import forever
from widget_server.use_cases.writing import Writing

BATCH = 20
LEASE = timedelta(minutes=3)
"""So long nobody else takes what one worker is sending; should it die, another goes on after that."""
_TIME_TO_SEND = timedelta(seconds=TRY_S + 10)
"""What is left of the lease when the last mail of a batch is begun: no try takes longer, and writing down what came of
it a moment."""
FIRST_PAUSE, PAUSE_MAX = timedelta(seconds=30), timedelta(hours=4)
TRIES_MAX = 14
"""With these pauses, a day."""
KEPT_FOR = timedelta(days=400)
"""Messages that ended are forgotten after that."""
_LOOK_EVERY_S = 1.0
_PRUNE_EVERY_S = 600.0

_log = structlog.get_logger()


class Posting:
    """`mailer` is None where no mail server is set up: then every message is kept, to be read in the admin pages."""

    def __init__(
        self, *, sending: Sending, writing: Writing, sites: Sites, mailer: Mailer | None, clock: Clock
    ) -> None:
        self._sending = sending
        self._writing = writing
        self._sites = sites
        self._mailer = mailer
        self._clock = clock

    async def post(self) -> int:
        """See to the messages that are due, some at a time, and return how many that were. Raises Unavailable."""
        began_at = self._clock.now()
        claimed = await self._sending.due(BATCH, at=began_at, claim=LEASE)
        for message in claimed:
            if message.is_for_all:
                await self._share_out(message)
        to_send = await self._write([message for message in claimed if not message.is_for_all])
        if to_send and self._mailer is not None:
            await self._send_all(to_send, self._mailer, until=began_at + LEASE - _TIME_TO_SEND)
        return len(claimed)

    async def prune(self) -> int:
        """Forget what ended long ago, a bounded number, and return how many."""
        now = self._clock.now()
        return await self._sending.prune(now - KEPT_FOR) + await self._sending.prune_links(now)

    async def run(self) -> None:
        """All of this, until cancelled. Any number of workers may run."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("post", self._post_or_wait))
            tasks.create_task(forever("forget", self._prune_or_wait))

    async def _post_or_wait(self) -> None:
        if not await self.post():
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _prune_or_wait(self) -> None:
        if not await self.prune():
            await asyncio.sleep(_PRUNE_EVERY_S)

    async def _share_out(self, message: KeptMessage) -> None:
        with self._no_message_keeps_back_others(message) as trouble:
            await self._sending.share_out(message, await self._writing.shares(message), self._clock.now())
        for why in trouble:
            await self._failed(message, why)

    async def _write(self, messages: Sequence[KeptMessage]) -> list[KeptMessage]:
        """Those that can be sent now. A message is written once, and then sent as it is, however often it is tried."""
        written = [one for one in [await self._written(message) for message in messages] if one is not None]
        waited = await self._sending.write(written, self._clock.now()) if written else frozenset()
        texts = {one.id: one for one in written if one.ends_as is None and one.id in waited}
        return [
            replace(message, address=texts[message.id].address, mail=texts[message.id].mail)
            for message in messages
            if message.id in texts
        ]

    async def _written(self, message: KeptMessage) -> Written | None:
        """None where that failed: it is tried again later."""
        one = Written(message.id, message.address, message.language, message.zone, message.mail)
        with self._no_message_keeps_back_others(message) as trouble:
            if message.mail is None:
                one = await self._writing.write(message, self._clock.now())
        for why in trouble:
            await self._failed(message, why)
            return None
        if one.ends_as is None and self._mailer is None:
            return replace(one, ends_as=MessageState.KEPT)
        return one

    @contextmanager
    def _no_message_keeps_back_others(self, message: KeptMessage) -> Iterator[list[str]]:
        """What goes wrong with one is written into the list. No database at all is another matter."""
        trouble: list[str] = []
        try:
            yield trouble
        except Unavailable:
            raise
        except Refusal as problem:
            trouble.append(problem.message)
        except Exception as problem:
            _log.error("message_not_written", message=message.id, kind=message.kind.value, why=type(problem).__name__)
            trouble.append("It could not be written. The log of the worker says more.")

    async def _send_all(self, messages: Sequence[KeptMessage], mailer: Mailer, *, until: datetime) -> None:
        """What there is no time left for is claimed anew when the lease is over."""
        async with mailer.round() as one_round:
            for message in messages:
                if self._clock.now() > until:
                    return
                with self._no_message_keeps_back_others(message) as trouble:
                    await self._send(message, one_round)
                for why in trouble:
                    await self._failed(message, why)

    async def _send(self, message: KeptMessage, one_round: Round) -> None:
        site = await self._site_of(message)
        if message.kind is Kind.MY_BOOKINGS and not await self._renewed(message, site):
            return
        handover = await one_round.send(self._envelope(message, site))
        if handover.delivered is Delivered.SENT:
            await self._sending.ended(message.id, MessageState.SENT, self._clock.now())
        elif handover.delivered is Delivered.REFUSED:
            _log.warning("message_refused", message=message.id, kind=message.kind.value)
            await self._sending.ended(message.id, MessageState.REFUSED, self._clock.now(), handover.why)
        else:
            await self._failed(message, handover.why)

    async def _renewed(self, message: KeptMessage, site: Site) -> bool:
        """However long ago it was written: its link lasts from now on. False where nobody is to have it any more."""
        return await self._sending.renew(message.id, self._writing.link_of(message, site.key, self._clock.now()))

    async def _site_of(self, message: KeptMessage) -> Site:
        site = await self._sites.by_id(message.site_id)
        if site is None:
            raise NotFound("There is no such site.")
        return site

    def _envelope(self, message: KeptMessage, site: Site) -> Envelope:
        mail = self._writing.opened(message, site.key)
        assert mail is not None
        assert message.address
        return Envelope(
            to=message.address,
            from_name=site.name,
            mail=replace(mail, calendar=mail.calendar and folded(mail.calendar)),
            message_id=message.message_id,
        )

    async def _failed(self, message: KeptMessage, why: str) -> None:
        """Later again, and less and less often; after a day it is given up, and shown as such."""
        if message.tries + 1 >= TRIES_MAX:
            _log.warning("message_given_up", message=message.id, kind=message.kind.value)
            await self._sending.ended(message.id, MessageState.GIVEN_UP, self._clock.now(), why)
            return
        pause = min(FIRST_PAUSE * 2**message.tries, PAUSE_MAX)
        await self._sending.failed(message.id, why, self._clock.now() + pause)
