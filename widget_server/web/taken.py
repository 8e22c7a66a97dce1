"""The only place for what /v1 takes, strictly: the bodies of its calls."""

from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from widget_server.domain.bookings import Customer
from widget_server.domain.policies import LINES_MAX, SEATS_MAX
from widget_server.domain.questions import LONG_ANSWER_LENGTH_MAX, QUESTIONS_MAX
from widget_server.ids import ID_PATTERN
from widget_server.web.shapes import Body, Lines, SlotId

NAME_LENGTH_MAX = 120
EMAIL_LENGTH_MAX = 254

AMOUNT_MAX = 10**9
"""Of money that somebody agrees to; there is no such price."""

_ZONES = available_timezones()
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))
_DIRECTIONS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202D), *range(0x2066, 0x206A)])
"""Marks, embeddings and isolates, which say only which way a text runs. Keyboards, contacts and what is copied out of
a page in Arabic or Hebrew, also ours, have them around names, addresses and codes, where nobody sees them. They go:
whoever shows a name finds its direction by its letters, and one that is left open could turn around what stands beside
it. Overrides, U+202D and U+202E, are refused: with them letters are read in another order than they are kept in."""


def _known_zone(name: str) -> str:
    if name not in _ZONES:
        raise ValueError("not an IANA time zone")
    return name


def _address_or_nothing(text: str) -> str:
    text = text.translate(_DIRECTIONS)
    if not text:
        return text
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as problem:
        raise ValueError("not an e-mail address") from problem


def _tidy(text: str) -> str:
    """Spaces of any kind as one plain space. Persian words and many emoji are written with invisible joiners."""
    text = " ".join(text.translate(_DIRECTIONS).split())
    seen = text.translate(_JOINERS)
    if not seen.isprintable():
        raise ValueError("has characters that cannot be printed")
    return text if seen else ""


def _tidy_lines(text: str) -> str:
    """Each line as `_tidy` does, without blank ones at the ends."""
    return "\n".join(_tidy(line) for line in text.splitlines()).strip()


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Text = Annotated[str, StringConstraints(max_length=NAME_LENGTH_MAX), AfterValidator(_tidy)]
AnswerText = Annotated[str, StringConstraints(max_length=LONG_ANSWER_LENGTH_MAX), AfterValidator(_tidy_lines)]
Answers = Annotated[dict[str, Annotated[bool, Field(strict=True)] | AnswerText], Field(max_length=QUESTIONS_MAX)]
Address = Annotated[str, StringConstraints(max_length=EMAIL_LENGTH_MAX), AfterValidator(_address_or_nothing)]
CouponCode = Annotated[str, StringConstraints(max_length=100), AfterValidator(_tidy)]
"""Longer than any: whoever types a wrong one is told so in a kinder way."""


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
    attendee_emails: Annotated[
        tuple[Annotated[tuple[Address, ...], Field(max_length=SEATS_MAX)], ...], Field(max_length=LINES_MAX)
    ] = ()
    """Of those who come, likewise; only where the service asks for them. May be empty."""


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


class DifferenceBody(Body):
    amount: Annotated[int, Field(strict=True, ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
    """Less than nothing: so much goes back."""
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class NewReschedule(Body):
    id: Id
    lines: Lines
    visitor: Id | None = None
    difference: DifferenceBody | None = None
    """What its customer has agreed to settle, as `move_difference` has said; without it, nothing."""


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
