"""The only place for what operators have done, and what became of money without them: told without secrets, and without
anything about a customer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from widget_server.domain.money import Money

NOBODY = 0


class Deed(StrEnum):
    SETTINGS_CHANGED = "settings_changed"
    BOOKING_CANCELLED = "booking_cancelled"
    MOVE_ASKED = "move_asked"
    MOVE_WITHDRAWN = "move_withdrawn"
    PERSONAL_DATA_ERASED = "personal_data_erased"
    REFUNDED = "refunded"
    BOOKED_BY_PHONE = "booked_by_phone"
    HOLD_EXTENDED = "hold_extended"
    HOLD_RELEASED = "hold_released"
    HOLD_BOOKED = "hold_booked"
    MESSAGE_SENT_AGAIN = "message_sent_again"
    MESSAGE_CAME_BACK = "message_came_back"
    SERVICE_ADDED = "service_added"
    SERVICE_CHANGED = "service_changed"
    CALENDAR_CHANGED = "calendar_changed"
    SLOT_FROZEN = "slot_frozen"
    SLOT_UNFROZEN = "slot_unfrozen"
    STAFF_ADDED = "staff_added"
    STAFF_CHANGED = "staff_changed"
    BLACKOUT_ADDED = "blackout_added"
    BLACKOUT_CHANGED = "blackout_changed"
    BLACKOUT_REMOVED = "blackout_removed"
    CLEARING_STOPPED = "clearing_stopped"
    COUPON_ADDED = "coupon_added"
    COUPON_CHANGED = "coupon_changed"
    COUPON_REMOVED = "coupon_removed"
    PAYMENT_KEYS_ENTERED = "payment_keys_entered"
    PAYMENT_KEYS_REMOVED = "payment_keys_removed"
    SITE_MADE = "site_made"
    PERSON_INVITED = "person_invited"
    INVITATION_WITHDRAWN = "invitation_withdrawn"
    INVITATION_ACCEPTED = "invitation_accepted"
    ROLE_CHANGED = "role_changed"
    ACCESS_TAKEN_AWAY = "access_taken_away"
    CALENDAR_ADDRESS_MADE = "calendar_address_made"
    CALENDAR_ADDRESS_REMOVED = "calendar_address_removed"
    PAID_TOO_LATE = "paid_too_late"
    SAME_SEATS_TAKEN = "same_seats_taken"
    ALTERNATIVES_HELD = "alternatives_held"
    ALTERNATIVE_TAKEN = "alternative_taken"
    ALTERNATIVES_DECLINED = "alternatives_declined"
    ALTERNATIVES_RUN_OUT = "alternatives_run_out"
    PAYMENT_CAPTURED = "payment_captured"
    CAPTURE_REFUSED = "capture_refused"
    PAYMENT_VOIDED = "payment_voided"
    PAYMENT_REFUNDED = "payment_refunded"
    PAYMENT_WINDOW_ENDED = "payment_window_ended"
    PAYMENT_LET_GO = "payment_let_go"
    PAYMENT_DIFFERS = "payment_differs"
    PAYMENT_GIVEN_BACK = "payment_given_back"
    PAYMENT_DISPUTED = "payment_disputed"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    MOVE_SETTLED = "move_settled"


@dataclass(frozen=True, slots=True)
class Entry:
    """`about` is an id: of an order, a hold, a slot. `detail` never has a secret, nor anything about a customer."""

    site_id: int
    operator_id: int
    """Or NOBODY, where it followed by itself from what was paid."""
    deed: Deed
    at: datetime
    about: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    form_key: str | None = None
    """Of the form that has added something, with all that was typed into it."""

    def with_money(self, name: str, amount: Money) -> "Entry":
        """With an amount in its detail, as `money_in` reads it."""
        return replace(self, detail={**self.detail, name: kept_money(amount)})


def kept_money(amount: Money) -> Mapping[str, Any]:
    """As `money_in` reads it."""
    return {"amount": amount.amount_minor, "currency": amount.currency}


def money_in(found: object) -> Money | None:
    """An amount of an entry's detail; None where it is something else."""
    match found:
        case {"amount": int(minor), "currency": str(currency)} if minor >= 0 and len(currency) == 3:
            return Money(minor, currency.upper())
    return None


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """An entry as it is read again, with who and what it is about."""

    id: int
    operator: str
    """The address with which they sign in; empty where nobody has done it."""
    deed: str
    """A Deed, or one that only a newer version knows."""
    at: datetime
    about: str
    order_number: str | None
    """Where it is about what is an order by now."""
    detail: Mapping[str, Any]
