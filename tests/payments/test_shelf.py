"""The pretend Stripe's books in a file, from one start of a server to the next."""

from pathlib import Path

import pytest

from tests.live.serving import served
from tests.payments.shop import PATIENCE_S, keys_of, wanted_payment
from tests.payments.till import Till
from widget_server.clock import SystemClock
from widget_server.domain.payments import PaymentState, RefundState
from widget_server.ids import new_id
from widget_server.payments import fake_stripe
from widget_server.payments.fake_stripe.shelf import load, save
from widget_server.payments.stripe_gateway import StripeGateway

pytestmark = pytest.mark.anyio


def test_books_are_the_same_when_they_are_read_again(till: Till, tmp_path: Path) -> None:
    till.session()
    till.books.decline(till.session().id)
    paid = till.paid_session()
    till.books.capture(paid.id)
    till.books.refund(paid.id, 700)
    save(till.books, tmp_path / "books.json")

    again = Till()
    again.books.open_account(secret_key=till.account.secret_key, webhook_url="http://localhost:2/another")
    load(again.books, tmp_path / "books.json")
    account = again.books.account_of(till.account.secret_key)
    assert account.webhook_url == "http://localhost:2/another"
    assert account.sessions == till.account.sessions
    assert account.intents == till.account.intents
    assert account.refunds == till.account.refunds
    assert account.sessions[paid.id].intent is account.intents[till.books.intent(paid.id).id]
    again.books.refund(paid.id, 1800)
    assert again.books.intent(paid.id).charge.amount_refunded == 2500  # type: ignore[union-attr]


async def test_what_was_paid_before_a_restart_is_captured_and_given_back_after_it(tmp_path: Path) -> None:
    file, key = tmp_path / "books.json", "sk_test_of_the_demo"
    books, wanted = fake_stripe.Books(SystemClock(), public_url=""), wanted_payment()
    async with served(fake_stripe.app(books, kept_in=file), lambda: None, http="auto") as (_, port):
        books.public_url = f"http://127.0.0.1:{port}"
        keys = keys_of(books.open_account(secret_key=key))
        gateway = StripeGateway(api_url=books.public_url, timeout_s=PATIENCE_S)
        opened = await gateway.open(keys, wanted)
        books.pay(opened.session_id)
        await gateway.close()

    books = fake_stripe.Books(SystemClock(), public_url="")
    async with served(fake_stripe.app(books, kept_in=file), lambda: None, http="auto") as (_, port):
        books.public_url = f"http://127.0.0.1:{port}"
        keys = keys_of(books.open_account(secret_key=key))
        gateway = StripeGateway(api_url=books.public_url, timeout_s=PATIENCE_S)
        again = await gateway.open(keys, wanted)
        assert again.session_id == opened.session_id
        payment = await gateway.read(keys, again.session_id)
        captured = await gateway.capture(keys, payment, attempt_id=payment.attempt_id)
        assert captured.state is PaymentState.CAPTURED
        assert captured.intent_id is not None
        refund = await gateway.refund(keys, captured.intent_id, 2500, refund_id=new_id())
        assert refund.state is RefundState.DONE
        await gateway.close()


@pytest.mark.parametrize("written", [None, "", "{", "[{}]", '{"a": 1}', "[1]"])
def test_without_books_or_with_strange_ones_all_begins_anew(till: Till, tmp_path: Path, written: str | None) -> None:
    file = tmp_path / "books.json"
    if written is not None:
        file.write_text(written)

    load(till.books, file)
    assert till.books.accounts() == (till.account,)


def test_nobody_else_may_read_the_books(till: Till, tmp_path: Path) -> None:
    save(till.books, tmp_path / "books.json")

    assert (tmp_path / "books.json").stat().st_mode & 0o077 == 0
