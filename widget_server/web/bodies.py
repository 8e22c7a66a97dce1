"""The only place for the shapes of /v1: what is taken, strictly, and what is answered. Tables are elsewhere."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)
from pydantic_core import to_json

from widget_server.clock import iso
from widget_server.domain import policies
from widget_server.domain.alternatives import Alternative
from widget_server.domain.bookings import Booking, Customer
from widget_server.domain.holds import Hold, Line
from widget_server.domain.money import Money
from widget_server.domain.move_requests import MoveRequest
from widget_server.domain.my_bookings import MyBooking
from widget_server.domain.orders import Order
from widget_server.domain.payments import AttemptState, OrderPayment, RefundState
from widget_server.domain.policies import LINES_MAX, SEATS_MAX
from widget_server.domain.questions import LONG_ANSWER_LENGTH_MAX, QUESTIONS_MAX, Question
from widget_server.domain.schedule import Schedule, Service
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.domain.why_not import Reason
from widget_server.ids import ID_PATTERN
from widget_server.use_cases.coupons import Quote
from widget_server.use_cases.move_requests import Alternatives
from widget_server.use_cases.next_date import NextDate

NAME_LENGTH_MAX = 120
EMAIL_LENGTH_MAX = 254

_ZONES = available_timezones()
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))


def _known_zone(name: str) -> str:
    if name not in _ZONES:
        raise ValueError("not an IANA time zone")
    return name


def _address_or_nothing(text: str) -> str:
    if not text:
        return text
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as problem:
        raise ValueError("not an e-mail address") from problem


def _slot_id(text: str) -> str:
    Slot.parse(text)
    return text


def _tidy(text: str) -> str:
    """Spaces of any kind as one plain space. Persian words and many emoji are written with invisible joiners."""
    text = " ".join(text.split())
    if not text.translate(_JOINERS).isprintable():
        raise ValueError("has characters that cannot be printed")
    return text


def _tidy_lines(text: str) -> str:
    """Each line as `_tidy` does, without blank ones at the ends."""
    return "\n".join(_tidy(line) for line in text.splitlines()).strip()


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
SlotId = Annotated[str, StringConstraints(max_length=100), AfterValidator(_slot_id)]
Text = Annotated[str, StringConstraints(max_length=NAME_LENGTH_MAX), AfterValidator(_tidy)]
AnswerText = Annotated[str, StringConstraints(max_length=LONG_ANSWER_LENGTH_MAX), AfterValidator(_tidy_lines)]
Answers = Annotated[dict[str, Annotated[bool, Field(strict=True)] | AnswerText], Field(max_length=QUESTIONS_MAX)]
CouponCode = Annotated[str, StringConstraints(max_length=100), AfterValidator(_tidy)]
"""Longer than any: whoever types a wrong one is told so in a kinder way."""
Instant = Annotated[datetime, PlainSerializer(iso, return_type=str)]


class Body(BaseModel):
    """Unknown fields and loose types are refused: a misspelt field must not be ignored in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LineBody(Body):
    slot: SlotId
    seats: Annotated[int, Field(strict=True, ge=1, le=SEATS_MAX)]

    def line(self) -> Line:
        return Line(Slot.parse(self.slot), self.seats)


Lines = Annotated[tuple[LineBody, ...], Field(min_length=1, max_length=LINES_MAX)]


class NewHold(Body):
    id: Id
    visitor: Id
    lines: Lines


class HoldPatch(Body):
    """Exactly one of the two is sent besides the version, so neither of their defaults ever means anything."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["renew"]}, {"required": ["lines"]}]})

    version: Annotated[int, Field(strict=True, ge=1)]
    renew: Literal[True] = True
    lines: Lines = ()

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if len(self.model_fields_set & {"renew", "lines"}) != 1:
            raise ValueError("send either `renew` or `lines`")
        return self


class CustomerBody(Body):
    name: Annotated[Text, Field(min_length=1)]
    email: Annotated[str, StringConstraints(max_length=EMAIL_LENGTH_MAX), AfterValidator(_address_or_nothing)] = ""
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    locale: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] = "en"

    def customer(self) -> Customer:
        return Customer(self.name, self.email, self.zone, self.locale)


class NewConfirmation(Body):
    customer: CustomerBody
    attendees: Annotated[
        tuple[Annotated[tuple[Text, ...], Field(max_length=SEATS_MAX)], ...], Field(max_length=LINES_MAX)
    ] = ()
    """Names of those who come, one list a line, in the order of the lines; fewer names than seats are fine."""
    answers: Annotated[tuple[Answers, ...], Field(max_length=LINES_MAX)] = ()
    """To what the service of each line asks, by the question's id, in the order of the lines."""
    lines: Lines | None = None
    visitor: Id | None = None
    coupon: CouponCode = ""


class PayingCustomerBody(CustomerBody):
    email: Annotated[
        str, StringConstraints(min_length=1, max_length=EMAIL_LENGTH_MAX), AfterValidator(_address_or_nothing)
    ]
    """Whoever pays has to be reached, should their money go back."""


class NewCheckout(NewConfirmation):
    """As a confirmation. Prices are not sent: they are what the services cost when it begins."""

    customer: PayingCustomerBody
    lines: Lines


class NewQuote(Body):
    coupon: Annotated[CouponCode, Field(min_length=1)]
    lines: Lines


class NewReschedule(Body):
    id: Id
    lines: Lines
    visitor: Id | None = None


class Cancellation(Body):
    slot: SlotId | None = None
    """Where the only booking is that is to be cancelled; without it, all of the order are."""


class NewChoice(Body):
    alternative: Id | None
    """One of those that are offered, by its id; null: none of them, and the money goes back."""


class NewLinkBody(Body):
    email: Annotated[
        str, StringConstraints(min_length=1, max_length=EMAIL_LENGTH_MAX), AfterValidator(_address_or_nothing)
    ]


class MoneyBody(Body):
    amount: int
    currency: str

    @staticmethod
    def of(money: Money) -> "MoneyBody":
        return MoneyBody(amount=money.amount_minor, currency=money.currency)


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


class HoldBody(Body):
    id: str
    state: str
    lines: tuple[LineBody, ...]
    expires_at: Instant
    limit_at: Instant
    version: int


class HoldAnswer(Body):
    hold: HoldBody
    server_now: Instant

    @staticmethod
    def json_of(hold: Hold) -> bytes:
        """Written past the models, which would check every field again: this is the hot path."""
        body = {
            "id": hold.id,
            "state": hold.state,
            "lines": [{"slot": line.slot.id, "seats": line.seats} for line in hold.lines],
            "expires_at": iso(hold.expires_at),
            "limit_at": iso(hold.limit_at),
            "version": hold.version,
        }
        return to_json({"hold": body, "server_now": iso(hold.now)})


class AlternativeBody(Body):
    slot: str
    starts_at: Instant
    ends_at: Instant


class MoveRequestBody(Body):
    message: str
    """Of the operator; may be empty."""
    asked_at: Instant
    alternatives: tuple[AlternativeBody, ...]
    """Free just now for as many seats, by their start."""

    @staticmethod
    def of(asked: MoveRequest, free: tuple[Slot, ...]) -> "MoveRequestBody":
        alternatives = (AlternativeBody(slot=slot.id, starts_at=slot.starts_at, ends_at=slot.ends_at) for slot in free)
        return MoveRequestBody(message=asked.message, asked_at=asked.asked_at, alternatives=tuple(alternatives))


class AnswerBody(Body):
    question: str
    """As it was asked."""
    answer: bool | str


class CancellationBody(Body):
    at: Instant
    message: str
    """Of the operator who cancelled it; may be empty."""


class BookingBody(Body):
    slot: str
    service: str
    service_name: str
    starts_at: Instant
    ends_at: Instant
    seats: int
    state: str
    place: str
    access: str
    attendees: tuple[str, ...]
    served_by: tuple[str, ...]
    """Names of the staff, once it is confirmed."""
    answers: tuple[AnswerBody, ...]
    move_until: Instant
    """By its customer, as the service has it now; who is asked to move may until it starts."""
    move_request: MoveRequestBody | None
    """While the operator asks for another time."""
    cancellation: CancellationBody | None
    refund_if_cancelled: MoneyBody | None
    """What would go back if the customer cancelled this booking alone now; null where nothing was to be paid."""

    @staticmethod
    def of(booking: Booking, order: Order, schedule: Schedule, alternatives: Alternatives) -> "BookingBody":
        back = policies.refund_if_cancelled(order, only=booking.slot) if order.payment else None
        asked, free = booking.move_request, alternatives.get(booking.slot)
        cancelled_at = booking.cancelled_at
        return BookingBody(
            slot=booking.slot.id,
            service=booking.slot.service,
            service_name=booking.service_name,
            starts_at=booking.slot.starts_at,
            ends_at=booking.slot.ends_at,
            seats=booking.seats,
            state=booking.state,
            place=booking.place,
            access=booking.access,
            attendees=booking.attendees,
            served_by=booking.served_by,
            answers=tuple(AnswerBody(question=one.question, answer=one.answer) for one in booking.answers),
            move_until=policies.may_change_until(schedule, booking),
            move_request=MoveRequestBody.of(asked, free) if asked and free is not None else None,
            cancellation=CancellationBody(at=cancelled_at, message=booking.cancel_message) if cancelled_at else None,
            refund_if_cancelled=MoneyBody.of(back) if back else None,
        )


class OrderCustomerBody(Body):
    name: str
    email: str


class OfferedTimeBody(Body):
    slot: str
    service_name: str
    starts_at: Instant
    ends_at: Instant
    seats: int


class OfferedBody(Body):
    """Seats that are held for whoever has paid too late for others."""

    id: str
    times: tuple[OfferedTimeBody, ...]
    """One for each booking that was wanted, in their order."""

    @staticmethod
    def of(order: Order, offered: Alternative) -> "OfferedBody":
        wanted = zip(order.bookings, offered.slots, strict=True)
        return OfferedBody(
            id=offered.hold_id,
            times=tuple(
                OfferedTimeBody(
                    slot=slot.id,
                    service_name=booking.service_name,
                    starts_at=slot.starts_at,
                    ends_at=slot.ends_at,
                    seats=booking.seats,
                )
                for booking, slot in wanted
            ),
        )


class PaymentBody(Body):
    state: AttemptState
    pay_url: str | None
    """Where its customer pays, while they can; to be opened in a tab of its own."""
    pay_until: Instant
    paid: MoneyBody
    """What was taken, whatever has gone back since."""
    refunding: MoneyBody
    """What is on its way back."""
    refunded: MoneyBody
    """What has gone back."""
    refund_if_cancelled: MoneyBody
    """What would go back if the customer cancelled all of the order now."""
    offered: tuple[OfferedBody, ...]
    """Where it was paid too late: what is held for its customer, to choose from."""
    offered_until: Instant | None
    """Then they are free again, and the money goes back."""

    @staticmethod
    def of(order: Order, payment: OrderPayment) -> "PaymentBody":
        total = order.total

        def money(amount: int) -> MoneyBody:
            return MoneyBody(amount=amount, currency=total.currency)

        return PaymentBody(
            state=payment.state,
            pay_url=payment.pay_url,
            pay_until=payment.pay_until,
            paid=money(total.amount_minor if payment.was_paid else 0),
            refunding=money(payment.refunding_minor),
            refunded=money(payment.refunded_minor),
            refund_if_cancelled=MoneyBody.of(policies.refund_if_cancelled(order)),
            offered=tuple(OfferedBody.of(order, each) for each in payment.alternatives),
            offered_until=payment.offered_until,
        )


class OrderCouponBody(Body):
    code: str
    discount: MoneyBody
    """What it has taken off."""

    @staticmethod
    def of(order: Order) -> "OrderCouponBody | None":
        return OrderCouponBody(code=order.coupon, discount=MoneyBody.of(order.discount)) if order.coupon else None


class OrderBody(Body):
    id: str
    number: str
    state: str
    total: MoneyBody
    """What is to be paid, or was, less what a coupon takes off."""
    coupon: OrderCouponBody | None
    payment: PaymentBody | None
    """Null where nothing was to be paid."""
    customer: OrderCustomerBody
    bookings: tuple[BookingBody, ...]
    created_at: Instant
    cancel_until: Instant | None
    """Null where nothing is left to cancel."""
    test: bool
    """Made in test mode: nobody means it."""
    erased_at: Instant | None
    """When its personal data was erased; names and address are empty then."""

    @staticmethod
    def of(order: Order, schedule: Schedule, alternatives: Alternatives | None = None) -> "OrderBody":
        return OrderBody(
            id=order.id,
            number=order.number,
            state=order.state,
            total=MoneyBody.of(order.total),
            coupon=OrderCouponBody.of(order),
            payment=PaymentBody.of(order, order.payment) if order.payment else None,
            customer=OrderCustomerBody(name=order.customer.name, email=order.customer.email),
            bookings=tuple(BookingBody.of(booking, order, schedule, alternatives or {}) for booking in order.bookings),
            created_at=order.created_at,
            cancel_until=policies.cancel_until(schedule, order),
            test=order.is_test,
            erased_at=order.erased_at,
        )


class OrderAnswer(Body):
    order: OrderBody
    server_now: Instant


class SellerBody(Body):
    name: str
    about: str
    """In lines: an address, a tax number. May be empty."""


class ReceiptLineBody(Body):
    service_name: str
    starts_at: Instant
    ends_at: Instant
    seats: int
    unit_price: MoneyBody
    price: MoneyBody
    """Of all seats, before a coupon."""
    state: str

    @staticmethod
    def of(booking: Booking, currency: str) -> "ReceiptLineBody":
        each = Money(booking.unit_price_minor, currency)
        return ReceiptLineBody(
            service_name=booking.service_name,
            starts_at=booking.slot.starts_at,
            ends_at=booking.slot.ends_at,
            seats=booking.seats,
            unit_price=MoneyBody.of(each),
            price=MoneyBody.of(each.times(booking.seats)),
            state=booking.state,
        )


class RefundBody(Body):
    amount: MoneyBody
    at: Instant
    state: RefundState


class ReceiptBody(Body):
    number: str
    """Of the order."""
    ordered_at: Instant
    seller: SellerBody
    customer: OrderCustomerBody
    lines: tuple[ReceiptLineBody, ...]
    coupon: OrderCouponBody | None
    total: MoneyBody
    tax: str
    """What the seller says about taxes; may be empty."""
    paid: MoneyBody
    refunds: tuple[RefundBody, ...]
    test: bool

    @staticmethod
    def of(order: Order, site: Site) -> "ReceiptBody":
        refunds = [one for one in order.payment.refunds if one.state is not RefundState.FAILED] if order.payment else []
        return ReceiptBody(
            number=order.number,
            ordered_at=order.created_at,
            seller=SellerBody(name=site.name, about=site.receipt_seller),
            customer=OrderCustomerBody(name=order.customer.name, email=order.customer.email),
            lines=tuple(ReceiptLineBody.of(booking, order.total.currency) for booking in order.bookings),
            coupon=OrderCouponBody.of(order),
            total=MoneyBody.of(order.total),
            tax=site.receipt_tax,
            paid=MoneyBody.of(order.total),
            refunds=tuple(
                RefundBody(amount=MoneyBody.of(one.amount), at=one.created_at, state=one.state) for one in refunds
            ),
            test=order.is_test,
        )


class ReceiptAnswer(Body):
    receipt: ReceiptBody
    server_now: Instant


class ConfirmationAnswer(OrderAnswer):
    order_secret: str
    order_url: str


class CheckoutAnswer(ConfirmationAnswer):
    pay_url: str | None
    """Null where there is nothing to pay any more."""
    pay_until: Instant | None


class QuoteAnswer(Body):
    coupon: str
    """As its operator wrote it."""
    full: MoneyBody
    """Without it."""
    discount: MoneyBody
    total: MoneyBody

    @staticmethod
    def of(quote: Quote) -> "QuoteAnswer":
        return QuoteAnswer(
            coupon=quote.coupon,
            full=MoneyBody.of(quote.full),
            discount=MoneyBody.of(quote.discount),
            total=MoneyBody.of(quote.total),
        )


class LinkAnswer(Body):
    """The same for every address."""

    valid_minutes: int


class MyBookingBody(Body):
    order: str
    number: str
    order_url: str
    slot: str
    service: str
    service_name: str
    starts_at: Instant
    ends_at: Instant
    seats: int
    state: str
    place: str
    asked_to_move: bool
    """Its order page has a question of the operator's."""
    test: bool

    @staticmethod
    def of(booking: MyBooking, order_url: str) -> "MyBookingBody":
        return MyBookingBody(
            order=booking.order_id,
            number=booking.order_number,
            order_url=order_url,
            slot=booking.slot.id,
            service=booking.slot.service,
            service_name=booking.service_name,
            starts_at=booking.slot.starts_at,
            ends_at=booking.slot.ends_at,
            seats=booking.seats,
            state=booking.state,
            place=booking.place,
            asked_to_move=booking.is_asked_to_move,
            test=booking.is_test,
        )


class MyBookingsAnswer(Body):
    bookings: tuple[MyBookingBody, ...]
    next: str | None
    """To be sent as `after` for those that start earlier."""
    expires_at: Instant
    server_now: Instant


class ErrorBody(BaseModel):
    model_config = ConfigDict(extra="allow")
    code: str
    message: str


class ErrorAnswer(Body):
    error: ErrorBody


def error(code: str, message: str, **details: Any) -> dict[str, Any]:
    """The one shape of every error under /v1."""
    return {"error": {"code": code, "message": message, **details}}
