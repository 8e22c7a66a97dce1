"""The only place for what a message is: text to a person about something that happened, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from widget_server.domain.money import Money
from widget_server.domain.questions import Answer
from widget_server.domain.services import Place
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot

TEXT_LENGTH_MAX = 2_000
"""Of what an operator writes into a message."""


class Kind(StrEnum):
    """What a message is about. Not everybody hears of everything: see `told`."""

    BOOKED = "booked"
    NEW_ORDER = "new_order"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    MOVED = "moved"
    CANCELLED = "cancelled"
    WAITING_ALTERNATIVES = "waiting_alternatives"
    MOVE_WITHDRAWN = "move_withdrawn"
    """Whoever was asked for another time need not choose one."""
    REMINDER = "reminder"
    MY_BOOKINGS = "my_bookings"
    PAID_TOO_LATE = "paid_too_late"
    """The seats were gone: others are held, to choose from."""
    PAYMENT_STUCK = "payment_stuck"
    """Somebody has paid, and the site's keys can neither take the money nor give it back."""
    PAYMENT_RETURNED = "payment_returned"
    """Something was paid, and there is no booking for it."""
    MOVE_RETURNED = "move_returned"
    """A move was paid, and could not be made any more: the booking stays where it was."""
    REFUNDED = "refunded"
    """An operator has decided that something of what was paid goes back."""
    DISPUTED = "disputed"
    """Somebody has asked their bank to take back what they had paid."""
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"


class Role(StrEnum):
    CUSTOMER = "customer"
    OPERATOR = "operator"
    STAFF = "staff"
    ATTENDEE = "attendee"
    """Who comes with a customer, and has an address of their own in the order."""


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


@dataclass(frozen=True, slots=True)
class Shown:
    """A booking, or what somebody serves, as a message tells it."""

    slot: Slot
    service_name: str
    seats: int
    place: Place
    access: str = ""
    served_by: tuple[str, ...] = ()
    left: Slot | None = None
    """Where it was before it moved."""
    uid: str = ""
    """In calendars: the same for as long as there is the booking."""
    sequence: int = 0
    """How often it has changed since it was booked; calendars keep the highest."""
    is_cancelled: bool = False
    answers: tuple[Answer, ...] = ()
    """Told to operators only."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a message is written from, as of the moment at which it is written."""

    kind: Kind
    role: Role
    site: Site
    shown: tuple[Shown, ...]
    link: str
    """To the order: the customer's page, or the operator's; for `my_bookings`, to the list."""
    number: str = ""
    customer: str = ""
    customer_address: str = ""
    text: str = ""
    is_test: bool = False
    """It is about an order that was made in test mode."""
    until: datetime | None = None
    """Until when there is something to choose."""
    my_bookings: str = ""
    """Where customers ask for a link to all they have booked."""
    paid: Money | None = None
    """For the order that was just booked, if something was."""
    coupon: str = ""
    """The code that was used for it."""
    discount: Money | None = None
    receipt: str = ""
    """Where its customer finds a receipt."""
    back: Money | None = None
    """What goes back of what was paid: of bookings that are cancelled it may be nothing; None where none was paid."""


@dataclass(frozen=True, slots=True)
class Mail:
    """What is sent. The bodies are complete each by itself; `calendar` is a calendar file, where there is one."""

    subject: str
    plain: str
    html: str
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message as it is kept. `mail` is None before it is written, and once it has been erased."""

    id: int
    site_id: int
    order_id: str | None
    order_number: str | None
    event: str
    kind: Kind
    role: Role
    recipient: str
    address: str | None
    language: str
    zone: str
    text: str
    detail: Mapping[str, Any]
    state: MessageState
    tries: int
    sendings: int
    due_at: datetime | None
    why: str | None
    mail: Mail | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_for_all(self) -> bool:
        """To all operators, all staff concerned, or all attendees: it becomes one each when its turn comes."""
        return self.recipient == self.role and self.role is not Role.CUSTOMER

    @property
    def message_id(self) -> str:
        """For mail servers: the same for every try of one sending, so that whoever gets two of them shows one."""
        return f"{self.site_id}.{self.id}.{self.sendings}"


class Delivered(StrEnum):
    """What came of one try to send."""

    SENT = "sent"
    REFUSED = "refused"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Handover:
    delivered: Delivered
    why: str = ""
