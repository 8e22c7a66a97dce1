"""The only place that holds other seats for whoever has paid too late, and books what they choose.

The very seats that were paid for come first: where they can be had after all, nobody is asked.
"""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

import structlog

from widget_server.domain.alternatives import (
    HELD_PER_SITE_MAX,
    OFFERED_FOR,
    OFFERED_MAX,
    STANDING,
    Alternative,
    AlternativeState,
    combined,
    nearest_after,
)
from widget_server.domain.attempts import Attempt
from widget_server.domain.holds import Line
from widget_server.domain.payments import AttemptState, Payment, PaymentAccount, PaymentState
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine.reservations import Pin
from widget_server.errors import NotFound, Paying, PaymentsAway, Refusal, SlotClosed, SlotFull, Unavailable
from widget_server.ids import hash_secret, keyed, new_id
from widget_server.store.bookings import OutcomeTaken
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.nearby import free_near
from widget_server.use_cases.paid_seats import LOST, NO_BUDGET, PaidSeats, confirmation_of, offered_to

PAID = (PaymentState.AUTHORISED, PaymentState.CAPTURED)

NOT_MEANT = "the site is not in test mode any more"
GIVEN_BACK = "somebody has given the money back at Stripe"

_log = structlog.get_logger()


class NotMeant(Exception):
    """It was paid with a test card, and the site is live by now."""


def must_be_meant(listing: Listing, attempt: Attempt) -> None:
    """Raises NotMeant."""
    if attempt.is_test and not listing.site.is_test:
        raise NotMeant(NOT_MEANT)


def must_not_be_over(attempt: Attempt, now: datetime) -> None:
    """Nobody is to pay for what was over before they could hear that it is theirs, whoever still holds the seats: after
    a long outage. What has only begun is booked, as its customer may be at the door. Raises SlotClosed.
    """
    for line in attempt.wanted.lines:
        if line.slot.ends_at <= now:
            raise SlotClosed("This time was over before anybody knew that it was paid.", slot=line.slot.id)


class Offering(PaidSeats):
    async def _offer(self, site: Site, attempt: Attempt, payment: Payment, why: str, *, lost: str = "") -> Attempt:
        """Write down what is to be held in place of the seats that are gone. The next step holds it.

        `lost`: the id of the slot that somebody has said no to, where somebody has.
        """
        listing = await self._catalog.find(site.key)
        alternatives = [Alternative(new_id(), tuple(line.slot for line in attempt.wanted.lines), is_same=True)]
        others = await self._others(listing, attempt, lost)
        alternatives += [Alternative(new_id(), slots, is_same=False) for slots in others]
        now = self.now()
        return await self._payments.offer(
            attempt.id, now, payment=payment, why=why, until=now + OFFERED_FOR, alternatives=alternatives
        )

    async def _others(self, listing: Listing, attempt: Attempt, lost: str) -> list[tuple[Slot, ...]]:
        """Of the same services, for as many people, and none that begins while it is still to be chosen."""
        lines, now = [line.line for line in attempt.wanted.lines], self.now()
        own, enough = {line.slot for line in lines}, OFFERED_MAX + len(lines)
        kept = await self._kept(listing, attempt, lost)
        choices: list[tuple[Slot, ...]] = []
        for line in lines:
            if line in kept:
                choices.append((line.slot,))
                continue
            free = await free_near(self._offers, listing, line.slot, line.seats, but=own, now=now, enough=enough)
            later = {slot for slot in free if slot.starts_at > now + OFFERED_FOR}
            choices.append(nearest_after(later, line.slot, many=enough))
        return combined(choices)

    async def _kept(self, listing: Listing, attempt: Attempt, lost: str) -> list[Line]:
        """Lines that stay as they are, of several; where all of them might, others are looked for all the same. With
        other times, what has begun would have to be held anew, and nobody can.
        """
        lines, now = [line.line for line in attempt.wanted.lines], self.now()
        if len(lines) == 1:
            return []
        still_theirs = await self._still_pinned(listing.site, attempt)
        may_stay = [line for line in lines if line.slot.id != lost and line.slot.starts_at > now]
        kept = [line for line in may_stay if await self._is_free(listing, line, still_theirs)]
        return kept if len(kept) < len(lines) else []

    async def _still_pinned(self, site: Site, attempt: Attempt) -> Collection[Line]:
        with suppress(NotFound):
            pin = await self._engine.pinned(site, attempt.hold_id)
            return pin.lines if pin else ()
        return ()

    async def _is_free(self, listing: Listing, line: Line, still_theirs: Collection[Line]) -> bool:
        """For whoever had these seats in time: it may be closed to others by now, or begin too soon for them."""
        with suppress(SlotClosed):
            offered_to(listing, line, to_pin=True)
            if line in still_theirs:
                return True
            offer = await self._offers.of(listing.site, line.slot)
            return offer is not None and offer.left >= line.seats
        return False

    async def _go_on_offering(self, site: Site, attempt: Attempt) -> Attempt:
        """Hold what is offered, also where Redis has lost it; and once something is chosen, or nothing in time, act."""
        now = self.now()
        if attempt.is_test and not site.is_test:
            return await self._payments.withdraw(attempt.id, now, why=NOT_MEANT)
        if attempt.chosen_id is None and not attempt.is_offered(now):
            return await self._payments.run_out(attempt.id, now)
        if attempt.chosen_id is None:
            attempt = await self._keep_offered(site, attempt)
        if attempt.chosen_id is None or attempt.state is not AttemptState.OFFERING:
            return attempt
        return await self._take(site, attempt)

    async def _keep_offered(self, site: Site, attempt: Attempt) -> Attempt:
        """All at once, but the very seats that were paid for first: with them, no others are needed."""
        await self._free_seats(site, attempt.hold_id)
        held, gone, is_known = dict[str, int](), list[str](), True
        present = [each for each in await self._payments.alternatives(attempt.id) if each.state in STANDING]
        for each in present:
            try:
                pin = await self._hold(site, attempt, each)
            except LOST:
                gone.append(each.hold_id)
            else:
                held[each.hold_id] = pin.fence
                is_known &= pin.attempt != ""  # or it was taken just now: somebody may have given it up meanwhile
            if each.is_same and each.hold_id in held:
                break
        is_known &= all(
            each.state is AlternativeState.HELD and each.fence == held.get(each.hold_id) for each in present
        )
        if is_known and present:
            return attempt
        after = await self._payments.held(attempt.id, self.now(), held=held, gone=gone)
        if after.state is not AttemptState.OFFERING:  # since before these were held, perhaps
            await self._free_others(site, after)
        return after

    async def _take(self, site: Site, attempt: Attempt) -> Attempt:
        payment = await self._read(await self._account(attempt), attempt)
        if payment.state is PaymentState.GONE or payment.refunded_minor:
            why = GIVEN_BACK if payment.refunded_minor else "the authorisation has ended"
            return await self._payments.withdraw(attempt.id, self.now(), why=why)
        if payment.state not in PAID:
            raise PaymentsAway("Stripe has not decided yet.")
        return await self._book_chosen(site, attempt, payment)

    async def _book_chosen(self, site: Site, attempt: Attempt, payment: Payment) -> Attempt:
        (chosen,) = (e for e in await self._payments.alternatives(attempt.id) if e.hold_id == attempt.chosen_id)
        meant = attempt.at(chosen.slots)

        async def book(listing: Listing) -> tuple[Attempt, int]:
            must_be_meant(listing, attempt)
            must_not_be_over(meant, self.now())
            pin = await self._hold_once(listing, attempt, chosen)
            wanted = confirmation_of(listing, meant, pin, payment, held_by=chosen.hold_id)
            try:
                return await self._payments.take(attempt.id, payment, wanted, self.now()), pin.fence
            except SlotFull:  # of which Redis knew nothing
                await self._reconciliation.mend(site, chosen.slots)
                raise

        try:
            booked, fence = await self._repeat(site.key, book)
        except (Unavailable, Paying):
            raise  # nobody knows, or somebody is at it: the next look tells
        except (OutcomeTaken, NotMeant, Refusal) as problem:
            _log.warning("alternative_lost", site=site.key, attempt=attempt.id, why=str(problem))
            after = await self._payments.lost(attempt.id, chosen.hold_id, self.now())
            await self._free_others(site, after)
            return after
        if booked.seats_id == chosen.hold_id:
            await self._reconciliation.tell_booked(site, chosen.hold_id, fence)
        await self._free_others(site, booked)
        return booked

    async def _hold(self, site: Site, attempt: Attempt, alternative: Alternative) -> Pin:
        return await self._repeat(site.key, lambda listing: self._hold_once(listing, attempt, alternative))

    async def _hold_once(self, listing: Listing, attempt: Attempt, alternative: Alternative) -> Pin:
        """The pin that it has, or another one: it waits for the customer, and no sweep ends it."""
        wanted = zip(alternative.slots, attempt.wanted.lines, strict=True)
        lines = [Line(slot, line.seats) for slot, line in wanted]
        offered = [offered_to(listing, line, to_pin=True) for line in lines]
        return await self._pin_kept(listing.site, alternative.hold_id, attempt) or await self._engine.hold_and_pin(
            listing.site,
            lines,
            offered,
            schedule_version=listing.schedule.version,
            id=alternative.hold_id,
            secret_hash=hash_secret(f"alternative\0{attempt.id}\0{attempt.secret_hash}"),  # no secret has this hash
            visitor=keyed(self._key, "late", attempt.id),
            network=keyed(self._key, "late", listing.site.key),
            attempt=attempt.id,
            window=OFFERED_FOR,
            visitor_max=OFFERED_MAX + 1,
            network_max=NO_BUDGET if alternative.is_same else HELD_PER_SITE_MAX,
        )

    async def _free_others(self, site: Site, attempt: Attempt) -> None:
        """What was held for its customer and not taken; where nothing ever was, there is nothing to do."""
        if attempt.offered_until is None:
            return
        for each in await self._payments.alternatives(attempt.id):
            if each.state is AlternativeState.GONE:
                await self._free_seats(site, each.hold_id)

    async def _free_seats(self, site: Site, hold_id: str) -> None:
        """Whichever pin it has: its outcome says that nothing comes of any. Money first: where Redis is away, the pin
        is resolved when its time is over.
        """
        with suppress(NotFound, Unavailable):
            pin = await self._engine.pinned(site, hold_id)
            if pin is not None:
                await self._engine.unpin(site, hold_id, fence=pin.fence, release=True)

    async def _read(self, account: PaymentAccount, attempt: Attempt) -> Payment:
        assert attempt.session_id is not None, "it was open"
        return await self._gateway.read(account, attempt.session_id)

    async def _account(self, attempt: Attempt) -> PaymentAccount:
        return await self._accounts.find(attempt.site_id, is_test=attempt.is_test)
