"""An account whose books are looked at without HTTP."""

from typing import Any

from widget_server.clock import SystemClock
from widget_server.payments.fake_stripe import Account, Books
from widget_server.payments.fake_stripe.objects import Session


class Till:
    def __init__(self) -> None:
        self.books = Books(SystemClock(), public_url="http://localhost:1")
        self.account: Account = self.books.open_account()

    def session(self) -> Session:
        """Two seats at 12.50, for anna."""
        line = {"price_data": {"currency": "eur", "unit_amount": 1250, "product_data": {"name": "Yoga"}}, "quantity": 2}
        wanted = {
            "mode": "payment",
            "line_items": [line],
            "success_url": "https://book.example.org/o",
            "cancel_url": "https://book.example.org/w",
            "customer_email": "anna@example.org",
            "metadata": {"attempt": "a"},
            "payment_intent_data": {"metadata": {"attempt": "a"}},
            "payment_method_options": {"card": {"capture_method": "manual"}},
        }
        return self.account.open_session(wanted, self.books.now())

    def paid_session(self) -> Session:
        """Authorised."""
        session = self.session()
        self.books.pay(session.id)
        return session

    def events(self) -> list[dict[str, Any]]:
        return [event.as_json() for event in self.account.events.values()]

    def told(self) -> list[str]:
        return [event["type"] for event in self.events()]
