"""Writing messages: what each has to say by the time its turn comes, or why it has nothing to say any more."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypedDict
from zoneinfo import ZoneInfo

from widget_server.domain.audit_log import money_in
from widget_server.domain.bookings import BookingState
from widget_server.domain.diary import first_name, name_for_strangers
from widget_server.domain.messages import Facts, KeptMessage, Kind, Mail, MessageState, Role, Shown
from widget_server.domain.money import Money
from widget_server.domain.my_bookings import LINK_LIFE
from widget_server.domain.orders import Order
from widget_server.domain.services import Place
from widget_server.domain.slots import Slot
from widget_server.ids import hash_address, hash_secret
from widget_server.messages.composing import compose
from widget_server.messages.words import words_for
from widget_server.store.letters import Letters, Subject, Told
from widget_server.store.my_bookings import NewLink
from widget_server.store.sending import Share, Written
from widget_server.use_cases.order_links import OrderLinks

_NO_ADDRESS = "The customer gave no address."
_OVERTAKEN = "What happened since has overtaken it."
_OF_ALL = (Kind.PAYMENT_RETURNED, Kind.MOVE_RETURNED, Kind.REFUNDED, Kind.DISPUTED, Kind.DISPUTE_WON, Kind.DISPUTE_LOST)
"""About an order as a whole, whatever became of its bookings."""
_SEQUENCES_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Costs(TypedDict, total=False):
    """What a message says of the price of a new order, and of what goes back of one."""

    paid: Money
    coupon: str
    discount: Money
    receipt: str
    back: Money


class Writing:
    def __init__(self, *, letters: Letters, links: OrderLinks, sender: str | None) -> None:
        self._letters = letters
        self._links = links
        self._sender = sender

    async def shares(self, message: KeptMessage) -> list[Share]:
        """Of a message to all operators, all staff concerned, or all who come: one for each of them."""
        if message.role is Role.OPERATOR:
            found = await self._letters.operators(message.site_id)
            return [Share(f"operator/{key}", email, message.kind, message.detail) for key, email in found.items()]
        bookings = _bookings_of(message)
        if message.role is Role.ATTENDEE:
            coming = await self._letters.attendees(message.site_id, bookings)
            return [
                Share(f"attendee/{one.id}", one.address, message.kind, {**message.detail, "bookings": one.bookings})
                for one in coming
            ]
        serving = await self._letters.serving(message.site_id, bookings, message.event, message.created_at)
        shares: list[Share] = []
        for one in serving:
            for kind, seats in ((Kind.ASSIGNED, one.now), (Kind.UNASSIGNED, one.no_more)):
                if seats:
                    detail = {"bookings": bookings, "seats": {slot.id: count for slot, count in seats.items()}}
                    shares.append(Share(f"staff/{one.key}", one.address, kind, detail))
        return shares

    async def write(self, message: KeptMessage, at: datetime) -> Written:
        """The mail, sealed, or that it has ended without one. Raises NotFound, Unavailable."""
        if message.kind is Kind.MY_BOOKINGS:
            return await self._write_my_bookings(message, at)
        subject = await self._letters.subject(message.site_id, message.order_id)
        address, language, zone = _reader(message, subject)
        if not address:
            return Written(message.id, ends_as=MessageState.DROPPED, why=_NO_ADDRESS)
        facts = self.facts(message, subject)
        if not _is_true(message, facts, at):
            return Written(message.id, address, ends_as=MessageState.DROPPED, why=_OVERTAKEN)
        mail, words = compose(facts, language=language, zone=zone, at=at, sender=self._sender)
        mail = self._links.sealed(mail, message, subject.site.key)
        return Written(message.id, address, words.code, zone.key, mail)

    async def _write_my_bookings(self, message: KeptMessage, at: datetime) -> Written:
        """To the address as it is kept, not as somebody typed it. Where there are no bookings, no trace is left."""
        address_hash = hash_address(message.address or "")
        customer = await self._letters.customer_of(message.site_id, address_hash)
        if customer is None:
            return Written(message.id, ends_as=MessageState.DROPPED, is_kept=False)
        site = (await self._letters.subject(message.site_id, None)).site
        code, zone = self._links.code_of(message, site.key), ZoneInfo(customer.zone)
        language = words_for(customer.locale, site.locale).code
        facts = Facts(message.kind, message.role, site, (), self._links.my_bookings(site.key, code, language))
        mail, words = compose(facts, language=language, zone=zone, at=at, sender=self._sender)
        mail = self._links.sealed(mail, message, site.key)
        link = self.link_of(message, site.key, at)
        return Written(message.id, customer.email, words.code, zone.key, mail, link=link)

    def link_of(self, message: KeptMessage, site_key: str, at: datetime) -> NewLink:
        """What a message with a link to a customer's bookings opens, if it is handed over now."""
        code_hash = hash_secret(self._links.code_of(message, site_key))
        address_hash = hash_address(message.address or "")
        return NewLink(message.site_id, address_hash, code_hash, message.created_at, at + LINK_LIFE)

    def opened(self, message: KeptMessage, site_key: str) -> Mail | None:
        return message.mail and self._links.opened(message.mail, message, site_key)

    def facts(self, message: KeptMessage, subject: Subject) -> Facts:
        """Staff learn what their diary shows: the first name of whoever comes. So do those whom they bring, unless it
        could lead them somewhere."""
        order, site = subject.order, subject.site
        name, address = (order.customer.name, order.customer.email) if order else ("", "")
        if message.role is Role.STAFF:
            name, address = first_name(name), ""
        elif message.role is Role.ATTENDEE:
            name, address = name_for_strangers(name), ""
        return Facts(
            kind=message.kind,
            role=message.role,
            site=site,
            shown=_shown(message, subject),
            link=self._link(message, site.key),
            number=order.number if order else "",
            until=order.payment.offered_until if order and order.payment else None,
            customer=name,
            customer_address=address,
            text=message.text,
            is_test=order.is_test if order else False,
            my_bookings=self._links.for_my_bookings(site.key) if message.role is Role.CUSTOMER else "",
            **self._costs(message, order, site.key),
        )

    def _costs(self, message: KeptMessage, order: Order | None, site_key: str) -> Costs:
        """What a new order has cost, if it had a price, and what of that goes back."""
        if (back := money_in(message.detail.get("back"))) is not None:
            return Costs(back=back)
        if order is None or message.role is Role.ATTENDEE or message.kind not in (Kind.BOOKED, Kind.NEW_ORDER):
            return {}
        costs = Costs()
        if order.payment is not None:
            costs["paid"] = Money(order.payment.paid_minor, order.total.currency)
        if order.coupon:
            costs["coupon"], costs["discount"] = order.coupon, order.discount
        if costs and message.role is Role.CUSTOMER:
            costs["receipt"] = self._links.receipt(site_key, order.id)
        return costs

    def _link(self, message: KeptMessage, site_key: str) -> str:
        if message.role in (Role.STAFF, Role.ATTENDEE) or message.order_id is None:
            return ""
        if message.kind is Kind.PAYMENT_STUCK:
            return self._links.for_payments(site_key)
        of = self._links.for_customer if message.role is Role.CUSTOMER else self._links.for_operator
        return of(site_key, message.order_id)


def _reader(message: KeptMessage, subject: Subject) -> tuple[str, str, ZoneInfo]:
    """Address, language and zone. Those of a customer are what their browser said when they booked, and hold for those
    whom they bring as well.
    """
    site, order = subject.site, subject.order
    if message.role in (Role.CUSTOMER, Role.ATTENDEE) and order is not None:
        customer, own = order.customer, message.address or ""
        address = own or customer.email if message.role is Role.CUSTOMER else own
        return address, customer.locale, ZoneInfo(customer.zone)
    return message.address or "", message.language or site.locale, site.zone


def _bookings_of(message: KeptMessage) -> list[int]:
    return [int(booking_id) for booking_id in message.detail.get("bookings", ())]


def _shown(message: KeptMessage, subject: Subject) -> tuple[Shown, ...]:
    """Of those that the message is about, what is still so; somebody's own part of them for staff."""
    if "seats" in message.detail:
        return _served(message, subject)
    if message.kind in _OF_ALL:
        return _wished(subject)
    if message.kind is Kind.PAYMENT_STUCK:
        return _wished(subject) if subject.order and subject.order.payment and subject.order.payment.is_stuck else ()
    if message.kind is Kind.PAID_TOO_LATE:
        return _offered(subject)
    is_over, wanted = message.kind is Kind.CANCELLED, _bookings_of(message)
    told = _concerned(subject, wanted, is_over=is_over)
    if message.kind is Kind.WAITING_ALTERNATIVES:  # whoever has chosen since need not be asked any more
        told = {booking_id: one for booking_id, one in told.items() if one.booking.move_request is not None}
    if message.kind is Kind.MOVE_WITHDRAWN:  # nor told that they need not, if they are asked anew
        told = {booking_id: one for booking_id, one in told.items() if one.booking.move_request is None}
    if message.role is Role.ATTENDEE:  # one seat is theirs, of as many as were booked
        told = {key: replace(one, booking=replace(one.booking, seats=1, answers=())) for key, one in told.items()}
    left = {int(booking_id): Slot.parse(slot) for booking_id, slot in message.detail.get("left", {}).items()}
    return tuple(
        shown_of(subject, booking_id, one, left=left.get(booking_id), is_cancelled=is_over)
        for booking_id, one in told.items()
    )


def _wished(subject: Subject) -> tuple[Shown, ...]:
    """All that was wanted, whatever became of it."""
    bookings = subject.order.bookings if subject.order else ()
    return tuple(Shown(one.slot, one.service_name, one.seats, one.place) for one in bookings)


def _offered(subject: Subject) -> tuple[Shown, ...]:
    """What its customer may choose from, earliest first; nothing once they have."""
    offered = subject.order.payment.alternatives if subject.order and subject.order.payment else ()
    pairs = (pair for each in offered for pair in zip(_wished(subject), each.slots, strict=True))
    return tuple(sorted((replace(one, slot=slot) for one, slot in pairs), key=lambda one: one.slot.starts_at))


def _concerned(subject: Subject, wanted: Collection[int], *, is_over: bool) -> dict[int, Told]:
    return {
        booking_id: one
        for booking_id, one in subject.bookings.items()
        if booking_id in wanted and (one.booking.state is BookingState.CANCELLED) is is_over
    }


def shown_of(
    subject: Subject, booking_id: int, told: Told, *, left: Slot | None = None, is_cancelled: bool = False
) -> Shown:
    """A change more than its moves, once it is cancelled: calendars take what has changed more often."""
    assert subject.order is not None
    booking, number = told.booking, list(subject.bookings).index(booking_id) + 1
    return Shown(
        slot=booking.slot,
        service_name=booking.service_name,
        seats=booking.seats,
        place=booking.place,
        access=booking.access,
        served_by=booking.served_by,
        left=left,
        uid=f"{subject.order.id}.{number}@tenuto",
        sequence=len(told.moved_at) + is_cancelled,
        is_cancelled=is_cancelled,
        answers=booking.answers,
    )


def _served(message: KeptMessage, subject: Subject) -> tuple[Shown, ...]:
    names = {one.booking.slot.service: one.booking for one in subject.bookings.values()}
    number = subject.order.id if subject.order else ""
    shown: list[Shown] = []
    for slot_id, seats in message.detail["seats"].items():
        slot, is_over = Slot.parse(slot_id), message.kind is Kind.UNASSIGNED
        booking = names.get(slot.service)
        shown.append(
            Shown(
                slot=slot,
                service_name=booking.service_name if booking else slot.service,
                seats=int(seats),
                place=booking.place if booking else Place.IN_PERSON,
                access=booking.access if booking else "",
                uid=f"{number}.{slot.id}.{message.recipient.replace('/', '.')}@tenuto",
                sequence=_since(message.created_at),
                is_cancelled=is_over,
            )
        )
    return tuple(shown)


def _since(at: datetime) -> int:
    """Somebody may serve, not serve and serve again: calendars believe what was said last."""
    return int((at - _SEQUENCES_BEGAN).total_seconds())


def _is_true(message: KeptMessage, facts: Facts, at: datetime) -> bool:
    """Nobody is told what is not so any more: what came in between has a message of its own."""
    if message.kind is Kind.REMINDER:
        slot = message.detail.get("slot")
        return any(one.slot.id == slot and one.slot.starts_at > at for one in facts.shown)
    return bool(facts.shown)
