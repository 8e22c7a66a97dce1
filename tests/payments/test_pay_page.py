"""The pretend pay page, as a browser would use it: it says what it is, and does as it is told."""

import html
from collections.abc import AsyncIterator

import pytest
from httpx2 import AsyncClient
from httpx2 import Response as Answer

from tests.payments.shop import PATIENCE_S, Shop, wanted_payment
from widget_server.domain.money import Money
from widget_server.domain.payments import Payment, PaymentLine, PaymentState

pytestmark = pytest.mark.anyio


class Ben:
    """At a pay page."""

    def __init__(self, shop: Shop, client: AsyncClient, payment: Payment) -> None:
        assert payment.url is not None
        self.shop, self._client, self._payment, self._url = shop, client, payment, payment.url

    async def look(self) -> Answer:
        return await self._client.get(self._url)

    async def choose(self, how: str) -> Answer:
        return await self._client.post(self._url, data={"how": how})

    async def state(self) -> PaymentState:
        return (await self.shop.gateway.read(self.shop.keys, self._payment.session_id)).state


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with AsyncClient(timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
async def ben(shop: Shop, client: AsyncClient) -> Ben:
    wanted = wanted_payment(lines=(PaymentLine("Yoga <b>&</b> tea", Money(1250, "EUR"), 2),))
    return Ben(shop, client, await shop.gateway.open(shop.keys, wanted))


RETURN, CANCEL = wanted_payment().return_url, wanted_payment().cancel_url


async def test_the_page_says_that_it_is_pretend_and_what_is_paid(ben: Ben) -> None:
    page = await ben.look()

    assert page.status_code == 200
    for told in ("Pretend pay page", "25.00 EUR", "12.50 EUR", "anna@example.org", "A studio"):
        assert told in page.text
    assert html.escape("Yoga <b>&</b> tea") in page.text
    assert f'href="{CANCEL}"' in page.text


async def test_it_may_not_be_framed_or_kept_and_leads_back_to_the_business_alone(ben: Ben) -> None:
    headers = (await ben.look()).headers

    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "form-action 'self' https://book.example.org" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


async def test_its_style_is_there(ben: Ben, client: AsyncClient) -> None:
    style = await client.get(f"{ben.shop.url}/pay_page.css")

    assert style.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in style.text


@pytest.mark.parametrize(("how", "state"), [("pay", PaymentState.AUTHORISED), ("at-once", PaymentState.CAPTURED)])
async def test_paying_leads_back_to_the_business(ben: Ben, how: str, state: PaymentState) -> None:
    answer = await ben.choose(how)

    assert (answer.status_code, answer.headers["location"]) == (303, RETURN)
    assert await ben.state() is state


async def test_after_a_decline_the_page_says_so_and_the_next_try_works(ben: Ben) -> None:
    answer = await ben.choose("decline")

    assert answer.status_code == 303
    assert answer.headers["location"] == ben.shop.only_session.id
    assert "Your card was declined." in (await ben.look()).text
    assert (await ben.choose("pay")).headers["location"] == RETURN


@pytest.mark.parametrize(
    ("answer", "state"), [("bank-agrees", PaymentState.AUTHORISED), ("bank-refuses", PaymentState.OPEN)]
)
async def test_a_bank_may_ask_first(ben: Ben, answer: str, state: PaymentState) -> None:
    await ben.choose("ask-bank")
    assert "Your pretend bank asks" in (await ben.look()).text

    await ben.choose(answer)
    assert await ben.state() is state
    assert ("could not make sure" in (await ben.look()).text) == (state is PaymentState.OPEN)


async def test_paying_twice_is_paying_once(ben: Ben) -> None:
    await ben.choose("at-once")
    again = await ben.choose("at-once")

    assert "You have paid" in again.text
    assert f'href="{RETURN}"' in again.text
    assert ben.shop.taken_minor == 2500


async def test_an_expired_page_takes_nothing(ben: Ben) -> None:
    await ben.shop.gateway.expire(ben.shop.keys, ben.shop.only_session.id)

    answer = await ben.choose("pay")
    assert "This page has expired" in answer.text
    assert f'href="{CANCEL}"' in answer.text
    assert await ben.state() is PaymentState.GONE


async def test_without_a_choice_nothing_happens(ben: Ben) -> None:
    answer = await ben.choose("steal")

    assert answer.status_code == 422
    assert "Choose how it should go" in answer.text
    assert await ben.state() is PaymentState.OPEN


async def test_nobody_knows_a_page_that_was_never_made(shop: Shop, client: AsyncClient) -> None:
    answer = await client.get(f"{shop.url}/pay/cs_test_1")

    assert answer.status_code == 404
    assert "Nothing to pay" in answer.text


async def test_a_method_that_takes_days_is_offered_where_the_session_allows_it(ben: Ben) -> None:
    assert "takes days" not in (await ben.look()).text
    ben.shop.only_session.methods += ("sepa_debit",)

    assert "takes days" in (await ben.look()).text
    assert (await ben.choose("takes-days")).headers["location"] == RETURN
    assert await ben.state() is PaymentState.PROCESSING
