"""The only place for links in mails: what opens an order, or all of a customer's, follows from the server's key."""

from dataclasses import replace

from widget_server.domain.messages import KeptMessage, Kind, Mail
from widget_server.ids import keyed

_SEAL = "\ue0fe"
"""Stands for the secret in mails that are kept. Nobody can type it: names must be printable."""


def link_secret(key: bytes, site_key: str, order_id: str) -> str:
    """Opens this one order, besides the secret that its customer's browser got when they booked."""
    return keyed(key, "order link", f"{site_key}/{order_id}")


class OrderLinks:
    def __init__(self, key: bytes, base_url: str) -> None:
        self._key = key
        self._base_url = base_url

    def for_customer(self, site_key: str, order_id: str) -> str:
        return f"{self._base_url}/o/{site_key}/{order_id}#{link_secret(self._key, site_key, order_id)}"

    def receipt(self, site_key: str, order_id: str) -> str:
        page, _, secret = self.for_customer(site_key, order_id).partition("#")
        return f"{page}/receipt#{secret}"

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
