"""The only place for links in mails: what opens an order, or all of a customer's, follows from the server's key."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hmac import compare_digest

from widget_server.domain.messages import KeptMessage, Kind, Mail
from widget_server.errors import NotFound, TooLate
from widget_server.ids import keyed

RETURN_FOR = timedelta(hours=1)
"""So long after the payment window somebody may come back from the pay page: banks take their time."""
_ENDS_LENGTH = 6
_SEAL = "\ue0fe"
"""Stands for the secret in mails that are kept. Nobody can type it: names must be printable."""


def link_secret(key: bytes, site_key: str, order_id: str) -> str:
    """Opens this one order, besides the secret that its customer's browser got when they booked."""
    return keyed(key, "order link", f"{site_key}/{order_id}")


def return_code(key: bytes, site_key: str, order_id: str, ends_at: datetime) -> str:
    """What a pay page sends its customer back with: it says until when it counts, and is worth nothing elsewhere.

    22 characters, as all that is sent in place of a secret: six say when it ends, and the rest proves it.
    """
    ends = base64.urlsafe_b64encode(int(ends_at.timestamp()).to_bytes(4)).decode()[:_ENDS_LENGTH]
    return ends + keyed(key, "return from paying", f"{site_key}/{order_id}/{ends}")[_ENDS_LENGTH:]


def end_of(code: str) -> datetime:
    """As it says itself; only its key proves it."""
    return datetime.fromtimestamp(int.from_bytes(base64.urlsafe_b64decode(f"{code[:_ENDS_LENGTH]}==")), UTC)


class OrderLinks:
    def __init__(self, key: bytes, base_url: str) -> None:
        self._key = key
        self._base_url = base_url

    def for_customer(self, site_key: str, order_id: str) -> str:
        return f"{self._base_url}/o/{site_key}/{order_id}#{link_secret(self._key, site_key, order_id)}"

    def receipt(self, site_key: str, order_id: str) -> str:
        page, _, secret = self.for_customer(site_key, order_id).partition("#")
        return f"{page}/receipt#{secret}"

    def from_paying(self, site_key: str, order_id: str, *, pay_until: datetime) -> str:
        """The order page, for Stripe to send its customer back to: it learns no secret of the order."""
        page, _, _ = self.for_customer(site_key, order_id).partition("#")
        return f"{page}#return={return_code(self._key, site_key, order_id, pay_until + RETURN_FOR)}"

    def secret_for(self, site_key: str, order_id: str, code: str, *, at: datetime) -> str:
        """What opens the order, for whoever comes back from paying it. The same as often as they come.

        Raises NotFound for a code that was made for something else, TooLate for one that counts no more.
        """
        if not compare_digest(code, return_code(self._key, site_key, order_id, ends_at := end_of(code))):
            raise NotFound("There is no such order.")
        if at >= ends_at:
            raise TooLate("This address counts no more. The link in your mail does.")
        return link_secret(self._key, site_key, order_id)

    def for_operator(self, site_key: str, order_id: str) -> str:
        return f"{self._base_url}/admin/sites/{site_key}/orders/{order_id}"

    def for_meeting(self, site_key: str, slot_id: str) -> str:
        """Where owners see who comes."""
        return f"{self._base_url}/admin/sites/{site_key}/meetings/{slot_id}"

    def for_diary(self, site_key: str) -> str:
        """Where staff see whom they serve."""
        return f"{self._base_url}/admin/sites/{site_key}/diary"

    def for_payments(self, site_key: str) -> str:
        """Where owners enter other keys."""
        return f"{self._base_url}/admin/sites/{site_key}/payments"

    def for_my_bookings(self, site_key: str) -> str:
        """Where a customer asks for all they have booked."""
        return f"{self._base_url}/my/{site_key}"

    def my_bookings(self, site_key: str, code: str, language: str) -> str:
        """Where they see it."""
        return f"{self.for_my_bookings(site_key)}?lang={language}#{code}"

    def code_of(self, message: KeptMessage, site_key: str) -> str:
        """Of a message with a link to a customer's bookings: the same each time it is written, and in no other one."""
        return keyed(self._key, "my bookings", f"{site_key}/{message.event}")

    def sealed(self, mail: Mail, message: KeptMessage, site_key: str) -> Mail:
        """As it is kept: whoever reads the database, or a copy of it, can open no order."""
        secret = self._secret_of(message, site_key)
        return _put(mail, secret, _SEAL) if secret else mail

    def opened(self, mail: Mail, message: KeptMessage, site_key: str) -> Mail:
        """As it is sent and shown."""
        secret = self._secret_of(message, site_key)
        return _put(mail, _SEAL, secret) if secret else mail

    def _secret_of(self, message: KeptMessage, site_key: str) -> str | None:
        if message.kind is Kind.MY_BOOKINGS:
            return self.code_of(message, site_key)
        return link_secret(self._key, site_key, message.order_id) if message.order_id else None


def _put(mail: Mail, old: str, new: str) -> Mail:
    calendar = mail.calendar and mail.calendar.replace(old, new)
    return replace(mail, plain=mail.plain.replace(old, new), html=mail.html.replace(old, new), calendar=calendar)
