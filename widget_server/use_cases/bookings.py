"""From hold to booking: what visitors do with seats, and customers with orders."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Unpack

from widget_server.domain import policies
from widget_server.domain.audit_log import Entry
from widget_server.domain.bookings import Customer
from widget_server.domain.coupons import Coupon, UsedCoupon
from widget_server.domain.holds import Hold, Line
from widget_server.domain.orders import Order, OutcomeState
from widget_server.domain.payments import MIN_LEFT
from widget_server.domain.questions import Answer
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.engine.reservations import Pin
from widget_server.errors import (
    CouponRefused,
    HoldsOff,
    IdConflict,
    NotFound,
    NotYours,
    Refusal,
    TooFar,
    TooManyTries,
    TooSoon,
    Unavailable,
)
from widget_server.ids import hash_secret, new_order_number
from widget_server.store.bookings import Confirmation, ConfirmationLine, Outcome, OutcomeTaken
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.pinning import CONFIRMING_WINDOW, HoldRef, OrderRef, PinningParts, Visit
from widget_server.use_cases.rescheduling import Rescheduling, WantedReschedule
from widget_server.use_cases.tries import Tries

__all__ = [
    "CONFIRMING_WINDOW",
    "Bookings",
    "Confirmed",
    "HoldRef",
    "OrderRef",
    "Visit",
    "WantedConfirmation",
    "WantedReschedule",
]

ADDRESSES_PER_NETWORK_MAX = 100
"""Of those who come, an hour, in each web process: whoever books for nothing has us write to people who never asked."""
_FREE_ATTEMPT = "free"
"""All tries to confirm a free hold are one attempt: whoever writes the outcome first has confirmed it for all."""


@dataclass(frozen=True, slots=True)
class WantedConfirmation:
    customer: Customer
    attendees: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...]
    """What the customer saw. Nothing else is booked, and where there is no such hold, as holds are off or Redis has
    forgotten it, these are taken in the same go. Without any, it is whatever the hold has by now."""
    visit: Visit
    digest: str
    """All that was sent, in one text: the same again gets the same answer, anything else is refused."""
    entry: Entry | None = None
    """For the audit log, where an operator books for the customer."""
    answers: tuple[Mapping[str, str | bool], ...] = ()
    """To what the service of each line asks, by the key of the question. Operators need not ask."""
    coupon: str = ""
    """A code, however it was typed, that leaves nothing to be paid."""
    attendee_emails: tuple[tuple[str, ...], ...] = ()
    seen: tuple[Line, ...] = ()
    """What the operator saw of the customer's hold: with other lines by now it is not booked. These are never taken,
    only `lines` are."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    order: Order
    secret: str
    now: datetime


class Bookings(Rescheduling):
    """All that happens to holds and orders; what is moved has a file of its own."""

    def __init__(self, **parts: Unpack[PinningParts]) -> None:
        super().__init__(**parts)
        self._tries = Tries(self._clock, timedelta(hours=1))

    async def hold(self, ref: HoldRef, lines: Sequence[Line], visit: Visit) -> Hold:
        """Set seats aside, all lines or none, until the site's hold length has passed.

        Calling this again with the same id, secret and lines returns the hold as it is.
        Raises HoldsOff, SlotFull, SlotClosed, TooManySeats, HoldBudgetSpent, IdConflict, HoldEnded.
        """
        return await self._repeat(
            ref.site_key,
            lambda listing: self._engine.hold(
                listing.site,
                lines,
                self._may_hold(listing, lines),
                schedule_version=listing.schedule.version,
                id=ref.hold_id,
                secret_hash=ref.secret_hash,
                **self._budgets(visit),
            ),
        )

    async def find_hold(self, ref: HoldRef) -> Hold:
        """The hold as it is now, ended or not. Raises NotFound, NotYours."""
        return await self._repeat(
            ref.site_key, lambda listing: self._engine.find(listing.site, ref.hold_id, ref.secret_hash)
        )

    async def renew(self, ref: HoldRef, *, version: int) -> Hold:
        """A full hold length from now on, up to the hold's limit; the same version again gets the same answer.

        Raises HoldEnded, Paying, Changed, NotYours.
        """
        return await self._repeat(
            ref.site_key,
            lambda listing: self._engine.renew(
                listing.site, ref.hold_id, ref.secret_hash, version=version, length=listing.site.hold_length
            ),
        )

    async def change(self, ref: HoldRef, lines: Sequence[Line], *, version: int) -> Hold:
        """Other lines for a hold, all or none, in one swap; until when it runs stays. The same again: the same answer.

        What stays with no more seats was held in time: it may be too soon by now. Raises HoldsOff, also for a hold from
        before; HoldEnded, Paying, Changed, NotYours, and what `hold` raises.
        """

        async def swap(listing: Listing) -> Hold:
            return await self._engine.change(
                listing.site,
                ref.hold_id,
                ref.secret_hash,
                lines,
                await self._may_change(listing, ref, lines),
                schedule_version=listing.schedule.version,
                version=version,
            )

        return await self._repeat(ref.site_key, swap)

    async def release(self, ref: HoldRef) -> None:
        """Give the seats back; again: nothing more happens. Raises HoldEnded if expired or booked, Paying, NotYours."""
        await self._repeat(
            ref.site_key, lambda listing: self._engine.release(listing.site, ref.hold_id, ref.secret_hash)
        )

    async def confirm(self, ref: HoldRef, wanted: WantedConfirmation) -> Confirmed:
        """Make a free hold a booking; where there is none yet, take the seats and book them in one go.

        The same call again returns the same order, also when its first answer was lost; another body is refused.
        Raises HoldEnded, SlotFull, SlotClosed, Changed, IdConflict, Paying, PaymentsNotSetUp; InvalidRequest for what
        has to be paid; CouponRefused; TooManyTries for addresses of others.
        """
        try:
            addresses = self._spend_addresses(wanted)
        except TooManyTries as refusal:
            return await self._confirmed_before((await self._catalog.find(ref.site_key)).site, ref, wanted, refusal)
        try:
            return await self._repeat(ref.site_key, lambda listing: self._confirm(listing, ref, wanted))
        except BaseException:  # nobody is written to
            self._tries.give_back(wanted.visit.network, tries=addresses)
            raise

    async def find_order(self, ref: OrderRef) -> Order:
        """Raises NotFound, also for a secret that is not this order's: who asks learns nothing."""
        site = (await self._catalog.find(ref.site_key)).site
        return await self._own_order(site.id, ref)

    async def site_of(self, ref: OrderRef) -> Site:
        """Raises NotFound."""
        return (await self._catalog.find(ref.site_key)).site

    async def cancel(self, ref: OrderRef, *, only: Slot | None = None) -> Order:
        """Undo all bookings of an order, or `only` the one there, and free their seats; again: the same answer.

        Raises NotFound, TooLate.
        """
        listing, now = await self._catalog.find(ref.site_key), self._clock.now()
        site, order = listing.site, await self._own_order(listing.site.id, ref)
        policies.may_cancel(order, now, listing.schedule, only=only)
        asked = policies.only_as_asked(listing.schedule, order, now)
        if only is not None:
            asked &= {only}
        freed = await self._store.cancel(site.id, ref.order_id, now, only=only, only_as_asked=asked)
        await self._reconciliation.tell_freed(site, freed)
        return await self._own_order(site.id, ref)

    async def _confirm(self, listing: Listing, ref: HoldRef, wanted: WantedConfirmation) -> Confirmed:
        digest, began_at = _digest(ref, wanted), self._clock.now()
        site, hold_id, owner = listing.site, ref.hold_id, hash_secret(self.order_secret(ref))
        try:
            coupon = await self._coupon(site, wanted.coupon, wanted.customer, wanted.visit)
            pin = await self._pin(listing, ref, wanted, coupon)
        except (NotYours, Unavailable):
            raise
        except Refusal as refusal:
            return await self._confirmed_before(site, ref, wanted, refusal)
        try:
            confirmation = self._confirmation(listing, ref, wanted, pin, digest, began_at, coupon)
            order = await self._store.confirm(confirmation)
        except Unavailable:
            raise  # Nobody knows whether it is written: the pin stays, for the next try or the worker.
        except CouponRefused:
            await self._hold_again(site, hold_id, pin)
            raise
        except (OutcomeTaken, Refusal) as problem:
            order = _same_order(await self._decided_before(site, hold_id, owner, pin, problem), digest)
        await self._reconciliation.tell_booked(site, order.id, pin.fence)
        return self._answer(ref, order)

    async def _confirmed_before(
        self, site: Site, ref: HoldRef, wanted: WantedConfirmation, refusal: Refusal
    ) -> Confirmed:
        """It may have become a booking before, whatever stands in its way by now. Else raises `refusal`."""
        outcome = await self._refuse(site, ref.hold_id, hash_secret(self.order_secret(ref)), refusal)
        return self._answer(ref, _same_order(outcome, _digest(ref, wanted)))

    def _spend_addresses(self, wanted: WantedConfirmation) -> int:
        """How many; of operators, who are known, none counts. Raises TooManyTries."""
        addresses = {address.lower() for line in wanted.attendee_emails for address in line if address}
        if not addresses or wanted.entry is not None:
            return 0
        self._tries.spend([(wanted.visit.network, ADDRESSES_PER_NETWORK_MAX)], tries=len(addresses))
        return len(addresses)

    async def _hold_again(self, site: Site, hold_id: str, pin: Pin) -> None:
        """Somebody has used the code up just now: the seats stay theirs, to be booked without it."""
        if await self._store.give_up(site.id, hold_id, pin.fence) is OutcomeState.ABANDONED:
            with suppress(NotFound, Unavailable):  # the pin ends by itself
                await self._engine.unpin(site, hold_id, fence=pin.fence, release=False, min_left=MIN_LEFT)

    async def _pin(
        self, listing: Listing, ref: HoldRef, wanted: WantedConfirmation, coupon: Coupon | None = None
    ) -> Pin:
        must_be_free, must_answer = (
            listing.schedule.takes_payments,
            wanted.answers or wanted.attendee_emails or listing.schedule.asks_something,
        )
        if must_be_free or must_answer:  # otherwise what has a price is refused as such
            held = wanted.lines or wanted.seen
            if not held:
                held = (await self._engine.find(listing.site, ref.hold_id, ref.secret_hash)).lines
            if must_be_free:
                policies.must_be_free(listing.schedule, held, coupon=coupon)
            _answers(listing, held, wanted)  # now: whoever forgot one keeps the hold
            policies.addresses_of(listing.schedule, held, wanted.attendee_emails)
        if not wanted.lines:
            return await self._engine.pin(
                listing.site,
                ref.hold_id,
                ref.secret_hash,
                lambda slot: policies.find_to_pin(listing.schedule, slot),
                schedule_version=listing.schedule.version,
                attempt=_FREE_ATTEMPT,
                window=CONFIRMING_WINDOW,
                only=wanted.seen,
            )
        return await self._pin_lines(
            listing, ref, wanted.lines, wanted.visit, attempt=_FREE_ATTEMPT, window=CONFIRMING_WINDOW
        )

    def _confirmation(
        self,
        listing: Listing,
        ref: HoldRef,
        wanted: WantedConfirmation,
        pin: Pin,
        digest: str,
        began_at: datetime,
        coupon: Coupon | None = None,
    ) -> Confirmation:
        """Raises as `may_confirm` does: what the operator has taken away or priced meanwhile is not booked any more."""
        names, answers = dict(enumerate(wanted.attendees)), _answers(listing, pin.lines, wanted)
        offered = policies.may_confirm(listing.schedule, pin.lines)
        policies.must_be_free(listing.schedule, pin.lines, coupon=coupon)
        off = policies.taken_off(listing.schedule, pin.lines, coupon)
        addresses = policies.addresses_of(listing.schedule, pin.lines, wanted.attendee_emails)
        lines = [
            ConfirmationLine(
                offered=slot,
                seats=line.seats,
                unit_price=listing.schedule.services[line.slot.service].price,
                service_name=listing.schedule.services[line.slot.service].name,
                attendees=names.get(number, ())[: line.seats],
                answers=answers[number],
                discount_minor=off[number],
                attendee_emails=addresses[number],
            )
            for number, (line, slot) in enumerate(zip(pin.lines, offered, strict=True))
        ]
        return Confirmation(
            site_id=listing.site.id,
            epoch=listing.site.epoch,
            schedule_version=listing.schedule.version,
            hold_id=ref.hold_id,
            fence=pin.fence,
            lines=tuple(lines),
            customer=wanted.customer,
            digest=digest,
            order_number=new_order_number(),
            order_secret_hash=hash_secret(self.order_secret(ref)),
            at=began_at,
            entry=wanted.entry,
            assignments=pin.assignments,
            remind_hours=listing.schedule.remind_hours,
            is_test=listing.site.is_test,
            coupon=UsedCoupon(coupon.id, coupon.code) if coupon and coupon.id else None,
        )

    def _may_hold(self, listing: Listing, lines: Sequence[Line]) -> list[OfferedSlot]:
        if not listing.site.holds_on:
            raise HoldsOff("Seats are taken when the booking is confirmed.")
        return policies.may_hold(listing.schedule, lines, self._clock.now())

    async def _may_change(self, listing: Listing, ref: HoldRef, lines: Sequence[Line]) -> list[OfferedSlot]:
        try:
            return self._may_hold(listing, lines)
        except (TooSoon, TooFar):
            hold = await self._engine.find(listing.site, ref.hold_id, ref.secret_hash)
            had = {line.slot: line.seats for line in hold.lines}
            added = [line for line in lines if line.seats > had.get(line.slot, 0)]
            if added:
                self._may_hold(listing, added)
            return policies.may_confirm(listing.schedule, lines)

    def _answer(self, ref: HoldRef, order: Order) -> Confirmed:
        return Confirmed(order, self.order_secret(ref), self._clock.now())


def _answers(listing: Listing, lines: Sequence[Line], wanted: WantedConfirmation) -> list[tuple[Answer, ...]]:
    """Operators need not ask. Raises InvalidRequest."""
    return policies.answers_of(listing.schedule, lines, wanted.answers, must_answer=wanted.entry is None)


def _digest(ref: HoldRef, wanted: WantedConfirmation) -> str:
    return hash_secret(f"{ref.secret_hash}\0{wanted.digest}")


def _same_order(before: Outcome, digest: str) -> Order:
    if before.digest != digest or before.order is None:
        raise IdConflict("This id was used before, for something else.")
    return before.order
