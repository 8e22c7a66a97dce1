"""The only place where seats wait for their payment, and become what was sold once it is there."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Unpack

from widget_server.domain import policies
from widget_server.domain.attempts import Attempt
from widget_server.domain.holds import Line
from widget_server.domain.payments import PAYMENT_WINDOW, Payment, PaymentState
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot
from widget_server.engine.reservations import Pin
from widget_server.errors import HoldBudgetSpent, HoldEnded, IdConflict, NotFound, NotYours, SlotClosed, SlotFull
from widget_server.payments.stripe_gateway import StripeGateway
from widget_server.store.alternatives import LatePayments
from widget_server.store.attempts import Attempts
from widget_server.store.bookings import Confirmation, ConfirmationLine
from widget_server.store.confirmations import Stage
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.store.sites import Sites
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.offers import Offers
from widget_server.use_cases.pinning import Pinning, PinningParts
from widget_server.use_cases.refunding import Refunding

LOST = (SlotFull, SlotClosed, HoldEnded, HoldBudgetSpent, IdConflict, NotFound, NotYours)
"""Why seats that were waiting for their payment cannot be had again."""
NO_BUDGET = 2**31
"""Who has paid is no hoarder: their seats are taken again whatever else they hold."""


@dataclass(frozen=True, slots=True)
class DecidingParts:
    """What it takes besides to have seats paid."""

    attempts: Attempts
    payments: LatePayments
    accounts: PaymentAccounts
    gateway: StripeGateway
    refunding: Refunding
    sites: Sites
    offers: Offers


class PaidSeats(Pinning):
    def __init__(self, deciding: DecidingParts, **parts: Unpack[PinningParts]) -> None:
        super().__init__(**parts)
        self._attempts, self._payments = deciding.attempts, deciding.payments
        self._accounts, self._gateway = deciding.accounts, deciding.gateway
        self._refunding, self._sites = deciding.refunding, deciding.sites
        self._offers = deciding.offers

    async def _pin_again(self, listing: Listing, attempt: Attempt) -> Pin:
        """The pin that it has, or another one."""
        lines = [line.line for line in attempt.wanted.lines]
        offered = [offered_to(listing, line, to_pin=True) for line in lines]
        return await self._pin_kept(listing.site, attempt.hold_id, attempt) or await self._engine.hold_and_pin(
            listing.site,
            lines,
            offered,
            schedule_version=listing.schedule.version,
            id=attempt.hold_id,
            secret_hash=attempt.secret_hash,
            visitor=attempt.wanted.visitor,
            network=attempt.wanted.network,
            attempt=attempt.id,
            window=PAYMENT_WINDOW,
            visitor_max=NO_BUDGET,
            network_max=NO_BUDGET,
        )

    async def _pin_kept(self, site: Site, hold_id: str, attempt: Attempt) -> Pin | None:
        """The pin that it has. Reading takes no memory: a Redis without any lets nobody take seats, nor again."""
        with suppress(NotFound):
            pin = await self._engine.pinned(site, hold_id)
            return pin if pin is not None and pin.attempt == attempt.id else None
        return None


def offered_to(listing: Listing, line: Line, *, to_pin: bool = False) -> OfferedSlot:
    """As the slot is offered now, closed or not: these seats were taken in time."""
    find = policies.find_to_pin if to_pin else Schedule.find
    offered = find(listing.schedule, line.slot)
    if offered is None:
        raise SlotClosed("This time is not offered any more.", slot=line.slot.id)
    return offered


def confirmation_of(
    listing: Listing, attempt: Attempt, pin: Pin, payment: Payment, *, held_by: str = ""
) -> Confirmation:
    """As it was sold, held under its own id or another one."""
    wanted = attempt.wanted
    return Confirmation(
        site_id=attempt.site_id,
        epoch=listing.site.epoch,
        schedule_version=listing.schedule.version,
        hold_id=held_by or attempt.hold_id,
        order_id=attempt.hold_id,
        fence=pin.fence,
        lines=tuple(
            ConfirmationLine(
                offered_to(listing, line.line),
                line.seats,
                line.unit_price,
                line.service_name,
                line.attendees,
                line.answers,
                line.discount_minor,
                line.attendee_emails,
            )
            for line in wanted.lines
        ),
        customer=wanted.customer,
        digest=attempt.digest,
        order_number=wanted.number,
        order_secret_hash=attempt.order_secret_hash,
        at=attempt.created_at,
        assignments=pin.assignments,
        remind_hours=listing.schedule.remind_hours,
        is_test=attempt.is_test,
        coupon=wanted.coupon,
        stage=Stage.CAPTURED if payment.state is PaymentState.CAPTURED else Stage.AUTHORISED,
    )
