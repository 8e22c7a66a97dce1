"""What operators see of messages: what became of each, how it reads, and sending one again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from widget_server.clock import Clock
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.messages import Facts, KeptMessage, Kind, Mail, MessageState, Role, Shown
from widget_server.domain.money import Money
from widget_server.domain.services import Place
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound, TooLate
from widget_server.messages.calendar_files import folded
from widget_server.messages.composing import READERS, compose
from widget_server.messages.words import LANGUAGES
from widget_server.store.messages import Messages as StoredMessages
from widget_server.store.my_bookings import StoredMyBookings
from widget_server.use_cases.writing import Writing

__all__ = ["LANGUAGES", "READERS", "Messages", "Page"]

PAGE_LINES = 50
LOST_FOR = timedelta(days=7)
"""So long the Today page speaks of a message that could not be delivered."""
_OF_ORDER_MAX = 50


@dataclass(frozen=True, slots=True)
class Page:
    messages: Sequence[KeptMessage]
    has_older: bool


_WITH_MONEY = (
    (Kind.CANCELLED, Role.CUSTOMER),
    (Kind.CANCELLED, Role.OPERATOR),
    (Kind.REFUNDED, Role.CUSTOMER),
    *((kind, Role.OPERATOR) for kind in (Kind.DISPUTED, Kind.DISPUTE_WON, Kind.DISPUTE_LOST)),
)
"""Of which the sample says what goes back."""


class Messages:
    def __init__(
        self,
        *,
        messages: StoredMessages,
        my_bookings: StoredMyBookings,
        writing: Writing,
        has_mail_server: bool,
        clock: Clock,
    ) -> None:
        self._messages = messages
        self._my_bookings = my_bookings
        self._writing = writing
        self.has_mail_server = has_mail_server
        self._clock = clock

    async def read(self, site: Site, *, state: MessageState | None, text: str, before: int | None) -> Page:
        """A page of them, the newest first; `before` a message's id, those that are older. Raises Unavailable."""
        found = await self._messages.listed(site.id, limit=PAGE_LINES + 1, state=state, text=text, before=before)
        return Page(found[:PAGE_LINES], len(found) > PAGE_LINES)

    async def of_order(self, site: Site, order_id: str) -> Sequence[KeptMessage]:
        """The newest first, and not more than fit on a page."""
        return await self._messages.listed(site.id, limit=_OF_ORDER_MAX, order_id=order_id)

    async def find(self, site: Site, message_id: int) -> KeptMessage:
        """With its mail exactly as it is sent. Raises NotFound, also for a message of another site; Unavailable."""
        message = await self._messages.find(site.id, message_id)
        if message is None:
            raise NotFound("There is no such message.")
        mail = self._writing.opened(message, site.key)
        return replace(message, mail=mail and _as_sent(mail))

    async def undelivered(self, site: Site) -> int:
        """How many could not be delivered lately."""
        return await self._messages.undelivered(site.id, since=self._clock.now() - LOST_FOR)

    async def send_again(self, site: Site, message_id: int, *, sendings: int, operator_id: int) -> bool:
        """Once more, as it is; whether this press did it. One for what was sent again since, or waits, does nothing.

        Raises NotFound; TooLate for a link to all bookings that is over; Unavailable.
        """
        message, now = await self.find(site, message_id), self._clock.now()
        if message.kind is Kind.MY_BOOKINGS:
            code_hash = self._writing.link_of(message, site.key, now).code_hash
            if not await self._my_bookings.is_open(site.id, code_hash, now):
                raise TooLate("The link in this message works no longer: whoever needs one asks for a new one.")
        entry = _entry(site, message, Deed.MESSAGE_SENT_AGAIN, operator_id, now)
        return await self._messages.send_again(site.id, message_id, sendings=sendings, entry=entry)

    async def came_back(self, site: Site, message_id: int, *, sendings: int, operator_id: int) -> bool:
        """Somebody has found it in the mailbox that mails come back to: it is refused from now on. Whether this press
        did that. Raises NotFound, Unavailable.
        """
        entry = _entry(site, await self.find(site, message_id), Deed.MESSAGE_CAME_BACK, operator_id, self._clock.now())
        return await self._messages.came_back(site.id, message_id, sendings=sendings, entry=entry)

    def sample(self, site: Site, kind: Kind, role: Role, language: str) -> Mail:
        """How such a message reads, with an order that nobody has made."""
        now = self._clock.now()
        mail, _ = compose(_sample(site, kind, role, now), language=language, zone=site.zone, at=now)
        return _as_sent(mail)


def _entry(site: Site, message: KeptMessage, deed: Deed, operator_id: int, at: datetime) -> Entry:
    detail = {"kind": message.kind.value, "recipient": message.role.value}
    return Entry(site.id, operator_id, deed, at, message.order_id or "", detail)


def _as_sent(mail: Mail) -> Mail:
    return replace(mail, calendar=mail.calendar and folded(mail.calendar))


def _sample(site: Site, kind: Kind, role: Role, now: datetime) -> Facts:
    starts_at = (now + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
    is_over = kind in (Kind.CANCELLED, Kind.UNASSIGNED, Kind.PAYMENT_RETURNED, Kind.PAID_TOO_LATE)
    shown = Shown(
        slot=Slot("sample", starts_at, starts_at + timedelta(hours=1)),
        service_name="Sample service",
        seats=2,
        place=Place.IN_PERSON,
        access="" if is_over else "Elm Street 12, first floor",
        served_by=() if is_over else ("Mia",),
        left=Slot("sample", now, now + timedelta(hours=1)) if kind is Kind.MOVED else None,
        uid="sample@tenuto",
        is_cancelled=kind in (Kind.CANCELLED, Kind.UNASSIGNED),
    )
    has_text = role is Role.CUSTOMER and kind in (Kind.CANCELLED, Kind.WAITING_ALTERNATIVES)
    return Facts(
        kind=kind,
        role=role,
        site=site,
        shown=() if kind is Kind.MY_BOOKINGS else (shown,),
        link="" if role in (Role.STAFF, Role.ATTENDEE) else "https://book.example.org/sample",
        number="" if kind is Kind.MY_BOOKINGS else "ABCD-2345",
        customer="" if kind is Kind.MY_BOOKINGS else "Anna Berg",
        customer_address="anna@example.org",
        until=now + timedelta(hours=2) if kind is Kind.PAID_TOO_LATE else None,
        text="This is where your own words stand." if has_text else "",
        back=Money(1200, site.currency) if (kind, role) in _WITH_MONEY else None,
        my_bookings="https://book.example.org/my" if role is Role.CUSTOMER and kind is not Kind.MY_BOOKINGS else "",
    )
