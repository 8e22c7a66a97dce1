"""The only place that writes messages: subject, plain text and HTML, each of them complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from widget_server.domain.messages import Facts, Kind, Mail, Role, Shown
from widget_server.domain.money import Money
from widget_server.domain.questions import Answer
from widget_server.domain.slots import Slot
from widget_server.messages.calendar_files import write_calendar
from widget_server.messages.colours import accent_of
from widget_server.messages.words import Words, words_for

SUBJECT_LENGTH_MAX = 200
READERS = (
    *((kind, Role.CUSTOMER) for kind in (Kind.BOOKED, Kind.MOVED, Kind.CANCELLED, Kind.PAYMENT_RETURNED)),
    *((kind, Role.CUSTOMER) for kind in (Kind.REFUNDED, Kind.MOVE_RETURNED)),
    *((kind, Role.CUSTOMER) for kind in (Kind.WAITING_ALTERNATIVES, Kind.MOVE_WITHDRAWN, Kind.PAID_TOO_LATE)),
    *((kind, Role.CUSTOMER) for kind in (Kind.REMINDER, Kind.MY_BOOKINGS)),
    *((kind, Role.OPERATOR) for kind in (Kind.DISPUTED, Kind.DISPUTE_WON, Kind.DISPUTE_LOST)),
    *((kind, Role.OPERATOR) for kind in (Kind.NEW_ORDER, Kind.MOVED, Kind.CANCELLED, Kind.PAYMENT_STUCK)),
    *((kind, Role.STAFF) for kind in (Kind.ASSIGNED, Kind.UNASSIGNED)),
    *((kind, Role.ATTENDEE) for kind in (Kind.BOOKED, Kind.MOVED, Kind.CANCELLED, Kind.REMINDER)),
)
"""Who reads what. To all staff concerned, whatever happens is one of these two."""
_WITHOUT_CALENDAR = {
    *(Kind.NEW_ORDER, Kind.WAITING_ALTERNATIVES, Kind.MOVE_WITHDRAWN),
    *(Kind.MY_BOOKINGS, Kind.PAID_TOO_LATE, Kind.PAYMENT_RETURNED, Kind.REFUNDED, Kind.MOVE_RETURNED),
}


@dataclass(frozen=True, slots=True)
class _Card:
    """One booking, as lines to be read."""

    service_name: str
    seats: str
    length: str
    when: str
    when_at_site: str
    before: str
    place_title: str
    access: str
    served_by: str
    is_cancelled: bool
    answers: tuple[tuple[str, str], ...]
    """Each with its question."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """What both bodies are made from."""

    language: str
    direction: str
    site_name: str
    test: str
    title: str
    hello: str
    lead: str
    said: str
    text: str
    cards: tuple[_Card, ...]
    number: str
    customer: str
    customer_title: str
    button: str
    link: str
    costs: tuple[str, ...]
    receipt: str
    receipt_title: str
    notes: tuple[str, ...]
    footer: str
    my_bookings_title: str
    my_bookings: str
    accent: str
    on_accent: str


def compose(
    facts: Facts, *, language: str, zone: ZoneInfo, at: datetime, sender: str | None = None
) -> tuple[Mail, Words]:
    """The mail, and the language it is in: the one wanted, or else the site's. Times are those of `zone`."""
    words = words_for(language, facts.site.locale)
    letter, texts = _letter(facts, words, zone), _texts(facts, words, zone)
    subject = " ".join(_marked(words.say(f"{_key(facts)}.subject", **texts), facts, words).split())[:SUBJECT_LENGTH_MAX]
    plain, html = (_TEMPLATES.get_template(f"mail/mail.{form}").render(letter=letter) for form in ("txt", "html"))
    return Mail(subject, plain, html, _calendar(facts, words, at, sender)), words


def _marked(subject: str, facts: Facts, words: Words) -> str:
    return words.say("test.subject", subject=subject) if facts.is_test else subject


def _letter(facts: Facts, words: Words, zone: ZoneInfo) -> _Letter:
    key, texts = _key(facts), _texts(facts, words, zone)
    is_for_customer, accent = facts.role is Role.CUSTOMER, accent_of(facts.site.accent)
    return _Letter(
        language=words.code,
        direction=words.direction,
        site_name=facts.site.name,
        test=words.say("test") if facts.is_test else "",
        title=words.say(f"{key}.title", **texts),
        hello=words.say("hello", name=facts.customer) if is_for_customer and facts.customer else "",
        lead=words.say(f"{key}.lead", **texts),
        said=words.say("said", site=facts.site.name),
        text=facts.text,
        cards=tuple(_card(facts, one, words, zone) for one in facts.shown),
        number=words.say("number", number=facts.number) if facts.number else "",
        customer=""
        if is_for_customer or facts.role is Role.ATTENDEE
        else " · ".join(filter(None, [facts.customer, facts.customer_address])),
        customer_title=words.say("customer"),
        button=words.say(f"{key}.button", **texts) if facts.link else "",
        link=facts.link,
        costs=_costs(facts, words),
        receipt=facts.receipt,
        receipt_title=words.say("receipt"),
        notes=tuple(filter(None, [words.say(f"{key}.note", **texts), _calendar_note(facts, words)])),
        footer=words.say("footer", site=facts.site.name) if is_for_customer or facts.role is Role.ATTENDEE else "",
        my_bookings_title=words.say("footer.my_bookings", site=facts.site.name),
        my_bookings=facts.my_bookings,
        accent=accent[0],
        on_accent=accent[1],
    )


def _costs(facts: Facts, words: Words) -> tuple[str, ...]:
    lines = []
    if facts.coupon and facts.discount:
        lines.append(words.say("coupon", code=facts.coupon, discount=words.money(facts.discount)))
    if facts.paid:
        lines.append(words.say("paid", amount=words.money(facts.paid)))
    if facts.back is not None and facts.kind in (Kind.CANCELLED, Kind.MOVED):
        lines.append(_back(facts.back, facts.role, words))
    return tuple(lines)


def _back(back: Money, role: Role, words: Words) -> str:
    if role is Role.OPERATOR:
        return words.say("back.operator", amount=words.money(back))
    return words.say("back.nothing") if back.is_free else words.say("back", amount=words.money(back))


def _card(facts: Facts, one: Shown, words: Words, zone: ZoneInfo) -> _Card:
    """Times in the customer's zone, and in the site's as well where its clocks show another time."""
    site, has_two = facts.site, _differ(one.slot, zone, facts.site.zone)
    has_answers = facts.kind is Kind.NEW_ORDER
    when = words.span_in(one.slot, zone) if has_two else words.span(one.slot, zone)
    at_site = words.say("at_site", site=site.name, time=words.span_in(one.slot, site.zone)) if has_two else ""
    return _Card(
        service_name=one.service_name,
        seats=words.seats(one.seats),
        length=words.length(one.slot),
        when=when,
        when_at_site=at_site,
        before=words.say("before", time=words.span(one.left, zone)) if one.left else "",
        place_title=words.say(one.place) if one.access else "",
        access=one.access,
        served_by=words.say("with", names=words.names(one.served_by)) if one.served_by else "",
        is_cancelled=one.is_cancelled,
        answers=tuple((answer.question, _said(answer, words)) for answer in one.answers) if has_answers else (),
    )


def _said(answer: Answer, words: Words) -> str:
    return answer.answer if isinstance(answer.answer, str) else words.say("yes" if answer.answer else "no")


def _differ(slot: Slot, zone: ZoneInfo, other: ZoneInfo) -> bool:
    return any(
        at.astimezone(zone).utcoffset() != at.astimezone(other).utcoffset() for at in (slot.starts_at, slot.ends_at)
    )


def _texts(facts: Facts, words: Words, zone: ZoneInfo) -> dict[str, str]:
    first = facts.shown[0] if facts.shown else None
    return {
        "site": facts.site.name,
        "number": facts.number,
        "customer": facts.customer or words.say("somebody"),
        "service": first.service_name if first else "",
        "time": words.short(first.slot.starts_at, zone) if first else "",
        "amount": words.money(facts.back) if facts.back else "",
        "until": words.short(facts.until, zone) if facts.until else "",
    }


def _key(facts: Facts) -> str:
    """One that is cancelled for its customer has ended for whoever was to serve it."""
    return f"{facts.kind}.{facts.role}"


def _calendar(facts: Facts, words: Words, at: datetime, sender: str | None) -> str | None:
    shown: Sequence[Shown] = facts.shown
    if not shown or facts.kind in _WITHOUT_CALENDAR or facts.role is Role.OPERATOR:
        return None
    said = {"number": facts.number, "link": facts.link}
    return write_calendar(facts.site, shown, words, **said, at=at, sender=sender, is_test=facts.is_test)


def _calendar_note(facts: Facts, words: Words) -> str:
    is_new = facts.kind in (Kind.BOOKED, Kind.MOVED, Kind.ASSIGNED) and facts.role is not Role.OPERATOR
    return words.say("calendar") if is_new and facts.shown else ""


def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parents[1] / "templates")
    return Environment(
        loader=loader,
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_TEMPLATES = _environment()
