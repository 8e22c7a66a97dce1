"""From hold to booking: what visitors do with seats, and customers with orders."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import TypedDict, TypeVar

from widget_server.clock import Clock
from widget_server.domain import policies
from widget_server.domain.bookings import Customer
from widget_server.domain.holds import Hold, Line
from widget_server.domain.orders import Order, OutcomeState
from widget_server.domain.sites import Site
from widget_server.engine.reservations import Pin, Reservations
from widget_server.errors import (
    HoldEnded,
    HoldsOff,
    IdConflict,
    Loading,
    NotFound,
    NotYours,
    Refusal,
    SlotFull,
    StaleEpoch,
    StaleSchedule,
    Unavailable,
)
from widget_server.ids import hash_secret, keyed, new_order_number
from widget_server.store.bookings import Bookings as StoredBookings
from widget_server.store.bookings import Confirmation, ConfirmationLine, OutcomeTaken
from widget_server.use_cases.catalog import Catalog, Listing
from widget_server.use_cases.reconciliation import Reconciliation
from widget_server.use_cases.scheduling import Scheduling

CONFIRMING_WINDOW = timedelta(seconds=30)
"""How long a free confirmation may take before the worker asks what became of it."""
_REPEATS_MAX = 4
_FREE_ATTEMPT = "free"
"""All tries to confirm a free hold are one attempt: whoever writes the outcome first has confirmed it for all."""

_Result = TypeVar("_Result")


class Budgets(TypedDict):
    visitor: str
    network: str


@dataclass(frozen=True, slots=True)
class HoldRef:
    site_key: str
    hold_id: str
    secret_hash: str


@dataclass(frozen=True, slots=True)
class OrderRef:
    site_key: str
    order_id: str
    secret_hash: str


@dataclass(frozen=True, slots=True)
class Visit:
    """Who wants seats, as far as budgets care."""

    visitor: str
    network: str


@dataclass(frozen=True, slots=True)
class WantedConfirmation:
    customer: Customer
    attendees: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...]
    """Where there is no hold yet, because holds are off; a hold brings its own."""
    visit: Visit
    digest: str
    """All that was sent, in one text: the same again gets the same answer, anything else is refused."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    order: Order
    secret: str
    now: datetime


class Bookings:
    def __init__(
        self,
        *,
        catalog: Catalog,
        engine: Reservations,
        store: StoredBookings,
        scheduling: Scheduling,
        reconciliation: Reconciliation,
        clock: Clock,
        key: bytes,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._store = store
        self._scheduling = scheduling
        self._reconciliation = reconciliation
        self._clock = clock
        self._key = key

    def now(self) -> datetime:
        return self._clock.now()

    async def hold(self, ref: HoldRef, lines: Sequence[Line], visit: Visit) -> Hold:
        """Set seats aside, all lines or none, until the site's hold length has passed.

        Calling this again with the same id, secret and lines returns the hold as it is.
        Raises HoldsOff, SlotFull, SlotClosed, TooManySeats, HoldBudgetSpent, IdConflict, HoldEnded.
        """

        async def take(listing: Listing) -> Hold:
            if not listing.site.holds_on:
                raise HoldsOff("Seats are taken when the booking is confirmed.")
            offered = policies.may_hold(listing.schedule, lines)
            return await self._engine.hold(
                listing.site,
                lines,
                offered,
                schedule_version=listing.schedule.version,
                id=ref.hold_id,
                secret_hash=ref.secret_hash,
                **self._budgets(visit),
            )

        return await self._repeat(ref.site_key, take)

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

    async def release(self, ref: HoldRef) -> None:
        """Give the seats back; again: nothing more happens. Raises HoldEnded if expired or booked, Paying, NotYours."""
        await self._repeat(
            ref.site_key, lambda listing: self._engine.release(listing.site, ref.hold_id, ref.secret_hash)
        )

    async def confirm(self, ref: HoldRef, wanted: WantedConfirmation) -> Confirmed:
        """Make a free hold a booking; where holds are off, take the seats and book them in one go.

        The same call again returns the same order, also when its first answer was lost; another body is refused.
        Raises HoldEnded, SlotFull, SlotClosed, IdConflict, Paying, PaymentsNotSetUp.
        """
        return await self._repeat(ref.site_key, lambda listing: self._confirm(listing, ref, wanted))

    async def find_order(self, ref: OrderRef) -> Order:
        """Raises NotFound, also for a secret that is not this order's: who asks learns nothing."""
        site = (await self._catalog.find(ref.site_key)).site
        return await self._own_order(site.id, ref)

    async def cancel(self, ref: OrderRef) -> Order:
        """Undo all bookings of an order and free their seats; again: the same answer. Raises NotFound, TooLate."""
        site = (await self._catalog.find(ref.site_key)).site
        policies.may_cancel(await self._own_order(site.id, ref), self._clock.now())
        freed = await self._store.cancel(site.id, ref.order_id, self._clock.now())
        await self._reconciliation.tell_freed(site, freed)
        return await self._own_order(site.id, ref)

    async def _confirm(self, listing: Listing, ref: HoldRef, wanted: WantedConfirmation) -> Confirmed:
        digest, began_at = hash_secret(f"{ref.secret_hash}\0{wanted.digest}"), self._clock.now()
        try:
            pin = await self._pin(listing, ref, wanted)
        except (NotYours, Unavailable):
            raise
        except Refusal as refusal:
            # It may have become a booking before, whatever stands in its way by now.
            return self._answer(ref, await self._earlier_order(listing.site, ref, digest, refusal))
        try:
            order = await self._store.confirm(self._confirmation(listing, ref, wanted, pin, digest, began_at))
        except OutcomeTaken as taken:
            order = _same_order(taken.order, taken.digest, digest)
        except Unavailable:
            raise  # Nobody knows whether it is written: the pin stays, for the next try or the worker.
        except Refusal as refusal:
            await self._take_back(listing.site, ref, pin, refusal)
            raise
        await self._reconciliation.tell_booked(listing.site, order.id, pin.fence)
        return self._answer(ref, order)

    async def _take_back(self, site: Site, ref: HoldRef, pin: Pin, refusal: Refusal) -> None:
        """The seats are free again, unless the same confirmation, sent twice, has had better luck meanwhile.

        If it was SQL that had none, Redis is told the truth.
        """
        if await self._store.give_up(site.id, ref.hold_id, pin.fence) is OutcomeState.ABANDONED:
            await self._engine.unpin(site, ref.hold_id, fence=pin.fence, release=True)
        if isinstance(refusal, SlotFull):
            await self._reconciliation.mend(site, [line.slot for line in pin.lines])

    async def _pin(self, listing: Listing, ref: HoldRef, wanted: WantedConfirmation) -> Pin:
        if not wanted.lines:  # a hold taken before holds were switched off stays good
            return await self._engine.pin(
                listing.site,
                ref.hold_id,
                ref.secret_hash,
                listing.schedule.find,
                schedule_version=listing.schedule.version,
                attempt=_FREE_ATTEMPT,
                window=CONFIRMING_WINDOW,
            )
        return await self._engine.hold_and_pin(
            listing.site,
            wanted.lines,
            policies.may_hold(listing.schedule, wanted.lines),
            schedule_version=listing.schedule.version,
            id=ref.hold_id,
            secret_hash=ref.secret_hash,
            attempt=_FREE_ATTEMPT,
            window=CONFIRMING_WINDOW,
            **self._budgets(wanted.visit),
        )

    def _confirmation(
        self, listing: Listing, ref: HoldRef, wanted: WantedConfirmation, pin: Pin, digest: str, began_at: datetime
    ) -> Confirmation:
        """Raises as `may_hold` does: what the operator has taken away or priced meanwhile is not booked any more."""
        names = dict(enumerate(wanted.attendees))
        offered = policies.may_hold(listing.schedule, pin.lines)
        lines = [
            ConfirmationLine(
                offered=slot,
                seats=line.seats,
                unit_price=listing.schedule.services[line.slot.service].price,
                service_name=listing.schedule.services[line.slot.service].name,
                attendees=names.get(number, ())[: line.seats],
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
            order_secret_hash=hash_secret(self._order_secret(ref)),
            at=began_at,
        )

    async def _earlier_order(self, site: Site, ref: HoldRef, digest: str, refusal: Refusal) -> Order:
        """What this hold became before, for somebody whose first answer was lost; else the refusal stands."""
        outcome = await self._store.outcome(site.id, ref.hold_id)
        if outcome is None:
            raise refusal
        return _same_order(outcome.order, outcome.digest, digest)

    def _answer(self, ref: HoldRef, order: Order) -> Confirmed:
        return Confirmed(order, self._order_secret(ref), self._clock.now())

    def _order_secret(self, ref: HoldRef) -> str:
        """Derived, not stored: a repeated confirmation has to get the same one."""
        return keyed(self._key, "order secret", f"{ref.site_key}/{ref.hold_id}/{ref.secret_hash}")

    async def _own_order(self, site_id: int, ref: OrderRef) -> Order:
        found = await self._store.find(site_id, ref.order_id)
        if found is None or not compare_digest(found[1], ref.secret_hash):
            raise NotFound("There is no such order.")
        return found[0]

    def _budgets(self, visit: Visit) -> Budgets:
        """Hashed with our key: no list of visitors or networks can be read out of Redis."""
        return {
            "visitor": keyed(self._key, "visitor", visit.visitor),
            "network": keyed(self._key, "network", visit.network),
        }

    async def _repeat(self, site_key: str, act: Callable[[Listing], Awaitable[_Result]]) -> _Result:
        """Do something with what the site offers; where that has been overtaken, read again and repeat."""
        for _ in range(_REPEATS_MAX):
            listing = await self._catalog.find(site_key)
            try:
                return await act(listing)
            except StaleSchedule as stale:
                self._catalog.forget(site_key)
                await self._scheduling.catch_up(listing.site, stale.version or listing.schedule.version)
            except (StaleEpoch, Loading):
                self._catalog.forget(site_key)
                await self._reconciliation.ensure_loaded(site_key)
        raise Unavailable("This site is being changed just now. Please try again.")


def _same_order(order: Order | None, digest_then: str | None, digest: str) -> Order:
    if order is None:
        raise HoldEnded("The seats were given back before the booking was complete.")
    if digest_then != digest:
        raise IdConflict("This hold has become a booking with other details.")
    return order
