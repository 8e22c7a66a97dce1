"""A pretend Stripe on a real socket, an account there, and our gateway to it: for tests in which something is paid.

    async def test_paid_is_paid(shop: Shop) -> None:        # or `async with opened_shop() as shop:`
        payment = await shop.gateway.open(shop.keys, wanted_payment())
        shop.books.pay(payment.session_id)

        payment = await shop.gateway.read(shop.keys, payment.session_id)
        assert payment.state is PaymentState.AUTHORISED

A server under test gets `shop.url` as its gateway's `api_url`, and `shop.keys` as its site's keys.

Customers:  `shop.books.pay(session_id)` by card; `.pay(session_id, "ideal")` is charged at once, `"sepa_debit"` takes
            days until `.arrive(…)` or `.fail(…)`; `.ask_bank(…)` and `.answer_bank(…, is_sure=True)`; `.decline(…)`.
            `shop.only_session` is the session of the one payment that your test has begun.
Banks:      `shop.books.lapse(session_id)` ends an authorisation, `.let_pass(timedelta(minutes=40))` ends sessions.
At Stripe:  `shop.books.capture(session_id)`, `.refund(session_id, amount)`; `shop.account.refunds_wait = True`, then
            `.finish_refund(refund.id)` or `.finish_refund(refund.id, why_not="declined")`.
What is:    `shop.books.session(session_id).status`, `shop.books.intent(session_id).status` and its `.charge`;
            `shop.taken_minor` is all that the account has captured and not given back.
Faults:     `shop.faults.plan("capture", "cut", after=True)`: the next capture happens, and its answer is lost.
            "broken" is a 500, "busy" a 429, "locked" a lock; `times=3` for more. Which calls: `faults.Call`.
            `stop = shop.faults.stop("capture")`, `await stop.reached.wait()`, then `stop.go()`: to come in between.
Webhooks:   `for letter in shop.letters():` post `letter.body` with `Stripe-Signature: {letter.signature}`.
            `shop.books.post` says how: `.doubled`, `.reordered`, `.dropped`, `.forged`, `.stale_s`.
            With `shop.account.webhook_url = "http://…/stripe/webhook/studio"` they are sent over the network instead,
            after `post.delay_s`; `await shop.told()` returns once all are.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette

from tests.live.serving import Server
from widget_server.clock import SystemClock
from widget_server.domain.money import Money
from widget_server.domain.payments import SESSION_LENGTH, Payment, PaymentAccount, PaymentLine, WantedPayment
from widget_server.ids import new_id
from widget_server.payments.fake_stripe import Account, Books, app
from widget_server.payments.fake_stripe.faults import Faults
from widget_server.payments.fake_stripe.objects import Session
from widget_server.payments.fake_stripe.webhooks import Letter, take_letters
from widget_server.payments.stripe_gateway import StripeGateway

PATIENCE_S = 60.0
"""How long the gateway waits: a slow machine is no fault that a test asked for."""


@dataclass
class Shop:
    url: str
    books: Books
    account: Account
    gateway: StripeGateway
    served: Starlette

    @property
    def keys(self) -> PaymentAccount:
        """As an operator would have entered them."""
        return keys_of(self.account)

    @property
    def faults(self) -> Faults:
        return self.books.faults

    @property
    def only_session(self) -> Session:
        (session,) = self.account.sessions.values()
        return session

    @property
    def taken_minor(self) -> int:
        charges = [intent.charge for intent in self.account.intents.values() if intent.charge]
        return sum(charge.left_to_refund for charge in charges if charge.amount_captured)

    def letters(self) -> list[Letter]:
        """What Stripe has not told yet."""
        return take_letters(self.books, self.account)

    async def told(self) -> None:
        await self.served.state.postman.rest()


def keys_of(account: Account) -> PaymentAccount:
    return PaymentAccount(account.secret_key, account.webhook_secret)


def wanted_payment(**changes: Any) -> WantedPayment:
    """Two seats at 12.50, for anna."""
    price = Money(1250, "EUR")
    wanted: dict[str, Any] = {
        "attempt_id": new_id(),
        "lines": (PaymentLine("Gentle yoga, Mon 23 Nov 2026, 09:00", price, 2),),
        "amount": price.times(2),
        "email": "anna@example.org",
        "locale": "en-GB",
        "return_url": "https://book.example.org/o/studio/an-order#its-secret",
        "cancel_url": "https://book.example.org/w/studio",
        "expires_at": datetime.now(UTC).replace(microsecond=0) + SESSION_LENGTH,
    }
    return WantedPayment(**{**wanted, **changes})


@asynccontextmanager
async def opened_shop(**account: Any) -> AsyncIterator[Shop]:
    """`account` goes to `Books.open_account`: names and keys, where they matter."""
    listening = socket.create_server(("127.0.0.1", 0))
    # Connections inherit it. Without, each answer waits 40 ms, for an acknowledgement that is waiting itself.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    books = Books(SystemClock(), public_url=url)
    pretend_stripe = app(books)
    server = Server(pretend_stripe, lambda: None, http="auto")
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    gateway = StripeGateway(api_url=url, timeout_s=PATIENCE_S)
    try:
        yield Shop(url, books, books.open_account(**account), gateway, pretend_stripe)
    finally:
        books.faults.let_all_go()
        await gateway.close()
        await pretend_stripe.state.postman.close()
        server.handle_exit(15, None)
        await asyncio.wait_for(serving, timeout=PATIENCE_S)


async def opened(shop: Shop, **changes: Any) -> Payment:
    return await shop.gateway.open(shop.keys, wanted_payment(**changes))


async def authorised(shop: Shop, **changes: Any) -> Payment:
    payment = await opened(shop, **changes)
    shop.books.pay(payment.session_id)
    return await shop.gateway.read(shop.keys, payment.session_id)


async def captured(shop: Shop, **changes: Any) -> Payment:
    return await capture(shop, await authorised(shop, **changes))


async def capture(shop: Shop, payment: Payment) -> Payment:
    return await shop.gateway.capture(shop.keys, payment, attempt_id=payment.attempt_id)


async def void(shop: Shop, payment: Payment) -> Payment:
    return await shop.gateway.void(shop.keys, payment, attempt_id=payment.attempt_id)
