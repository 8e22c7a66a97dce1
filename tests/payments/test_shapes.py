"""The pretend Stripe against the types of Stripe's own package: it invents nothing, and leaves nothing out."""

from collections.abc import Mapping
from typing import Any

import pytest
import stripe
from stripe.params import (
    PaymentIntentCancelParams,
    PaymentIntentCaptureParams,
    PaymentIntentRetrieveParams,
    RefundCreateParams,
    RefundListParams,
    RefundRetrieveParams,
)
from stripe.params.checkout import SessionCreateParams, SessionExpireParams, SessionRetrieveParams

from tests.payments.shapes import fields_of, invented_parameters, names_in, wrong_fields
from tests.payments.till import Till
from widget_server.domain.methods import CARD, NAMES
from widget_server.payments.events import EVENTS
from widget_server.payments.fake_stripe import params
from widget_server.payments.fake_stripe.objects import API_VERSION
from widget_server.payments.fake_stripe.params import Shape, Text
from widget_server.payments.fake_stripe.refusals import missing_object
from widget_server.payments.pay_pages import LANGUAGES, TAKE_DAYS
from widget_server.payments.stripe_gateway import API_VERSION as OURS

EXPANDED = ("payment_intent.latest_charge",)
"""So that what is below is looked at, too."""


def wrong_sessions(till: Till, *steps: str) -> list[str]:
    session = till.session()
    for step in steps:
        getattr(till.books, step)(session.id)
    return list(wrong_fields(session.as_json(EXPANDED), stripe.checkout.Session))


@pytest.mark.parametrize(
    "steps",
    [(), ("decline",), ("ask_bank",), ("pay",), ("pay", "lapse"), ("pay", "capture"), ("pay", "capture", "refund")],
    ids=" ".join,
)
def test_a_session_its_intent_and_its_charge_have_the_fields_that_the_package_knows(
    till: Till, steps: tuple[str, ...]
) -> None:
    assert wrong_sessions(till, *steps) == []


def test_a_session_of_a_slow_method_has_them_too(till: Till) -> None:
    session = till.session()
    till.books.pay(session.id, "sepa_debit")

    assert list(wrong_fields(session.as_json(EXPANDED), stripe.checkout.Session)) == []


def test_a_session_that_ended_has_them_too(till: Till) -> None:
    session = till.session()
    till.account.expire(session.id, till.books.now())

    assert list(wrong_fields(session.as_json(EXPANDED), stripe.checkout.Session)) == []


def test_refunds_have_the_fields_that_the_package_knows(till: Till) -> None:
    session = till.session()
    till.account.refunds_wait = True
    till.books.pay(session.id, "ideal")
    refund = till.books.refund(session.id, 500)
    waiting = refund.as_json()
    till.books.finish_refund(refund.id, why_not="declined")

    assert list(wrong_fields(waiting, stripe.Refund)) == []
    assert list(wrong_fields(refund.as_json(), stripe.Refund)) == []


def test_the_account_has_the_fields_that_the_package_knows(till: Till) -> None:
    assert list(wrong_fields(till.account.as_json(), stripe.Account)) == []


def test_events_have_the_fields_and_the_names_that_the_package_knows(till: Till) -> None:
    session, late = till.session(), till.session()
    till.books.decline(session.id)
    till.books.pay(session.id)
    till.books.capture(session.id)
    till.books.refund(session.id)
    till.books.pay(late.id, "sepa_debit")
    till.books.arrive(late.id)
    till.account.expire(till.session().id, till.books.now())
    till.books.lapse(till.paid_session().id)

    assert len({event["type"] for event in till.events()}) == 11
    assert [wrong for event in till.events() for wrong in wrong_fields(event, stripe.Event)] == []


def test_errors_have_the_fields_that_the_package_knows() -> None:
    error = missing_object("refund", "re_1", "id").body()["error"]

    assert error.keys() <= stripe.ErrorObject.__annotations__.keys()


@pytest.mark.parametrize(
    ("taken", "known"),
    [
        (params.SESSION_CREATE, SessionCreateParams),
        (params.RETRIEVE, SessionRetrieveParams),
        (params.EXPIRE, SessionExpireParams),
        (params.RETRIEVE, PaymentIntentRetrieveParams),
        (params.CAPTURE, PaymentIntentCaptureParams),
        (params.CANCEL, PaymentIntentCancelParams),
        (params.REFUND_CREATE, RefundCreateParams),
        (params.REFUND_LIST, RefundListParams),
        (params.RETRIEVE, RefundRetrieveParams),
    ],
)
def test_no_parameter_is_taken_that_the_package_does_not_send(taken: Mapping[str, Shape], known: type) -> None:
    assert list(invented_parameters(taken, known)) == []


def test_all_speak_of_the_same_version() -> None:
    assert OURS == API_VERSION == stripe._api_version._ApiVersion.CURRENT


def test_what_we_ask_for_by_name_stripe_knows() -> None:
    wanted, methods = fields_of(SessionCreateParams), fields_of(stripe.Charge.PaymentMethodDetails)

    assert set(EVENTS) <= names_in(fields_of(stripe.Event)["type"])
    assert set(TAKE_DAYS) <= names_in(wanted["excluded_payment_method_types"])
    assert names_in(wanted["locale"]) - {"auto"} == LANGUAGES
    assert methods.keys() >= {CARD, *NAMES}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"paid_by": "anna"}, "paid_by is invented"),
        ({"status": "paid"}, "status is 'paid'"),
        ({"amount_total": "2500"}, "amount_total is '2500'"),
        ({"automatic_tax": {"enabled": False, "rate": 19, "status": None}}, "automatic_tax.rate is invented"),
    ],
)
def test_what_is_wrong_with_an_answer_is_found(till: Till, change: dict[str, Any], told: str) -> None:
    answer = {**till.session().as_json(), **change}

    (wrong,) = wrong_fields(answer, stripe.checkout.Session)
    assert wrong.startswith(told)


def test_what_is_missing_in_an_answer_is_found(till: Till) -> None:
    answer = till.session().as_json()
    del answer["expires_at"]

    assert list(wrong_fields(answer, stripe.checkout.Session)) == ["expires_at is missing"]


@pytest.mark.parametrize("shape", [{"tip": Text()}, {"amount": Text()}, {"reason": params.Choice(("mood",))}])
def test_an_invented_parameter_is_found(shape: Mapping[str, Shape]) -> None:
    assert len(list(invented_parameters(shape, RefundCreateParams))) == 1
