"""The only place for what a service is: what can be booked, how long, by how many, and how early and late."""

from dataclasses import dataclass
from enum import StrEnum

from widget_server.domain.money import Money
from widget_server.domain.questions import Question

CAPACITY_MAX = 10_000
BUFFER_MINUTES_MAX = 12 * 60
NOTICE_MINUTES_MAX = CANCEL_MINUTES_MAX = 60 * 24 * 60
HORIZON_DAYS_MAX = 730
HORIZON_DAYS_DEFAULT = 365
REMIND_HOURS_MAX = 14 * 24


class ServiceKind(StrEnum):
    CONSULTATION = "consultation"
    CLASS = "class"
    EVENT = "event"


class Place(StrEnum):
    ONLINE = "online"
    IN_PERSON = "in_person"


class CapacityRule(StrEnum):
    FIXED = "fixed"
    """Every slot has as many seats as the service says."""
    BY_SHIFT = "by_shift"
    """A slot has the seats of all staff whose shifts cover it."""


class AttendeesShown(StrEnum):
    """What customers with a booking see of the others who come to their meeting."""

    FIRST_NAMES = "first_names"
    """Of all who were named."""
    EMAILS = "emails"
    """The address of each customer who gave one."""
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Service:
    """What can be booked. `key` never changes: it stands in snippets and in slot ids."""

    key: str
    name: str
    kind: ServiceKind
    place: Place
    description: str
    length_min: int
    """Of the slots that are cut from its openings; typed slots are as long as they were typed."""
    capacity: int
    """FIXED: maximum customers per slot, in seats. BY_SHIFT: seats that one staff member serves at a time."""
    seats_per_booking_max: int
    price: Money
    access: str
    """Video link or venue: only for customers with a booking."""
    capacity_rule: CapacityRule = CapacityRule.FIXED
    buffer_before_min: int = 0
    buffer_after_min: int = 0
    """Buffers lie between the slots that are cut from one opening, and whoever serves a slot is busy with them, too.

    They count against other bookings only: openings, shifts and blackouts are compared with the slot itself.
    """
    notice_min: int = 0
    """So long before its start a slot can be booked at the latest; 0: until it starts."""
    horizon_days: int = HORIZON_DAYS_DEFAULT
    """So many days ahead can be booked, 1 to HORIZON_DAYS_MAX. A day opens as a whole, at the site's midnight."""
    cancel_until_min: int = 0
    """So long before its start a customer can cancel or move a booking at the latest; 0: until it starts."""
    is_offered: bool = True
    """False: withdrawn by the operator. Nothing new can be booked; what is booked stays."""
    remind_hours: int = 0
    """So long before its start its customers are reminded, 1 to REMIND_HOURS_MAX; 0: never."""
    attendees_shown: AttendeesShown = AttendeesShown.FIRST_NAMES
    attendee_emails: bool = False
    """Whether whoever books for several is asked for the addresses of those who come: they get mails of their own."""
    questions: tuple[Question, ...] = ()
    """Asked once a booking, up to QUESTIONS_MAX."""
    refund_percent: int = 100
    """So much of what was paid goes back, 0 to 100, when a customer cancels in time."""
