"""The only place for links to orders: what opens one is derived from the server's key, and kept nowhere."""

from dataclasses import replace

from widget_server.domain.messages import Mail
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

    def for_operator(self, site_key: str, order_id: str) -> str:
        return f"{self._base_url}/admin/sites/{site_key}/orders/{order_id}"

    def sealed(self, mail: Mail, site_key: str, order_id: str | None) -> Mail:
        """As it is kept: whoever reads the database, or a copy of it, can open no order."""
        return _put(mail, link_secret(self._key, site_key, order_id), _SEAL) if order_id else mail

    def opened(self, mail: Mail, site_key: str, order_id: str | None) -> Mail:
        """As it is sent and shown."""
        return _put(mail, _SEAL, link_secret(self._key, site_key, order_id)) if order_id else mail


def _put(mail: Mail, old: str, new: str) -> Mail:
    calendar = mail.calendar and mail.calendar.replace(old, new)
    return replace(mail, plain=mail.plain.replace(old, new), html=mail.html.replace(old, new), calendar=calendar)
