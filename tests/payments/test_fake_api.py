"""The pretend Stripe over plain HTTP, where Stripe's client would not let us do wrong."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient
from httpx2 import Response as Answer

from tests.payments.shop import PATIENCE_S, Shop, opened_shop

pytestmark = pytest.mark.anyio
SESSIONS = "/v1/checkout/sessions"


class Shopkeeper:
    """Speaks with the pretend Stripe in forms."""

    def __init__(self, shop: Shop, client: AsyncClient) -> None:
        self.shop = shop
        self._client = client

    async def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, *, key: str | None = None, **headers: str
    ) -> Answer:
        headers = {"authorization": f"Bearer {self.shop.account.secret_key}", **headers}
        if key:
            headers["idempotency-key"] = key
        return await self._client.request(method, path, data=form, headers=headers)

    async def open(self, *, key: str | None = None, **changes: str | None) -> Answer:
        return await self.ask("POST", SESSIONS, self.wanted(**changes), key=key)

    def wanted(self, **changes: str | None) -> dict[str, str]:
        """Parameters of a name with brackets are changed by `form | {…}`; None leaves one out."""
        form: dict[str, str | None] = {
            "mode": "payment",
            "line_items[0][price_data][currency]": "eur",
            "line_items[0][price_data][unit_amount]": "1250",
            "line_items[0][price_data][product_data][name]": "Yoga",
            "line_items[0][quantity]": "2",
            "success_url": "https://book.example.org/o?session={CHECKOUT_SESSION_ID}",
            "payment_method_options[card][capture_method]": "manual",
        }
        return {name: value for name, value in {**form, **changes}.items() if value is not None}

    async def authorise(self) -> tuple[str, str]:
        """The ids of a session and of its intent."""
        session_id = (await self.open()).json()["id"]
        self.shop.books.pay(session_id)
        return session_id, self.shop.books.intent(session_id).id


@pytest.fixture
async def anna(shop: Shop) -> AsyncIterator[Shopkeeper]:
    async with AsyncClient(base_url=shop.url, timeout=PATIENCE_S) as client:
        yield Shopkeeper(shop, client)


def refused(answer: Answer, status: int, kind: str, code: str | None = None, param: str | None = None) -> str:
    """The message, of an error in the one shape that Stripe's have."""
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    error: dict[str, Any] = answer.json()["error"]
    message = error.pop("message")
    assert message
    assert error.pop("type") == kind, answer.text
    assert (error.pop("code", None), error.pop("param", None), error) == (code, param, {}), answer.text
    return str(message)


# Keys


@pytest.mark.parametrize("authorization", ["", "Bearer", "Digest sk_test_1", "Basic !!", "Basic Og=="])
async def test_without_a_key_nothing_is_answered(anna: Shopkeeper, authorization: str) -> None:
    refused(await anna.ask("GET", "/v1/account", authorization=authorization), 401, "invalid_request_error")


async def test_a_wrong_key_is_refused_without_being_repeated(anna: Shopkeeper) -> None:
    answer = await anna.ask("GET", "/v1/account", authorization="Bearer sk_test_of_somebody_else")

    assert "of_somebody" not in refused(answer, 401, "invalid_request_error")


async def test_a_key_may_come_as_a_user_name_too(anna: Shopkeeper) -> None:
    credentials = base64.b64encode(f"{anna.shop.account.secret_key}:".encode()).decode()

    answer = await anna.ask("GET", "/v1/account", authorization=f"Basic {credentials}")
    assert answer.json()["id"] == anna.shop.account.id


async def test_each_account_has_its_own_objects(anna: Shopkeeper) -> None:
    session_id, intent_id = await anna.authorise()
    other = f"Bearer {anna.shop.books.open_account(name='Another').secret_key}"

    for path, param in ((f"{SESSIONS}/{session_id}", "session"), (f"/v1/payment_intents/{intent_id}", "intent")):
        answer = await anna.ask("GET", path, authorization=other)
        refused(answer, 404, "invalid_request_error", "resource_missing", param)


# Parameters


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"mode": None}, "parameter_missing", "mode"),
        ({"success_url": None}, "parameter_missing", "success_url"),
        ({"tip": "5"}, "parameter_unknown", "tip"),
        ({"line_items[0][colour]": "red"}, "parameter_unknown", "line_items[0][colour]"),
        (
            {"line_items[0][price_data][unit_amount]": "12.50"},
            "parameter_invalid_integer",
            "line_items[0][price_data][unit_amount]",
        ),
        ({"line_items[0][price_data][unit_amount]": "24"}, "amount_too_small", "line_items"),
        ({"line_items[0][quantity]": "0"}, None, "line_items[0][quantity]"),
        ({"line_items[0][price_data][currency]": "EUR"}, None, "line_items[0][price_data][currency]"),
        ({"line_items": "one"}, None, "line_items"),
        ({"success_url": "javascript:alert(1)"}, "url_invalid", "success_url"),
        ({"success_url": ""}, "parameter_invalid_empty", "success_url"),
        ({"customer_email": "anna"}, "email_invalid", "customer_email"),
        ({"client_reference_id": "a" * 201}, None, "client_reference_id"),
        ({"metadata[attempt]": "a" * 501}, None, "metadata[attempt]"),
        ({"expires_at": "1"}, None, "expires_at"),
        ({"expires_at": "9999999999"}, None, "expires_at"),
        ({"adaptive_pricing[enabled]": "maybe"}, None, "adaptive_pricing[enabled]"),
        ({"mode": "subscription"}, None, "mode"),
        ({"locale[de]": "yes"}, None, "locale"),
        ({"a[b][c][d][e][f][g][h][i]": "deep"}, None, "a[b][c][d][e][f][g][h][i]"),
    ],
)
async def test_wrong_parameters_are_refused_by_name(
    anna: Shopkeeper, changes: dict[str, str | None], code: str | None, param: str
) -> None:
    answer = await anna.open(**changes)

    refused(answer, 400, "invalid_request_error", code, param)
    assert not anna.shop.account.sessions


async def test_a_session_lives_between_half_an_hour_and_a_day(anna: Shopkeeper) -> None:
    now = anna.shop.books.now()

    assert (await anna.open(expires_at=str(now + 31 * 60))).status_code == 200
    assert "30 minutes" in refused(
        await anna.open(expires_at=str(now + 29 * 60)), 400, "invalid_request_error", param="expires_at"
    )
    assert "24 hours" in refused(
        await anna.open(expires_at=str(now + 25 * 3600)), 400, "invalid_request_error", param="expires_at"
    )


async def test_an_address_that_stripe_does_not_have_is_told(anna: Shopkeeper) -> None:
    assert "GET: /v1/pay" in refused(await anna.ask("GET", "/v1/pay"), 404, "invalid_request_error")


async def test_a_body_that_is_too_large_is_not_read(anna: Shopkeeper) -> None:
    assert (await anna.open(customer_email="a" * 70_000)).status_code == 413


async def test_what_is_expanded_is_shown_and_the_rest_has_ids(anna: Shopkeeper) -> None:
    session_id, intent_id = await anna.authorise()
    path = f"{SESSIONS}/{session_id}"

    plain = (await anna.ask("GET", path)).json()["payment_intent"]
    intent = (await anna.ask("GET", f"{path}?expand[]=payment_intent")).json()["payment_intent"]
    charge = (await anna.ask("GET", f"{path}?expand[0]=payment_intent.latest_charge")).json()["payment_intent"]

    assert plain == intent["id"] == intent_id
    assert intent["latest_charge"] == charge["latest_charge"]["id"]


async def test_the_session_may_be_named_in_the_way_back(anna: Shopkeeper) -> None:
    session = (await anna.open()).json()

    assert session["success_url"] == f"https://book.example.org/o?session={session['id']}"


# Idempotency


async def test_the_same_key_and_parameters_have_the_same_answer(anna: Shopkeeper) -> None:
    first = await anna.open(key="k")
    again = await anna.open(key="k")

    assert (again.status_code, again.json()) == (200, first.json())
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert len(anna.shop.account.sessions) == 1


async def test_without_a_key_each_request_counts(anna: Shopkeeper) -> None:
    await anna.open()
    await anna.open()

    assert len(anna.shop.account.sessions) == 2


async def test_a_key_is_for_one_request(anna: Shopkeeper) -> None:
    session = (await anna.open(key="k")).json()

    refused(await anna.open(key="k", locale="de"), 400, "idempotency_error")
    refused(await anna.ask("POST", f"{SESSIONS}/{session['id']}/expire", key="k"), 400, "idempotency_error")


async def test_a_key_is_forgotten_after_a_day() -> None:
    async with opened_shop() as shop, AsyncClient(base_url=shop.url, timeout=PATIENCE_S) as client:
        anna = Shopkeeper(shop, client)
        await anna.open(key="k")
        shop.books.let_pass(timedelta(days=1))

        await anna.open(key="k", locale="de")
        assert len(shop.account.sessions) == 2


async def test_another_accounts_key_is_another_key(anna: Shopkeeper) -> None:
    other = anna.shop.books.open_account(name="Another")
    await anna.open(key="k")

    answer = await anna.ask(
        "POST", SESSIONS, anna.wanted(locale="de"), key="k", authorization=f"Bearer {other.secret_key}"
    )
    assert answer.status_code == 200
    assert len(other.sessions) == 1


async def test_a_request_under_way_keeps_its_key_to_itself(anna: Shopkeeper) -> None:
    stop = anna.shop.faults.stop("open")
    first = asyncio.create_task(anna.open(key="k"))
    await stop.reached.wait()

    refused(await anna.open(key="k"), 409, "idempotency_error", "idempotency_key_in_use")
    stop.go()
    assert (await first).status_code == 200
    assert (await anna.open(key="k")).json() == (await first).json()


async def test_a_refusal_of_what_was_tried_is_the_answer_for_good(anna: Shopkeeper) -> None:
    session_id, intent_id = await anna.authorise()
    anna.shop.books.capture(session_id)

    first = await anna.ask("POST", f"/v1/payment_intents/{intent_id}/cancel", key="k")
    again = await anna.ask("POST", f"/v1/payment_intents/{intent_id}/cancel", key="k")
    assert refused(first, 400, "invalid_request_error", "payment_intent_unexpected_state")
    assert again.json() == first.json()
    assert "idempotent-replayed" in again.headers


async def test_wrong_parameters_leave_the_key_for_right_ones(anna: Shopkeeper) -> None:
    refused(await anna.open(key="k", expires_at="1"), 400, "invalid_request_error", param="expires_at")

    assert (await anna.open(key="k")).status_code == 200


@pytest.mark.parametrize(("after", "status", "captured"), [(False, 200, 2500), (True, 500, 2500)])
async def test_a_broken_answer_is_kept_if_something_was_done(
    anna: Shopkeeper, after: bool, status: int, captured: int
) -> None:
    _, intent_id = await anna.authorise()
    path = f"/v1/payment_intents/{intent_id}/capture"
    anna.shop.faults.plan("capture", "broken", after=after)

    assert refused(await anna.ask("POST", path, key="k"), 500, "api_error")
    assert (await anna.ask("POST", path, key="k")).status_code == status
    assert anna.shop.taken_minor == captured


# States


async def test_a_session_that_is_not_open_cannot_be_ended(anna: Shopkeeper) -> None:
    session_id, _ = await anna.authorise()

    message = refused(await anna.ask("POST", f"{SESSIONS}/{session_id}/expire"), 400, "invalid_request_error")
    assert "status of `complete`" in message


@pytest.mark.parametrize("step", ["capture", "cancel"])
async def test_the_payment_of_an_open_session_can_be_neither_captured_nor_cancelled(
    anna: Shopkeeper, step: str
) -> None:
    session_id = (await anna.open()).json()["id"]
    anna.shop.books.decline(session_id)
    intent_id = anna.shop.books.intent(session_id).id

    answer = await anna.ask("POST", f"/v1/payment_intents/{intent_id}/{step}")
    refused(answer, 400, "invalid_request_error", "payment_intent_unexpected_state")


async def test_a_capture_takes_at_most_what_was_authorised(anna: Shopkeeper) -> None:
    _, intent_id = await anna.authorise()
    path = f"/v1/payment_intents/{intent_id}/capture"

    answer = await anna.ask("POST", path, {"amount_to_capture": "2501"})
    refused(answer, 400, "invalid_request_error", "amount_too_large", "amount_to_capture")
    assert (await anna.ask("POST", path, {"amount_to_capture": "2000"})).json()["amount_received"] == 2000


@pytest.mark.parametrize("amount", ["0", "-5", "2501"])
async def test_a_refund_of_too_much_or_nothing_is_refused(anna: Shopkeeper, amount: str) -> None:
    session_id, intent_id = await anna.authorise()
    anna.shop.books.capture(session_id)

    answer = await anna.ask("POST", "/v1/refunds", {"payment_intent": intent_id, "amount": amount})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "amount"
    assert anna.shop.taken_minor == 2500


async def test_an_event_can_be_read_again(anna: Shopkeeper) -> None:
    await anna.authorise()

    for event in anna.shop.account.events.values():
        answer = await anna.ask("GET", f"/v1/events/{event.id}")
        assert answer.json() == event.as_json()
