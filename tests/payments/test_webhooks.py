"""Events on their way: signed as Stripe signs, believed only if so, and wrong on demand."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.live.serving import served
from tests.payments.shop import PATIENCE_S, Shop, wanted_payment
from widget_server.domain.payments import PaymentEvent
from widget_server.errors import BadSignature, InvalidRequest
from widget_server.payments.fake_stripe.webhooks import Letter, sign

pytestmark = pytest.mark.anyio


async def happened(shop: Shop) -> tuple[str, list[Letter]]:
    """An attempt whose customer has paid, and what there is to tell of it."""
    wanted = wanted_payment()
    payment = await shop.gateway.open(shop.keys, wanted)
    shop.books.pay(payment.session_id)
    return wanted.attempt_id, shop.letters()


def read(shop: Shop, letter: Letter) -> PaymentEvent:
    return shop.gateway.read_event(shop.keys, letter.body, letter.signature)


def kinds(shop: Shop, letters: list[Letter]) -> list[str]:
    """What each of them says that has happened, if it is to be believed."""
    return [kind_of(letter) for letter in letters if read(shop, letter)]


def kind_of(letter: Letter) -> str:
    return str(json.loads(letter.body)["type"])


def _strange(**changes: object) -> bytes:
    """An event but for this."""
    return json.dumps({"id": "evt_1", "type": "a", "data": {"object": {"object": "charge"}}, **changes}).encode()


PAID = ["payment_intent.created", "payment_intent.amount_capturable_updated", "checkout.session.completed"]


async def test_an_event_says_which_attempt_it_is_about(shop: Shop) -> None:
    attempt_id, letters = await happened(shop)
    payment = await shop.gateway.capture(
        shop.keys, await shop.gateway.read(shop.keys, shop.only_session.id), attempt_id=attempt_id
    )
    shop.books.refund(payment.session_id, 700)

    letters = [*letters, *shop.letters()]
    events = [read(shop, letter) for letter in letters]
    assert kinds(shop, letters) == [
        *PAID,
        "payment_intent.succeeded",
        "charge.refunded",
        "refund.created",
    ]
    assert {event.intent_id for event in events} == {payment.intent_id}
    assert [event.attempt_id for event in events] == [attempt_id] * 5 + [None]
    assert len({event.id for event in events}) == 6


async def test_stripes_own_package_believes_the_signature(shop: Shop) -> None:
    _, letters = await happened(shop)

    for letter in letters:
        stripe.Webhook.construct_event(letter.body, letter.signature, shop.account.webhook_secret)


async def test_what_is_told_is_told_once(shop: Shop) -> None:
    await happened(shop)

    assert shop.letters() == []


async def test_a_forged_event_is_not_believed(shop: Shop) -> None:
    shop.books.post.forged = True
    _, letters = await happened(shop)

    with pytest.raises(BadSignature):
        read(shop, letters[0])


async def test_a_changed_event_is_not_believed(shop: Shop) -> None:
    _, letters = await happened(shop)

    with pytest.raises(BadSignature):
        read(shop, replace(letters[0], body=letters[0].body.replace(b"2500", b"2501")))


@pytest.mark.parametrize(("stale_s", "is_believed"), [(240, True), (330, False)])
async def test_a_stale_event_is_not_believed(shop: Shop, stale_s: int, is_believed: bool) -> None:
    shop.books.post.stale_s = stale_s
    _, letters = await happened(shop)

    if is_believed:
        assert kinds(shop, letters) == PAID
    else:
        with pytest.raises(BadSignature):
            read(shop, letters[0])


async def test_another_accounts_event_is_not_believed(shop: Shop) -> None:
    _, letters = await happened(shop)
    other = replace(shop, account=shop.books.open_account(name="Another studio"))

    with pytest.raises(BadSignature):
        read(other, letters[0])


@pytest.mark.parametrize(
    "signature", ["", "t=1", "v1=ab", "t=,v1=", "t=x,v1=y", "t=99999999999999999999,v1=ab", "ü", ","]
)
async def test_what_is_no_signature_is_not_believed(shop: Shop, signature: str) -> None:
    with pytest.raises(BadSignature):
        shop.gateway.read_event(shop.keys, b"{}", signature)


async def test_a_body_that_is_no_text_is_not_believed(shop: Shop) -> None:
    with pytest.raises(BadSignature):
        shop.gateway.read_event(shop.keys, b"\xff\xfe", "t=1,v1=ab")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id": 1, "type": "a", "data": {"object": {}}}',
        b"null",
        b"[" * 9000,
        _strange(id=1),
        _strange(id="e" * 256),
    ],
)
async def test_what_is_signed_and_no_event_is_refused(shop: Shop, body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        shop.gateway.read_event(shop.keys, body, sign(body, shop.account.webhook_secret, shop.books.now()))
    assert not isinstance(refused.value, BadSignature)


async def test_events_that_we_did_not_ask_for_say_nothing(shop: Shop) -> None:
    body = json.dumps({"id": "evt_1", "type": "customer.created", "data": {"object": {"object": "customer"}}}).encode()

    event = shop.gateway.read_event(shop.keys, body, sign(body, shop.account.webhook_secret, shop.books.now()))
    assert event == PaymentEvent("evt_1", None, None)


@pytest.mark.parametrize(
    ("switch", "told"),
    [
        ("doubled", [kind for kind in PAID for _ in range(2)]),
        ("reordered", PAID[::-1]),
        ("dropped", []),
    ],
)
async def test_events_are_doubled_reordered_or_dropped_on_demand(shop: Shop, switch: str, told: list[str]) -> None:
    setattr(shop.books.post, switch, True)
    _, letters = await happened(shop)

    assert kinds(shop, letters) == told


class Mailbox:
    """A webhook of a business: what it was told, and how often it says that it is not well."""

    def __init__(self, shop: Shop, *, ill_times: int) -> None:
        self.told: list[str] = []
        self._shop, self._ill_times = shop, ill_times

    async def hear(self, request: Request) -> Response:
        letter = Letter(await request.body(), request.headers["stripe-signature"])
        self.told += kinds(self._shop, [letter])
        self._ill_times -= 1
        return Response(status_code=503 if self._ill_times >= 0 else 200)


@asynccontextmanager
async def mailbox(shop: Shop, *, ill_times: int = 0) -> AsyncIterator[Mailbox]:
    box = Mailbox(shop, ill_times=ill_times)
    app = Starlette(routes=[Route("/hook", box.hear, methods=["POST"])])
    async with served(app, lambda: None, http="auto") as (_, port):
        shop.account.webhook_url = f"http://127.0.0.1:{port}/hook"
        yield box
        shop.account.webhook_url = None


async def test_events_travel_over_the_network(shop: Shop) -> None:
    async with mailbox(shop) as box:
        payment = await shop.gateway.open(shop.keys, wanted_payment())
        shop.books.pay(payment.session_id)

        await asyncio.wait_for(shop.told(), PATIENCE_S)
        assert box.told == PAID


async def test_an_event_is_told_again_until_it_is_heard(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widget_server.payments.fake_stripe.webhooks.PAUSES_S", (0.01,) * 5)
    async with mailbox(shop, ill_times=2) as box:
        payment = await shop.gateway.open(shop.keys, wanted_payment())
        shop.books.pay(payment.session_id)

        await asyncio.wait_for(shop.told(), PATIENCE_S)
        assert sorted(box.told) == sorted([*PAID, *box.told[:2]])


async def test_a_webhook_that_stays_ill_is_given_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widget_server.payments.fake_stripe.webhooks.PAUSES_S", (0.01,) * 2)
    async with mailbox(shop, ill_times=1000) as box:
        await shop.gateway.expire(shop.keys, (await shop.gateway.open(shop.keys, wanted_payment())).session_id)

        await asyncio.wait_for(shop.told(), PATIENCE_S)
        assert box.told == ["checkout.session.expired"] * 3


async def test_events_may_be_late(shop: Shop) -> None:
    shop.books.post.delay_s = 0.2
    async with mailbox(shop) as box:
        payment = await shop.gateway.open(shop.keys, wanted_payment())
        shop.books.pay(payment.session_id)
        captured = await shop.gateway.capture(
            shop.keys, await shop.gateway.read(shop.keys, payment.session_id), attempt_id=payment.attempt_id
        )

        assert captured.captured_minor == 2500
        await asyncio.wait_for(shop.told(), PATIENCE_S)
        assert set(box.told) == {*PAID, "payment_intent.succeeded"}
