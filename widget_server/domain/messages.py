"""The only place for what a message is: text to a person about something that happened, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

TEXT_LENGTH_MAX = 2_000
"""Of what an operator writes into a message."""
REMIND_HOURS_MAX = 14 * 24


class Kind(StrEnum):
    """What a message is about. Not everybody hears of everything: see `told`."""

    BOOKED = "booked"
    NEW_ORDER = "new_order"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    MOVED = "moved"
    CANCELLED = "cancelled"
    WAITING_ALTERNATIVES = "waiting_alternatives"
    REMINDER = "reminder"
    MY_BOOKINGS = "my_bookings"


class Role(StrEnum):
    CUSTOMER = "customer"
    OPERATOR = "operator"
    STAFF = "staff"


class MessageState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    KEPT = "kept"
    """There is no mail server: it can be read in the admin pages."""
    REFUSED = "refused"
    """By the mail server, for good."""
    GIVEN_UP = "given_up"
    """After a day of tries."""
    DROPPED = "dropped"
    """There was nobody to send it to, or nothing left to say, when its turn came."""


UNDELIVERED = (MessageState.REFUSED, MessageState.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class NewMessage:
    """`event` names what happened: of one event each recipient gets one message of a kind, however often it is put.

    Addresses are looked up when it is sent: the customer's in the order, those of operators and staff by then.
    """

    site_id: int
    kind: Kind
    role: Role
    event: str
    at: datetime
    order_id: str | None = None
    due_at: datetime | None = None
    """None: at once."""
    text: str = ""
    """What an operator wants to say to the customer, if anything."""
    address: str | None = None
    """Only where there is no order to find it in."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Ids and figures: which booking, between which slots. Nothing about a person."""
