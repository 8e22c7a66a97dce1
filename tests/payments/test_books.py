"""What time and customers do to the pretend Stripe's books."""

from datetime import timedelta

import pytest

from tests.payments.till import Till
from widget_server.payments.fake_stripe import account
from widget_server.payments.fake_stripe.books import NotPayable
from widget_server.payments.fake_stripe.refusals import StripeRefusal


def test_an_authorisation_lapses_after_a_week(till: Till) -> None:
    session = till.paid_session()
    till.books.let_pass(timedelta(days=6, hours=23))
    assert till.books.intent(session.id).status == "requires_capture"

    till.books.let_pass(timedelta(hours=1))
    assert till.books.intent(session.id).status == "canceled"
    assert till.told()[-1] == "payment_intent.canceled"


def test_a_session_ends_when_its_time_is_over_and_says_so_once(till: Till) -> None:
    session = till.session()
    till.books.let_pass(timedelta(days=1))
    till.books.let_pass(timedelta(days=1))

    assert (session.status, till.told()) == ("expired", ["checkout.session.expired"])


@pytest.mark.parametrize("how", ["pay", "decline", "ask_bank"])
def test_nobody_pays_twice_or_too_late(till: Till, how: str) -> None:
    paid, late = till.paid_session(), till.session()
    till.account.expire(late.id, till.books.now())

    for session in (paid, late):
        with pytest.raises(NotPayable):
            getattr(till.books, how)(session.id)


def test_ending_a_session_ends_what_its_bank_was_asked(till: Till) -> None:
    session = till.session()
    till.books.ask_bank(session.id)
    till.account.expire(session.id, till.books.now())

    assert till.books.intent(session.id).status == "canceled"
    with pytest.raises(NotPayable):
        till.books.answer_bank(session.id, is_sure=True)


def test_a_decline_and_then_a_payment_are_told_in_order(till: Till) -> None:
    session = till.session()
    till.books.decline(session.id)
    till.books.pay(session.id)
    till.books.capture(session.id)
    till.books.refund(session.id)

    assert till.told() == [
        "payment_intent.created",
        "payment_intent.payment_failed",
        "payment_intent.amount_capturable_updated",
        "checkout.session.completed",
        "payment_intent.succeeded",
        "charge.refunded",
        "refund.created",
    ]


def test_a_failed_refund_can_be_given_back_again(till: Till) -> None:
    till.account.refunds_wait = True
    session = till.paid_session()
    till.books.capture(session.id)
    refund = till.books.refund(session.id)
    with pytest.raises(StripeRefusal):
        till.books.refund(session.id, 1)

    till.books.finish_refund(refund.id, why_not="declined")
    till.books.refund(session.id, 2500)


def test_the_oldest_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "KEPT_MAX", 10)
    till = Till()
    first = till.paid_session()
    for _ in range(10):
        last = till.paid_session()

    kept = till.account
    assert {len(shelf) for shelf in (kept.sessions, kept.intents, kept.events, kept.untold)} == {10}
    assert till.books.session(last.id) is last
    with pytest.raises(StripeRefusal, match="No such checkout"):
        till.books.session(first.id)


def test_the_same_key_again_is_the_same_account(till: Till) -> None:
    again = till.books.open_account(secret_key=till.account.secret_key, webhook_url="http://localhost:2/")

    assert again is till.account
    assert again.webhook_url == "http://localhost:2/"
