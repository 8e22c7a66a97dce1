"""The story of a reschedule: the old seats are nobody's until the new ones are the customer's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from widget_server.domain import policies
from widget_server.domain.holds import Line
from widget_server.domain.orders import Move, Order
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine.reservations import Pin
from widget_server.errors import IdConflict, Refusal, Unavailable
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to move, worked out from the order as it was then."""

    order: Order
    moves: tuple[Move, ...]
    only_as_asked: frozenset[Slot]
    began_at: datetime


class Rescheduling(Pinning):
    async def reschedule(self, ref: OrderRef, wanted: WantedReschedule) -> Order:
        """Move the bookings of an order to other slots, all or none. Id, number, secret and customer stay.

        The same call again returns the order as it is by then, also when the first answer was lost; another body is
        refused. Raises NotFound, TooLate, InvalidRequest, SlotFull, SlotClosed, Changed, IdConflict, HoldEnded,
        TooManySeats, HoldBudgetSpent, PaymentsNotSetUp.
        """
        return await self._repeat(ref.site_key, lambda listing: self._reschedule(listing, ref, wanted))

    async def _reschedule(self, listing: Listing, ref: OrderRef, wanted: WantedReschedule) -> Order:
        site, hold_id, owner = listing.site, wanted.hold_id, _secret_hash(ref)
        order = await self._own_order(site.id, ref)
        began_at = self._clock.now()
        try:
            plan = _plan(listing, order, wanted, began_at)
            pin = await self._pin_new(listing, ref, wanted, plan.moves)
        except Unavailable:
            raise
        except Refusal as refusal:
            # It may have been moved by this very call before, whatever stands in its way by now.
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

    async def _pin_new(self, listing: Listing, ref: OrderRef, wanted: WantedReschedule, moves: Sequence[Move]) -> Pin:
        leaves = {move.leaves for move in moves}
        claimed = await self._store.claimed(listing.site.id, ref.order_id)
        return await self._engine.hold_and_pin(
            listing.site,
            [move.line for move in moves],
            [move.offered for move in moves],
            schedule_version=listing.schedule.version,
            id=wanted.hold_id,
            secret_hash=_secret_hash(ref),
            attempt=_ATTEMPT,
            window=CONFIRMING_WINDOW,
            instead_of=[one for one in claimed if one.slot in leaves],
            **self._budgets(wanted.visit),
        )

    async def _carry_on(self, site: Site, ref: OrderRef, wanted: WantedReschedule, before: Outcome) -> Order:
        """Whoever decided may have died before Redis heard of it."""
        await self._reconciliation.tell_booked(site, wanted.hold_id, before.fence)
        if before.digest != _digest(ref, wanted):
            raise IdConflict("This id was used before, for something else.")
        return await self._own_order(site.id, ref)


def _plan(listing: Listing, order: Order, wanted: WantedReschedule, now: datetime) -> _Plan:
    moves = tuple(policies.may_reschedule(listing.schedule, order, wanted.lines, now))
    asked = policies.only_as_asked(listing.schedule, order, now) & {move.leaves for move in moves}
    return _Plan(order, moves, asked, now)


def _record(listing: Listing, ref: OrderRef, wanted: WantedReschedule, plan: _Plan, pin: Pin) -> Record:
    return Record(
        site_id=listing.site.id,
        epoch=listing.site.epoch,
        schedule_version=listing.schedule.version,
        order_id=ref.order_id,
        seen=tuple(booking.slot for booking in plan.order.bookings),
        hold_id=wanted.hold_id,
        fence=pin.fence,
        moves=plan.moves,
        digest=_digest(ref, wanted),
        owner=_secret_hash(ref),
        at=plan.began_at,
        remind_hours=listing.schedule.remind_hours,
        assignments=pin.assignments,
        only_as_asked=plan.only_as_asked,
    )


def _digest(ref: OrderRef, wanted: WantedReschedule) -> str:
    return hash_secret(f"{ref.order_id}\0{ref.secret_hash}\0{wanted.digest}")


def _secret_hash(ref: OrderRef) -> str:
    """What no secret of a hold has for its hash: this hold is opened by nothing but the order's next reschedule."""
    return hash_secret(f"reschedule\0{ref.order_id}\0{ref.secret_hash}")
