"""The only place for what all stories of pinned seats share: who asks, trying again, and giving a pin back."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hmac import compare_digest
from typing import NamedTuple, TypedDict, TypeVar

from widget_server.clock import Clock
from widget_server.domain import policies
from widget_server.domain.bookings import Customer
from widget_server.domain.coupons import Coupon
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.orders import Order
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot
from widget_server.engine.reservations import Pin, Reservations
from widget_server.errors import (
    Changed,
    HoldEnded,
    IdConflict,
    InvalidRequest,
    Loading,
    NotFound,
    Refusal,
    SlotClosed,
    SlotFull,
    StaleEpoch,
    StaleSchedule,
    Unavailable,
)
from widget_server.ids import Keyed, hash_secret, keyed
from widget_server.store.bookings import Bookings as StoredBookings
from widget_server.store.bookings import Outcome, OutcomeTaken
from widget_server.use_cases.catalog import Catalog, Listing
from widget_server.use_cases.coupons import Coupons
from widget_server.use_cases.order_links import link_secret
from widget_server.use_cases.reconciliation import Reconciliation
from widget_server.use_cases.scheduling import Scheduling

CONFIRMING_WINDOW = timedelta(seconds=30)
"""How long a free confirmation, or a reschedule, may take before the worker asks what became of it."""
NO_FOR_GOOD = (SlotFull, SlotClosed, HoldEnded, NotFound)
"""Whoever is told one of these has no hold any more; other refusals are about what was sent, or about just now."""
_REPEATS_MAX = 4
NETWORKS_KEPT = 4_096
"""So many does a process remember by their hash: many visitors come from the same few."""

_Result = TypeVar("_Result")


class Budgets(TypedDict):
    visitor: str
    network: str


class HoldRef(NamedTuple):
    site_key: str
    hold_id: str
    secret_hash: str


@dataclass(frozen=True, slots=True)
class OrderRef:
    site_key: str
    order_id: str
    secret_hash: str


class Visit(NamedTuple):
    """Who wants seats, as far as budgets care."""

    visitor: str
    network: str


class PinningParts(TypedDict):
    """What every story of pinned seats is made of."""

    catalog: Catalog
    engine: Reservations
    store: StoredBookings
    scheduling: Scheduling
    reconciliation: Reconciliation
    clock: Clock
    key: bytes
    coupons: Coupons


class Pinning:
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
        coupons: Coupons,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._store = store
        self._scheduling = scheduling
        self._reconciliation = reconciliation
        self._clock = clock
        self._key = key
        self._coupons = coupons
        self._visitor_hash = Keyed(key, "visitor").of
        self._network_hash = lru_cache(NETWORKS_KEPT)(Keyed(key, "network").of)

    def now(self) -> datetime:
        return self._clock.now()

    async def _refuse(self, site: Site, hold_id: str, owner: str, refusal: Refusal) -> Outcome:
        """What became of a hold before, for somebody whose first answer was lost; else raises `refusal`.

        A no for good is written first: the same call, sent twice, may be half-way in another process, and must not
        become a yes once this one was told no.
        """
        if isinstance(refusal, NO_FOR_GOOD):
            outcome = await self._store.refuse(site.id, hold_id, owner)
        else:
            outcome = await self._store.outcome(site.id, hold_id)
        if outcome is None or outcome.state.is_nothing:
            raise refusal
        return outcome

    async def _decided_before(
        self, site: Site, hold_id: str, owner: str, pin: Pin, problem: OutcomeTaken | Refusal
    ) -> Outcome:
        """What somebody else has made of a pinned hold, so that it was not ours to record; else it is given back."""
        if not isinstance(problem, OutcomeTaken):
            return await self._take_back(site, hold_id, owner, pin, problem)
        if problem.outcome.is_nothing:
            refusal = HoldEnded("The seats were given back before the booking was complete.")
            return await self._take_back(site, hold_id, owner, pin, refusal)
        return Outcome(problem.outcome, pin.fence, problem.digest, problem.order)

    async def _take_back(self, site: Site, hold_id: str, owner: str, pin: Pin, refusal: Refusal) -> Outcome:
        """The seats are free again and `refusal` is raised, unless the same call, sent twice, has had better luck.

        If it was SQL that had no seats, Redis is told the truth.
        """
        outcome = await self._store.refuse(site.id, hold_id, owner, fence=pin.fence)
        if outcome is None:
            with suppress(NotFound, Unavailable):  # the pin ends by itself; what the customer is told stays true
                await self._engine.unpin(site, hold_id, fence=pin.fence, release=True)
        if isinstance(refusal, SlotFull):
            await self._reconciliation.mend(site, [line.slot for line in pin.lines])
        if outcome is None or outcome.state.is_nothing:
            raise refusal
        return outcome

    async def _pin_lines(
        self, listing: Listing, ref: HoldRef, lines: Sequence[Line], visit: Visit, *, attempt: str, window: timedelta
    ) -> Pin:
        """Pin a hold of just these lines, which are taken where there is none. Raises Changed where it has others."""
        try:
            return await self._engine.hold_and_pin(
                listing.site,
                lines,
                await self._may_confirm(listing, ref, lines),
                schedule_version=listing.schedule.version,
                id=ref.hold_id,
                secret_hash=ref.secret_hash,
                attempt=attempt,
                window=window,
                **self._budgets(visit),
            )
        except IdConflict as conflict:
            await self._engine.find(listing.site, ref.hold_id, ref.secret_hash)  # raises NotYours
            raise Changed("This hold has other seats than you confirm: look at it again.") from conflict

    async def _may_confirm(self, listing: Listing, ref: HoldRef, lines: Sequence[Line]) -> list[OfferedSlot]:
        """What was held in time may be booked also where nobody else can hold it any more."""
        try:
            return policies.may_hold(listing.schedule, lines, self._clock.now())
        except SlotClosed:
            if not await self._is_held(listing, ref):
                raise
        return policies.may_confirm(listing.schedule, lines)

    async def _is_held(self, listing: Listing, ref: HoldRef) -> bool:
        try:
            hold = await self._engine.find(listing.site, ref.hold_id, ref.secret_hash)
        except NotFound:
            return False
        return hold.state in (HoldState.HELD, HoldState.PAYING)

    def order_secret(self, ref: HoldRef) -> str:
        """Derived, not stored: a repeated confirmation has to get the same one."""
        return keyed(self._key, "order secret", f"{ref.site_key}/{ref.hold_id}/{ref.secret_hash}")

    def _opens(self, ref: OrderRef, secret_hash: str) -> bool:
        """Whether it is the secret that the confirmation answered, or the one of the links in mails."""
        link = hash_secret(link_secret(self._key, ref.site_key, ref.order_id))
        return any(compare_digest(each, ref.secret_hash) for each in (secret_hash, link))

    async def _own_order(self, site_id: int, ref: OrderRef) -> Order:
        found = await self._store.find(site_id, ref.order_id)
        if found is None or not self._opens(ref, found[1]):
            raise NotFound("There is no such order.")
        return found[0]

    async def _coupon(self, site: Site, code: str, customer: Customer, visit: Visit) -> Coupon | None:
        """The one of this code, if there is a code. Raises CouponRefused, TooManyTries, InvalidRequest."""
        if not code:
            return None
        coupon = await self._coupons.find(site, code, network=visit.network)
        if coupon.uses_per_address_max is not None and not customer.email:
            problem = {"field": "customer.email", "problem": "is needed to use this code"}
            raise InvalidRequest("An e-mail address is needed to use this code.", fields=[problem])
        return coupon

    def _budgets(self, visit: Visit) -> Budgets:
        """Hashed with our key: no list of visitors or networks can be read out of Redis."""
        return {
            "visitor": self._visitor_hash(visit.visitor),
            "network": self._network_hash(visit.network),
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
