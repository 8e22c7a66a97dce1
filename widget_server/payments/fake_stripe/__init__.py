"""A pretend Stripe: no money moves. It knows neither Stripe's package nor our gateway, which notices no difference.

`books.py` decides, `api.py` speaks HTTP as Stripe does, `pay_page.py` is what customers see, `webhooks.py` tells.

    books = Books(SystemClock(), public_url="https://book.example.org/pretend-stripe")
    account = books.open_account(webhook_url="https://book.example.org/stripe/webhook/studio")
    Mount("/pretend-stripe", fake_stripe.app(books, kept_in=data_dir / "pretend-stripe.json"))
    StripeGateway(api_url=books.public_url)
"""

from widget_server.payments.fake_stripe.account import Account
from widget_server.payments.fake_stripe.api import app
from widget_server.payments.fake_stripe.books import Books

__all__ = ["Account", "Books", "app"]
