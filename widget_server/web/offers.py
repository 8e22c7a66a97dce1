"""The only place for how /v1 answers what can be booked, and when. Tables are elsewhere."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from widget_server.domain.questions import Question
from widget_server.domain.schedule import Service
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.domain.why_not import Reason
from widget_server.use_cases.next_date import NextDate
from widget_server.web.shapes import Body, Instant, MoneyBody


class SiteBody(Body):
    key: str
    name: str
    zone: str
    currency: str
    locale: str
    accent: str
    theme: str
    holds_on: bool
    hold_minutes: int
    payments: bool
    """Whether what has a price can be booked."""
    coupons: bool
    """Whether there is a code that somebody could have."""
    mails: bool
    """Whether customers are written to: there is a mail server."""
    test: bool
    """What is booked is not meant."""

    @staticmethod
    def of(site: Site, now: datetime, *, takes_payments: bool, sends_mails: bool) -> "SiteBody":
        return SiteBody(
            key=site.key,
            name=site.name,
            zone=site.zone.key,
            currency=site.currency,
            locale=site.locale,
            accent=site.accent,
            theme=site.theme,
            holds_on=site.holds_on,
            hold_minutes=site.hold_minutes,
            payments=takes_payments,
            coupons=site.takes_coupons(now),
            mails=sends_mails,
            test=site.is_test,
        )


class QuestionBody(Body):
    id: str
    text: str
    kind: str
    required: bool
    choices: tuple[str, ...]
    """Of a choice, one of which is the answer."""

    @staticmethod
    def of(question: Question) -> "QuestionBody":
        return QuestionBody(
            id=question.key,
            text=question.text,
            kind=question.kind,
            required=question.is_required,
            choices=question.choices,
        )


class ServiceBody(Body):
    id: str
    name: str
    kind: str
    place: str
    description: str
    length_minutes: int
    capacity: int
    seats_per_booking_max: int
    price: MoneyBody
    notice_minutes: int
    horizon_days: int
    cancel_until_minutes: int
    attendees_shown: str
    """What those who come to a meeting see of each other."""
    attendee_emails: bool
    """Whether to ask for the addresses of those who come."""
    questions: tuple[QuestionBody, ...]

    @staticmethod
    def of(service: Service) -> "ServiceBody":
        return ServiceBody(
            id=service.key,
            name=service.name,
            kind=service.kind,
            place=service.place,
            description=service.description,
            length_minutes=service.length_min,
            capacity=service.capacity,
            seats_per_booking_max=service.seats_per_booking_max,
            price=MoneyBody.of(service.price),
            notice_minutes=service.notice_min,
            horizon_days=service.horizon_days,
            cancel_until_minutes=service.cancel_until_min,
            attendees_shown=service.attendees_shown,
            attendee_emails=service.attendee_emails,
            questions=tuple(QuestionBody.of(question) for question in service.questions),
        )


class ServicesAnswer(Body):
    site: SiteBody
    services: tuple[ServiceBody, ...]


class SlotBody(Body):
    id: str
    starts_at: Instant
    ends_at: Instant
    capacity: int
    held: int
    booked: int
    left: int
    state: str
    version: int
    frees_at: Instant | None


class AvailabilityAnswer(BaseModel):
    """Described here for readers of the API; the bytes are made in use_cases/month.py, on the hot path."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    service: str
    zone: str
    first: Annotated[str, Field(alias="from")]
    last: Annotated[str, Field(alias="to")]
    notice_minutes: int
    epoch: int
    schedule_version: int
    feed_id: str
    slots: tuple[SlotBody, ...]
    why_not: dict[date, Reason]
    """Each day without anything to book, and why."""


class NextSlotBody(Body):
    day: date
    """Of the site's time zone."""
    slot: str
    starts_at: Instant
    ends_at: Instant

    @staticmethod
    def of(day: date, slot: Slot) -> "NextSlotBody":
        return NextSlotBody(day=day, slot=slot.id, starts_at=slot.starts_at, ends_at=slot.ends_at)


class NextAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)
    service: str
    zone: str
    first: Annotated[date, Field(alias="from")]
    last: Annotated[date, Field(alias="to")]
    """So far was looked, both included."""
    next: NextSlotBody | None

    @staticmethod
    def of(service: str, answer: NextDate) -> "NextAnswer":
        there = NextSlotBody.of(*answer.found) if answer.found else None
        return NextAnswer(service=service, zone=answer.zone, first=answer.first, last=answer.last, next=there)
