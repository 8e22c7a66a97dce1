"""The only place that turns a service into a form and back."""

import re
from dataclasses import replace

from widget_server.domain.money import Money
from widget_server.domain.payments import MINIMUM_MINOR, why_not_chargeable
from widget_server.domain.policies import SEATS_MAX
from widget_server.domain.schedule import CapacityRule, Place, Service, ServiceKind
from widget_server.domain.services import (
    BUFFER_MINUTES_MAX,
    CANCEL_MINUTES_MAX,
    CAPACITY_MAX,
    HORIZON_DAYS_MAX,
    NOTICE_MINUTES_MAX,
    REMIND_HOURS_MAX,
    AttendeesShown,
)
from widget_server.domain.sites import Site
from widget_server.use_cases.edits import fingerprint
from widget_server.use_cases.services import key_of
from widget_server.web.admin.choices import Choice
from widget_server.web.admin.prices import minor_of, typed_price
from widget_server.web.admin.questions_form import read_questions, typed_questions
from widget_server.web.forms import Form

NAME_LENGTH_MAX, DESCRIPTION_LENGTH_MAX, ACCESS_LENGTH_MAX = 200, 4_000, 2_000
LENGTH_MINUTES_MAX = 24 * 60
KINDS = (
    Choice(ServiceKind.CONSULTATION, "Consultation"),
    Choice(ServiceKind.CLASS, "Class or workshop"),
    Choice(ServiceKind.EVENT, "Event"),
)
PLACES = (Choice(Place.IN_PERSON, "In person"), Choice(Place.ONLINE, "Online"))
RULES = (Choice(CapacityRule.FIXED, "A number for each slot"), Choice(CapacityRule.BY_SHIFT, "By who is on shift"))

SHOWN = (
    Choice(AttendeesShown.FIRST_NAMES, "First names"),
    Choice(AttendeesShown.EMAILS, "E-mail addresses"),
    Choice(AttendeesShown.NOBODY, "Nobody"),
)


def new_service(site: Site) -> Service:
    """What a form for a new service begins with: something that most can use as it is."""
    return Service(
        key="",
        name="",
        kind=ServiceKind.CONSULTATION,
        place=Place.IN_PERSON,
        description="",
        length_min=60,
        capacity=1,
        seats_per_booking_max=1,
        price=Money(0, site.currency),
        access="",
    )


def form_of(service: Service) -> Form:
    return Form(
        {
            "seen": fingerprint(service),
            "name": service.name,
            "kind": service.kind,
            "place": service.place,
            "description": service.description,
            "access": service.access,
            "length_min": str(service.length_min),
            "capacity_rule": service.capacity_rule,
            "capacity": str(service.capacity),
            "seats_per_booking_max": str(service.seats_per_booking_max),
            "price": typed_price(service.price.amount_minor, service.price.currency),
            "buffer_before_min": str(service.buffer_before_min),
            "buffer_after_min": str(service.buffer_after_min),
            "notice_min": str(service.notice_min),
            "horizon_days": str(service.horizon_days),
            "cancel_until_min": str(service.cancel_until_min),
            "refund_percent": str(service.refund_percent),
            "remind_hours": str(service.remind_hours),
            "attendees_shown": service.attendees_shown,
            "attendee_emails": "on" if service.attendee_emails else "",
            "is_offered": "on" if service.is_offered else "",
            **typed_questions(service.questions),
        }
    )


def read_service(form: Form, present: Service) -> Service:
    """The service as the form wants it. Where `form.errors` is filled afterwards, those fields are as they were."""
    name = form.text_within("name", NAME_LENGTH_MAX, wanted="Give it a name your customers will know.", one_line=True)
    numbers = {
        "length_min": _number(form, "length_min", 5, LENGTH_MINUTES_MAX, "minutes"),
        "capacity": _number(form, "capacity", 1, CAPACITY_MAX, "seats"),
        "seats_per_booking_max": _number(form, "seats_per_booking_max", 1, SEATS_MAX, "seats"),
        "buffer_before_min": _number(form, "buffer_before_min", 0, BUFFER_MINUTES_MAX, "minutes"),
        "buffer_after_min": _number(form, "buffer_after_min", 0, BUFFER_MINUTES_MAX, "minutes"),
        "notice_min": _number(form, "notice_min", 0, NOTICE_MINUTES_MAX, "minutes"),
        "horizon_days": _number(form, "horizon_days", 1, HORIZON_DAYS_MAX, "days"),
        "cancel_until_min": _number(form, "cancel_until_min", 0, CANCEL_MINUTES_MAX, "minutes"),
        "refund_percent": _number(form, "refund_percent", 0, 100, "percent"),
        "remind_hours": _number(form, "remind_hours", 0, REMIND_HOURS_MAX, "hours"),
    }
    return replace(
        present,
        key=present.key or key_of(name, "service"),
        name=name or present.name,
        kind=ServiceKind(_chosen(form, "kind", KINDS) or present.kind),
        place=Place(_chosen(form, "place", PLACES) or present.place),
        description=form.text_within("description", DESCRIPTION_LENGTH_MAX),
        access=form.text_within("access", ACCESS_LENGTH_MAX),
        attendee_emails=form.text("attendee_emails") == "on",
        attendees_shown=AttendeesShown(_chosen(form, "attendees_shown", SHOWN) or present.attendees_shown),
        capacity_rule=CapacityRule(_chosen(form, "capacity_rule", RULES) or present.capacity_rule),
        price=_price(form, present.price),
        is_offered=form.text("is_offered") == "on",
        questions=read_questions(form),
        **{field: number for field, number in numbers.items() if number is not None},
    )


def _number(form: Form, name: str, least: int, most: int, unit: str) -> int | None:
    typed = form.text(name)
    number = int(typed) if re.fullmatch(r"\d{1,6}", typed, re.ASCII) else -1
    if not least <= number <= most:
        form.refuse(name, f"Use a whole number of {unit} from {least} to {most}.")
        return None
    return number


def _chosen(form: Form, name: str, choices: tuple[Choice, ...]) -> str | None:
    chosen = form.text(name)
    if all(choice.value != chosen for choice in choices):
        form.refuse(name, "Choose one of these.")
        return None
    return chosen


def _price(form: Form, present: Money) -> Money:
    minor = minor_of(form.text("price"), present.currency)
    if minor is None:
        form.refuse("price", f"Use an amount such as {typed_price(1200, present.currency)}, or 0 for free.")
        return present
    price = Money(minor, present.currency)
    if why := why_not_chargeable(price):
        least = MINIMUM_MINOR.get(price.currency, 0)
        is_less = price.amount_minor < least
        form.refuse("price", f"{why} Use at least {typed_price(least, price.currency)}, or 0." if is_less else why)
    return price
