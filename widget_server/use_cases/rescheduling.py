"""The story of a reschedule: the old seats are nobody's until the new ones are the customer's."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from widget_server.domain import policies
from widget_server.domain.holds import Line
from widget_server.domain.money import Difference, Money
from widget_server.domain.move_prices import MovePrice, MoveTerms, costs_otherwise, keep_price, price_of_move
from widget_server.domain.orders import Move, Order
from widget_server.domain.payments import why_not_chargeable
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine.reservations import Pin
from widget_server.errors import HoldEnded, IdConflict, NotFound, NotYours, PriceChanged, Refusal, Unavailable
from widget_server.ids import hash_secret
from widget_server.store.bookings import Outcome, OutcomeTaken
from widget_server.store.bookings import Rescheduling as Record
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.pinning import CONFIRMING_WINDOW, OrderRef, Pinning, Visit

_ATTEMPT = "reschedule"
"""Nobody can confirm what is pinned to be moved to."""


@dataclass(frozen=True, slots=True)
class WantedReschedule:
    hold_id: str
    """Under which the new seats are taken; made by the client, so that the call can be repeated."""
    lines: tuple[Line, ...]
    """All that the order is to have, in the order of its bookings."""
    visit: Visit
    digest: str
    """All that was sent, in one text."""
    agreed: Difference | None = None
    """What the customer has agreed to settle, where the price is another one by now. None: nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to move, worked out from the order as it was then."""

    order: Order
    moves: tuple[Move, ...]
    only_as_asked: frozenset[Slot]
    keep_as_asked: frozenset[Slot]
    price: MovePrice
    began_at: datetime


class Rescheduling(Pinning):
    async def reschedule(self, ref: OrderRef, wanted: WantedReschedule) -> Order:
        """Move the bookings of an order to other slots, all or none. Id, number, secret and customer stay.

        Where its seats cost less by now, that goes back. The same call again returns the order as it is by then, also
        when the first answer was lost; another body is refused. Raises NotFound, TooLate, InvalidRequest, SlotFull,
        SlotClosed, Changed, IdConflict, HoldEnded, TooManySeats, HoldBudgetSpent, PaymentsNotSetUp; PriceChanged where
        another difference was agreed to.
        """
        return await self._repeat(ref.site_key, lambda listing: self._reschedule(listing, ref, wanted))

    async def differences(self, site_key: str, order: Order) -> Mapping[Slot, Difference]:
        """What its customer would have to settle for moving one of its bookings now, by its slot; those where that is
        nothing are left out.
        """
        listing = await self._catalog.find(site_key)
        otherwise = costs_otherwise(order, listing.schedule)
        if not otherwise:
            return {}
        terms = await self._store.move_terms(listing.site.id, order)
        prices = {slot: _price(listing, order, [slot], terms) for slot in otherwise}
        return {slot: price.settled for slot, price in prices.items() if price.settled.amount_minor}

    async def _reschedule(self, listing: Listing, ref: OrderRef, wanted: WantedReschedule) -> Order:
        site, hold_id, owner = listing.site, wanted.hold_id, move_secret_hash(ref)
        order = await self._own_order(site.id, ref)
        began_at = self._clock.now()
        try:
            plan = await self.plan(listing, order, wanted, began_at)
            if plan.price.settled.amount_minor > 0:
                raise price_changed(plan.price.settled)  # it is paid first
            pin = await self._pin_new(listing, ref, wanted, plan.moves)
        except Unavailable:
            raise
        except Refusal as refusal:
            # It may have been moved by this very call before, whatever stands in its way by now.
            pin_before = await self._pin_before(site, hold_id, owner) if isinstance(refusal, PriceChanged) else None
            if pin_before is not None:
                before = await self._take_back(site, hold_id, owner, pin_before, refusal)
            else:
                before = await self._refuse(site, hold_id, owner, refusal)
            return await self._carry_on(site, ref, wanted, before)
        try:
            moved = await self._store.reschedule(_record(listing, ref, wanted, plan, pin))
        except Unavailable:
            raise  # Nobody knows whether it is written: the pin stays, for the next try or the worker.
        except (OutcomeTaken, Refusal) as problem:
            before = await self._decided_before(site, hold_id, owner, pin, problem)
            return await self._carry_on(site, ref, wanted, before)
        await self._reconciliation.tell_booked(site, hold_id, pin.fence)
        return moved

    async def plan(self, listing: Listing, order: Order, wanted: WantedReschedule, now: datetime) -> Plan:
        """Raises as `may_reschedule` does, and PriceChanged."""
        moves = tuple(policies.may_reschedule(listing.schedule, order, wanted.lines, now))
        leaving = {move.leaves for move in moves}
        price = keep_price(order)
        if costs_otherwise(order, listing.schedule) & leaving:
            terms = await self._store.move_terms(listing.site.id, order)
            price = _price(listing, order, leaving, terms)
        if price.settled != (wanted.agreed or keep_price(order).settled):
            raise price_changed(price.settled)
        asked = policies.only_as_asked(listing.schedule, order, now) & leaving
        kept = costs_otherwise(order, listing.schedule, asked=True) & leaving
        return Plan(order, moves, asked, kept, price, now)

    async def _pin_before(self, site: Site, hold_id: str, owner: str) -> Pin | None:
        """The price changed after the new seats were pinned: they are to be free for whoever looks at it again."""
        with suppress(NotFound, NotYours, HoldEnded):
            await self._engine.find(site, hold_id, owner)
            return await self._engine.pinned(site, hold_id)
        return None

    async def _pin_new(self, listing: Listing, ref: OrderRef, wanted: WantedReschedule, moves: Sequence[Move]) -> Pin:
        leaves = {move.leaves for move in moves}
        claimed = await self._store.claimed(listing.site.id, ref.order_id)
        return await self._engine.hold_and_pin(
            listing.site,
            [move.line for move in moves],
            [move.offered for move in moves],
            schedule_version=listing.schedule.version,
            id=wanted.hold_id,
            secret_hash=move_secret_hash(ref),
            attempt=_ATTEMPT,
            window=CONFIRMING_WINDOW,
            instead_of=[one for one in claimed if one.slot in leaves],
            **self._budgets(wanted.visit),
        )

    async def _carry_on(self, site: Site, ref: OrderRef, wanted: WantedReschedule, before: Outcome) -> Order:
        """Whoever decided may have died before Redis heard of it."""
        await self._reconciliation.tell_booked(site, wanted.hold_id, before.fence)
        if before.digest != digest_of(ref, wanted):
            raise IdConflict("This id was used before, for something else.")
        return await self._own_order(site.id, ref)


def _price(listing: Listing, order: Order, leaving: Collection[Slot], terms: MoveTerms) -> MovePrice:
    """What costs more, and cannot be charged, keeps its price."""
    price = price_of_move(order, listing.schedule, leaving, terms)
    return price if price.settled.amount_minor <= 0 or _can_be_charged(listing, order, price) else keep_price(order)


def _can_be_charged(listing: Listing, order: Order, price: MovePrice) -> bool:
    """Something was paid before, in the mode that the site is in, and it is not too little to be charged."""
    due = Money(price.settled.amount_minor, price.settled.currency)
    takes_payments = listing.schedule.takes_payments and order.is_test is listing.site.is_test
    return takes_payments and order.payment is not None and why_not_chargeable(due) is None


def price_changed(settled: Difference) -> PriceChanged:
    difference = {"amount": settled.amount_minor, "currency": settled.currency}
    return PriceChanged("The price is another one by now: agree to the difference first.", difference=difference)


def _record(listing: Listing, ref: OrderRef, wanted: WantedReschedule, plan: Plan, pin: Pin) -> Record:
    return Record(
        site_id=listing.site.id,
        epoch=listing.site.epoch,
        schedule_version=listing.schedule.version,
        order_id=ref.order_id,
        seen=tuple(booking.slot for booking in plan.order.bookings),
        hold_id=wanted.hold_id,
        fence=pin.fence,
        moves=plan.moves,
        digest=digest_of(ref, wanted),
        owner=move_secret_hash(ref),
        at=plan.began_at,
        remind_hours=listing.schedule.remind_hours,
        assignments=pin.assignments,
        only_as_asked=plan.only_as_asked,
        prices=plan.price.prices,
        agreed_minor=plan.price.settled.amount_minor,
        keep_as_asked=plan.keep_as_asked,
    )


def digest_of(ref: OrderRef, wanted: WantedReschedule) -> str:
    return hash_secret(f"{ref.order_id}\0{ref.secret_hash}\0{wanted.digest}")


def move_secret_hash(ref: OrderRef) -> str:
    """What no secret of a hold has for its hash: this hold is opened by nothing but the order's next reschedule."""
    return hash_secret(f"reschedule\0{ref.order_id}\0{ref.secret_hash}")
